"""Is this copy of a published data set whole? Counts, files by name, and every clip decoded.

`verify` reads the lists, compares their sizes with what the authors published, looks for each
listed clip, and decodes each clip to its end. The result for each file is kept in the report,
keyed by its path, size and time of change: an interrupted or repeated call decodes only what is
new. The report is JSON; `VerifyReport.summary` is its short form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actlumos.data.published.entries import ALL, Listing, counted, some
from actlumos.data.published.filecheck import FileReport, check_files
from actlumos.data.published.listing import Located, locate, read_listing, splits_of
from actlumos.runtime.files import write_json
from actlumos.runtime.text import shown

SHORT = (32, 64)
"""Clip lengths of the methods here; the summary counts the shorter videos."""


@dataclass(frozen=True)
class SplitReport:
    """One split: `counts` is role -> class -> (listed, published or None, on disk).

    Roles and classes have their sums under the key `all`; `double` are paths listed twice.
    """

    counts: dict[str, dict[str, tuple[int, int | None, int]]]
    double: tuple[str, ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found; `problems` are the reasons why it fails."""

    name: str
    root: str
    splits: dict[int, SplitReport]
    files: dict[str, FileReport]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the copy is whole."""
        return not self.problems

    def summary(self) -> str:
        """Verdict, what is wrong, and what the files are like, in a few lines."""
        verdict = "whole" if self.ok else f"NOT whole, {len(self.problems)} problem(s)"
        lines = [f"{self.name} in {shown(self.root)}: {verdict}"]
        lines += [f"  - {problem}" for problem in self.problems]
        for number, split in self.splits.items():
            if split.surplus:
                names = _some(split.surplus)
                lines.append(f"split {number}: {len(split.surplus)} videos on no list: {names}")
            lines += [f"split {number}: {note}" for note in split.notes]
        return "\n".join([*lines, *_about_files(self.files.values())])

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self) | {"ok": self.ok, "summary": self.summary().splitlines()}


def verify(
    name: str,
    root: str | Path,
    splits: Sequence[int] | None = None,
    *,
    report: Path | None = None,
    workers: int = 2,
) -> VerifyReport:
    """Check a copy of a data set that comes with lists.

    Args:
        name: for instance `arid-v1.0`; `arid-layout` has no published counts to compare with.
        root: the data set's folder.
        splits: which official splits; None checks all, and the absence of a published one is a
            problem.
        report: JSON file for everything found; unchanged files that it lists are not decoded
            again. None keeps nothing.
        workers: number of decoding threads.

    Raises:
        FileNotFoundError: no such folder, or lists that were asked for (or all) are not there.
        ValueError: unknown name or split, or a list contradicts itself.
    """
    listings, absent = _listings(name, root, splits)
    places = {number: locate(listing) for number, listing in listings.items()}
    found = {path for place in places.values() for path in place.found.values()}
    files = check_files(sorted(found), report, workers)
    reports, problems = {}, []
    for number, listing in listings.items():
        reports[number] = _split(listing, places[number])
        problems += [f"split {number}: {each}" for each in _split_problems(reports[number])]
    problems += [*absent, *_file_problems(files)]
    result = VerifyReport(name, str(Path(root).absolute()), reports, files, tuple(problems))
    if report is not None:
        write_json(report, result.as_json())
    return result


def _listings(
    name: str, root: str | Path, splits: Sequence[int] | None
) -> tuple[dict[int, Listing], list[str]]:
    """The lists of the splits; where none was named, a split without lists is a problem."""
    if splits is not None:
        return {number: read_listing(name, root, number) for number in splits}, []
    found, absent = {}, {}
    for number in splits_of(name):
        try:
            found[number] = read_listing(name, root, number)
        except FileNotFoundError as error:
            absent[number] = error
    if not found:
        raise absent[splits_of(name)[0]]
    free = all(listing.published is None for listing in found.values())
    return found, [] if free else [str(error) for error in absent.values()]


def _split(listing: Listing, place: Located) -> SplitReport:
    listed, on_disk = counted(listing), _on_disk(listing, place)
    published = dict(listing.published or {})
    if published and ALL not in published:
        total: Counter[str] = Counter()
        for numbers in published.values():
            total.update(numbers)
        published[ALL] = total
    roles = [role for role in listed if listed[role][ALL] or role in published]
    counts = {
        role: {
            name: (number, published.get(role, {}).get(name), on_disk[role, name])
            for name, number in listed[role].items()
        }
        for role in roles
    }
    times = Counter(entry.path for entry in listing.entries)
    double = tuple(path for path, number in times.items() if number > 1)
    return SplitReport(counts, double, place.missing, place.surplus, listing.notes)


def _on_disk(listing: Listing, place: Located) -> Counter[tuple[str, str]]:
    """Listed clips that are there, by role and class, with sums under `ALL` as in `counted`."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in listing.entries:
        if entry.path in place.found:
            classes = (listing.classes[entry.label], ALL) if entry.label >= 0 else (ALL,)
            found.update((role, name) for role in (entry.role, ALL) for name in classes)
    return found


def _split_problems(split: SplitReport) -> list[str]:
    said = []
    for role, table in split.counts.items():
        if wrong := {name: row for name, row in table.items() if row[1] not in (None, row[0])}:
            lists = "lists together have" if role == ALL else f"{role} list has"
            said.append(f"the {lists} {_wrong(wrong)}")
    if split.double:
        said.append(f"{len(split.double)} clips are listed twice: {_some(split.double)}")
    if split.missing:
        rows = split.counts[ALL].items()
        lacking = [f"{name} {has - there}" for name, (has, _, there) in rows if has > there]
        classes = [text for text in lacking if not text.startswith(f"{ALL} ")]
        where = f" ({_some(classes)})" if classes else ""
        names = _some(split.missing)
        said.append(f"{len(split.missing)} listed clips are not on disk{where}: {names}")
    return said


def _wrong(rows: Mapping[str, tuple[int, int | None, int]]) -> str:
    """`108 clips, 2288 were published: Drink 0 of 201, ...`."""
    classes = [f"{name} {has} of {should}" for name, (has, should, _) in rows.items()]
    if ALL not in rows:
        return f"wrong classes: {_some(classes)}"
    has, should, _ = rows[ALL]
    classes = [text for text in classes if not text.startswith(f"{ALL} ")]
    lack = f", {should - has} are missing" if should and should > has else ""
    total = f"{has} clips, {should} were published{lack}"
    return f"{total}: {_some(classes)}" if classes else total


def _file_problems(files: Mapping[str, FileReport]) -> list[str]:
    bad = {path: file for path, file in files.items() if file.problem}
    if not bad:
        return []
    reasons = [f"{Path(path).name} ({file.problem})" for path, file in bad.items()]
    return [f"{len(bad)} of {len(files)} videos are damaged or cut short: {_some(reasons)}"]


def _about_files(files: Iterable[FileReport]) -> list[str]:
    whole = [file for file in files if not file.problem]
    if not whole:
        return ["files: none was decoded"]
    lengths = [file.frames for file in whole]
    under = ", ".join(f"{sum(n < limit for n in lengths)} under {limit}" for limit in SHORT)
    sizes = Counter(f"{file.width}x{file.height}" for file in whole)
    rates = Counter(f"{file.fps:.4g} fps" for file in whole)
    range_ = f"{min(lengths)} to {max(lengths)} frames"
    return [f"files: {len(whole)} whole, {range_} ({under}); {_most(sizes)}; {_most(rates)}"]


def _most(kinds: Counter[str]) -> str:
    """`320x240 150, 426x240 4`; of many kinds the most frequent."""
    return some((f"{kind} ({number})" for kind, number in kinds.most_common()), "other kinds")


def _some(names: Sequence[str]) -> str:
    return some(names, "more: see the report")
