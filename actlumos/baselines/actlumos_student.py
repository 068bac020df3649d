"""ActLumos' student: R(2+1)D-34 + BERT on the dark clip alone, distilled from the teacher.

    actlumos train ssl-kd --profile demo      # about 2 minutes on two cores, and before it the
                                              # teacher (3) and the pre-training (1)

Its network is that of `r2plus1d-bert`; only the training differs: self-supervised pre-training of
the backbone, then distillation (`actlumos.stages`). A reconstruction: only figures and abstract of
the paper can be read.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice

CARD = Card(
    name="actlumos-student",
    title="ActLumos (student)",
    year=2025,
    venue="arXiv",
    status="reconstruction",
    idea="A network with one dark stream is pre-trained on unlabelled dark clips, then distilled "
    "from a teacher with two streams. It added this training; the student runs alone at test time.",
    source="arXiv 2502.03724 v2: abstract and figures; no code",
    diagram=("dark clip -> R(2+1)D-34 -> 8 tokens -> BERT -> logits",),
    streams=("dark",),
    known="Dark frames only, in training and testing; 67 M parameters, which fit R(2+1)D-34 with "
    "one BERT layer; the form of its two stages, as the figures draw them.",
    unknown="Temperature and weight of the distillation, augmentations and loss of the "
    "pre-training, frames, starting weights and recipe.",
    ours="What the ledger marks as ours. The arm `ssl-kd` trains it: pre-training, then "
    "distillation; other arms leave out one of the two.",
    choices=(
        Choice("training", "the arm `ssl-kd`", "paper", "Figure arch.png: the form of the losses"),
    ),
    reported=("ActLumos (student)",),
    grew_from=("actlumos-teacher", "r2plus1d-bert"),
)
