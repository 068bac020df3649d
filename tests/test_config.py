"""The ledger is the only place where a default is defined."""

from __future__ import annotations

from dataclasses import fields

import pytest

from actlumos.config import (
    ORIGINS,
    PROFILES,
    Config,
    NetworkConfig,
    digest,
    ledger,
    profile,
)


def test_ledger_and_config_have_the_same_fields() -> None:
    names = [field.name for field in fields(Config) if field.name != "profile"]
    assert sorted(ledger().index) == sorted(names)
    assert ledger().index.is_unique


def test_a_network_is_decided_by_the_model_section_and_the_number_of_frames() -> None:
    names = [field.name for field in fields(NetworkConfig)]
    assert sorted(names) == sorted(["frames", *ledger("model").index])
    assert all(isinstance(profile(name), NetworkConfig) for name in PROFILES)


def test_an_enhanced_stream_has_its_own_norm() -> None:
    config = profile("smoke", norm="log", norm_enhanced="fixed")
    assert config.norm_of("dark") == "log"
    assert {config.norm_of(name) for name in ("retinex", "flow", "enhanced")} == {"fixed"}


def test_every_row_says_where_its_value_comes_from() -> None:
    table = ledger()
    assert set(table["origin"]) == set(ORIGINS) == {"paper", "prior code", "ours"}
    cited = table[table["origin"] != "ours"]
    assert (cited["source"].str.len() > 3).all()
    assert (table["note"].str.len() > 10).all()


def test_a_small_profiles_own_values_are_never_called_prior_code() -> None:
    paper, demo = ledger(), ledger("model", "optimisation", of="demo")
    changed = demo["demo"] != demo["paper"]
    assert changed.any() and set(demo["origin"][changed]) == {"ours"}
    assert (demo["origin"][~changed] == paper.loc[demo.index, "origin"][~changed]).all()
    with pytest.raises(ValueError, match="unknown profile"):
        ledger(of="tiny")


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_have_their_types(name: str) -> None:
    config = profile(name)
    for field in fields(Config):
        kind = str(field.type).split("[")[0]
        assert type(getattr(config, field.name)).__name__ == kind, field.name
    assert Config.from_dict(config.to_dict()) == config


def test_paper_profile_is_that_of_prior_code() -> None:
    config = profile("paper")
    assert (config.frames, config.frame_size, config.crop_size) == (64, (128, 170), (112, 112))
    assert config.batch_size * config.accumulate == 128
    assert (config.layers, config.widths) == ((3, 4, 6, 3), (64, 128, 256, 512))
    assert (config.learning_rate, config.weight_decay, config.test_crops) == (1e-5, 1e-3, 10)


def test_demo_channels_are_multiples_of_16() -> None:
    assert all(width % 16 == 0 for width in (*profile("demo").widths, profile("demo").stem))


def test_bad_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown profile 'fast'"):
        profile("fast")
    with pytest.raises(ValueError, match="unknown setting"):
        profile("smoke", learning_rte=1.0)
    with pytest.raises(ValueError, match="unknown ledger section"):
        ledger("losses")
    with pytest.raises(ValueError, match="missing"):
        Config.from_dict({"profile": "demo"})


def test_digest_depends_on_values_not_on_order() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
