"""All rows of the speed table: ours against a peer, and what this machine could do at most.

    make bench                                      # python benchmarks/bench.py, some minutes
    python benchmarks/bench.py --resume             # the rows that a stopped run has left
    python benchmarks/bench.py --only retinex_112   # print these rows, write nothing
    python benchmarks/bench.py --quick              # tiny sizes: does all run? Writes nothing

A row is measured in one process, ours and the peer in turns (`pairs.py`). Rows are in the modules
of `rows/`. Each is written to `results.json` as soon as it is there; at the end the table goes
into README.md beside it. A row that fails says why, the others go on, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import torch
from machine import Machine, describe, measure
from pairs import Row

from actlumos.runtime.device import pick_device
from actlumos.runtime.files import atomic_write, read_json, write_json
from actlumos.stages.results import revision

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
MARKS = "<!-- table of results.json -->\n", "<!-- end of the table -->"


def all_rows() -> dict[str, Callable[[Machine, bool], Row | None]]:
    """What measures each row, from the modules of `rows/`."""
    found = sorted((HERE / "rows").glob("[a-z]*.py"))
    modules = [import_module(f"rows.{path.stem}") for path in found]
    return {name: measures for module in modules for name, measures in module.ROWS.items()}


def chosen(only: Sequence[str], known: Collection[str]) -> list[str]:
    """The rows to measure, in order: those of `only`, or all.

    Raises:
        ValueError: one of them is unknown.
    """
    if unknown := sorted(set(only) - set(known)):
        raise ValueError(f"no row {', '.join(unknown)}: choose of {', '.join(known)}")
    return [name for name in known if name in only or not only]


def begun(options: argparse.Namespace) -> dict[str, Any]:
    """The results so far: those of a stopped run, or none below a new head.

    Raises:
        ValueError: the stopped run was of another machine or revision.
    """
    here = {"machine": describe(), "revision": revision()}
    if options.resume:
        old = read_json(options.out)
        if {name: old[name] for name in here} != here:
            raise ValueError(f"{options.out} is of another machine or revision: leave out --resume")
        return old
    size = 128 if options.quick else 512
    return here | {
        "limits": asdict(measure(size, device=pick_device())),
        "command": " ".join(["python benchmarks/bench.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": [],
    }


def table(results: dict[str, Any]) -> str:
    """The rows as a Markdown table, and the machine in a line below."""
    lines = [
        "| row | ours | peer | ratio | middle half | limit | of limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        low, high = row["spread"]
        cells = [
            f"`{row['name']}`", *(f"{row[side]:.3g} {row['unit']}" for side in ("ours", "peer")),
            f"{row['ratio']:.2f}", f"{low:.2f} to {high:.2f}", *_limit(row),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _below(results)])


def _limit(row: dict[str, Any]) -> tuple[str, str]:
    """The limit, and how much of it is reached."""
    if row["limit"] is None:
        return "–", "–"
    more_is_better = row["unit"] == "clips/s"
    share = row["ours"] / row["limit"] if more_is_better else row["limit"] / row["ours"]
    return f"{row['limit']:.3g} {row['unit']}", f"{100 * share:.0f} %"


def _below(results: dict[str, Any]) -> str:
    """The machine with its limits, and what each row is."""
    machine, limits = results["machine"], results["limits"]
    rates = [("fp32", "gemm_fp32"), ("bf16", "gemm_bf16"), ("int8", "gemm_int8")]
    products = ", ".join(f"{name} {limits[key] / 1e9:.0f}" for name, key in rates if limits[key])
    lines = [
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, torch "
        f"{machine['torch']}, {results['date'][:10]}, revision {results['revision']}. Limits "
        f"measured in the same run: matrix products {products} GFLOP/s (int8: GOP/s), a 3 x 3 "
        f"convolution {limits['conv_fp32'] / 1e9:.0f} GFLOP/s in fp32, memory "
        f"{limits['bandwidth'] / 1e9:.0f} GB/s, decoding {limits['decode']:.0f} frames/s of "
        "320 x 240 in one thread.",
        "",
    ]
    return "\n".join([*lines, *(f"- `{row['name']}`: {row['note']}" for row in results["rows"])])


def into_readme(text: str, results: dict[str, Any]) -> str:
    """The README's text with the table of these results between its two marks."""
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}{table(results)}\n{MARKS[1]}{after}"


def run(options: argparse.Namespace) -> list[str]:
    """Measure and print, write where all rows are meant; returns what failed, as text."""
    measures = all_rows()
    wanted = chosen(options.only, measures)
    results, failed = begun(options), []
    machine, writes = Machine(**results["limits"]), not (options.only or options.quick)
    for name in wanted:
        if any(row["name"] == name for row in results["rows"]):
            continue
        try:
            row = measures[name](machine, options.quick)
        except Exception as error:  # whatever it is, the other rows go on
            failed.append(f"{name} failed: {type(error).__name__}: {error}")
            print(failed[-1], file=sys.stderr, flush=True)
            continue
        if row:
            results["rows"].append(asdict(row))
            print(f"{row.name}: {row.ratio:.2f} x", flush=True)
        if row and writes:
            write_json(options.out, results)
    print(f"\n{table(results)}")
    if writes:
        write_readme(options.out.with_name("README.md"), results)
    return failed


def write_readme(path: Path, results: dict[str, Any]) -> None:
    """Put the table into the README."""
    text = into_readme(path.read_text("utf-8"), results)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=(), metavar="ROW", help="print only these")
    parser.add_argument("--resume", action="store_true", help="only rows that the file lacks")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; nothing is written")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: results.json here")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    sys.exit(1 if run(options) else 0)


if __name__ == "__main__":
    main()
