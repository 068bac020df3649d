"""Run the numbered notebooks without a browser, strictly, and keep a copy and a page of each.

papermill alone ends with success where a reader would not: on a parameter that the notebook does
not have, on a notebook without a `parameters` cell (the notebook's own values then win), on
`sys.exit()` in a cell, on cells that never ran. `execute` turns each of these into an error.
"""

from __future__ import annotations

import ast
import math
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple

import nbformat
import papermill
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator
from traitlets import Type

from actlumos.pages import to_html
from actlumos.runtime.errors import NotebookError

Echo = Callable[[str], None]
FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


class StepTime(NamedTuple):
    """One notebook's name and how long it took, in seconds."""

    name: str
    seconds: float


class _Patient(AsyncZMQSocketChannel):
    """Looks for a reply again and again instead of trusting to be woken.

    A widget's output is echoed to the kernel while its cell still runs, on the very socket that
    waits for the cell's reply. The reply's wake-up call can be lost in that, and the wait then
    lasts until the timeout although the reply is there (seen in one of two runs of `interact`).
    """

    async def get_msg(  # type: ignore[override]  # a coroutine, as jupyter-client's own override
        self, timeout: float | None = None
    ) -> dict[str, Any]:
        """The next message; raises `queue.Empty` after `timeout` seconds without one."""
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        while (left := deadline - time.monotonic()) > 0.2:
            with suppress(Empty):
                return await super().get_msg(0.2)
        return await super().get_msg(max(0.0, left))


class _Client(AsyncKernelClient):
    shell_channel_class = Type(_Patient)


# Linux's allocator hands the big buffers of a training step back to the system after each step.
# Keeping them made a step in float32 about 8 % faster; other systems ignore these names.
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "200000000",
}


class _ThisInterpreter(AsyncKernelManager):
    """Starts kernels with the interpreter that is running now.

    A kernel spec is looked up in the user's home first: a `python3` that belongs to another
    environment would run the notebooks without this package, or with another version of it.
    """

    client_factory = Type(_Client)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The only spec, independent of what is installed on the machine."""
        kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        quiet = "--log-level=ERROR"  # else each start warns that loopback is not encrypted
        argv = [*kernel, quiet]
        return KernelSpec(argv=argv, env=_ALLOCATOR, display_name="Python 3", language="python")


class _Lines:
    """A file for a kernel's output that passes each line on as soon as it is whole."""

    def __init__(self, echo: Echo) -> None:
        self.echo, self.rest = echo, ""

    def write(self, text: str) -> None:
        *lines, self.rest = re.split(r"[\r\n]+", self.rest + text)
        for line in filter(str.strip, lines):
            self.echo(f"    {line.rstrip()}")

    def flush(self) -> None:
        """papermill calls it after each write; whole lines have left already."""


def parameter_names(notebook: Path) -> set[str]:
    """Names in the one cell tagged `parameters`.

    Raises:
        ValueError: no such cell, or more than one, or a line in it that papermill would lose.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0].cell_type != "code":
        raise ValueError(
            f"{notebook}: {len(tagged)} cells are tagged 'parameters', and it must be one code "
            "cell; set the tag in JupyterLab under Property Inspector > Cell Tags"
        )
    return _assigned_names(tagged[0], notebook)


def _assigned_names(cell: NotebookNode, notebook: Path) -> set[str]:
    seen = {parameter.name for parameter in PythonTranslator().inspect(cell)}
    for statement in ast.parse(cell.source).body:
        line = ast.get_source_segment(cell.source, statement)
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if not _is_literal(statement) or {getattr(name, "id", None) for name in targets} - seen:
            raise ValueError(
                f"{notebook}: the parameters cell holds `{line}`, which papermill cannot read; "
                "write one plain `name = literal` per line"
            )
    return seen


def _is_literal(statement: ast.stmt) -> bool:
    try:
        ast.literal_eval(getattr(statement, "value", None) or "")
    except (ValueError, SyntaxError):
        return False
    return isinstance(statement, ast.Assign | ast.AnnAssign)


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    timeout: int,
    echo: Echo | None = None,
) -> Path:
    """Run `notebook` with `parameters`, keep the executed copy at `output`, and return that path.

    The copy is written cell by cell, and is there after a failure too. `timeout` is in seconds,
    for one cell. `echo` gets the kernel's printed lines as they come.

    Raises:
        FileNotFoundError: there is no such notebook.
        ValueError: an unknown parameter, or a `parameters` cell that is missing or unreadable.
        NotebookError: a cell failed, hung, ended the kernel, or never ran.
    """
    notebook, output = Path(notebook).resolve(), Path(output).resolve()
    if not notebook.is_file():
        raise FileNotFoundError(f"no notebook at {notebook}")
    known = parameter_names(notebook)
    if unknown := sorted(set(parameters) - known):
        raise ValueError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; it has {sorted(known)}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        executed = _run(notebook, output, dict(parameters), timeout, echo)
    except PapermillExecutionError as error:
        place = _place(error.cell_index, error.exec_count)
        raise _failure(output, f"{place} raised {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise _failure(output, f"{_last_started(output)} ran longer than {timeout} s") from None
    except DeadKernelError:
        raise _failure(output, f"{_last_started(output)} ended the kernel") from None
    _check_completed(executed, output)
    return output


def _run(
    notebook: Path, output: Path, parameters: dict[str, Any], timeout: int, echo: Echo | None
) -> NotebookNode:
    lines = _Lines(echo) if echo else None
    return papermill.execute_notebook(
        _literal(notebook),
        _literal(output),
        parameters,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        stdout_file=lines,
        stderr_file=lines,
        execution_timeout=timeout,
        kernel_manager_class=_ThisInterpreter,
        shutdown_kernel="immediate",  # every cell has ended; to wait for Python's end took 3 s
        resources={"metadata": {"path": str(output.parent)}},
    )


def _literal(path: Path) -> str:
    """The path as papermill reads it, which fills in `{name}` from the parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _place(index: int, count: int | None) -> str:
    return f"cell {index + 1} (In [{count or ' '}])"


def _failure(output: Path, what: str) -> NotebookError:
    return NotebookError(f"{output.stem}: {what}; the copy as far as it got is {output}")


def _last_started(output: Path) -> str:
    cells = nbformat.read(output, as_version=4).cells
    started = [i for i, cell in enumerate(cells) if cell.metadata.papermill.get("start_time")]
    return _place(started[-1], cells[started[-1]].get("execution_count")) if started else "no cell"


def _check_completed(executed: NotebookNode, output: Path) -> None:
    """Refuse what papermill lets pass: `sys.exit()` and cells that were never run."""
    for index, cell in enumerate(executed.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        place = _place(index, cell.execution_count)
        if errors := [out for out in cell.outputs if out.output_type == "error"]:
            raise _failure(output, f"{place} raised {errors[0].ename}, so later cells never ran")
        if cell.execution_count is None:
            raise _failure(output, f"{place} was never run")


def choose(only: Sequence[str] = (), folder: Path | None = None) -> list[Path]:
    """The numbered notebooks in order; `only` holds numbers (`03`) or names to restrict them to.

    Raises:
        ValueError: an entry of `only` names no notebook.
        FileNotFoundError: there are no notebooks at all.
    """
    folder = folder or FOLDER
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise FileNotFoundError(f"no notebooks in {folder}: run from a checkout of the project")
    for entry in only:
        if not any(entry in (path.stem, path.stem[:2]) for path in found):
            raise ValueError(f"no notebook '{entry}': one of {[path.stem for path in found]}")
    return [path for path in found if not only or {path.stem, path.stem[:2]} & set(only)]


def run_all(
    run_dir: Path,
    parameters: Mapping[str, Any],
    *,
    only: Sequence[str] = (),
    timeout: int,
    echo: Echo = print,
) -> list[StepTime]:
    """Execute the notebooks in order into `<run_dir>/notebooks`, with an HTML page of each.

    Raises what `choose` and `execute` raise; the first failure ends the sequence.
    """
    chosen, steps = choose(only), []
    for number, notebook in enumerate(chosen, 1):
        echo(f"[{number}/{len(chosen)}] {notebook.stem}: started")
        started = time.perf_counter()
        output = Path(run_dir) / "notebooks" / notebook.name
        to_html(execute(notebook, output, parameters, timeout=timeout, echo=echo))
        steps.append(StepTime(notebook.stem, time.perf_counter() - started))
        echo(f"[{number}/{len(chosen)}] {notebook.stem}: done in {steps[-1].seconds:.0f} s")
    return steps
