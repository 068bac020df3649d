"""ActLumos' teacher: dark and Retinex clips, one backbone, dynamic fusion, BERT.

    actlumos train teacher --profile demo      # about 3 minutes on two cores

In the comparison it is an upper bound: it gets the enhanced clip at test time, which the student
does not. The arm `teacher` trains it (`actlumos.stages.teacher`): cross-entropy, and SupCon between
the two streams. A reconstruction: only figures and abstract of the paper can be read.
"""

from __future__ import annotations

from actlumos.arms import Card, Choice

STREAMS = ("dark", "retinex")
FIGURE = "figures of arXiv 2502.03724 v2"

CARD = Card(
    name="actlumos-teacher",
    title="ActLumos (teacher)",
    year=2025,
    venue="arXiv",
    status="reconstruction",
    idea="A dark clip and its Retinex version share one backbone and are fused by DFF. It added a "
    "supervised contrastive loss over both streams.",
    source="arXiv 2502.03724 v2: abstract and figures; no code",
    diagram=(
        "dark clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
        "Retinex clip -> R(2+1)D-34 (shared) -> DFF -> 8 tokens -> BERT -> logits",
    ),
    streams=STREAMS,
    known="Two streams, shared weights, DFF with a softmax over the streams, BERT, and a loss of "
    "cross-entropy and supervised contrast, as the figures draw them.",
    unknown="Its accuracy, the kind of Retinex, the weight and temperature of the contrast, "
    "frames, pre-training and recipe.",
    ours="What the ledger marks as ours: multi-scale Retinex, a projector before the contrast, "
    "weights of the losses. The arm `teacher` trains it, not cross-entropy alone.",
    choices=(
        Choice("fusion", "dff, reduction 4", "paper", f"{FIGURE}; the reduction is AFF's"),
        Choice("training", "the arm `teacher`", "paper", "Figure arch.png: the form of the loss"),
    ),
    grew_from=("md-bert",),
)
