"""The renderer's parts: skeleton, gait, camera, sensor, and a clip from end to end."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlumos.darkroom.actions import ACTIONS, act
from actlumos.darkroom.actions_b import ACTIONS_B
from actlumos.darkroom.body import sample_body
from actlumos.darkroom.camera import Camera, panorama
from actlumos.darkroom.clip import render_clip, render_normal_light, render_take
from actlumos.darkroom.geometry import ease, orientation, two_bones, yaw_matrix
from actlumos.darkroom.mesh import box, shade
from actlumos.darkroom.plan import CLASSES, ClipSpec, plan
from actlumos.darkroom.pose import pose
from actlumos.darkroom.sensor import LUMA, Sensor, capture, expose, tone_table
from actlumos.darkroom.staging import sample_stage
from actlumos.darkroom.statistics import clip_statistics

TIMES = np.arange(60) / 30
SPEC = ClipSpec("darkroom", 0, "train", "walk", 3)


def moved(name: str, seed: int) -> tuple:
    """Body, motion and pose of one action."""
    rng = np.random.default_rng(seed)
    body, stage = sample_body(rng), sample_stage(rng)
    motion = act(name, {**ACTIONS, **ACTIONS_B}, body, stage, TIMES, rng)
    return body, motion, pose(body, motion)


@given(st.integers(0, 10**6), st.floats(0.05, 1.4))
@settings(max_examples=40, deadline=None)
def test_two_bones_keep_their_lengths_and_reach_what_is_in_reach(seed: int, far: float) -> None:
    rng = np.random.default_rng(seed)
    aimed = rng.standard_normal((1, 3))
    target = far * 0.6 * aimed / np.linalg.norm(aimed)
    hint = np.cross(aimed, rng.standard_normal((1, 3)))
    joint, end, axis = two_bones(np.zeros((1, 3)), target, 0.32, 0.28, hint)
    assert np.linalg.norm(joint) == pytest.approx(0.32, abs=1e-6)
    assert np.linalg.norm(end - joint) == pytest.approx(0.28, abs=1e-3)
    assert abs((axis * joint).sum()) < 1e-6
    if 0.07 < far * 0.6 < 0.599:
        np.testing.assert_allclose(end, target, atol=1e-6)


@given(st.floats(-1, 3), st.floats(0.05, 3))
def test_ease_rises_from_zero_to_one(start: float, duration: float) -> None:
    value = ease(np.linspace(-2, 8, 200), start, duration)
    assert value[0] == 0 and value[-1] == 1 and (np.diff(value) >= -1e-12).all()


@pytest.mark.parametrize("name", [*ACTIONS, *ACTIONS_B])
def test_every_action_is_a_human_pose(name: str) -> None:
    for seed in range(4):
        body, motion, joints = moved(name, seed)
        for part in (joints.head, joints.wrists, joints.knees, joints.toes):
            assert np.isfinite(part).all()
        thigh = np.linalg.norm(joints.knees - joints.hips, axis=-1)
        np.testing.assert_allclose(thigh, body.thigh, atol=1e-4)
        assert joints.ankles[..., 1].min() > -0.02
        assert joints.head[:, 1].max() < 1.05 * body.height + 0.6
        speed = np.linalg.norm(np.diff(joints.pelvis, axis=0), axis=-1) * 30
        assert speed.max() < 6.5, "slower than a sprinter"


def test_planted_feet_of_a_walker_do_not_slide() -> None:
    for seed in range(5):
        _, motion, joints = moved("walk", seed)
        low = joints.ankles[..., 1] < joints.ankles[..., 1].min(1, keepdims=True) + 1e-6
        step = np.diff(joints.ankles[..., 2], axis=0) * 30
        planted = low[1:] & low[:-1]
        travel = np.diff(joints.pelvis[:, 2]).mean() * 30
        assert 0.5 < travel < 1.7
        assert np.median(np.abs(step[planted])) < 0.35 * travel


def test_standing_feet_stay_where_they_are() -> None:
    for name in ("wave", "drink", "pick", "sit"):
        _, motion, joints = moved(name, 1)
        assert np.ptp(joints.ankles, axis=0).max() < 0.12


def test_panorama_homography_equals_direct_projection() -> None:
    rng = np.random.default_rng(0)
    yaw, pitch, roll = rng.normal(0, 0.1, (3, 7))
    camera = Camera(np.array([0.2, 1.3, -3.0]), 150.0, orientation(yaw, pitch, roll))
    view = panorama(camera)
    point = np.array([0.3, 1.0, 2.0])
    pixels, _ = camera.project(np.broadcast_to(point, (7, 1, 3)))
    ray = view.rotation.T @ (point - camera.position)
    wide = np.array(
        [view.centre[0] + 150 * ray[0] / ray[2], view.centre[1] - 150 * ray[1] / ray[2]]
    )
    for t in range(7):
        moved_to = view.to_frames[t] @ [*(wide - 0.5), 1]
        np.testing.assert_allclose(moved_to[:2] / moved_to[2] + 0.5, pixels[t, 0], atol=1e-3)
    corners = np.array([[0, 0, 1], [159, 0, 1], [159, 119, 1], [0, 119, 1.0]])
    back = corners @ np.linalg.inv(view.to_frames).transpose(0, 2, 1)
    back = back[..., :2] / back[..., 2:]
    assert (back > -1).all() and (back < np.array(view.size)).all()


def test_box_normals_point_outwards_and_lambert_holds() -> None:
    cube = box(np.zeros(3), (1, 1, 1), (0.5, 0.5, 0.5), yaw_matrix(np.array(0.4)))
    assert ((cube.centres * cube.normals).sum(-1) > 0.4).all()
    lamp = np.array([0.0, 5.0, 0.0])
    light = shade(cube, [(lamp, np.full(3, 10.0))], np.zeros(3))[0, :, 0]
    top = cube.normals[0, :, 1].argmax()
    expected = 0.5 * 10 * 1.12 / (4.5**2 + 0.5)
    assert light[top] == pytest.approx(expected, rel=1e-3) and light.argmax() == top


def sensor(**changes: object) -> Sensor:
    """A plain sensor: linear, no smoothing, hardly any blur."""
    values = dict(
        rank=0.5, gamma=1.0, black=(3.0, 3.0, 3.0), cast=(1.0, 1.0, 1.0), noise=2.0,
        shot_share=0.6, row=0.0, blur=0.1, smooth=1.0,
    )  # fmt: skip
    return Sensor(**{**values, **changes})


def test_sensor_noise_is_poisson_gaussian() -> None:
    rng = np.random.default_rng(0)
    levels = {}
    for factor in (1.0, 3.0):
        flat = np.full((6, 120, 160, 3), factor / 255, np.float32)
        dark = capture(flat, sensor(), 20 + 3, 20.0, rng).astype(float)
        levels[factor] = dark.mean(), dark.var() - 1 / 12
    assert levels[1.0][0] == pytest.approx(23, abs=0.2)
    assert levels[1.0][1] == pytest.approx(4.0, rel=0.12)
    assert levels[3.0][1] == pytest.approx(4.0 * (0.4 + 3 * 0.6), rel=0.12)


def test_temporal_smoothing_lowers_flicker() -> None:
    flat = np.full((20, 120, 160, 3), 20 / 255, np.float32)
    rough = capture(flat, sensor(), 23, 1.0, np.random.default_rng(0)).astype(float)
    soft = capture(flat, sensor(smooth=0.5), 23, 1.0, np.random.default_rng(0)).astype(float)
    assert np.diff(soft[5:], axis=0).std() < 0.65 * np.diff(rough[5:], axis=0).std()


@given(st.floats(6, 37), st.floats(1.0, 1.6))
@settings(max_examples=15, deadline=None)
def test_exposure_gives_the_wanted_luma(luma: float, gamma: float) -> None:
    rng = np.random.default_rng(1)
    scene = np.exp(rng.normal(0, 0.8, (10, 120, 160, 3))).astype(np.float32)
    camera = sensor(gamma=gamma)
    exposure = expose(scene, camera, luma)
    table = tone_table(camera)[np.minimum(scene * exposure * 16383, 16383).astype(int)] + 3
    assert (np.minimum(table, 255) @ LUMA).mean() == pytest.approx(luma + 0.7, rel=0.03)


def digest(frames: np.ndarray) -> str:
    """Hash of pixels."""
    return hashlib.sha256(np.ascontiguousarray(frames)).hexdigest()


def test_same_specification_gives_the_same_pixels_in_another_process() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from actlumos.darkroom.clip import render_clip\n"
        "from actlumos.darkroom.plan import ClipSpec\n"
        "spec = ClipSpec('darkroom', 0, 'train', 'walk', 3)\n"
        "print(hashlib.sha256(np.ascontiguousarray(render_clip(spec).dark)).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(render_clip(SPEC).dark)
    assert other.stdout.strip() != digest(
        render_clip(ClipSpec("darkroom", 1, "train", "walk", 3)).dark
    )


@pytest.mark.parametrize("action", CLASSES)
def test_the_figure_is_seen_and_moves(action: str) -> None:
    take = render_take(ClipSpec("darkroom", 0, "test", action, 0))
    assert take.radiance.shape[1:] == (120, 160, 3) and 33 <= len(take.radiance) <= 105
    assert np.isfinite(take.radiance).all() and take.radiance.min() >= 0
    middle = np.log(take.radiance[len(take.radiance) // 2] + 1e-4)
    other = np.log(take.empty[0] + 1e-4)
    share = (np.abs(middle - other).max(-1) > 0.15).mean()
    assert share > (0.006 if action in ("walk", "run") else 0.02)


def test_normal_light_shows_the_same_scene_brightly() -> None:
    spec = ClipSpec("darkroom", 0, "train", "turn", 1)
    dark, light = render_clip(spec).dark, render_normal_light(spec)
    assert light.shape == dark.shape and light.dtype == np.uint8
    assert light.mean() > 60 > 40 > dark.mean()
    pair = [np.log1p(cv2.blur(x[10], (5, 5)).mean(-1)).ravel() for x in (dark, light)]
    assert np.corrcoef(*pair)[0, 1] > 0.7


def test_plan_balances_groups_and_never_shares_them() -> None:
    specs = plan("darkroom", {"train": 3, "val": 1, "test": 2}, seed=0)
    homes: dict[str, set[str]] = {}
    classes: dict[str, list[str]] = {}
    for spec in specs:
        homes.setdefault(spec.group, set()).add(spec.split)
        classes.setdefault(spec.group, []).append(spec.action)
    assert all(len(splits) == 1 for splits in homes.values()) and len(homes) == 6
    assert all(sorted(names) == sorted(CLASSES) for names in classes.values())
    assert len({spec.path for spec in specs}) == len(specs) == 66
    assert set(specs) <= set(plan("darkroom", {"train": 5, "val": 1, "test": 2}, seed=0))
    assert {s.label for s in plan("darkroom-b", {"train": 1}, 0)} == {-1}
    assert not set(ACTIONS) & set(ACTIONS_B)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("moon", {"train": 1}, 0), "domain"),
        (("darkroom", {"dev": 1}, 0), "counts"),
        (("darkroom", {"train": 0}, 0), "counts"),
        (("darkroom", {"train": -1}, 0), "counts"),
    ],
)
def test_plan_refuses_nonsense(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(*arguments)


def test_statistics_agree_with_opencv_and_a_loop() -> None:
    frames = np.random.default_rng(0).integers(0, 60, (4, 30, 40, 3), dtype=np.uint8)
    got = clip_statistics(frames)
    luma = [f.astype(np.float32) @ LUMA for f in frames]
    laplacian = [cv2.Laplacian(y, cv2.CV_32F)[1:-1, 1:-1] for y in luma]
    assert got["detail"] == pytest.approx(float(np.abs(laplacian).mean()), rel=1e-4)
    change = [b - a for a, b in zip(luma, luma[1:], strict=False)]
    assert got["frame_difference"] == pytest.approx(float(np.std(change)), rel=1e-4)
    assert got["red"] == pytest.approx(frames[..., 0].mean() / 255)
    assert sum(got["histogram"]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="T >= 2"):
        clip_statistics(frames[:1])
