"""Every registered figure is drawn, is readable, and is saved with the same bytes twice."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
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
from test_report import first, record, results

from actlumos.arms import STATUS
from actlumos.report import figures, paper, tables
from actlumos.report.baseline_figures import LOOKS
from actlumos.report.style import COLUMN, PAGE, as_pixels, spread

CLASSES = ("drink", "jump", "pick", "pour", "push", "run", "sit", "stand", "turn", "walk", "wave")


def frames(seed: int = 0, count: int = 12, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """Dark random frames, uint8 [count, H, W, 3]."""
    return np.random.default_rng(seed).integers(0, 60, (count, *size, 3), dtype=np.uint8)


def history(epochs: int, **columns: float) -> pd.DataFrame:
    steps = np.arange(1, epochs + 1)
    return pd.DataFrame({"epoch": steps} | {name: value + 1 / steps
                                            for name, value in columns.items()})


def run() -> dict:
    """A full run: similar accuracies on purpose, so that labels would collide."""
    arms = {name: record(first(right), gmacs=cost, milliseconds=40 * cost)
            for name, right, cost in (
                ("one_frame", 12, 0.3), ("dark", 50, 0.3), ("retinex", 51, 0.3),
                ("dff", 55, 0.6), ("teacher", 56, 0.6), ("kd", 52, 0.3), ("ssl_a_kd", 54, 0.3),
                ("ssl_b_kd", 53, 0.3), ("ssl_kd", 55, 0.3))}
    return results(**arms, ssl={"params": 5, "seconds": 1.0})


def embedding(seed: int) -> figures.Embedding:
    rng = np.random.default_rng(seed)
    return figures.Embedding(rng.normal(size=(60, 2)), rng.integers(0, 11, 60), 41.5, -0.03)


def curves() -> Figure:
    fit = {arm: history(6, train_loss=1.0, val_loss=1.2 + shift, train_top1=50.0,
                        val_top1=40.0 + shift)
           for arm, shift in (("dark", 0.0), ("dff", 0.01), ("teacher", 0.02), ("kd", 0.03))}
    return figures.training_curves(fit | {"ssl": history(6, train_loss=2.0)})


def pairs() -> Figure:
    masks = figures.pair_masks([0, 0, 1, 1, 2, 2])
    batch = figures.PairBatch(frames(count=6), *masks, list("aabbcc"))
    return figures.contrastive_pairs({"NT-Xent": batch, "SupCon": batch}, note="as recorded")


def system(name: str, year: int, *grew_from: str, **more: object) -> SimpleNamespace:
    """What the pictures of compared systems read of one."""
    about = {"title": name.upper(), "status": "faithful", "diagram": ("clip -> net -> logits",)}
    return SimpleNamespace(name=name, year=year, grew_from=grew_from, **about | more)


SYSTEMS = [
    system("a", 2014, status="prior code"), system("c", 2018),
    system("b", 2018, "a", "c", status="reconstruction",
           diagram=("dark -> net (shared) -> mean -> logits", "light -> net (shared) -> mean"))]


def systems() -> pd.DataFrame:
    """Six systems of nearly one accuracy, so that labels would collide, and the floor."""
    status = ["control", "faithful", "prior code", "reconstruction"]
    return pd.DataFrame({
        "system": [f"System {i}" for i in range(7)], "status": [*status, *status[1:]],
        "Top-1 (%)": [12.0, 40.0, 41.0, 41.5, 42.0, 40.5, 41.2],
        "95 % interval": ["9.0–15.0"] + ["35.0–47.0"] * 6,
        "GMACs": [0.02, 0.1, 0.1, 0.1, 0.2, 0.2, 0.07]})


SAMPLES = {
    "method_overview": figures.method_overview,
    "frame_policies": lambda: figures.frame_policies(
        {"loop": (5, [0, 1, 2, 3, 4, 0, 1]), "centre": (20, list(range(6, 14)))}),
    "tone_curves": lambda: figures.tone_curves(
        frames() / 255.0, {"gamma 2.5": (frames() / 255.0) ** 0.4, "SCI form": frames() / 99.0}),
    "soft_targets": lambda: figures.soft_targets(
        frames(count=3), {t: np.full((3, 11), 1 / 11) for t in (1.0, 4.0)}, CLASSES, [0, 4, 9],
        gain=4),
    "clip_sheet": lambda: figures.clip_sheet({name: frames(i) for i, name in enumerate(CLASSES)}),
    "realism_sheet": lambda: figures.realism_sheet(frames(), frames(1)),
    "enhancement_rows": lambda: figures.enhancement_rows(
        {"dark": frames(), "gamma 2.5": (frames() / 255.0) ** 0.4}),
    "intensity_histograms": lambda: figures.intensity_histograms(
        {"dark": frames(), "Retinex": 255 * np.linspace(0, 1, 500)}),
    "msr_against_opencv": lambda: figures.msr_against_opencv(
        frames()[0] / 255.0, np.clip(frames()[0] / 255.0 + 1e-6, 0, 1), frames()[0]),
    "runtime_bars": lambda: figures.runtime_bars({"OpenCV": 0.8, "eager": 0.1}),
    "augmentation_views": lambda: figures.augmentation_views(
        frames(), [frames(1), frames(2)], [(2, 3, 12, 12), (4, 8, 16, 16)], gain=3),
    "training_curves": curves,
    "dff_weights_over_time": lambda: figures.dff_weights_over_time(
        {"dark": frames(), "Retinex": frames(3)}, np.array([[0.4, 0.6, 0.5], [0.6, 0.4, 0.5]])),
    "contrastive_pairs": pairs,
    "confusion_matrix": lambda: figures.confusion_matrix(
        np.arange(121).reshape(11, 11), CLASSES, title="teacher"),
    "ablation_bars": lambda: figures.ablation_bars(run(), chance=100 / 11),
    "ssl_source_bars": lambda: figures.ssl_source_bars(run(), paper.ssl_source()),
    "tsne_panels": lambda: figures.tsne_panels(
        {name: embedding(i) for i, name in enumerate(("CE", "KD", "SSL + KD", "teacher"))},
        CLASSES),
    "accuracy_vs_cost": lambda: figures.accuracy_vs_cost(tables.cost_table(run())),
    "family_tree": lambda: figures.family_tree(SYSTEMS),
    "block_diagram": lambda: figures.block_diagram(SYSTEMS[1]),
    "systems_vs_cost": lambda: figures.systems_vs_cost(systems()),
    "roofline": lambda: figures.roofline(
        {"over space": [(20.0, 60.0), (40.0, 90.0)], "ReLU": [(0.1, 2.0)]}, 110.0, 20.0),
    "time_bars": lambda: figures.time_bars({"ReLU": 2.0, "convolution": 90.0}, what="a step"),
    "growth_curves": lambda: figures.growth_curves({name: {
        "label": name, "values": [1, 2, 4], "seconds": [1.0, 2.1, 4.0], "bytes": [7, 7, 7],
        "exponent_seconds": 1.0, "exponent_bytes": 0.0} for name in ("frames", "clips")}),
    "ratio_bars": lambda: figures.ratio_bars([
        {"name": "slow", "ratio": 0.3, "spread": (0.2, 0.4)},
        {"name": "fast", "ratio": 30.0, "spread": (28.0, 33.0)}]),
}


def words(figure: Figure) -> list[str]:
    """All visible text of a figure."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(plt.Text)
            if text.get_visible() and text.get_text().strip()]


def test_every_status_of_a_system_has_a_look() -> None:
    assert set(LOOKS) == set(STATUS)


def test_one_figure_one_producer() -> None:
    assert set(SAMPLES) == set(figures.FIGURES)
    for name, listed in figures.FIGURES.items():
        assert listed.producer.__name__ == name and listed.caption.endswith(".")
        assert getattr(figures, name) is listed.producer
        assert figures.producer_of(f"{name}-teacher.pdf") == name
        assert figures.producer_of(f"06_{name}.png") == name
    with pytest.raises(ValueError, match="no figure is called"):
        figures.producer_of("pie_chart")


@pytest.mark.parametrize("name", SAMPLES)
def test_figure_is_drawn_to_fit_a_page_and_saved(name: str, tmp_path) -> None:
    settings_before, open_before = dict(plt.rcParams), plt.get_fignums()
    figure = SAMPLES[name]()
    pdf, png = figures.save(figure, name, tmp_path)
    assert sorted(tmp_path.iterdir()) == [pdf, png]
    assert b"CreationDate" not in pdf.read_bytes() and pdf.stat().st_size > 2000
    assert plt.imread(png)[..., :3].std() > 0.01
    assert dict(plt.rcParams) == settings_before and plt.get_fignums() == open_before
    wide, tall = figure.get_size_inches()
    assert COLUMN <= wide <= PAGE and tall <= 9.5
    sizes = {text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()}
    assert min(sizes) >= 6.5


def test_two_saves_give_the_same_bytes(tmp_path) -> None:
    name = "enhancement_rows"  # text and pictures; its layout is not reached in one step
    kept = SAMPLES[name]()
    saved = [figures.save(figure, name, tmp_path / side)
             for side, figure in (("one", kept), ("again", kept), ("drawn again", SAMPLES[name]()))]
    for first_save, *others in zip(*saved, strict=True):
        assert all(path.read_bytes() == first_save.read_bytes() for path in others)


def test_one_epoch_has_whole_ticks() -> None:
    for axis in figures.training_curves({"ssl": history(1, train_loss=2.0)}).axes:
        assert all(float(tick).is_integer() for tick in axis.get_xticks())


@pytest.mark.parametrize("name", ["training_curves", "accuracy_vs_cost", "ablation_bars",
                                  "ssl_source_bars", "dff_weights_over_time", "family_tree",
                                  "block_diagram", "time_bars", "ratio_bars"])
def test_direct_labels_do_not_overlap(name: str) -> None:
    figure = SAMPLES[name]()
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [text.get_window_extent() for text in axis.texts if text.get_text().strip()]
        for one, two in combinations(boxes, 2):
            across = min(one.x1, two.x1) - max(one.x0, two.x0)
            down = min(one.y1, two.y1) - max(one.y0, two.y0)
            assert across < 1 or down < 0.2 * min(one.height, two.height)


def test_another_process_makes_the_same_bytes_and_needs_no_torch(tmp_path) -> None:
    code = ("import sys; from actlumos.report import claims, figures, paper, results, tables; "
            "bars = figures.runtime_bars({'OpenCV': 0.8, 'eager': 0.1}); "
            "figures.save(bars, 'bars', sys.argv[1]); sys.exit('torch' in sys.modules)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True,
                   env={**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "Agg"})
    for here in figures.save(SAMPLES["runtime_bars"](), "bars", tmp_path / "here"):
        assert here.read_bytes() == (tmp_path / here.name).read_bytes()


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch) -> None:
    figure = SAMPLES["runtime_bars"]()
    pdf, _ = figures.save(figure, "bars", tmp_path)
    before = pdf.read_bytes()

    def fail(*_, **__) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, "bars", tmp_path)
    assert pdf.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.pdf", "bars.png"]
    with pytest.raises(ValueError, match="plain name"):
        figures.save(figure, "../bars", tmp_path)


def test_dark_frames_are_shown_as_recorded() -> None:
    clip = frames()
    figure = figures.clip_sheet({"walk": clip}, columns=3)
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    for picture, index in zip(shown, (0, 6, 11), strict=True):
        np.testing.assert_array_equal(picture, clip[index])
    assert "Frames as recorded, time →" in words(figure)
    assert "Frames brightened × 4, time →" in words(figures.clip_sheet({"walk": clip}, gain=4))


def test_as_pixels_keeps_bytes_and_scales_floats() -> None:
    np.testing.assert_array_equal(as_pixels(frames()), frames())
    np.testing.assert_array_equal(as_pixels(frames() / 255.0), frames())
    np.testing.assert_array_equal(as_pixels(np.full((1, 1, 3), 100, np.uint8), 4), 255)
    with pytest.raises(ValueError, match="0..1"):
        as_pixels(np.full((2, 2, 3), 7.0))
    with pytest.raises(ValueError, match="RGB"):
        as_pixels(np.zeros((3, 4, 4), np.uint8))


def test_numbers_in_the_figures_are_those_given() -> None:
    text = words(SAMPLES["ssl_source_bars"]())
    assert "96.92\n+1.17" in text and "55.00\n+3.00" in text
    assert "darkroom, measured, 95 % interval" in text
    assert "kNN 41.5 %, silhouette -0.03" in " ".join(words(SAMPLES["tsne_panels"]()))
    matrix = words(figures.confusion_matrix(np.array([[3, 1], [2, 2]]), ["a", "b"]))
    assert "Top-1 62.5 %, n = 8" in matrix and "a 75 %" in matrix and "b 50 %" in matrix
    bars = words(SAMPLES["ablation_bars"]())
    assert "55.0" in bars and any("100 test clips" in word for word in bars)
    assert "SSL" not in bars  # pretraining has no accuracy to show


def test_training_curves_end_at_the_last_epoch() -> None:
    left, right = curves().axes
    assert left.get_xlim()[1] == 6 and right.get_xlim()[1] == 6
    assert len(left.lines) == 9 and len(right.lines) == 8
    only = figures.training_curves({"ssl": history(1, train_loss=2.0)})
    assert len(only.axes) == 1 and "Top-1" not in words(only)


STRANGE = ("$^$", "a_{b}", r"\frac{$", "_hidden", "two\nlines", "bell\a", "byte\udcff")
SHOWN = [*STRANGE[:4], "two\ufffdlines", "bell\ufffd", "byte\ufffd"]
WITH_NAMES = {
    "soft_targets": lambda: figures.soft_targets(
        frames(count=1), {1.0: np.full((1, 7), 1 / 7)}, STRANGE, [0]),
    "clip_sheet": lambda: figures.clip_sheet({name: frames() for name in STRANGE}),
    "contrastive_pairs": lambda: figures.contrastive_pairs({"SupCon": figures.PairBatch(
        frames(count=7), *figures.pair_masks(range(7)), STRANGE)}),
    "confusion_matrix": lambda: figures.confusion_matrix(np.eye(7, dtype=int), STRANGE),
    "tsne_panels": lambda: figures.tsne_panels({"CE": figures.Embedding(
        np.eye(7, 2), np.arange(7), 50.0, 0.0)}, STRANGE),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", WITH_NAMES)
def test_any_class_name_is_shown_as_it_is(name: str, tmp_path) -> None:
    figure = WITH_NAMES[name]()
    figures.save(figure, name, tmp_path)
    text = words(figure)
    for shown in SHOWN:
        assert any(word in (shown, f"{shown} 100 %") for word in text), shown


def test_an_undefined_silhouette_is_called_so() -> None:
    panel = figures.Embedding(np.eye(2), np.arange(2), 50.0, float("nan"))
    assert "CE\nkNN 50.0 %, silhouette undefined" in words(figures.tsne_panels({"CE": panel}, "ab"))


@pytest.mark.parametrize("count", [48, 101])  # Dark48; more than there are looks
def test_a_map_has_a_look_for_every_class(count: int) -> None:
    panel = figures.Embedding(np.eye(count, 2), np.arange(count), 50.0, 0.0)
    names = [f"class {i}" for i in range(count)]
    figure = figures.tsne_panels({"CE": panel}, names)
    looks = [(key.get_color(), key.get_marker()) for key in figure.legends[0].legend_handles]
    assert len(looks) == count and len(set(looks)) == min(count, 91)
    assert set(names) <= set(words(figure))


def test_pair_masks_cover_every_pair_once() -> None:
    positives, negatives = figures.pair_masks([4, 4, 7, 4])
    assert positives.sum() == 6 and negatives.sum() == 6
    np.testing.assert_array_equal(positives | negatives | np.eye(4, dtype=bool), True)
    assert not (positives & negatives).any() and not positives.diagonal().any()
    np.testing.assert_array_equal(positives, positives.T)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: figures.clip_sheet({}), "nothing to draw"),
    (lambda: figures.frame_policies({"loop": (4, [0, 4])}), "do not fit"),
    (lambda: figures.tone_curves(np.zeros(4), {"gamma": np.zeros(5)}), "shape"),
    (lambda: figures.soft_targets(frames(count=2), {1.0: np.ones((3, 2))}, ["a", "b"], [0, 1]),
     "probabilities"),
    (lambda: figures.confusion_matrix(np.eye(3), ["a", "b"]), "square"),
    (lambda: figures.ablation_bars(run(), ["nothing"]), "run them first"),
    (lambda: figures.ssl_source_bars(results(kd=record(first(3)))), "nothing to draw"),
    (lambda: figures.dff_weights_over_time({"dark": frames()}, np.ones((2, 3))), "1 streams"),
    (lambda: figures.msr_against_opencv(np.zeros((4, 4, 3)), np.zeros((4, 5, 3))), "shape"),
    (lambda: figures.accuracy_vs_cost(tables.cost_table(run()), cost="watts"), "watts"),
    (lambda: figures.accuracy_vs_cost(tables.cost_table(results())), "nothing to draw"),
])
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@given(st.lists(st.floats(-100, 100), max_size=8), st.floats(0.1, 10))
@settings(max_examples=100, deadline=None)
def test_spread_keeps_order_and_distance(values: list[float], gap: float) -> None:
    placed = spread(values, gap)
    order = np.argsort(values, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-6).all()
    if len(values) and (np.diff(np.sort(values)) >= gap).all():
        np.testing.assert_allclose(placed, values, atol=1e-6)
    assert placed.sum() == pytest.approx(sum(values), abs=1e-5)
