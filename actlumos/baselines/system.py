"""What the kit knows of one published system: what it sees, how it is built, how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from torch import Tensor, nn

from actlumos.config import PROFILES, Config, profile
from actlumos.models import losses

Status = Literal["faithful", "lineage", "reconstruction"]
Stage = Literal["supervised", "distill", "adapt", "enhance"]
Terms = dict[str, Tensor]

STATUS = {
    "faithful": "built from public code or a full description; the parameter count agrees",
    "lineage": "built from the public code of its family",
    "reconstruction": "built from an abstract; the unknown is our choice: not the authors' model",
}


@dataclass(frozen=True)
class Choice:
    """One setting of a system, and whose it is: `paper`, `lineage` or `ours`."""

    name: str
    value: str
    origin: str
    source: str


def classification(output: Any, label: Tensor, config: Config) -> Terms:
    """Cross-entropy of the logits, the loss of most systems.

    Args:
        output: logits `[B, K]`, or something with `.logits`.
        label: int64 `[B]`.
    """
    return losses.classification(getattr(output, "logits", output), label)


@dataclass(frozen=True)
class System:
    """One row of the comparison; each stands in a file of its own.

    Args:
        name: kebab-case.
        title, year, venue: as a table prints them; `year` 0 where nothing was published.
        status: how close to the authors' model it is, see `STATUS`.
        idea: two sentences: what it is, and what it added.
        source: paper and code.
        diagram: rows of boxes, joined by arrows from left to right.
        streams: what the network sees at test time, see `actlumos.views.streams`.
        network: classes and settings to an untrained network that takes a float `[B, C, T, h, w]`
            a stream and gives logits `[B, K]` or something with `.logits`.
        paper, demo: settings that differ from those profiles'.
        known, unknown, ours: what is certain, what is not public, what this kit chose.
        choices: its own settings beside the ledger's.
        reported: its method names in `actlumos/report/reported.csv`.
        mismatch: why the counted parameters differ from a printed figure.
        grew_from: names of the systems that it builds on.
        stage: `supervised` (cross-entropy or `terms`), `distill` (from the first of `needs`),
            `adapt` (labels of normal-light clips, dark clips without labels) or `enhance` (no
            labels at all).
        terms: output, labels and settings to loss terms; `loss` is minimised.
        needs: supporting arms that are trained first, by their names here.
        begin: hands the networks of `needs`, by name, to an untrained network.
        lit_by: which of `needs` makes the stream `lit`, by its `enhance_frames`.
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
    network: Callable[[int, Config], nn.Module]
    known: str
    unknown: str
    ours: str
    paper: Mapping[str, Any] = field(default_factory=dict)
    demo: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    reported: tuple[str, ...] = ()
    mismatch: str = ""
    grew_from: tuple[str, ...] = ()
    stage: Stage = "supervised"
    terms: Callable[[Any, Tensor, Config], Terms] = classification
    needs: tuple[str, ...] = ()
    begin: Callable[[nn.Module, Mapping[str, nn.Module]], None] | None = None
    lit_by: str = ""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status) or self.stage not in get_args(Stage):
            raise ValueError(f"{self.name}: unknown status or stage {self.status, self.stage}")

    @property
    def enhances(self) -> bool:
        """Whether it only makes clips brighter, and names no action."""
        return self.stage == "enhance"

    def changes(self, profile_name: str) -> dict[str, Any]:
        """Settings that differ from a profile's; the smoke profile takes the demo's."""
        if profile_name not in PROFILES:
            raise ValueError(f"unknown profile {profile_name!r}: choose {', '.join(PROFILES)}")
        return dict(self.paper if profile_name == "paper" else self.demo)

    def settings(self, scale: str) -> Config:
        """The whole configuration at a scale, `paper` or `demo`."""
        if scale not in ("paper", "demo"):
            raise ValueError(f"scale is {scale!r}: choose 'paper' or 'demo'")
        return profile(scale, **self.changes(scale))


def scale_of(config: Config) -> Literal["paper", "demo"]:
    """The size of net that a configuration asks for: the small profiles share one."""
    return "paper" if config.profile == "paper" else "demo"
