"""Many runs as one table: means, spreads and intervals against values computed by hand here."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from statistics import stdev

import numpy as np
import pandas as pd
import pytest
from test_report import wilson

from actlumos.config import profile
from actlumos.evaluation import stats
from actlumos.report import collect, tables

TESTS = {1: range(0, 40), 2: range(20, 60), 3: range(50, 90)}
"""Three test lists of 40 clips: 1 and 2 share twenty, 2 and 3 ten, 1 and 3 none."""


def write(
    root: Path, right: dict[str, set[int]], *, split: int = 1, seed: int = 0, paths: bool = True,
    dataset: str = "arid-v1.0", name: str = "paper", config: dict | None = None, **more,
) -> Path:  # fmt: skip
    """A run whose arms got the given clips of its split's test list right."""
    directory = root / f"{dataset}-split{split}-{name}-s{seed}{more.pop('suffix', '')}"
    arms = {}
    for arm, hits in right.items():
        clips = list(TESTS[split])
        good = [clip in hits for clip in clips]
        arms[arm] = {"title": arm, "stage": "distill", "n": len(clips), "params": 67_000_000,
                     "top1": 100 * sum(good) / len(clips), "top5": 90.0 + seed,
                     "interval": list(wilson(sum(good), len(clips)))}
        answers = {"labels": [0] * len(clips), "predictions": [int(not g) for g in good]}
        answers |= {"paths": [f"Drink/{clip}.avi" for clip in clips]} if paths else {}
        settings = profile(name if name in ("smoke", "demo") else "paper").to_dict()
        detail = {"per_clip": answers, "config": settings | (config or {}), "selected_on": "val"}
        (directory / arm).mkdir(parents=True)
        (directory / arm / "result.json").write_text(json.dumps(detail | more))
    about = {"run": directory.name, "dataset": dataset, "profile": name, "split": split,
             "seed": seed, "arms": arms}
    (directory / "results.json").write_text(json.dumps(about))
    return directory


def load(root: Path, *wanted: str) -> pd.DataFrame:
    return collect.frame(collect.find_runs(root, *wanted))


def some(seed: int, share: float = 0.8) -> set[int]:
    """Clips that are right: drawn once, so that a clip of two tests is right or wrong in both."""
    return set(np.flatnonzero(np.random.default_rng(seed).random(90) < share).tolist())


# --- finding and reading ------------------------------------------------------------------------

def test_runs_are_found_by_their_results_not_their_folder_names(tmp_path: Path) -> None:
    one = write(tmp_path, {"kd": some(0)}, split=2, seed=1)
    write(tmp_path, {"kd": some(0)}, dataset="dark48")
    write(tmp_path, {"kd": some(0)}, name="demo")
    (tmp_path / "not a run").mkdir()
    assert [run["directory"] for run in collect.find_runs(tmp_path, "arid-v1.0", "paper")] == [
        str(one)]
    assert len(collect.find_runs(tmp_path)) == 3
    assert len(collect.find_runs([one, tmp_path], "arid-v1.0")) == 2  # named twice, taken once
    row = load(tmp_path, "arid-v1.0", "paper").iloc[0]
    assert (row.split, row.seed, row.arm, row.n, row.selected_on) == (2, 1, "kd", 40, "val")
    assert row.short_clips == "loop" and row.right.sum() == row.top1 * 40 / 100
    assert (row.low, row.high) == pytest.approx(wilson(int(row.right.sum()), 40))


def test_what_is_wrong_on_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        collect.find_runs(tmp_path / "nowhere")
    directory = write(tmp_path, {"kd": some(0)})
    detail = json.loads((directory / "kd" / "result.json").read_text())
    detail["per_clip"]["paths"][0] = detail["per_clip"]["paths"][1]
    (directory / "kd" / "result.json").write_text(json.dumps(detail))
    with pytest.raises(ValueError, match="arm kd.*40 different clips"):
        load(tmp_path)
    (directory / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results\.json is not valid JSON"):
        load(tmp_path)


def test_a_run_there_twice_is_refused_and_other_settings_are_not(tmp_path: Path) -> None:
    write(tmp_path, {"kd": some(0)})
    write(tmp_path, {"kd": some(0)}, selected_on="test", suffix="-habit")
    write(tmp_path, {"kd": some(0)}, config={"short_clips": "pad"}, suffix="-pad")
    write(tmp_path, {"kd": some(0)}, config={"weights": "/there/ig65m.pth"}, suffix="-weights")
    means = collect.by_arm(load(tmp_path))
    assert means["runs"].tolist() == [1, 1, 1, 1]
    settings = "no pretrained weights; short_clips pad (profile: loop)"
    assert means.set_index("settings").loc[settings, "selected_on"] == "val"
    assert "weights ig65m.pth" in set(means["settings"])
    write(tmp_path, {"kd": some(1)}, suffix="-copy", manifest="other clips")
    with pytest.raises(ValueError, match="more than once.*-copy"):
        load(tmp_path)


def test_runs_with_other_pools_share_what_the_pool_does_not_touch(tmp_path: Path) -> None:
    """A baseline trained once per folder has one key; each pretrained student has its own."""
    for second in ("darkroom-b", "dark48"):
        directory = write(tmp_path, {"kd": some(0), "ssl-kd": some(1)}, second=second,
                          suffix=f"-{second}")
        about = json.loads((directory / "results.json").read_text())
        about["arms"]["kd"]["key"] = "the same"
        about["arms"]["ssl-kd"]["key"] = second
        (directory / "results.json").write_text(json.dumps(about))
    means = collect.by_arm(load(tmp_path))
    assert means.groupby("arm", sort=False)["runs"].apply(list).to_dict() == {
        "kd": [1], "ssl-kd": [1, 1]}
    assert means.loc[means["arm"] == "ssl-kd", "settings"].tolist() == [
        f"no pretrained weights; pretraining with {second}" for second in ("dark48", "darkroom-b")]


def test_different_lists_of_clips_are_noted(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path, {"kd": some(0)}, seed=seed, manifest=f"list {seed}")
    write(tmp_path, {"dark": some(0)}, seed=2, manifest="list 2")
    notes = tables.paper_table(1, load(tmp_path)).dropna(subset="n").set_index("method")["note"]
    assert "different lists of clips" in notes["this kit: KD"]
    assert "different lists" not in notes["this kit: dark"]


# --- means and intervals ------------------------------------------------------------------------

def test_one_run_keeps_its_own_interval(tmp_path: Path) -> None:
    hits = some(3)
    write(tmp_path, {"kd": hits})
    right = len(hits & set(TESTS[1]))
    for row in (*collect.by_arm(load(tmp_path)).itertuples(),
                *collect.by_split(load(tmp_path)).itertuples()):
        assert (row.low, row.high) == pytest.approx(wilson(right, 40))
        assert (row.clips, row.effective) == (40, pytest.approx(40))
        assert np.isnan(row.sd)


def test_seeds_are_averaged_in_a_split_before_splits(tmp_path: Path) -> None:
    hits = {(1, 0): some(1, 0.9), (1, 1): some(2, 0.7), (1, 2): some(3, 0.5), (2, 0): some(4, 0.3)}
    for (split, seed), right in hits.items():
        write(tmp_path, {"kd": right}, split=split, seed=seed)
    top1 = {run: 100 * len(right & set(TESTS[run[0]])) / 40 for run, right in hits.items()}
    first = (top1[1, 0] + top1[1, 1] + top1[1, 2]) / 3
    mean = collect.by_arm(load(tmp_path)).iloc[0]
    assert mean.top1 == pytest.approx((first + top1[2, 0]) / 2)
    assert mean.top5 == pytest.approx((91 + 90) / 2)
    assert mean.sd == pytest.approx(stdev([top1[1, 0], top1[1, 1], top1[1, 2]]))
    assert (mean.splits, mean.seeds, mean.runs, mean.clips) == ((1, 2), (0, 1, 2), 4, 60)
    each = collect.by_split(load(tmp_path)).set_index("splits")
    assert each.loc[[(1,)], "top1"].item() == pytest.approx(first)
    assert each.loc[[(1,)], "effective"].item() == pytest.approx(40)  # three seeds, still 40 clips


def test_spread_is_pooled_over_splits(tmp_path: Path) -> None:
    hits = {(1, 0): range(30), (1, 1): range(34), (2, 0): range(40), (2, 1): range(50),
            (2, 2): range(58)}
    for (split, seed), right in hits.items():
        write(tmp_path, {"kd": set(right)}, split=split, seed=seed)
    one, two = [75.0, 85.0], [50.0, 75.0, 95.0]
    expected = sqrt((1 * stdev(one) ** 2 + 2 * stdev(two) ** 2) / 3)
    assert collect.by_arm(load(tmp_path))["sd"].item() == pytest.approx(expected)


def test_a_clip_of_two_splits_counts_once(tmp_path: Path) -> None:
    """20 + 20 + 10 + 10 + 30 clips with weights 1/120, 2/120, 1/120, 2/120, 1/120."""
    for split in TESTS:
        write(tmp_path, {"kd": some(7)}, split=split)
    mean = collect.by_arm(load(tmp_path)).iloc[0]
    effective = 1 / ((60 * 1 + 30 * 4) / 120**2)
    assert (mean.clips, mean.effective) == (90, pytest.approx(effective))
    assert (mean.low, mean.high) == pytest.approx(stats.wilson(mean.top1, effective))


def test_interval_is_as_wide_as_a_bootstrap_over_clips(tmp_path: Path) -> None:
    """Runs that agree on a clip: resampling distinct clips gives about the same width."""
    hits = some(11, 0.6)
    for split in TESTS:
        write(tmp_path, {"kd": hits}, split=split)
    mean = collect.by_arm(load(tmp_path)).iloc[0]
    generator, draws = np.random.default_rng(0), []
    right = np.array([clip in hits for clip in range(90)])
    for _ in range(4000):
        times = np.bincount(generator.integers(0, 90, 90), minlength=90)
        draws.append(np.mean([np.average(right[list(test)], weights=times[list(test)])
                              for test in TESTS.values()]))
    low, high = 100 * np.quantile(draws, [0.025, 0.975])
    assert mean.high - mean.low == pytest.approx(high - low, rel=0.1)
    # counting the 120 predictions as independent clips would be too narrow
    assert high - low > 1.1 * np.ptp(stats.wilson(mean.top1, 120))


def test_without_paths_all_runs_count_as_the_same_clips(tmp_path: Path) -> None:
    for split in TESTS:
        write(tmp_path, {"kd": some(7)}, split=split, paths=False)
    mean = collect.by_arm(load(tmp_path)).iloc[0]
    assert mean.clips is pd.NA and mean.effective == 40
    each = collect.by_split(load(tmp_path))
    assert each["clips"].tolist() == [40, 40, 40]
    note = tables.paper_table(1, load(tmp_path)).query("split == 'mean of 3'")["note"].item()
    assert "paths were not kept" in note


def test_all_right_in_every_run_is_still_100_percent(tmp_path: Path) -> None:
    for seed in range(7):
        write(tmp_path, {"kd": set(range(90))}, split=1 + seed % 3, seed=seed)
    mean = collect.by_arm(load(tmp_path)).iloc[0]
    assert (mean.top1, mean.high) == pytest.approx((100, 100)) and mean.low < 98


def test_data_sets_are_never_averaged(tmp_path: Path) -> None:
    write(tmp_path, {"kd": some(0)})
    write(tmp_path, {"kd": some(0)}, dataset="dark48")
    with pytest.raises(ValueError, match="one at a time"):
        collect.by_arm(load(tmp_path))


# --- two arms on the same clips -----------------------------------------------------------------

def test_one_run_compares_like_the_exact_test(tmp_path: Path) -> None:
    one, two = some(1, 0.9), some(2, 0.6)
    write(tmp_path, {"ssl-kd": one, "kd": two})
    row = collect.compare(load(tmp_path), "ssl-kd", "kd").iloc[0]
    expected = stats.paired_difference(*(np.isin(TESTS[1], list(hits)) for hits in (one, two)))
    assert tuple(row[["points", "low", "high", "p"]]) == pytest.approx(expected[:4])
    assert row.verdict == expected.verdict


def test_pooling_uses_every_split_and_counts_a_clip_once(tmp_path: Path) -> None:
    """Clips 20..39 are right for one arm only, in both tests that hold them: 20 clips, not 40."""
    for split in (1, 2):
        write(tmp_path, {"ssl-kd": set(range(90)), "kd": set(range(90)) - set(range(20, 40))},
              split=split)
    write(tmp_path, {"ssl-kd": set(range(90))}, split=3)  # the other arm was not run there
    row = collect.compare(load(tmp_path), "ssl-kd", "kd").iloc[0]
    assert (row.splits, row.runs, row.verdict) == ((1, 2), 2, "better")
    assert row.points == pytest.approx(50)
    assert row.p == pytest.approx(2 * 0.5**20)
    assert collect.compare(load(tmp_path), "teacher", "kd").empty


def test_a_clip_that_one_arm_skipped_is_not_compared(tmp_path: Path) -> None:
    directory = write(tmp_path, {"ssl-kd": set(range(10)), "kd": set(range(10, 20))})
    path = directory / "kd" / "result.json"
    detail = json.loads(path.read_text())
    detail["per_clip"] = {name: part[5:] for name, part in detail["per_clip"].items()}
    path.write_text(json.dumps(detail))
    about = json.loads((directory / "results.json").read_text())
    about["arms"]["kd"]["n"] = 35
    (directory / "results.json").write_text(json.dumps(about))
    row = collect.compare(load(tmp_path), "ssl-kd", "kd").iloc[0]
    assert row.points == pytest.approx(100 * (5 - 10) / 35)


# --- tables -------------------------------------------------------------------------------------

def test_paper_table_shows_mean_splits_and_gaps(tmp_path: Path) -> None:
    for split in (1, 3):
        for seed in (0, 1):
            write(tmp_path, {"ssl-kd": some(split + seed)}, split=split, seed=seed)
    write(tmp_path, {"dark": some(5)}, split=2, name="demo")
    table = tables.paper_table(1, load(tmp_path))
    ours = table[table["method"] == "this kit: SSL + KD"]
    assert ours["split"].tolist() == ["mean of 2 of 3", "1", "2", "3"]
    assert ours["source"].tolist() == ["measured here"] * 2 + ["not run", "measured here"]
    assert ours["seeds"].tolist()[:2] == ["0, 1", "0, 1"]
    assert ours["n"].tolist() == [80, 40, pd.NA, 40]
    assert ours["sd (seeds)"].notna().tolist() == [True, True, False, True]
    dark = table[table["method"] == "this kit: dark (demo profile)"]
    assert dark["source"].tolist() == ["not run", "measured here", "not run"]
    assert table["source"].value_counts()["reported"] == 18
    assert table[table["source"] == "reported"][["split", "seeds", "n"]].isna().all(axis=None)
    assert table["method"].tolist()[-1] == "this kit: DFF + SupCon"  # the teacher, not run


def test_a_row_says_what_makes_it_incomparable(tmp_path: Path) -> None:
    write(tmp_path, {"kd": some(0)}, selected_on="test", config={"short_clips": "span"},
          skipped={"train": ["a", "b"], "val": [], "test": ["c"]}, left_out=["d"])
    note = tables.paper_table(1, load(tmp_path)).query("source == 'measured here'")["note"].item()
    assert "this kit: KD (selected on test)" in set(tables.paper_table(1, load(tmp_path))["method"])
    for part in (tables.OPTIMISTIC, "short_clips span (profile: loop)", "no pretrained weights",
                 "2 train, 1 test clip(s) skipped", "1 listed clip(s) left out",
                 "40 of the official 823 test clips"):
        assert part in note


def test_a_data_set_without_published_rows_shows_ours_alone(tmp_path: Path) -> None:
    write(tmp_path, {"kd": some(0), "mine": some(1)}, dataset="arid-layout", name="demo")
    table = tables.measured_table(load(tmp_path))
    assert table["method"].tolist() == [
        "this kit: KD (demo profile)", "this kit: mine (demo profile)"]
    assert set(table["source"]) == {"measured here"} and "venue" not in table
