"""Sphinx's settings for the site; `build_site.py` runs it over sources that it gathers first."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from actlumos.pages import MATHS_STYLE, displayed, mathml

project = "ActLumos: seeing actions in the dark"
author = "The ActLumos kit contributors"
language = "en"
extensions = ["myst_nb"]

nb_execution_mode = "off"
nb_render_markdown_format = "gfm"  # tables in a cell's output
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "ActLumos"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_show_search_summary = False  # it fetches pages, which a browser refuses from file://
html_math_renderer = "mathml"


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _display(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(displayed(node.astext()))
    raise nodes.SkipNode


def _style(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    context["metatags"] = context.get("metatags", "") + f"<style>{MATHS_STYLE}</style>"


def setup(app: Sphinx) -> None:
    """Formulas become MathML, which browsers draw themselves."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("html-page-context", _style)
