"""How each arm is called and coloured in figures."""

from __future__ import annotations

from typing import NamedTuple


class ArmText(NamedTuple):
    """Short `label` for figures, and the `group` that gives its colour."""

    label: str
    group: str


ARMS = {
    "one-frame": ArmText("one frame", "control"),
    "background": ArmText("background", "control"),
    "dark-fixed": ArmText("dark, fixed scaling", "single stream"),
    "dark-log": ArmText("dark, log", "single stream"),
    "dark": ArmText("dark", "single stream"),
    "retinex": ArmText("Retinex", "single stream"),
    "fusion-mean": ArmText("mean fusion", "two streams"),
    "fusion-concat": ArmText("concat fusion", "two streams"),
    "dff": ArmText("DFF", "two streams"),
    "teacher": ArmText("DFF + SupCon", "two streams"),
    "ssl-a": ArmText("SSL, own", "pretraining"),
    "ssl-b": ArmText("SSL, other", "pretraining"),
    "ssl-spatial": ArmText("SSL, spatial", "pretraining"),
    "ssl-temporal": ArmText("SSL, temporal", "pretraining"),
    "ssl": ArmText("SSL", "pretraining"),
    "kd": ArmText("KD", "student"),
    "ssl-a-kd": ArmText("SSL, own + KD", "student"),
    "ssl-b-kd": ArmText("SSL, other + KD", "student"),
    "ssl-spatial-kd": ArmText("SSL, spatial + KD", "student"),
    "ssl-temporal-kd": ArmText("SSL, temporal + KD", "student"),
    "ssl-kd": ArmText("SSL + KD", "student"),
}

BASELINES = "baselines/"
OWN = {"actlumos-student": "ssl-kd", "actlumos-teacher": "teacher"}
"""Systems of the comparison that are arms of the table above."""


def arm_of(system: str) -> str:
    """The arm that a system of the comparison has in `results.json`."""
    return OWN.get(system, BASELINES + system)


def describe(arm: str) -> ArmText:
    """Text of an arm; one that is not listed here is called by its own name, as systems are."""
    return ARMS.get(arm, ArmText(arm.removeprefix(BASELINES), "other"))


def in_order(names: list[str]) -> list[str]:
    """Arms in the order of the story; unlisted ones last, as they came."""
    order = {name: place for place, name in enumerate(ARMS)}
    return sorted(names, key=lambda name: order.get(name, len(order)))
