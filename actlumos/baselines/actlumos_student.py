"""ActLumos' student: R(2+1)D-34 + BERT on the dark clip alone, taught by the two-stream teacher.

Its network is that of `r2plus1d-bert`; what is new is how it comes to its weights. The arm
`ssl-kd` trains it (`actlumos.stages`): self-supervised pre-training of the backbone, then
distillation. A reconstruction: of the paper, figures and abstract can be read.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice

CARD = Card(
    name="actlumos-student",
    title="ActLumos (student)",
    year=2025,
    venue="arXiv",
    status="reconstruction",
    idea="One dark stream learns from unlabelled dark clips first, then from a teacher that also "
    "sees enhanced ones. It added a training scheme after which nothing of the teacher is needed.",
    source="arXiv 2502.03724 v2: abstract and figures; no code",
    diagram=("dark clip -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="Dark frames only, in training and testing; 67 M parameters, which fit R(2+1)D-34 with "
    "one BERT layer; the form of its two stages, as the figures draw them.",
    unknown="Temperature and weight of the distillation, augmentations and loss of the "
    "pre-training, frames, starting weights and recipe.",
    ours="Whatever the ledger marks so. The arm `ssl-kd` trains it: pre-training, then "
    "distillation; each of the two also has an arm without it.",
    choices=(
        Choice("training", "the arm `ssl-kd`", "paper", "Figure arch.png: the form of the losses"),
    ),
    reported=("ActLumos (student)",),
    grew_from=("actlumos-teacher", "r2plus1d-bert"),
)
