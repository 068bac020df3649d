"""DarkLight on 3D-ResNeXt-101: a row in two tables, for which no code was released.

    actlumos train baselines/darklight-resnext-101 --profile demo     # about 2 minutes on two cores

Input: 64 dark frames of 112 x 112, and the same frames after gamma 1.8. Loss: cross-entropy.

A reconstruction from the title of that row: the public DarkLight with another backbone, the
ResNeXt-101 whose last block LateTemporalModeling3DCNN narrows to 512 channels (FRMB).
"""

from __future__ import annotations

from actlumos.arms import Card, Choice
from actlumos.baselines.darklight_r2plus1d_34 import CHOICES, GAMMA, STREAMS
from actlumos.baselines.networks.common import TokenNet, norm_of, scale_of
from actlumos.baselines.networks.resnet3d import resnext3d_101
from actlumos.baselines.public_weights import load_public
from actlumos.config import Config
from actlumos.models.input_norm import InputNorm
from actlumos.stages.supervised import Supervised

# Of the older weights, whose input is RGB in 0..255 minus a mean; the file for 64 frames is older.
MEAN, STD = (114.7748 / 255, 107.7354 / 255, 99.4750 / 255), (1 / 255,) * 3


def network(num_classes: int, config: Config) -> TokenNet:
    """DarkLight with a ResNeXt trunk: 64 frames give 4 tokens per stream, 8 in total."""
    trunk = resnext3d_101(scale=scale_of(config), frmb=True)
    norms = [norm_of(name, config, InputNorm("fixed", MEAN, STD)) for name in STREAMS]
    return TokenNet(num_classes, config, norms, trunk=trunk)


CARD = Card(
    name="darklight-resnext-101",
    title="DarkLight-ResNeXt-101",
    year=2021,
    venue="CVPRW",
    status="reconstruction",
    idea="DarkLight's two streams on a backbone with grouped 3-D kernels. Compared with DarkLight "
    "on R(2+1)D-34 it shows the effect of the backbone.",
    source="Chen et al., DarkLight Networks for Action Recognition in the Dark, CVPRW 2021 (the "
    "title of a row); 3D-ResNeXt-101 of kenshohara (MIT), FRMB of LateTemporalModeling3DCNN (MIT)",
    diagram=(
        "dark clip -> 3D-ResNeXt-101 (shared) -> 4 tokens -> BERT over 8 -> logits",
        "gamma 1.8 clip -> 3D-ResNeXt-101 (shared) -> 4 tokens -> BERT over 8 -> logits",
    ),
    streams=STREAMS,
    known="Only the row's title: DarkLight's framework and a 3D-ResNeXt-101.",
    unknown="Everything else. No commit of the public code holds it.",
    ours="Everything except the title: one shared trunk with FRMB, whose 64 frames become 4 tokens "
    "per stream, 8 in total; gamma, head and recipe of DarkLight on R(2+1)D-34.",
    choices=(Choice("end of the trunk", "FRMB, 512 channels", "ours", "none"), *CHOICES),
    reported=("DarkLight-ResNeXt-101",),
    mismatch="88 M fits no build from public pieces: a shared trunk with FRMB and head has "
    "47.36 M, with FRAB 52.45 M, two separate trunks 91.6 or 95.0 M.",
    grew_from=("darklight-r2plus1d-34", "resnet3d-101"),
)

RECIPE = Supervised(
    network=network,
    streams=CARD.streams,
    paper={"gamma": GAMMA, "token_keep": 1.0},
    demo={"gamma": GAMMA},
    load=load_public,
)
