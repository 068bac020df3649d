"""Every setting has a range, and what is outside it is said before anything is trained."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields
from typing import get_args

import pytest

from actlumos.arms import ARMS, BASELINES, SYSTEMS
from actlumos.config import PROFILES, Config, InputError, check_seed, ledger, parse, profile
from actlumos.data import clips, video
from actlumos.models import bert_head, r2plus1d
from actlumos.models.input_norm import InputNorm
from actlumos.ranges import outside
from actlumos.stages import find
from actlumos.views import enhance, flow

NAN, INF = math.nan, math.inf
RANGES = ledger()["range"]


@pytest.mark.parametrize(
    ("allowed", "inside", "out"),
    [
        ("1..10", (1, 10, 2.5), (0, 11, NAN, INF, True, "5", None, (5,))),
        (">=0 <1", (0, 0.999), (1, -1e-9, NAN, -INF)),
        (">0", (1e-300, 1e300), (0, -1, INF, NAN)),
        ("<=3", (3, -1e9), (3.1, -INF)),
        ("a|b|10", ("a", "b", 10), ("c", "", "a|b", 1, None)),
        ("true|false", (True, False), ("maybe", 1, 0)),
        ("2 x 1..8", ((1, 8),), ((), (1,), (1, 2, 3), (0, 1), (1, NAN), 3, "18")),
        ("+ x >0 <=1", ((1,), (0.5, 1, 0.1)), ((), (0.5, 0), (2,), 1, "1")),
        ("any", ("", "a path"), ()),
    ],
)
def test_a_range_holds_what_it_says(allowed: str, inside: tuple, out: tuple) -> None:
    assert [value for value in inside if outside(value, allowed)] == []
    assert [value for value in out if not outside(value, allowed)] == []


@pytest.mark.parametrize("text", ["", "about 3", ">= 1", "1-10"])
def test_a_range_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a range|could not convert"):
        outside(1, text)


def test_every_row_has_a_range_and_every_profile_keeps_to_it() -> None:
    assert (RANGES.str.len() > 1).all()
    for name in PROFILES:
        config = profile(name)
        assert not [n for n in RANGES.index if outside(getattr(config, n), RANGES[n])]


def test_a_list_of_numbers_says_how_many() -> None:
    kinds = {field.name: str(field.type) for field in fields(Config)}
    lists = {name for name in RANGES.index if " x " in RANGES[name]}
    assert lists == {name for name in RANGES.index if kinds[name].startswith("tuple")}


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("enhancement", tuple(enhance.METHODS)),
        ("flow_enhancement", ("none", *enhance.METHODS)),
        ("flow_method", flow.METHODS),
        ("norm", InputNorm.KINDS),
        ("norm_enhanced", InputNorm.KINDS),
        ("short_clips", video.POLICIES),
        ("on_bad_clip", clips.ON_BAD_CLIP),
        ("midplanes", get_args(r2plus1d.Midplanes)),
        ("bert_start", get_args(bert_head.Start)),
    ],
)
def test_the_ledgers_choices_are_those_of_the_code(name: str, choices: tuple[str, ...]) -> None:
    assert sorted(RANGES[name].split("|")) == sorted(choices)


WRONG = [
    ("epochs_supervised=0", "epochs_supervised is 0: it has to be a number in 1.."),
    ("epochs_teacher=-1", "epochs_teacher is -1"),
    ("epochs_pretrain=0", "epochs_pretrain is 0"),
    ("learning_rate=nan", "learning_rate is nan: it has to be a number >0"),
    ("learning_rate=-1", "learning_rate is -1"),
    ("learning_rate=inf", "learning_rate is inf"),
    ("weight_decay=-1", "weight_decay is -1"),
    ("accumulate=0", "accumulate is 0"),
    ("accumulate=-2", "accumulate is -2"),
    ("batch_size=0", "batch_size is 0"),
    ("ssl_batch_size=1", "ssl_batch_size is 1: it has to be a number in 2.."),
    ("crop_size=28", "crop_size is 28: it has to be 2 numbers"),
    ("frame_size=0x0", "frame_size is 0 0"),
    ("crop_scales=", "crop_scales is empty: it has to be one number or more"),
    ("crop_scales=1 1.5", "crop_scales is 1.0 1.5"),
    ("ssl_crop_scales=0", "ssl_crop_scales is 0.0"),
    ("layers=1 1 1", "layers is 1 1 1: it has to be 4 numbers"),
    ("layers=1 1 0 1", "layers is 1 1 0 1"),
    ("widths=16", "widths is 16"),
    ("temporal_strides=2 2 1", "temporal_strides is 2 2 1"),
    ("bert_heads=0", "bert_heads is 0"),
    ("bert_layers=0", "bert_layers is 0"),
    ("bert_dropout=1.5", "bert_dropout is 1.5"),
    ("classifier_dropout=1", "classifier_dropout is 1.0: it has to be a number >=0 <1"),
    ("bn_eps=-1", "bn_eps is -1"),
    ("bn_momentum=nan", "bn_momentum is nan"),
    ("workers=-1", "workers is -1"),
    ("frames=100000000000000000000", "frames is 100000000000000000000"),
    ("stride=-1", "stride is -1"),
    ("test_crops=3", "test_crops is 3: it has to be one of 1|10"),
    ("flip=7", "flip is 7.0: it has to be a number in 0..1"),
    ("warmup=2", "warmup is 2.0"),
    ("token_keep=0", "token_keep is 0.0"),
    ("temperature=0", "temperature is 0.0"),
    ("tau_ssl=0", "tau_ssl is 0.0"),
    ("tau_sup=-1", "tau_sup is -1"),
    ("lambda_kd=nan", "lambda_kd is nan"),
    ("gamma=0", "gamma is 0.0"),
    ("retinex_sigmas=4 -1", "retinex_sigmas is 4.0 -1.0"),
    ("flow_bound=0", "flow_bound is 0.0"),
    ("exposure_jitter=-1", "exposure_jitter is -1.0"),
    ("ssl_photometric=1e9", "ssl_photometric is 1000000000.0"),
    ("checkpoint_minutes=nan", "checkpoint_minutes is nan"),
    ("darkroom_val=0", "darkroom_val is 0"),
    ("schedule=step", "schedule is 'step': it has to be one of plateau|cosine"),
    ("precision=fp16", "precision is 'fp16': it has to be one of auto|bf16|fp32"),
    ("select_on=train", "select_on is 'train'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_a_value_outside_its_range_is_refused(text: str, message: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(InputError) as raised:
        profile("smoke", **{name: parse(name, value)})
    assert raised.value.lines[0].startswith(message) and len(raised.value.lines) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": (40, 36)}, "crop_size is 40x36: it has to fit into frame_size 32x42"),
        ({"stride": 0, "short_clips": "loop"}, "stride is 0, which spreads a clip"),
        ({"bert_heads": 3}, "bert_heads is 3: it has to divide the last of widths, 32"),
        ({"crop_scales": (0.01,)}, "crop_scales has 0.01: no pixel is left"),
        ({"flow_method": "raft"}, "flow_method is 'raft': set flow_weights"),
        ({"frames": "8"}, "frames is '8'"),
        ({"frames": 8.0}, "frames is 8.0: it has to be of type int"),
        ({"cache_frames": "true"}, "cache_frames is 'true': it has to be of type bool"),
        ({"test_crops": "10"}, "test_crops is '10': it has to be of type int"),
        ({"weights": None}, "weights is None: it has to be of type str"),
    ],
)
def test_values_that_do_not_fit_together_or_their_type(changes: dict, message: str) -> None:
    with pytest.raises(InputError) as raised:
        profile("smoke", **changes)
    assert raised.value.lines[0].startswith(message) and len(raised.value.lines) == 1


def test_all_wrong_values_are_said_at_once() -> None:
    with pytest.raises(InputError) as raised:
        profile("smoke", epochs_teacher=0, flip=2.0, crop_size=(8, 99), stride=0, short_clips="pad")
    names = [line.split()[0] for line in raised.value.lines]
    assert names == ["flip", "epochs_teacher", "crop_size", "stride"]


def test_stride_0_is_for_clips_that_span_their_video() -> None:
    assert profile("smoke", stride=0, short_clips="span").stride == 0


@pytest.mark.parametrize("scale", PROFILES)
def test_every_arm_keeps_to_the_ranges(scale: str) -> None:
    for name in (*ARMS, *(BASELINES + system for system in SYSTEMS)):
        assert find(name).settings(profile(scale)).profile == scale


def test_seeds_are_those_that_every_generator_takes() -> None:
    for seed in (0, 7, 2**32 - 1):
        check_seed(seed)
    with pytest.raises(ValueError, match="seed -1 is negative"):
        check_seed(-1)
    with pytest.raises(ValueError, match="is too large: use 0 to 4294967295"):
        check_seed(10**26)


def test_settings_are_checked_without_pytorch() -> None:
    check = (
        "import sys\nfrom actlumos.config import profile\n"
        "try:\n    profile('smoke', flip=2.0)\n"
        "except ValueError:\n    assert 'torch' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
