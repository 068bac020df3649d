"""Every model that a run can train, by name: what it sees, what it starts from, who teaches it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One row of the ablation tables.

    Args:
        title: what a reader sees in tables and figures.
        stage: `supervised`, `teacher`, `pretrain`, `distill` or `zoo`.
        streams: what the model looks at (`dark`, `retinex`).
        fusion: how a two-stream model joins its streams.
        pool, views: unlabelled clips (`a`, `b`, `ab`) and kind of views of a pretraining.
        init: the pretraining whose backbone a student starts from.
        teacher: the arm whose logits a student learns from.
        clips: `clips`, or `background` for the figure-free frames.
        changes: settings that differ from the profile's.
        system: of stage `zoo`: its name in `actlumos.baselines`.
        support: further arms that must be trained before this one.
    """

    title: str
    stage: str
    streams: tuple[str, ...] = ("dark",)
    fusion: str = "dff"
    pool: str = ""
    views: str = "both"
    init: str = ""
    teacher: str = ""
    clips: str = "clips"
    changes: dict[str, Any] = field(default_factory=dict)
    system: str = ""
    support: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Arms that must be trained before this one."""
        return tuple(name for name in (self.init, self.teacher, *self.support) if name)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)


_TWO = ("dark", "retinex")
_ONE_FRAME = {"frames": 1, "stride": 1}


def _teacher(title: str, fusion: str = "dff", **changes: Any) -> Arm:
    return Arm(title, "teacher", _TWO, fusion=fusion, changes=changes)


def _student(title: str, init: str = "") -> Arm:
    return Arm(title, "distill", init=init, teacher="teacher")


ARMS: dict[str, Arm] = {
    "dark": Arm("Student, CE only (dark)", "supervised"),
    "retinex": Arm("Retinex only, CE", "supervised", ("retinex",)),
    "fusion-mean": _teacher("Two streams, mean", "mean", lambda_sup=0.0),
    "fusion-concat": _teacher("Two streams, concatenation", "concat", lambda_sup=0.0),
    "dff": _teacher("Two streams, DFF", lambda_sup=0.0),
    "teacher": _teacher("Teacher: DFF + SupCon"),
    "ssl": Arm("SSL on both domains", "pretrain", pool="ab"),
    "ssl-a": Arm("SSL on the own domain", "pretrain", pool="a"),
    "ssl-b": Arm("SSL on the other domain", "pretrain", pool="b"),
    "ssl-spatial": Arm("SSL, spatial views", "pretrain", pool="ab", views="spatial"),
    "ssl-temporal": Arm("SSL, temporal views", "pretrain", pool="ab", views="temporal"),
    "kd": _student("Student, KD"),
    "ssl-kd": _student("Student, SSL + KD (ActLumos)", "ssl"),
    "ssl-a-kd": _student("Student, SSL (own domain) + KD", "ssl-a"),
    "ssl-b-kd": _student("Student, SSL (other domain) + KD", "ssl-b"),
    "ssl-spatial-kd": _student("Student, spatial SSL + KD", "ssl-spatial"),
    "ssl-temporal-kd": _student("Student, temporal SSL + KD", "ssl-temporal"),
    "dark-fixed": Arm("Student, CE only, fixed scaling", "supervised", changes={"norm": "fixed"}),
    "dark-log": Arm("Student, CE only, log", "supervised", changes={"norm": "log"}),
    "one-frame": Arm("Control: one frame", "supervised", changes=_ONE_FRAME),
    "background": Arm(
        "Control: background only", "supervised", clips="background", changes=_ONE_FRAME
    ),
}


BASELINES = "baselines/"
OWN = {"baselines/actlumos-student": "ssl-kd", "baselines/actlumos-teacher": "teacher"}
"""The systems that are this kit's own arms."""


def find(name: str, profile: str = "demo") -> Arm:
    """The arm of that name.

    Args:
        name: a name of `ARMS`, or `baselines/NAME` with a name of `actlumos.baselines.names()`.
        profile: whose settings a system changes.

    Raises:
        ValueError: there is none; the message lists them.
    """
    name = OWN.get(name, name)
    if name.startswith(BASELINES):
        return _zoo_arm(name.removeprefix(BASELINES), profile)
    if name not in ARMS:
        known = ", ".join(ARMS)
        raise ValueError(f"unknown arm {name!r}: choose one of {known}, or baselines/NAME of a system")
    return ARMS[name]


def _zoo_arm(name: str, profile: str) -> Arm:
    from actlumos import baselines  # it imports every network, and the table above needs none

    system = baselines.find(name)
    return Arm(
        title=system.title,
        stage="zoo",
        streams=system.streams,
        changes=system.changes(profile),
        system=name,
        support=tuple(BASELINES + need for need in system.needs),
    )


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
