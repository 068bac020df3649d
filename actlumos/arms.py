"""Every trainable by name, as plain data: what it is called, and which file holds its recipe.

An *arm* is one row of a results table: a network trained in one way. Its name leads
to the file that defines the rest (inputs, network, loss, settings that differ, what is trained
before it): `ARMS[name].module` for the method's own arms, `actlumos/baselines/` for the published
systems, one file each. Nothing here imports torch, so that reports and `--help` can read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Status = Literal["faithful", "prior code", "reconstruction"]

STATUS = {
    "faithful": "built from public code or a full description; the parameter count agrees",
    "prior code": "built from the public code of its family",
    "reconstruction": "built from an abstract; unknown parts are ours: not the authors' model",
}


class Arm(NamedTuple):
    """A `title` for tables, a short `label` for figures, a `group` for the colour, a `module`."""

    title: str
    label: str
    group: str
    module: str


def _arms(group: str, module: str, **titles: tuple[str, str]) -> dict[str, Arm]:
    """Arms of one group; an underscore in a name stands for a hyphen."""
    path = f"actlumos.stages.{module}"
    return {
        name.replace("_", "-"): Arm(title, label, group, path)
        for name, (title, label) in titles.items()
    }


ARMS: dict[str, Arm] = {
    **_arms(
        "control", "supervised",
        one_frame=("Control: one frame", "one frame"),
        background=("Control: background only", "background"),
    ),
    **_arms(
        "single stream", "supervised",
        dark_fixed=("Student, CE only, fixed scaling", "dark, fixed scaling"),
        dark_log=("Student, CE only, log", "dark, log"),
        dark=("Student, CE only (dark)", "dark"),
        retinex=("Retinex only, CE", "Retinex"),
    ),
    **_arms(
        "two streams", "teacher",
        fusion_mean=("Two streams, mean", "mean fusion"),
        fusion_concat=("Two streams, concatenation", "concat fusion"),
        dff=("Two streams, DFF", "DFF"),
        teacher=("Teacher: DFF + SupCon", "DFF + SupCon"),
    ),
    **_arms(
        "pretraining", "pretrain",
        ssl_a=("SSL on the own domain", "SSL, own"),
        ssl_b=("SSL on the other domain", "SSL, other"),
        ssl_spatial=("SSL, spatial views", "SSL, spatial"),
        ssl_temporal=("SSL, temporal views", "SSL, temporal"),
        ssl=("SSL on both domains", "SSL"),
    ),
    **_arms(
        "student", "distill",
        kd=("Student, KD", "KD"),
        ssl_a_kd=("Student, SSL (own domain) + KD", "SSL, own + KD"),
        ssl_b_kd=("Student, SSL (other domain) + KD", "SSL, other + KD"),
        ssl_spatial_kd=("Student, spatial SSL + KD", "SSL, spatial + KD"),
        ssl_temporal_kd=("Student, temporal SSL + KD", "SSL, temporal + KD"),
        ssl_kd=("Student, SSL + KD (ActLumos)", "SSL + KD"),
    ),
}  # fmt: skip
"""The method's own arms, in the order in which tables and figures show them."""

STUDIES: dict[str, tuple[str, ...]] = {
    "input": ("dark", "retinex", "dff"),
    "supcon": ("dff", "teacher"),
    "student": ("dark", "kd", "ssl-kd", "teacher"),
    "ssl-source": ("kd", "ssl-a-kd", "ssl-b-kd", "ssl-kd"),
    "control": ("one-frame", "background"),
    "fusion": ("fusion-mean", "fusion-concat", "dff"),
    "views": ("ssl-spatial-kd", "ssl-temporal-kd", "ssl-kd"),
    "normalisation": ("dark-fixed", "dark-log", "dark", "retinex"),
}
"""The ablations: which arms each compares."""

BASELINES = "baselines/"
SYSTEMS = (
    "vgg-ts", "tsn", "i3d-rgb", "i3d-two-stream", "p3d-199", "r2plus1d-34", "resnet3d-18",
    "resnet3d-50", "resnet3d-101", "r2plus1d-bert", "darklight-r2plus1d-34",
    "darklight-resnext-101", "mran", "r2plus1d-gcn-bert", "sci-r2plus1d-gcn", "dtcm", "wiid",
    "mfdl", "md-bert", "dl-kdd", "actlumos-student", "actlumos-teacher",
)  # fmt: skip
"""The systems of the comparison: 20 that others published, and ActLumos' student and teacher."""

OWN = {"actlumos-student": "ssl-kd", "actlumos-teacher": "teacher"}
"""The two systems that are arms of the method itself."""

SUPPORTING = ("enhancer-sci", "enhancer-curves", "enhancer-diffusion", "dl-kdd-teacher")
"""What some systems need trained first; not rows of the comparison themselves."""


@dataclass(frozen=True)
class Choice:
    """One setting of a system, and its origin: `paper`, `prior code` or `ours`."""

    name: str
    value: str
    origin: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a published system; how it is trained is its `Recipe`, in the same file.

    Args:
        name: as in `SYSTEMS`.
        title, year, venue: as a table prints them; `year` 0 where nothing was published.
        status: how close to the authors' model it is, see `STATUS`.
        idea: two sentences: what it is, and what it added.
        source: paper and code.
        diagram: rows of boxes, joined by arrows from left to right.
        streams: the network's inputs at test time.
        known, unknown, ours: what is certain, what is not public, what this kit chose.
        choices: its own settings in addition to the ledger's.
        reported: its method names in `actlumos/report/reported.csv`.
        mismatch: why the counted parameters differ from a printed figure.
        grew_from: names of the systems that it builds on.
    """

    name: str
    title: str
    year: int
    venue: str
    status: Status
    idea: str
    source: str
    diagram: tuple[str, ...]
    streams: tuple[str, ...]
    known: str
    unknown: str
    ours: str
    choices: tuple[Choice, ...] = ()
    reported: tuple[str, ...] = ()
    mismatch: str = ""
    grew_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"{self.name}: unknown status {self.status!r}")


def own_name(name: str) -> str:
    """The arm of that name; `baselines/actlumos-student` and `-teacher` are arms of the method."""
    return OWN.get(name.removeprefix(BASELINES), name) if name.startswith(BASELINES) else name


def module_of(name: str) -> str:
    """The module that holds an arm's recipe.

    Args:
        name: a name of `ARMS`, or `baselines/NAME` with a name of `SYSTEMS` or `SUPPORTING`.

    Raises:
        ValueError: there is none; the message lists them.
    """
    name = own_name(name)
    if name in ARMS:
        return ARMS[name].module
    system = name.removeprefix(BASELINES)
    if name.startswith(BASELINES) and system in (*SYSTEMS, *SUPPORTING):
        return f"actlumos.baselines.{system.replace('-', '_')}"
    if name.startswith(BASELINES):
        raise ValueError(f"unknown system {system!r}: choose one of {', '.join(SYSTEMS)}")
    known = ", ".join(ARMS)
    raise ValueError(f"unknown arm {name!r}: choose one of {known}, or baselines/NAME of a system")


def arm_of(system: str) -> str:
    """The arm that a system of the comparison has in `results.json`."""
    return own_name(BASELINES + system)


def describe(arm: str) -> Arm:
    """Text of an arm; a published system is called by its own name, which is in its `Card`."""
    system = arm.removeprefix(BASELINES)
    return ARMS.get(arm) or Arm(system, system, "other", "")


def in_order(names: list[str]) -> list[str]:
    """Arms in the order of `ARMS`; others last, in their given order."""
    order = {name: place for place, name in enumerate(ARMS)}
    return sorted(names, key=lambda name: order.get(name, len(order)))
