"""The recipes of CONTRIBUTING.md: their blocks are applied as they stand, and the result trains."""

from __future__ import annotations
import __future__

import ast
import importlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from actlumos import baselines, stages
from actlumos.config import profile
from actlumos.data.published import listing, load_manifest
from actlumos.stages import supervised
from actlumos.stages.runs import Run
from actlumos.views import enhance

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text("utf-8")
RECIPES = {
    part.partition("\n")[0]: re.findall(r"(?ms)^```python\n(.+?)^```$", part)
    for part in re.split(r"(?m)^###? ", TEXT)[1:]
}
ANNOTATIONS = __future__.annotations.compiler_flag
TINY = {
    "widths": (16, 16, 16, 16), "frames": 4, "frame_size": (24, 32), "crop_size": (20, 28),
    "batch_size": 4, "epochs_supervised": 1, "epochs_teacher": 1,
}  # fmt: skip


def apply(block: str, patch: pytest.MonkeyPatch) -> None:
    """Do what a reader does with a block: a new file, more code in a file, or a row of a table."""
    head = re.match(r"# (actlumos/[\w/]+)\.py(?:: a row of (\w+))?\n", block)
    assert head, f"a block of CONTRIBUTING.md does not say where it belongs:\n{block}"
    name = head[1].replace("/", ".")
    if not head[2] and ast.get_docstring(ast.parse(block)):
        module = ModuleType(name)
        patch.setitem(sys.modules, name, module)
        exec(compile(block, name, "exec"), module.__dict__)
        return
    module = importlib.import_module(name)
    scope = dict(vars(module))
    if head[2]:
        row = eval(compile(f"{{{block}}}", name, "eval"), scope)
        for key, value in row.items():
            patch.setitem(getattr(module, head[2]), key, value)
    else:
        exec(compile(block, name, "exec", ANNOTATIONS), scope)
        for key in scope.keys() - vars(module).keys():
            patch.setattr(module, key, scope[key], raising=False)


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Applies all blocks of a recipe, by its heading, until the test ends."""

    def make(heading: str) -> None:
        assert RECIPES[heading]
        for block in RECIPES[heading]:
            apply(block, monkeypatch)

    return make


def test_every_block_belongs_to_a_recipe_that_is_tested_here() -> None:
    source = Path(__file__).read_text("utf-8")
    for heading, blocks in RECIPES.items():
        assert not blocks or f'follow("{heading}")' in source, heading


def test_a_new_enhancer(follow: Callable[[str], None], open_tiny: Callable[..., Run]) -> None:
    follow("A new enhancer")
    clip = torch.rand(1, 3, 2, 5, 6)
    np.testing.assert_allclose(
        enhance.enhance(clip, "square-root").numpy(), np.sqrt(clip.numpy()), rtol=1e-6
    )
    with pytest.raises(ValueError):
        enhance.enhance(clip[0, 0], "square-root")
    trained = stages.ensure(open_tiny(**TINY), "square-root")
    assert trained.recipe.streams == ("square-root",) and len(trained.history) == 1


def test_a_new_fusion(follow: Callable[[str], None], open_tiny: Callable[..., Run]) -> None:
    follow("A new fusion")
    trained = stages.ensure(open_tiny(**TINY), "fusion-max")
    fusion = trained.model().fusion
    first, second = torch.randn(2, 2, 3, 2, 4, 5)
    fused, weights = fusion((first, second))
    np.testing.assert_array_equal(fused.numpy(), np.maximum(first.numpy(), second.numpy()))
    assert weights is None and not list(fusion.parameters())
    with pytest.raises(ValueError, match="differ in shape"):
        fusion((first, second[:1]))


def test_a_new_loss(follow: Callable[[str], None], open_tiny: Callable[..., Run]) -> None:
    follow("A new loss")
    logits, label = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    shares = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    right = shares[np.arange(6), label.numpy()]
    terms = supervised.focal(logits, label, profile("smoke"))
    assert terms["loss"].item() == pytest.approx(np.mean(-((1 - right) ** 2) * np.log(right)), 1e-5)
    trained = stages.ensure(open_tiny(**TINY), "focal")
    assert np.isfinite(trained.history["train_loss"]).all()


def test_a_new_data_set(
    follow: Callable[[str], None],
    tiny_videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow("A new data set")
    monkeypatch.setattr(listing, "LISTED", tuple(listing._READERS))
    shutil.copytree(tiny_videos, tmp_path / "night")
    for role, numbers in {"train": range(7), "test": range(7, 10)}.items():
        lines = [f"{c}/{c}_{n}_1.mp4 {k}" for n in numbers for k, c in enumerate(("left", "right"))]
        (tmp_path / "night" / f"{role}.txt").write_text("\n".join(lines))
    manifest = load_manifest("night", tmp_path / "night")
    assert manifest.classes == ("left", "right")
    assert {clip.path for clip in manifest.select("test").clips} == {
        f"{c}/{c}_{n}_1.mp4" for c in ("left", "right") for n in (7, 8, 9)
    }
    assert len(manifest.select("train")) + len(manifest.select("val")) == 14
    (tmp_path / "night" / "test.txt").write_text("left/left_1_1.mp4 2")
    with pytest.raises(ValueError, match=r"test.txt, line 1: class '2' is not one of 0\.\.1"):
        listing.read_listing("night", tmp_path / "night")


def test_a_new_system_of_the_comparison(
    follow: Callable[[str], None], open_tiny: Callable[..., Run]
) -> None:
    theirs = stages.find("baselines/mran"), baselines.card("mran")
    follow("A new system of the comparison")
    mine = stages.find("baselines/mran"), baselines.card("mran")
    assert mine[0] is not theirs[0] and mine[0].description() == theirs[0].description()
    for field in ("name", "title", "year", "venue", "status", "streams", "reported", "grew_from"):
        assert getattr(mine[1], field) == getattr(theirs[1], field)
    trained = stages.ensure(open_tiny(**TINY), "baselines/mran")
    assert 0 <= trained.result["top1"] <= 100
