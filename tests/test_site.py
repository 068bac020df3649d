"""The site: pages are checked, and what the notebooks hold becomes readable on them."""

from __future__ import annotations

import base64
import io
import re
import sys
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from actlumos import notebooks
from actlumos.pages import WIDGET, displayed, mathml, static, to_html

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "site"))

import build_site  # noqa: E402
import check_pages  # noqa: E402
import concept_map  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:'myst_parser")
NOTEBOOKS = notebooks.choose()
TEXTS = {path.stem[:2]: path.read_text("utf-8") for path in NOTEBOOKS}
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)


def formulas_of(notebook: Path) -> list[str]:
    """Every formula of a notebook's prose; code in backquotes has none."""
    cells = nbformat.read(notebook, as_version=4).cells
    prose = [re.sub(r"`[^`]*`", "", c.source) for c in cells if c.cell_type == "markdown"]
    return [block or inline for text in prose for block, inline in FORMULA.findall(text)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_formula_of_the_notebooks_becomes_mathml(path: Path) -> None:
    for tex in formulas_of(path):
        for element in ElementTree.fromstring(displayed(tex)):
            assert element.tag.endswith("math") and "".join(element.itertext()).strip()
        wanted = set(re.findall(r"(?<![A-Za-z\\])[A-Z](?![A-Za-z])", tex))
        drawn = "".join(ElementTree.fromstring(mathml(tex)).itertext())
        assert wanted <= set(unicodedata.normalize("NFKC", drawn)), tex  # \mathcal has letters too


def test_a_formula_has_its_structure() -> None:
    fraction = ElementTree.fromstring(mathml(r"\frac{a}{b_i}"))
    names = [element.tag.rpartition("}")[2] for element in fraction.iter()]
    assert names[-7:] == ["mfrac", "mrow", "mi", "mrow", "msub", "mi", "mi"]
    assert len(ElementTree.fromstring(displayed(r"a \qquad\qquad b"))) == 2


@pytest.mark.parametrize("tex", [r"a \nosuchcommand b", r"x_"])
def test_a_formula_that_cannot_be_read_is_an_error(tex: str) -> None:
    with pytest.raises(ValueError, match="the formula"):
        mathml(tex)


def picture() -> str:
    """A small PNG as a notebook holds it."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 32), "navy").save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def executed(title: str) -> NotebookNode:
    """A chapter with everything that pages change: settings, imports, maths, figure, control."""
    drawn = new_output("display_data", {"image/png": picture()})
    control = new_output("display_data", {WIDGET: {"model_id": "0"}, "text/plain": "interactive()"})
    alt = {"mystnb": {"image": {"alt": "A dark blue box."}}}
    hint = "1. Why?\n   <details><summary>Hint</summary>Because $a$ is `b`.</details>"
    return new_notebook(
        cells=[
            new_markdown_cell(f"# {title}\n\n$$ L = \\frac{{1}}{{2}} $$\n\n{hint}"),
            new_code_cell("seed = 0", metadata={"tags": ["parameters"]}),
            new_code_cell("seed = 7", metadata={"tags": ["injected-parameters"]}),
            new_code_cell(
                "import os\nimport re\n\nos, re", outputs=[drawn], metadata=alt, execution_count=1
            ),
            new_code_cell("interact()", outputs=[control], execution_count=2),
        ],
        metadata={
            "papermill": {"duration": 90.0},
            "widgets": {},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        },
    )


def test_an_exported_page_needs_no_network(tmp_path: Path) -> None:
    nbformat.write(executed("A chapter"), tmp_path / "a.ipynb")
    page = to_html(tmp_path / "a.ipynb")
    text = page.read_text("utf-8")
    assert check_pages.problems(tmp_path) == []
    assert text.count("<math") == 2 and "<mfrac" in text and "<code>b</code>" in text
    assert 'alt="A dark blue box."' in text and "It needs a running kernel" in text


def test_static_leaves_its_argument_alone() -> None:
    notebook = executed("A chapter")
    before = nbformat.writes(notebook)
    assert WIDGET not in nbformat.writes(static(notebook)) and nbformat.writes(notebook) == before


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of ten small chapters, of which the run has executed all but the last."""
    project = tmp_path_factory.mktemp("project")
    for name in build_site.LINK.findall((build_site.HERE / "index.md").read_text("utf-8")):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"# {name}\n", "utf-8")
    chapters = [project / "notebooks" / f"{number:02d}_x.ipynb" for number in range(10)]
    for path in chapters:
        title, ran = f"Chapter {path.stem[:2]}", project / "run" / "notebooks" / path.name
        for folder in (path.parent, ran.parent):
            folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {title}")]), path)
        nbformat.write(executed(title), ran)
    ran.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_site, "ROOT", project)
        build_site.build(project / "run", project / "site", chapters)
    return project / "site"


def test_the_site_is_self_contained(site: Path) -> None:
    assert check_pages.problems(site) == []
    assert {"index.html", "search.html", "searchindex.js"} <= {p.name for p in site.iterdir()}
    assert len(list(site.glob("notebooks/*.html"))) == 10


def test_a_chapter_is_readable(site: Path) -> None:
    text = (site / "notebooks" / "03_x.html").read_text("utf-8")
    assert "<mfrac" in text and "It needs a running kernel" in text
    assert re.search(r'<img alt="A dark blue box\."[^>]*\.webp"', text)
    hidden = re.findall(r"<details.*?</details>", text, re.DOTALL)
    assert [("seed" in each, "import" in each) for each in hidden[-2:]] == [(1, 0), (0, 1)]
    assert "04_x.html" in text and "02_x.html" in text and "Chapter 09" in text
    unread = (site / "notebooks" / "09_x.html").read_text("utf-8")
    assert "has not executed this notebook" in unread and "not executed" not in text


def test_the_first_page_lists_chapters_with_minutes(site: Path) -> None:
    rows = re.findall(r"<tr.*?</tr>", (site / "index.html").read_text("utf-8"), re.DOTALL)
    words = [re.sub(r"<[^>]*>|\s", " ", row).split() for row in rows[1:]]
    assert words[0] == ["Chapter", "00", "1.5"] and words[9] == ["Chapter", "09", "not", "run"]


BAD = {
    "dead link gone.html": '<a href="gone.html">x</a>',
    "dead anchor #gone": '<a href="#gone">x</a>',
    "loads https://cdn.example/a.js": '<script src="https://cdn.example/a.js"></script>',
    "bad.html fetches //cdn.example/f.woff": "<style>a{src:url(//cdn.example/f.woff)}</style>",
    "bad.html fetches https://x.example/y": "<script>fetch('https://x.example/y')</script>",
    "1 figures have no description (alt)": '<img src="data:,x" alt="../_images/a.png">',
    "a formula stayed LaTeX, near $$": "<p>$$ x $$</p>",
    "3.0 MB, over 3 MB": "x" * 3_000_000,
}


@pytest.mark.parametrize("message", BAD)
def test_the_checker_names_what_is_wrong(message: str, tmp_path: Path) -> None:
    good = '<a id="here" href="#here">x</a><a href="https://arxiv.org">y</a><code>$$</code>'
    (tmp_path / "bad.html").write_text(good, "utf-8")
    assert check_pages.problems(tmp_path) == []
    check_pages.read.cache_clear()
    (tmp_path / "bad.html").write_text(good + BAD[message], "utf-8")
    assert check_pages.problems(tmp_path) == [f"bad.html: {message}"]


def test_a_folder_without_pages_is_a_problem(tmp_path: Path) -> None:
    assert check_pages.problems(tmp_path) == [f"{tmp_path}: there are no pages"]


def test_without_a_run_the_site_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["build_site.py", "--run", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"(?s)no executed notebooks.*`make demo`.*\d+ minutes"):
        build_site.main()


def test_each_term_of_the_glossary_stands_in_its_chapter() -> None:
    entries = (ROOT / "docs" / "glossary.md").read_text("utf-8").split("\n### ")[1:]
    assert len(entries) >= 40
    for entry in entries:
        term, _, text = entry.partition("\n")
        (chapter,) = re.findall(r"\]\(\.\./notebooks/(\d\d)_\w+\.ipynb\)", text)
        stem = re.split(r"[, ]", term)[0].lower().removesuffix("ation").removesuffix("s")
        assert stem in TEXTS[chapter].lower(), f"{term} is not in chapter {chapter}"
    terms = [entry.partition("\n")[0].lower() for entry in entries]
    assert len(set(terms)) == len(terms)


def test_each_idea_of_the_map_stands_in_its_chapter_and_is_joined() -> None:
    for name, idea in concept_map.IDEAS.items():
        assert idea.word.lower() in TEXTS[idea.chapter].lower(), name
    places = [idea[:2] for idea in concept_map.IDEAS.values()]
    assert len(set(places)) == len(places)
    assert {name for pair in concept_map.BUILT_FROM for name in pair} == set(concept_map.IDEAS)
    ElementTree.fromstring(concept_map.svg([path.stem for path in NOTEBOOKS]))
