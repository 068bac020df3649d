"""Every hyperparameter, read from one ledger.

`ledger.csv` has one row per hyperparameter: its value in each profile, its range (see
`actlumos.ranges`), the origin of the paper profile's value, the source and a note. Origins:

    paper        the ActLumos paper says it
    prior code   public code that the method builds on: LateTemporalModeling3DCNN (R(2+1)D + BERT),
                 DarkLight, ig65m-pytorch, SupContrast and others, named in the row
    ours         our choice, because neither says it

`Config` is one column of the ledger with types. `NetworkConfig` is the part that decides a
network's shape. Defaults and ranges are in the ledger only, and every `Config` is checked against
them when it is made: before anything is rendered, decoded or trained.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from actlumos.ranges import problems

PROFILES = ("smoke", "demo", "paper")
ORIGINS = ("paper", "prior code", "ours")
LARGEST_SEED = 2**32 - 1  # scikit-learn's; NumPy and PyTorch take it too
_LEDGER = Path(__file__).with_name("ledger.csv")


class InputError(ValueError):
    """Several things that cannot be used, such as settings: `lines` has one sentence for each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of a network: the ledger's `model` section and the number of frames of a clip.

    Passed whole to every network; `profile(...)` gives one with values.
    """

    frames: int
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    stem: int
    temporal_strides: tuple[int, ...]
    midplanes: str
    bn_momentum: float
    bn_eps: float
    norm: str
    norm_enhanced: str
    fusion_reduction: int
    projection: int
    bert_layers: int
    bert_heads: int
    token_keep: float
    bert_dropout: float
    bert_start: str
    classifier_dropout: float
    checkpoint_activations: bool

    def norm_of(self, stream: str) -> str:
        """Kind of `InputNorm` of a stream: `norm` for `dark`, `norm_enhanced` for all others."""
        return self.norm if stream == "dark" else self.norm_enhanced


@dataclass(frozen=True, kw_only=True)
class Config(NetworkConfig):
    """One profile of the ledger; the meaning of each field is its row's note."""

    profile: str
    stride: int
    short_clips: str
    on_bad_clip: str
    reader: str
    resize: str
    frame_size: tuple[int, int]
    crop_size: tuple[int, int]
    crop_scales: tuple[float, ...]
    flip: float
    exposure_jitter: float
    cache_frames: bool
    workers: int
    enhancement: str
    retinex_sigmas: tuple[float, ...]
    gamma: float
    flow_method: str
    flow_enhancement: str
    flow_bound: float
    flow_weights: str
    weights: str
    batch_size: int
    accumulate: int
    learning_rate: float
    weight_decay: float
    schedule: str
    warmup: float
    epochs_supervised: int
    epochs_teacher: int
    epochs_pretrain: int
    epochs_distill: int
    precision: str
    checkpoint_minutes: float
    lambda_sup: float
    tau_sup: float
    tau_ssl: float
    ssl_crop_scales: tuple[float, ...]
    ssl_photometric: float
    ssl_batch_size: int
    lambda_kd: float
    temperature: float
    select_on: str
    test_crops: int
    darkroom_train: int
    darkroom_val: int
    darkroom_test: int
    darkroom_b: int

    def __post_init__(self) -> None:
        """Check every value; an InputError names all that are wrong."""
        _check_profile(self.profile)
        kinds = {field.name: str(field.type) for field in fields(self)}
        if wrong := problems(self, {row["name"]: row["range"] for row in _rows()}, kinds):
            raise InputError(*wrong)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Inverse of `to_dict`.

        Raises:
            ValueError: a field is missing or unknown, so the file is from another version.
        """
        wanted = {field.name for field in fields(cls)}
        if wanted != set(values):
            raise ValueError(
                f"not a config of this version: missing {sorted(wanted - set(values))}, "
                f"unknown {sorted(set(values) - wanted)}"
            )
        return cls(**_with_tuples(values))

    def with_(self, **changes: Any) -> Config:
        """A copy with some fields changed; an unknown field is an error."""
        unknown = set(changes) - {field.name for field in fields(self)}
        if unknown:
            raise InputError(f"unknown setting {sorted(unknown)}; see actlumos/ledger.csv")
        return replace(self, **_with_tuples(changes))


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


_PARSERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: {"true": True, "false": False}[text],
    "tuple[int, int]": lambda text: tuple(int(part) for part in text.split("x")),
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
    "tuple[float, ...]": lambda text: tuple(float(part) for part in text.split()),
}


@functools.cache
def _rows() -> tuple[dict[str, str], ...]:
    with open(_LEDGER, encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


def profile(name: str = "demo", **changes: Any) -> Config:
    """The settings of one profile, with single fields changed.

    Args:
        name: `smoke` (seconds per notebook, for tests), `demo` (minutes on a CPU) or `paper`
            (R(2+1)D-34, 64 frames at 112 x 112, for GPUs).
        **changes: fields of `Config` with other values.

    Raises:
        ValueError: unknown profile or field; an InputError, if values are outside their range.
    """
    _check_profile(name)
    values = {row["name"]: parse(row["name"], row[name]) for row in _rows()}
    return Config(profile=name, **values).with_(**changes)


def check_seed(seed: int) -> None:
    """Refuse a seed that not every source of random numbers takes.

    Raises:
        ValueError: it is not within 0..2^32 - 1.
    """
    if not 0 <= seed <= LARGEST_SEED:
        problem = f"seed {seed} is negative" if seed < 0 else f"seed {seed} is too large"
        raise ValueError(f"{problem}: use 0 to {LARGEST_SEED}")


def parse(name: str, text: str) -> Any:
    """The value of a setting from the text of a ledger cell or a command line.

    Raises:
        ValueError: unknown setting, or the text is no such value.
    """
    types = {field.name: str(field.type) for field in fields(Config) if field.name != "profile"}
    if name not in types:
        raise InputError(f"unknown setting {name!r}; see actlumos/ledger.csv")
    try:
        return _PARSERS[types[name]](text)
    except (KeyError, ValueError):
        raise InputError(f"{name} is {types[name]}, which {text!r} is not") from None


def _check_profile(name: str) -> None:
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}: choose one of {', '.join(PROFILES)}")


def ledger(*sections: str, of: str = "paper") -> pd.DataFrame:
    """The ledger's rows as a table, all of them or those of the named sections.

    Args:
        *sections: `data`, `model`, `loss` and so on; none: every row.
        of: the profile whose values the column `origin` is about. A smaller profile's value
            that differs from the paper profile's is `ours`.

    Raises:
        ValueError: unknown section or profile.
    """
    _check_profile(of)
    table = pd.DataFrame(_rows()).set_index("name")
    table["origin"] = table["origin"].where(table[of] == table["paper"], "ours")
    if not sections:
        return table
    unknown = set(sections) - set(table["section"])
    if unknown:
        raise ValueError(f"unknown ledger section {sorted(unknown)}: {sorted(set(table.section))}")
    return table[table["section"].isin(sections)]


def digest(*parts: Any) -> str:
    """Short hash of JSON-able values: the same values give the same text on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
