"""Tables and pictures of the compared systems."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.transforms import Bbox
from test_report import first, record, results

import actlumos.report
from actlumos import baselines
from actlumos.arms import BASELINES, OWN, Card, arm_of, describe
from actlumos.baselines.size import Size
from actlumos.evaluation.stats import paired_difference
from actlumos.report import baselines as forms
from actlumos.report import figures, tables
from actlumos.report.baseline_layout import apart, blocks, family_rows
from actlumos.report.results import load_results
from actlumos.runtime.files import write_json
from actlumos.stages import before, find

EVERY = [baselines.card(name) for name in baselines.names()]


def run() -> dict:
    """Three systems, ActLumos and the floor: the first clips of 100 are right."""
    ours = results(one_frame=record(first(12), gmacs=0.02), ssl_kd=record(first(55), gmacs=0.1),
                   teacher=record(first(57), gmacs=0.2), ssl={"params": 5, "seconds": 60.0})
    for name, right in (("vgg-ts", first(14)), ("dl-kdd", first(70)), ("mran", first(56)),
                        ("tsn", ~first(99))):
        ours["arms"][f"baselines/{name}"] = record(right, gmacs=0.1)
    ours["arms"]["baselines/enhancer-curves"] = {"params": 9, "seconds": 30.0}
    return ours


def measured() -> pd.DataFrame:
    needs = {arm_of(s.name): before(arm_of(s.name)) for s in EVERY}
    return forms.measured_table(EVERY, run(), needs).set_index("system")


# --- tables -------------------------------------------------------------------------------------

def test_a_system_and_its_arm_have_one_name() -> None:
    for name in baselines.names():
        assert arm_of(name) == OWN.get(name, BASELINES + name)
        assert find(arm_of(name)) == find(BASELINES + name)
    assert describe("baselines/dtcm").label == "dtcm"


def test_every_published_row_belongs_to_one_system() -> None:
    path = Path(actlumos.report.__file__).with_name("reported.csv")
    rows = [row for row in csv.DictReader(path.read_text("utf-8").splitlines())
            if row["table"] != "actlumos-ssl-source"]
    claimed = pd.concat([forms.reported_of(system) for system in EVERY])
    assert len(claimed) == len(rows) == 33
    assert sorted(zip(claimed["dataset"], claimed["method"], claimed["top1"], strict=True)) == (
        sorted((row["dataset"], row["method"], float(row["top1"])) for row in rows))


def test_the_list_shows_counted_beside_printed_and_marks_a_difference() -> None:
    sizes = {system.name: Size(12_298_539, 111.15) for system in EVERY}
    table = forms.size_table(EVERY, sizes).set_index("name")
    assert len(table) == 22 and set(table["counted (M)"]) == {" 12.30"}
    assert table.loc["darklight-r2plus1d-34", "printed (M)"] == "63, 66.73 *"
    marked = set(table.index[table["printed (M)"].str.contains(r"\*")])
    assert marked == {"vgg-ts", "tsn", "p3d-199", "darklight-r2plus1d-34",
                      "darklight-resnext-101"}
    assert table.loc["i3d-rgb", ["ARID V1.0", "ARID V1.5", "Dark48"]].tolist() == [
        "68.29", "48.75", "32.25"]
    assert table.loc["dl-kdd", "ARID V1.0"] == "–"


def test_reported_rows_keep_their_doubts() -> None:
    table = forms.reported_table(EVERY, "ARID V1.0").set_index("method")
    assert len(table) == 18 and "54.68" in table.loc["I3D-RGB", "remark"]
    assert table.loc["MFDL", "status here"] == "reconstruction"
    assert table.loc["VGG-TS", "printed (M)"] == "144" and table.loc["MRAN", "printed (M)"] == "–"
    assert tables.text(table.reset_index()).count("copied, not retrained") == 4
    assert forms.reported_table(EVERY[:1], "Dark48").empty


def test_the_floor_comes_first_and_judges_every_row_on_the_same_clips() -> None:
    table = measured()
    assert list(table.index) == [forms.FLOOR_ROW, "VGG-TS", "TSN", "MRAN (Delta Sampling R-BERT)",
                                 "DL-KDD", "ActLumos (student)", "ActLumos (teacher)"]
    assert table["against one frame"].tolist() == [
        "–", "within noise", "below", "above", "above", "above", "above"]
    assert table.loc["DL-KDD", "status"] == "reconstruction"
    assert table.loc[forms.FLOOR_ROW, "input"] == "one dark frame"


def test_minutes_count_what_a_system_needs() -> None:
    table = measured()
    assert table.loc["DL-KDD", ["minutes", "with needs"]].tolist() == [1.5, "2.0"]
    assert table.loc["ActLumos (student)", "with needs"] == "4.0"  # 1.5, teacher 1.5, SSL 1.0
    assert table.loc["VGG-TS", "with needs"] == "1.5"
    assert before("baselines/dl-kdd") == ("baselines/enhancer-curves", "baselines/dl-kdd-teacher")
    assert before("ssl-kd") == ("ssl", "teacher") and before("baselines/tsn") == ()


def test_without_a_floor_no_row_is_compared_with_it() -> None:
    ours = run()
    del ours["arms"]["one-frame"]
    table = forms.measured_table(EVERY, ours)
    assert set(table["against one frame"]) == {"–"} and forms.FLOOR_ROW not in set(table["system"])


def test_differences_are_paired_and_sorted() -> None:
    table = forms.differences(EVERY, run()).set_index("system")
    assert list(table.index)[0] == "DL-KDD" and "ActLumos (student)" not in table.index
    assert table["difference"].is_monotonic_decreasing
    for name, right in (("DL-KDD", first(70)), ("TSN", ~first(99))):
        wanted = paired_difference(right, first(55))
        assert table.loc[name, ["difference", "low", "high", "p", "verdict"]].tolist() == [
            wanted.points, wanted.low, wanted.high, wanted.p, wanted.verdict]
    assert table["verdict"].to_dict() == {
        "DL-KDD": "better", "ActLumos (teacher)": "within noise", "TSN": "worse",
        "MRAN (Delta Sampling R-BERT)": "within noise", "VGG-TS": "worse"}
    assert forms.differences(EVERY, results()).empty


def test_reported_and_measured_never_share_a_column() -> None:
    table = forms.beside_table(EVERY, run()).set_index("system")
    ours = "measured here: darkroom, demo"
    assert [c for c in table if c.startswith("reported: ")] == [
        "reported: ARID V1.0", "reported: ARID V1.5", "reported: Dark48"]
    assert table.loc["DL-KDD"].tolist()[1:] == ["–", "–", "–", "70.0", "60.4–78.1"]
    assert table.loc["DTCM", ["reported: Dark48", ours]].tolist() == ["46.68", "not run"]
    assert (table[ours] != "not run").sum() == 6


def test_results_of_a_system_are_read_from_its_own_folder(tmp_path: Path) -> None:
    kept = {"top1": 50.0, "n": 2, "interval": [10, 90]}
    write_json(tmp_path / "results.json", {"arms": {"baselines/tsn": kept}})
    write_json(tmp_path / "baselines" / "tsn" / "result.json", {"confusion": [[1, 0], [1, 0]]})
    assert load_results(tmp_path)["arms"]["baselines/tsn"]["confusion"] == [[1, 0], [1, 0]]


def test_only_two_systems_need_clips_in_normal_light() -> None:
    kept, without = baselines.choose([], "folder")
    assert len(kept) == 20 and [system.name for system in without] == ["wiid", "mfdl"]
    assert [s.name for s in baselines.choose(["wiid", "tsn"], "darkroom")[0]] == ["wiid", "tsn"]
    with pytest.raises(ValueError, match="unknown system 'enhancer-sci'"):
        baselines.choose(["enhancer-sci"], "darkroom")


def test_the_tables_need_no_torch() -> None:
    code = ("import sys; from actlumos.report import figures, baselines, baseline_figures; "
            "sys.exit('torch' in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True,
                   env={**os.environ, "MPLBACKEND": "Agg"})


# --- pictures -----------------------------------------------------------------------------------

@given(st.lists(st.tuples(st.floats(-3, 9), st.floats(0.1, 1)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_things_stay_apart_and_inside(things: list[tuple[float, float]]) -> None:
    wanted, widths = np.array(things).T
    room = widths.sum() + 0.1 * (len(things) - 1)
    x = apart(wanted, widths, 0.1, 0.0, room + 2)
    edges = np.stack([x - widths / 2, x + widths / 2], axis=1)
    assert edges[0, 0] >= -1e-9 and edges[-1, 1] <= room + 2 + 1e-9
    assert all(right[0] - left[1] >= 0.1 - 1e-9 for left, right in pairwise(edges))


def box_extents(figure: Figure) -> list[Bbox]:
    """Positions of a picture's boxes in pixels, without the legend's frame."""
    return [patch.get_window_extent() for patch in figure.axes[0].patches
            if isinstance(patch, FancyBboxPatch)]


def names_of(name: str) -> list[tuple[str, int]]:
    """Each box of a system's diagram, and in how many rows it is."""
    return [(block.text, len(block.rows)) for block in blocks(baselines.card(name).diagram)]


def test_shared_boxes_are_one_and_others_are_not() -> None:
    assert sorted(names_of("darklight-r2plus1d-34")) == [
        ("8 tokens", 1), ("8 tokens", 1), ("BERT over 16", 2), ("R(2+1)D-34 (shared)", 2),
        ("dark clip", 1), ("gamma 1.8 clip", 1), ("logits", 2)]
    assert names_of("tsn").count(("BN-Inception", 1)) == 2 and ("weighted mean", 2) in names_of(
        "tsn")
    assert names_of("md-bert").count(("8 tokens", 3)) == 1  # behind DFF there is one stream
    assert ("dark clip", 2) in names_of("sci-r2plus1d-gcn")
    assert ("logits", 2) in names_of("sci-r2plus1d-gcn")  # its second row ends where they meet


@pytest.mark.parametrize("system", EVERY, ids=lambda system: system.name)
def test_every_diagram_is_one_network_whose_arrows_point_right(system: Card) -> None:
    found = blocks(system.diagram)
    assert all(after.layer > block.layer for block in found for after in block.after)
    joined = {0}
    for _ in found:
        joined |= {row for block in found if joined & set(block.rows) for row in block.rows}
    assert joined == set(range(len(system.diagram)))
    assert all(block.rows == sorted(block.rows) for block in found)


@pytest.mark.parametrize("system", EVERY, ids=lambda system: system.name)
def test_every_text_fits_into_its_box(system: Card) -> None:
    figure = figures.block_diagram(system)
    boxes = box_extents(figure)
    texts = [text for text in figure.axes[0].texts if text.get_fontsize() == 7]
    assert len(boxes) == len(texts) == len(blocks(system.diagram))
    for text in texts:
        extent = text.get_window_extent()
        assert any(box.x0 < extent.x0 and extent.x1 < box.x1 and box.y0 < extent.y0
                   and extent.y1 < box.y1 for box in boxes), text.get_text()
    for one, two in combinations(boxes, 2):
        assert not one.overlaps(two)


def test_the_family_tree_holds_every_system_once_and_nothing_overlaps() -> None:
    figure = figures.family_tree(EVERY)
    boxes = box_extents(figure)
    assert len(boxes) == 22
    for one, two in combinations(boxes, 2):
        assert not one.overlaps(two)
    wide, tall = figure.canvas.get_width_height()
    assert all(box.x0 > 0 and box.x1 < wide and box.y0 > 0 and box.y1 < tall for box in boxes)
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        inside = [box for box in boxes if box.x0 < extent.x0 and extent.x1 < box.x1
                  and box.y0 < extent.y0 and extent.y1 < box.y1]
        assert len(inside) == 1 or text.get_text().isdigit(), text.get_text()


def test_lines_go_past_the_years_between() -> None:
    def made(name: str, year: int, *parents: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, year=year, grew_from=parents)

    family = [made("a", 2014), made("b", 2016), made("c", 2018, "a", "elsewhere"), made("d", 0)]
    rows = family_rows(family, 6.0, 1.0, 0.1)
    assert list(rows) == [2014, 2016, 2018, 0]
    assert sorted((node.name, node.system is None) for node in rows[2016]) == [
        ("a", True), ("b", False)]
    assert rows[2018][0].parents == ("a",)
    places = {node.name: node.x for row in rows.values() for node in row if node.system}
    assert places["a"] == pytest.approx(places["c"], abs=0.7)


def test_the_cost_picture_shows_each_system_and_the_floor() -> None:
    table = measured().reset_index()
    figure = figures.systems_vs_cost(table, cost="params (M)")
    axis, names = figure.axes
    shown = [text.get_text() for text in names.texts]
    assert shown == list(table[1:].sort_values("Top-1 (%)", kind="stable")["system"])
    assert [text.xy[1] for text in names.texts] == sorted(table["Top-1 (%)"][1:])
    assert [text.get_text() for text in axis.texts] == ["one frame"]
    points = [line for line in axis.lines if line.get_marker() in "osD"]
    assert [line.get_ydata()[0] for line in points] == list(table["Top-1 (%)"])[1:]
    for cost, rows in (("watts", table), ("GMACs", table[:1])):
        with pytest.raises(ValueError, match="no system has a Top-1"):
            figures.systems_vs_cost(rows, cost=cost)


def test_names_beside_the_cost_picture_do_not_touch() -> None:
    row = measured().reset_index().iloc[[1]]
    floor = measured().reset_index().iloc[[0]]
    for count in (3, 8, 22):
        rows = pd.concat([row] * count).assign(**{"Top-1 (%)": 60.0, "95 % interval": "54.8–65.4"})
        rows = pd.concat([floor, rows])
        figure = figures.systems_vs_cost(rows)
        extents = [plt.Text.get_window_extent(text) for text in figure.axes[1].texts]
        heights = sorted((box.y0, box.y1) for box in extents)
        assert all(lower[1] <= upper[0] + 1.5 for lower, upper in pairwise(heights))
        plt.close(figure)
