"""Build the site: the executed notebooks of a run and the texts of the project, as pages.

    make site                                             # pages in build/site, from the demo
    .venv/bin/python docs/site/build_site.py --run runs/darkroom-smoke-s0

The pages need no network and no server: open build/site/index.html. A notebook that the run does
not have is shown without results, and says so.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import sys
from pathlib import Path

import check_pages
import concept_map
import nbformat
from nbformat import NotebookNode
from PIL import Image
from sphinx.cmd.build import build_main

from actlumos import notebooks, pages
from actlumos.runtime.files import home

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GROUPS = {
    "Find your way": ("docs/reading.md", "docs/concept_map.md", "docs/glossary.md"),
    "Reference": ("README.md", "docs/*.md", "workflow/README.md", "benchmarks/README.md"),
    "Take part": ("CONTRIBUTING.md", "CHANGELOG.md"),
}
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def main() -> None:
    """Gather the sources, run Sphinx, make the figures small, check every page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, default=home() / "runs" / "darkroom-demo-s0")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    options = parser.parse_args()
    if not list(options.run.glob("notebooks/[0-9][0-9]_*.ipynb")):
        sys.exit(f"no executed notebooks in {options.run}/notebooks\n{how_to_make()}")
    build(options.run, options.out, notebooks.choose())
    problems = check_pages.problems(options.out)
    print("\n".join(problems) or f"{options.out}/index.html: no dead link, nothing from outside")
    sys.exit(bool(problems))


def how_to_make() -> str:
    """What to type for the demo, with its minutes, from the Makefile."""
    found = re.search(r"(?m)^demo:.*## (.*) \(", (ROOT / "Makefile").read_text("utf-8"))
    assert found
    return f"run `make demo` first: {found[1]}"


def build(run: Path, out: Path, chapters: list[Path]) -> None:
    """Write the site of `run` into the folder `out`, which is emptied first.

    Raises:
        SystemExit: Sphinx found something wrong; what, it has printed.
    """
    work = out.with_name(f"{out.name}-work")
    for folder in (out, work):
        shutil.rmtree(folder, ignore_errors=True)
    source = work / "source"
    gather(run, source, chapters)
    told = ["-q", "-W", "--keep-going", "-c", str(HERE), "-d", str(work / "doctrees")]
    if build_main([*told, str(source), str(out)]):
        sys.exit("the site could not be built: see the messages above")
    shrink_figures(out)


def gather(run: Path, source: Path, chapters: list[Path]) -> None:
    """Put everything that becomes a page under `source`, as it lies in the repository."""
    made = {}
    for path in chapters:
        executed = run / "notebooks" / path.name
        found = nbformat.read(executed if executed.is_file() else path, as_version=4)
        made[path.stem] = for_reading(found, executed.is_file())
        target = source / "notebooks" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(made[path.stem], target)
    texts = {name: names_of(patterns) for name, patterns in GROUPS.items()}
    for name in dict.fromkeys(name for names in texts.values() for name in names):
        copy_with_links(ROOT / name, source)
    home_page = (HERE / "index.md").read_text("utf-8")
    home_page = home_page.replace("<!-- chapters -->", chapter_table(made, run.name))
    home_page = home_page.replace("<!-- contents -->", contents(list(made), texts))
    (source / "index.md").write_text(home_page, "utf-8")
    (source / "docs" / "concept_map.svg").write_text(concept_map.svg(list(made)), "utf-8")


def names_of(patterns: tuple[str, ...]) -> list[str]:
    """Files of the repository that fit, each once, in the order of the patterns."""
    first = {name for group in GROUPS.values() for name in group}
    found = [str(p.relative_to(ROOT)) for each in patterns for p in sorted(ROOT.glob(each))]
    return [name for name in found if name in patterns or name not in first]


def copy_with_links(text: Path, source: Path) -> None:
    """Copy a Markdown file, and the files that it links to, except notebooks and other texts."""
    linked = [text.parent / name for name in LINK.findall(text.read_text("utf-8"))]
    plain = [path for path in linked if path.suffix not in (".md", ".ipynb") and path.is_file()]
    for path in [text, *plain]:
        target = source / path.resolve().relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def for_reading(notebook: NotebookNode, executed: bool) -> NotebookNode:
    """A notebook as a chapter: settings and imports are collapsed, controls become a note."""
    made = pages.static(notebook)
    cells: list[NotebookNode] = []
    for cell in made.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cells[-1].source += f"\n\n{cell.source}"
        elif "parameters" in tags:
            cells.append(collapsed(cell, "Settings of this run"))
        else:
            cells += split_imports(cell) if cell.cell_type == "code" else [cell]
    if not executed:
        note = ":::{attention}\nThe run that this site shows has not executed this notebook, so "
        cells.insert(1, nbformat.v4.new_markdown_cell(f"{note}there are no results.\n:::"))
    made.cells = cells
    return made


def collapsed(cell: NotebookNode, label: str) -> NotebookNode:
    """The cell with its source behind one line that opens it."""
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    show = {"code_prompt_show": label, "code_prompt_hide": label}
    cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | show
    return cell


def split_imports(cell: NotebookNode) -> list[NotebookNode]:
    """Two or more imports at the head of a cell become a collapsed cell of their own."""
    try:
        statements = ast.parse(cell.source).body
    except SyntaxError:  # a line magic
        return [cell]
    rest = next((s for s in statements if not isinstance(s, ast.Import | ast.ImportFrom)), None)
    head = statements.index(rest) if rest else 0
    if rest is None or head < 2:
        return [cell]
    lines = cell.source.splitlines()
    last = statements[head - 1].end_lineno or 0
    imports = nbformat.v4.new_code_cell("\n".join(lines[:last]), execution_count=None)
    cell.source = "\n".join(lines[last:]).strip("\n")
    return [collapsed(imports, "Imports"), cell]


def chapter_table(made: dict[str, NotebookNode], run: str) -> str:
    """A row per chapter: its title, and how long it ran."""
    lines = [
        f"Results are those of the run `{run}`.\n",
        "| chapter | minutes it ran |",
        "|---|---|",
    ]
    for name, notebook in made.items():
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        seconds = notebook.metadata.get("papermill", {}).get("duration")
        spent = f"{seconds / 60:.1f}" if seconds else "not run"
        lines.append(f"| [{title}](notebooks/{name}.ipynb) | {spent} |")
    return "\n".join(lines)


def contents(chapters: list[str], texts: dict[str, list[str]]) -> str:
    """The site's navigation as Sphinx reads it."""
    groups = {"Chapters": [f"notebooks/{name}" for name in chapters]}
    groups |= {name: [entry(text) for text in some] for name, some in texts.items()}
    made = []
    for caption, names in groups.items():
        made += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""]
    return "\n".join(made)


def entry(text: str) -> str:
    """A text in the navigation: by its title, except the README, whose title is the project's."""
    name = text.removesuffix(".md")
    return f"The README <{name}>" if name == "README" else name


def shrink_figures(out: Path) -> None:
    """Store figures as WebP, which needs a half to a tenth of the bytes of PNG."""
    pictures = sorted((out / "_images").glob("*.png"))
    for path in pictures:
        small = path.with_suffix(".webp")
        with Image.open(path) as picture:
            picture.save(small, quality=90, method=4)
            lossless = path.with_suffix(".lossless.webp")
            picture.save(lossless, lossless=True, method=4)
        if lossless.stat().st_size <= small.stat().st_size:
            lossless.replace(small)
        lossless.unlink(missing_ok=True)
        path.unlink()
    for page in out.rglob("*.html"):
        text = re.sub(r"(_images/[\w.-]+)\.png", r"\1.webp", page.read_text("utf-8"))
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
