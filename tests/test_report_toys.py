"""The pictures that open a notebook show the numbers they were given."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from actlumos.report import toys
from actlumos.report.style import COLUMN, GREEN, PAGE, as_pixels, save


def frames() -> np.ndarray:
    """Dark random frames, uint8 [12, 24, 32, 3]."""
    return np.random.default_rng(0).integers(0, 60, (12, 24, 32, 3), dtype=np.uint8)


SAMPLES = {
    "first_look": lambda: toys.first_look(
        {"dark": frames()[0], "× 6": as_pixels(frames()[0], 6)},
        {"run": 0.1, "walk": 0.7, "sit": 0.15, "wave": 0.05}, "walk"),
    "clip_tensor": lambda: toys.clip_tensor(frames(), (3, 5)),
    "number_grids": lambda: toys.number_grids({"a": np.eye(2), "b": -np.eye(2)}),
    "signals": lambda: toys.signals({"before": {"x": np.arange(5.0)}, "after": {"y": np.ones(4)}}),
    "vector_pairs": lambda: toys.vector_pairs(np.eye(2), ["a", "b"], [0, 1]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_toy_is_drawn_to_fit_a_page(name: str, tmp_path) -> None:
    settings_before, open_before = dict(plt.rcParams), plt.get_fignums()
    figure = SAMPLES[name]()
    _, png = save(figure, name, tmp_path)
    assert plt.imread(png)[..., :3].std() > 0.01
    assert dict(plt.rcParams) == settings_before and plt.get_fignums() == open_before
    wide, tall = figure.get_size_inches()
    assert COLUMN <= wide <= PAGE and tall <= 5
    sizes = {text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()}
    assert min(sizes) >= 6.5


def cells(figure: Figure, axis: int) -> list[str]:
    return [text.get_text() for text in figure.axes[axis].texts]


def test_the_answer_names_three_classes_and_marks_the_true_one() -> None:
    axis = SAMPLES["first_look"]().axes[-1]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["walk", "sit", "run"]
    assert [bar.get_width() for bar in axis.patches] == [0.7, 0.15, 0.1]
    green = matplotlib.colors.to_rgba(GREEN)
    assert [bar.get_facecolor() == green for bar in axis.patches] == [True, False, False]
    assert len(toys.first_look({"dark": frames()[0]}).axes) == 1


def test_the_window_of_a_clip_shows_its_red_bytes() -> None:
    figure = SAMPLES["clip_tensor"]()
    assert list(map(int, cells(figure, 1))) == frames()[0, 3:8, 5:12, 0].ravel().tolist()
    assert figure.axes[0].get_title("left") == "[T, H, W, 3] = [12, 24, 32, 3]; shown × 4"
    front = max(figure.axes[0].images, key=lambda image: image.get_zorder())
    np.testing.assert_array_equal(front.get_array(), as_pixels(frames()[0], 4))


def test_grids_and_products_are_written_out() -> None:
    figure = SAMPLES["number_grids"]()
    assert cells(figure, 0) == ["1.00", "0.00", "0.00", "1.00"]
    assert cells(figure, 1)[0] == "-1.00"
    slanted = np.array([[1.0, 0.0], [0.6, 0.8]])
    pairs = toys.vector_pairs(slanted, ["a", "b"], [0, 0])
    assert cells(pairs, 1) == ["1.00", "0.60", "0.60", "1.00"]


def test_signals_are_drawn_value_for_value() -> None:
    left, right = SAMPLES["signals"]().axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), np.arange(5.0))
    np.testing.assert_array_equal(right.lines[0].get_ydata(), np.ones(4))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: toys.first_look({}), "nothing to draw"),
    (lambda: toys.clip_tensor(frames(), (22, 0)), "leaves the frame"),
    (lambda: toys.clip_tensor(frames(), (0, -1)), "leaves the frame"),
    (lambda: toys.number_grids({"a": np.ones(3)}), "axes, not 2"),
    (lambda: toys.vector_pairs(np.eye(2), ["a"], [0, 1]), "1 labels"),
])
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
