"""Executed notebooks as pages that need no network: formulas as MathML, nothing fetched.

`to_html` writes the page of one notebook, next to it. The site of all notebooks
(`docs/site/build_site.py`) uses the same converter.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from actlumos.runtime.files import atomic_write

WIDGET = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = "[Here is a control. It needs a running kernel: make lab]"

# Fonts with the measures that formulas need; systems have one of them. Parts of a formula stand
# beside each other where they fit, and what is too wide scrolls inside its box.
MATHS_STYLE = """
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "Noto Sans Math",
  "DejaVu Math TeX Gyre", math; }
div.math { display: flex; flex-wrap: wrap; justify-content: safe center; gap: 0.6em 2em;
  align-items: center; overflow-x: auto; padding: 0.6em 0 1em; }
"""

# nbconvert's own page, without the scripts that it fetches, with a description of each figure.
_TEMPLATE = """
{%- extends 'index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}<style>@STYLE@</style>{%- endblock -%}
{%- block data_png scoped -%}
{%- set alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt") -%}
{{ super() | replace("<img", '<img alt="%s"' % (alt | escape_html)) if alt else super() }}
{%- endblock data_png -%}
""".replace("@STYLE@", MATHS_STYLE)


def mathml(tex: str, *, display: bool = False) -> str:
    """A formula in LaTeX as a MathML element, which browsers draw without a script.

    Raises:
        ValueError: the formula is not well formed, or has a command that is not known.
    """
    try:
        element = convert(tex.strip(), display="block" if display else "inline")
        text = "".join(ElementTree.fromstring(element).itertext())
    except Exception as error:  # the converter raises a class of its own for each kind of error
        raise ValueError(f"the formula `{tex.strip()}` cannot be converted: {error!r}") from error
    if unknown := re.search(r"\\[A-Za-z]+", text):
        raise ValueError(f"the formula `{tex.strip()}` has an unknown command {unknown[0]}")
    return element


def displayed(tex: str) -> str:
    """A formula on a line of its own; parts between `\\qquad` get further lines if needed.

    Raises:
        ValueError: as `mathml` does.
    """
    parts = [part for part in re.split(r"(?:\\qquad\s*)+", tex) if part.strip()]
    return f'<div class="math">{"".join(mathml(part, display=True) for part in parts)}</div>'


def static(notebook: NotebookNode) -> NotebookNode:
    """A copy for readers without a kernel: a note in place of each control, hints as Markdown."""
    made = copy.deepcopy(notebook)
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = _open_hints(cell.source)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output.data = {"text/plain": NEEDS_KERNEL}
    return made


def _open_hints(source: str) -> str:
    """Blank lines inside one-line `<details>`: without them their Markdown and maths stay raw."""
    hint = r"(?m)^( *)(<details><summary>.*?</summary>)(.*)</details>$"
    return re.sub(hint, r"\1\2\n\n\1\3\n\n\1</details>", source)


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return displayed(body)

    def inline_math(self, body: str) -> str:
        return mathml(body)


def _markdown(source: str) -> str:
    return MarkdownWithMath(renderer=_Renderer(escape=False)).render(source)


def to_html(executed: Path) -> Path:
    """Write an executed notebook as a page next to it, and return the page's path.

    Raises:
        ValueError: a formula that cannot be converted.
    """
    notebook = static(nbformat.read(executed, as_version=4))
    exporter = HTMLExporter(raw_template=_TEMPLATE, filters={"markdown2html": _markdown})
    title = {"metadata": {"name": Path(executed).stem}}
    body, _ = exporter.from_notebook_node(notebook, resources=title)
    page = Path(executed).with_suffix(".html")
    with atomic_write(page) as temporary:
        temporary.write_text(body, encoding="utf-8")
    return page
