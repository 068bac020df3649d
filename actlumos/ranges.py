"""The allowed values of settings: each alone, by the ledger's column `range`, and together.

The syntax of that column:

    any          text that no range describes, such as a path
    a|b|c        one of these words or numbers
    1..10        a number from 1 to 10, both ends included
    >=0 <1       a number within these limits; infinite numbers and NaN are outside every range
    4 x >=1      four numbers, each within the limits
    + x >0       one number or more, each within the limits
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Mapping
from typing import Any

_LIMITS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_LIMIT = re.compile(r"(>=|<=|>|<)(\S+)")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "int": int, "float": (int, float), "str": str, "bool": bool
}  # fmt: skip


def problems(config: Any, ranges: Mapping[str, str], kinds: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that cannot be used; empty if all can.

    Args:
        config: the settings, a `Config`; `config.py` imports this module, not the reverse.
        ranges: range of each setting.
        kinds: type of each setting, as it is written at its field.
    """
    wrong = {}
    for name, allowed in ranges.items():
        value, kind = getattr(config, name), kinds[name]
        wanted = outside(value, allowed) or ("" if _is_a(value, kind) else f"of type {kind}")
        if wanted:
            wrong[name] = f"{name} is {_as_written(value)}: it has to be {wanted}"
    return [*wrong.values(), *_contradictions(config, set(wrong))]


def outside(value: Any, allowed: str) -> str:
    """What a value should have been, in words; empty if it is within the range.

    Args:
        value: as a setting holds it.
        allowed: a cell of the column `range`.

    Raises:
        ValueError: `allowed` is not a range.
    """
    if allowed == "any":
        return ""
    if "|" in allowed:
        return "" if str(value).lower() in allowed.split("|") else f"one of {allowed}"
    count, times, limits = allowed.rpartition(" x ")
    if not times:
        return "" if _within(value, limits) else _words(limits)
    if isinstance(value, tuple) and len(value) == (int(count) if count != "+" else len(value) or 1):
        return "" if all(_within(part, limits) for part in value) else f"{_many(count)} {limits}"
    return f"{_many(count)} {limits}"


def _within(value: Any, limits: str) -> bool:
    """Whether a number is within `1..10` or `>=0 <1`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return all(_LIMITS[sign](value, limit) for sign, limit in _parsed(limits))


def _parsed(limits: str) -> list[tuple[str, float]]:
    low, dots, high = limits.partition("..")
    if dots:
        return [(">=", float(low)), ("<=", float(high))]
    parts = [_LIMIT.fullmatch(part) for part in limits.split()]
    if not parts or None in parts:
        raise ValueError(f"{limits!r} is not a range: see the syntax in actlumos/ranges.py")
    return [(part[1], float(part[2])) for part in parts if part]


def _words(limits: str) -> str:
    return f"a number {'in ' if '..' in limits else ''}{limits}"


def _many(count: str) -> str:
    return "one number or more, each" if count == "+" else f"{count} numbers, each"


def _is_a(value: Any, kind: str) -> bool:
    """Whether a value has the type that is written at its field; a whole number is a float too."""
    if kind.startswith("tuple"):
        part = kind.removeprefix("tuple[").partition(",")[0]
        return isinstance(value, tuple) and all(_is_a(each, part) for each in value)
    return isinstance(value, _KINDS[kind]) and isinstance(value, bool) == (kind == "bool")


def _contradictions(config: Any, wrong: set[str]) -> Iterator[str]:
    """Settings, each within its range, that do not go together; none that is `wrong` already."""
    if not {"crop_size", "frame_size"} & wrong:
        yield from _sizes(config, wrong)
    if config.stride == 0 and config.short_clips != "span":
        yield "stride is 0, which spreads a clip over its whole video: set short_clips to span too"
    if not {"bert_heads", "widths"} & wrong and config.widths[-1] % config.bert_heads:
        width = f"the last of widths, {config.widths[-1]}"
        yield f"bert_heads is {config.bert_heads}: it has to divide {width}"
    if config.flow_method == "raft" and not config.flow_weights:
        yield "flow_method is 'raft': set flow_weights to the path of its weights too"


def _sizes(config: Any, wrong: set[str]) -> Iterator[str]:
    (height, width), (rows, columns) = config.crop_size, config.frame_size
    if height > rows or width > columns:
        frame = f"frame_size {rows}x{columns} (height x width)"
        yield f"crop_size is {height}x{width}: it has to fit into {frame}"
    for name in sorted({"crop_scales", "ssl_crop_scales"} - wrong):
        if (smallest := min(getattr(config, name))) * min(height, width) < 1:
            yield f"{name} has {smallest}: no pixel is left of crop_size {height}x{width}"


def _as_written(value: Any) -> str:
    """A value as the ledger and the command line write it; text in quotes."""
    return " ".join(map(str, value)) or "empty" if isinstance(value, tuple) else repr(value)
