"""Published numbers, tables, statistics and judged claims."""

from __future__ import annotations

import json
from math import comb, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from actlumos.arms import ARMS, describe, in_order
from actlumos.evaluation import stats
from actlumos.report import claims, paper, tables
from actlumos.report.results import correct, entry, load_results


def wilson(right: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval in percent, written out."""
    share, spare = right / n, z * z / n
    centre = (share + spare / 2) / (1 + spare)
    half = z * sqrt(share * (1 - share) / n + spare / (4 * n)) / (1 + spare)
    return 100 * (centre - half), 100 * (centre + half)


def record(right: np.ndarray, *, clips: bool = True, **more) -> dict:
    """An arm's record with the given clips right; class ids 0 and 1 stand for all others."""
    labels = np.arange(right.size) % 2
    kept = {"per_clip": {"labels": labels.tolist(),
                         "predictions": np.where(right, labels, 1 - labels).tolist()}}
    return {"top1": 100 * right.mean(), "top5": 99.0, "n": right.size, "params": 1_234_567,
            "interval": list(wilson(int(right.sum()), right.size)), "seconds": 90.0,
            "stage": "supervised"} | (kept if clips else {}) | more


def results(dataset: str = "darkroom", **arms: dict) -> dict:
    return {"run": "r", "dataset": dataset, "profile": "demo", "seed": 3,
            "arms": {name.replace("_", "-"): arm for name, arm in arms.items()}}


def first(count: int, n: int = 100) -> np.ndarray:
    return np.arange(n) < count


# --- statistics ---------------------------------------------------------------------------------

@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_mcnemar_is_the_binomial_sum(b: int, c: int) -> None:
    n, fewer = b + c, min(b, c)
    tail = sum(comb(n, k) for k in range(fewer + 1)) / 2**n
    assert stats.mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail), abs=1e-9)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_paired_interval_agrees_with_the_test(b: int, c: int, agreed: int) -> None:
    if b + c + agreed == 0:
        return
    one = np.r_[np.ones(b, bool), np.zeros(c, bool), np.ones(agreed, bool)]
    two = np.r_[np.zeros(b, bool), np.ones(c, bool), np.ones(agreed, bool)]
    found = stats.paired_difference(one, two)
    assert found.points == pytest.approx(100 * (b - c) / one.size)
    assert found.low - 1e-9 <= found.points <= found.high + 1e-9
    assert (found.verdict != "within noise") == (found.p < 0.05)
    mirrored = stats.paired_difference(two, one)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-7)


def test_paired_bounds_are_clopper_and_pearson() -> None:
    one, two = np.zeros(50, bool), np.zeros(50, bool)
    one[:9], two[9:12] = True, True
    found = stats.paired_difference(one, two)
    low, high = beta.ppf(0.025, 9, 4), beta.ppf(0.975, 10, 3)
    assert found.low == pytest.approx(100 * (2 * low - 1) * 12 / 50, abs=1e-6)
    assert found.high == pytest.approx(100 * (2 * high - 1) * 12 / 50, abs=1e-6)


def test_unpaired_reproduces_newcombes_example() -> None:
    """56 of 70 against 48 of 80: method 10 gives 0.0524 to 0.3339."""
    found = stats.unpaired_difference(80.0, wilson(56, 70), 60.0, wilson(48, 80))
    assert (found.points, found.low, found.high) == pytest.approx((20.0, 5.24, 33.39), abs=0.006)
    assert found.verdict == "better" and np.isnan(found.p)


@given(st.integers(0, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_wilson_is_scipys(right: int, wrong: int) -> None:
    n = right + wrong
    bounds = binomtest(right, n).proportion_ci(0.95, method="wilson")
    found = stats.wilson(100 * right / n, n)
    assert found == pytest.approx((100 * bounds.low, 100 * bounds.high), abs=1e-6)


def test_effective_clips_by_hand() -> None:
    assert stats.effective_clips(np.full(7, 1 / 7)) == pytest.approx(7)
    # two tests of 2 clips sharing one: weights 1/4, 1/2, 1/4, so 1 / (1/16 + 1/4 + 1/16) = 8/3
    assert stats.effective_clips(np.array([0.25, 0.5, 0.25])) == pytest.approx(8 / 3)
    with pytest.raises(ValueError, match="no clips"):
        stats.effective_clips(np.zeros(3))


@given(st.lists(st.sampled_from([(0, 1), (1, 0), (1, 1)]), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_repeating_a_run_adds_no_evidence(answers: list[tuple[int, int]]) -> None:
    """Three seeds that answer alike pool to exactly what one says."""
    one, two = np.array(answers, bool).T
    single = stats.paired_difference(one, two)
    gains = sum((one.astype(float) - two) / (3 * one.size) for _ in range(3))
    assert stats.pooled_difference(gains)[:4] == pytest.approx(single[:4], abs=1e-7)


def test_pooling_splits_that_share_no_clip_is_one_large_test() -> None:
    one, two = np.arange(60) % 3 > 0, np.arange(60) % 4 > 0
    halves = [(one[:30].astype(float) - two[:30]) / 60, (one[30:].astype(float) - two[30:]) / 60]
    whole = stats.paired_difference(one, two)
    assert stats.pooled_difference(np.concatenate(halves))[:4] == pytest.approx(whole[:4])


def test_bad_input_is_named() -> None:
    for percent, n in ((101.0, 5), (-1.0, 5), (50.0, 0)):
        with pytest.raises(ValueError, match="0 <= percent"):
            stats.wilson(percent, n)
    with pytest.raises(ValueError, match="equal, non-empty"):
        stats.paired_difference(first(3, 10), first(3, 11))
    with pytest.raises(ValueError, match="equal, non-empty"):
        stats.paired_difference(np.zeros(0, bool), np.zeros(0, bool))
    with pytest.raises(ValueError, match="negative"):
        stats.mcnemar(-1, 2)


# --- published numbers --------------------------------------------------------------------------

def test_published_rows() -> None:
    assert [len(paper.reported(table=f"actlumos-{n}")) for n in (1, 2, 3)] == [17, 6, 8]
    student = paper.reported("ARID V1.0", "actlumos-1").set_index("method").loc[
        "ActLumos (student)"]
    assert (student["top1"], student["top5"], student["params_m"]) == (96.92, 99.89, 67)
    assert paper.reported().top1.between(0, 100).all()
    with pytest.raises(ValueError, match="ARID V1.0, ARID V1.5, Dark48"):
        paper.reported("ARID")


def test_published_rows_are_handed_out_as_copies() -> None:
    rows = paper.reported()
    rows["top1"] = 0.0
    assert paper.reported()["top1"].max() == 96.92


def test_ssl_source_gains_are_the_papers() -> None:
    chart = paper.ssl_source()
    gains = chart.sub(chart["none (KD only)"], axis=0).round(2)
    assert gains.loc["ARID V1.0"].tolist() == [0, 0.95, 0.40, 1.17]
    assert gains.loc["ARID V1.5"].tolist() == [0, 0.69, 0.40, 0.91]
    assert gains.loc["Dark48"].tolist() == [0, 0.30, 0.65, 0.97]


def test_best_pool_is_the_tables_student() -> None:
    for number, dataset in paper.TABLES.items():
        table = paper.reported(table=f"actlumos-{number}").set_index("method")
        assert (paper.ssl_source().loc[dataset, "ARID+Dark48"]
                == table.loc["ActLumos (student)", "top1"])


def test_doubtful_rows_say_why() -> None:
    notes = paper.doubtful().set_index(["table", "method"])["note"]
    assert "54.68" in notes["actlumos-1", "I3D-RGB"]
    assert "VGG-19" in notes["actlumos-1", "VGG-TS"]
    assert "65.70" in notes["actlumos-1", "P3D-199"]
    assert "not retrained" in notes["actlumos-1", "3D-ResNet-50"]


# --- tables -------------------------------------------------------------------------------------

def test_results_table_follows_the_story() -> None:
    run = results(ssl_kd=record(first(70)), mine=record(first(5)),
                  dark=record(first(52), title="Student, CE only (dark)"),
                  ssl={"params": 10, "seconds": 30.0, "top1": None})
    table = tables.results_table(run)
    assert table["arm"].tolist() == ["dark", "ssl", "ssl-kd", "mine"]
    row = table.iloc[0]
    assert (row["Top-1 (%)"], row["n"], row["minutes"]) == (52, 100, 1.5)
    assert row["95 % interval"] == "42.3–61.5"
    assert row["what it is"] == "Student, CE only (dark)"
    assert table["what it is"].iloc[3] == "mine"
    ssl = tables.text(table).splitlines()[3]
    assert ssl.split()[-2:] == ["0", "0.5"] and ssl.count("–") == 4


def test_paper_tables_keep_other_data_out() -> None:
    run = results(dark=record(first(50)), ssl_kd=record(first(99)))
    for number in (1, 2, 3):
        table = tables.paper_table(number, run)
        assert set(table["source"]) == {"reported", "not run"}
        assert table.loc[table["source"] == "not run", "Top-1 (%)"].isna().all()
        assert table["Top-1 (%)"].max() != 99
    with pytest.raises(ValueError, match="1, 2 and 3"):
        tables.paper_table(4)


def test_paper_table_takes_its_own_data_set() -> None:
    run = results("arid-v1.5", ssl_kd=record(first(80), selected_on="val")) | {"split": 0}
    ours = tables.paper_table(2, run).set_index("method")
    row, other = ours.loc["this kit: SSL + KD (demo profile)"].itertuples()
    assert row.source == "measured here" and (row.split, row.seeds) == ("0", "3")
    assert (other.split, other.source) == ("1", "not run")
    assert ours.loc["this kit: SSL + KD (demo profile)", "Top-1 (%)"].iloc[0] == 80
    assert row.note == "100 of the official 2011 test clips"
    assert ours.loc["this kit: KD", "source"] == "not run"
    assert ours.loc["MD-BERT", "Top-1 (%)"] == 87.43
    assert set(tables.paper_table(1, run)["source"]) == {"reported", "not run"}


def test_rendered_forms_hold_the_same_cells() -> None:
    table = pd.DataFrame({"arm": ["a|b", "50 % & more_"], "Top-1 (%)": [1.234, None],
                          "params (M)": [67.0, 12.29]})
    assert tables.cells(table)[1:] == [["a|b", "1.23", "67"], ["50 % & more_", "–", "12.29"]]
    assert tables.markdown(table).splitlines()[1] == "| :-- | --: | --: |"
    assert r"a\|b" in tables.markdown(table)
    assert r"50 \% \& more\_ & -- & 12.29 \\" in tables.latex(table)
    widths = {len(line) for line in tables.text(table).splitlines()[:2]}
    assert len(widths) == 1


def test_notes_are_exported_beside_the_table(tmp_path) -> None:
    table = pd.DataFrame({"arm": ["a"]})
    tables.export(table, "t", tmp_path, ["one & two", "three"])
    assert (tmp_path / "t.md").read_text("utf-8").endswith("| a |\n\n- one & two\n- three\n")
    assert (tmp_path / "t.tex").read_text("utf-8").startswith("% one & two\n% three\n\\begin")
    assert (tmp_path / "t.csv").read_text("utf-8") == "arm\na\n"


def test_export_writes_three_files_and_nothing_else(tmp_path) -> None:
    table = tables.paper_table(3)
    paths = tables.export(table, "table_3", tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "table_3.csv", "table_3.md", "table_3.tex"]
    again = pd.read_csv(paths[1])
    assert again["Top-1 (%)"].dropna().tolist() == table["Top-1 (%)"].dropna().tolist()
    assert again["source"].tolist() == table["source"].tolist()


def test_cost_table_has_the_measured_arms_only() -> None:
    run = results(dark=record(first(50)),
                  teacher=record(first(60), gmacs=0.6, milliseconds=20.0))
    table = tables.cost_table(run)
    assert table["arm"].tolist() == ["teacher"] and table["GMACs"].tolist() == [0.6]


# --- results on disk ----------------------------------------------------------------------------

def test_load_merges_what_each_arm_left(tmp_path) -> None:
    full = record(first(30))
    clips = full.pop("per_clip")
    (tmp_path / "dark").mkdir()
    (tmp_path / "results.json").write_text(json.dumps(results(dark=full)))
    (tmp_path / "dark" / "result.json").write_text(
        json.dumps({"per_clip": clips, "confusion": [[1, 0], [0, 1]], "seed": 9}))
    loaded = load_results(tmp_path)
    assert correct(entry(loaded, "dark")).sum() == 30
    assert loaded["arms"]["dark"]["confusion"] == [[1, 0], [0, 1]]
    assert "seed" not in loaded["arms"]["dark"]
    assert entry(loaded, "kd") is None


def test_load_says_what_is_wrong(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"results\.json"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="arms"):
        load_results(tmp_path)


# --- claims -------------------------------------------------------------------------------------

def verdicts(run: dict) -> dict[str, str]:
    return claims.claims_table(run).set_index("claim")["verdict"].to_dict()


def test_a_claim_can_come_out_in_each_way() -> None:
    run = results(dff=record(first(80)), dark=record(first(50)), retinex=record(first(52)),
                  teacher=record(first(60)), kd=record(first(51)))
    found = verdicts(run)
    assert found["DFF beats either stream alone"] == "holds"
    assert found["SupCon helps the teacher"] == "does not hold"
    assert found["distillation helps the student"] == "within noise"
    assert found["SSL before KD beats KD only"] == "not run"
    assert found[claims.COST_CLAIM] == "not run"


def test_one_weak_comparison_is_enough_for_noise_and_one_gap_for_not_run() -> None:
    found = verdicts(results(dff=record(first(80)), dark=record(first(50)),
                             retinex=record(first(79)), fusion_mean=record(first(40))))
    assert found["DFF beats either stream alone"] == "within noise"
    assert found["DFF beats static fusion"] == "not run"


def test_pairing_finds_what_intervals_alone_cannot() -> None:
    """Ten clips gained and none lost is far from chance; 60 against 50 of 100 unpaired is not."""
    paired = results(kd=record(first(60)), dark=record(first(50)))
    unpaired = results(kd=record(first(60), clips=False), dark=record(first(50), clips=False))
    name = "distillation helps the student"
    assert verdicts(paired)[name] == "holds"
    assert verdicts(unpaired)[name] == "within noise"
    methods = claims.comparisons(unpaired).set_index("claim")["method"]
    assert methods[name] == "unpaired"


def test_different_clips_are_refused() -> None:
    other = record(first(60))
    other["per_clip"]["labels"] = other["per_clip"]["labels"][::-1]
    with pytest.raises(ValueError, match="different clips"):
        claims.comparisons(results(kd=other, dark=record(first(50))))


def test_view_claim_falls_back_to_the_pretrained_arms() -> None:
    run = results(ssl=record(first(60)), ssl_spatial=record(first(30)),
                  ssl_temporal=record(first(20)))
    name = "two-view SSL beats spatial-only and temporal-only"
    assert verdicts(run)[name] == "holds"
    run["arms"] |= {"ssl-kd": record(first(30)), "ssl-spatial-kd": record(first(60)),
                    "ssl-temporal-kd": record(first(30))}
    assert verdicts(run)[name] == "does not hold"


@pytest.mark.parametrize(("gmacs", "verdict"), [(0.31, "holds"), (0.5, "does not hold")])
def test_cost_claim_is_a_ratio(gmacs: float, verdict: str) -> None:
    run = results(ssl_kd=record(first(50), gmacs=gmacs), teacher=record(first(50), gmacs=0.61))
    assert verdicts(run)[claims.COST_CLAIM] == verdict


def test_claims_are_printed_with_their_evidence() -> None:
    text = claims.claims_text(results(kd=record(first(60)), dark=record(first(50))))
    assert "holds          distillation helps the student" in text
    assert "KD > dark: +10.0 [+3.8, +10.0], p = 0.002" in text
    assert text.count("not run") > 5


# --- published differences against the size of the test ------------------------------------------

def test_the_papers_lead_on_arid_is_two_clips() -> None:
    gaps = claims.reported_gaps("arid-v1.0").set_index("method")
    mfdl = gaps.loc["MFDL"]
    assert (mfdl["points"], mfdl["verdict"]) == (pytest.approx(0.21), "within noise")
    assert (mfdl["fewest"], mfdl["most"]) == pytest.approx((0.0021 * 823, 0.0021 * 859))
    note = claims.noise_note("arid-v1.0")
    assert "MFDL by 0.21 points (1.7 to 1.8 clips)" in note and "823 to 859 clips" in note
    assert "MD-BERT by 0.03" in note and "MRAN" not in note
    assert "Fewer than 6 clips" in note and stats.mcnemar(5, 0) > 0.05 > stats.mcnemar(6, 0)


@pytest.mark.parametrize("dataset", ["arid-v1.0", "arid-v1.5", "dark48"])
def test_noise_agrees_with_newcombe_written_out(dataset: str) -> None:
    table, gaps = claims.reported_rows(dataset), claims.reported_gaps(dataset)
    n, best = claims.official_sizes(dataset)[1], table["top1"].max()
    assert len(gaps) == len(table) - 1
    for row in gaps.itertuples():
        low, high = (wilson(p * n / 100, n) for p in (best, row.top1))
        reach = sqrt((best - low[0]) ** 2 + (high[1] - row.top1) ** 2)
        assert row.verdict == ("within noise" if best - row.top1 <= reach else "better")
    assert set(gaps["verdict"]) == {"within noise", "better"}
    assert (gaps.groupby("verdict")["points"].max()["within noise"]
            < gaps.groupby("verdict")["points"].min()["better"])


def test_standing_puts_each_row_in_one_place() -> None:
    text = claims.standing(47.0, (44.7, 49.3), "dark48")
    above, within = text.removeprefix("above ").split("; within noise of ")
    assert within.split(", ") == ["DTCM", "MFDL", "ActLumos (student)"]
    assert len(above.split(", ")) == 5
    assert claims.standing(1.0, (0.5, 2.0), "dark48").startswith("below ")
    with pytest.raises(ValueError, match="arid-v1.0, arid-v1.5, dark48"):
        claims.noise_note("ellar")


def test_every_compared_arm_has_a_text() -> None:
    named = {arm for claim in claims.CLAIMS for pair in claim.pairs + claim.instead for arm in pair}
    assert named <= set(ARMS)
    assert describe("unheard-of").label == "unheard-of"
    assert in_order(["x", "kd", "dark"]) == ["dark", "kd", "x"]
