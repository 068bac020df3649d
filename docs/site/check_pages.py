"""Check built pages: dead links, anything fetched from outside, missing descriptions, weight.

    .venv/bin/python docs/site/check_pages.py build/site

It reads the files alone, so it needs no network. Links in prose to other hosts are not followed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIMIT = 3_000_000  # bytes of a page with everything that it loads
LOADS = {
    "img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src",
    "video": "src", "audio": "src", "embed": "src", "object": "data", "image": "href",
}  # fmt: skip
OUTSIDE_CSS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
OUTSIDE_SCRIPT = re.compile(
    r"""(?:\bfetch|\bimport|\.src)\s*[(=]?\s*["'`]((?:https?:)?//[^"'`]+)"""
)
# Nothing, a file's name (Sphinx's default), or nbconvert's default.
NO_ALT = re.compile(r"^\s*$|^\S+\.(?:png|jpe?g|webp|svg)$|^No description")
RAW_TEX = re.compile(r"\$\$|\\(?:frac|text|sum|lambda|sigma|log|underbrace|mathrm|exp)\b")


class Page(HTMLParser):
    """What a page defines (`ids`), refers to (`links`), loads (`loads`) and says (`words`)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.mute: list[str] = []
        self.without_alt = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag in ("code", "pre", "script", "style", "math", "textarea"):
            self.mute.append(tag)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if (key := LOADS.get(tag)) and given.get(key) and given.get("rel") not in _NOT_LOADED:
            self.loads.append(given[key])
        if tag == "img" and NO_ALT.search(given.get("alt", "")):
            self.without_alt += 1

    def handle_endtag(self, tag: str) -> None:
        if self.mute and self.mute[-1] == tag:
            self.mute.pop()

    def handle_data(self, data: str) -> None:
        if not self.mute:
            self.words.append(data)


_NOT_LOADED = ("next", "prev", "index", "search", "canonical", "author")


@cache
def read(path: Path) -> Page:
    """The parsed page at `path`."""
    return Page(path.read_text("utf-8"))


def problems(folder: Path) -> list[str]:
    """One line for each thing wrong under `folder`; empty if all is well."""
    found = [
        f"{path.relative_to(folder)}: {what}"
        for path in sorted(folder.rglob("*.html"))
        for what in (*dead_links(path), *outside(path), *described(path), *heavy(path))
    ]
    if not list(folder.rglob("*.html")):
        found.append(f"{folder}: there are no pages")
    return found


def dead_links(path: Path) -> Iterator[str]:
    """Links of a page to files or anchors that are not there."""
    for link in dict.fromkeys((*read(path).links, *read(path).loads)):
        if _is_elsewhere(link):
            continue
        target, anchor = target_of(path, link)
        if not target.is_file():
            yield f"dead link {link}"
        elif (
            anchor and target.suffix == ".html" and not {anchor, unquote(anchor)} & read(target).ids
        ):
            yield f"dead anchor {link}"


def target_of(path: Path, link: str) -> tuple[Path, str]:
    """File and anchor that a link of the page at `path` means."""
    place, _, anchor = link.partition("#")
    place = unquote(place.partition("?")[0])
    return ((path.parent / place).resolve() if place else path), anchor


def _is_elsewhere(link: str) -> bool:
    return bool(urlsplit(link).scheme or link.startswith("//"))


def outside(path: Path) -> Iterator[str]:
    """Addresses on other hosts that a page, its styles or its scripts fetch."""
    for link in read(path).loads:
        if _is_elsewhere(link) and not link.startswith("data:"):
            yield f"loads {link}"
    local = [target_of(path, link)[0] for link in read(path).loads if not _is_elsewhere(link)]
    for file in [path, *local]:
        if file.suffix in (".html", ".css", ".js") and file.is_file():
            text = file.read_text("utf-8")
            for pattern in (OUTSIDE_CSS, OUTSIDE_SCRIPT):
                yield from (f"{file.name} fetches {each}" for each in pattern.findall(text))


def described(path: Path) -> Iterator[str]:
    """Figures without a description, and formulas that stayed LaTeX."""
    page = read(path)
    if page.without_alt:
        yield f"{page.without_alt} figures have no description (alt)"
    if found := RAW_TEX.search(" ".join(page.words)):
        yield f"a formula stayed LaTeX, near {found[0]}"


def heavy(path: Path) -> Iterator[str]:
    """Pages over the limit, with everything that they load."""
    files = {target_of(path, link)[0] for link in read(path).loads if not _is_elsewhere(link)}
    size = sum(file.stat().st_size for file in files | {path} if file.is_file())
    if size > LIMIT:
        yield f"{size / 1e6:.1f} MB, over {LIMIT / 1e6:.0f} MB"


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong) or "no problem found")
    sys.exit(bool(wrong))
