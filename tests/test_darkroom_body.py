"""The skinned body: its file, its mesh, its bones, and where its skin goes in every action."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from actlumos.darkroom import template as template_module
from actlumos.darkroom.actions import ACTIONS, act
from actlumos.darkroom.actions_b import ACTIONS_B
from actlumos.darkroom.body import Body, sample_body
from actlumos.darkroom.clip import render_take
from actlumos.darkroom.clothes import albedo, dressed, normals
from actlumos.darkroom.figure import figure
from actlumos.darkroom.plan import plan
from actlumos.darkroom.pose import Pose, pose
from actlumos.darkroom.skin import motions, skinned
from actlumos.darkroom.staging import sample_stage
from actlumos.darkroom.template import BONES, FILE, ZONES, template

TIMES = np.arange(24) / 12
MIRROR = np.array([-1.0, 1.0, 1.0])
EVERY = {**ACTIONS, **ACTIONS_B}


def moved(name: str, seed: int) -> tuple[Body, Pose]:
    """A random person in one action."""
    rng = np.random.default_rng(seed)
    body, stage = sample_body(rng), sample_stage(rng)
    return body, pose(body, act(name, EVERY, body, stage, TIMES, rng))


def mirrored(joints: Pose) -> Pose:
    """The same pose, left and right exchanged. A hinge axis is a cross product: it turns round."""
    changed = {}
    for item in fields(joints):
        value = getattr(joints, item.name)
        if item.name.endswith("frame"):
            changed[item.name] = value * MIRROR[:, None] * MIRROR
        else:
            value = value[:, ::-1] if value.ndim == 3 else value
            changed[item.name] = value * (-MIRROR if item.name.endswith("axes") else MIRROR)
    return replace(joints, **changed)


def test_the_file_is_the_one_that_its_notice_names() -> None:
    notice = (Path(template_module.__file__).with_name("BODY.md")).read_text("utf-8")
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in notice
    assert FILE.stat().st_size < 70_000
    size = f"{len(template().mean)} vertices and {len(template().faces)} faces"
    assert size in notice and "CC0" in notice


def test_the_mesh_is_closed() -> None:
    edges: Counter[tuple[int, int]] = Counter()
    for corners in template().faces.tolist():
        ring = list(dict.fromkeys(corners))
        assert len(ring) >= 3
        edges.update(zip(ring, ring[1:] + ring[:1], strict=True))
    assert all(edges[b, a] == count for (a, b), count in edges.items())


@pytest.mark.parametrize("seed", range(5))
def test_faces_look_outwards_and_enclose_a_human_volume(seed: int) -> None:
    body, faces = sample_body(np.random.default_rng(seed)), template().faces
    corners = body.vertices[faces].astype(float)
    a, b, c, d = np.moveaxis(corners, 1, 0)
    litres = 1000 * sum((np.cross(x, y) * z).sum() for x, y, z in ((a, b, c), (a, c, d))) / 6
    assert 35 < litres < 130
    assert np.einsum("vi,vi", normals(body.vertices), body.vertices - body.vertices.mean(0)) > 0


def test_bones_share_each_vertex_and_both_sides_are_alike() -> None:
    model = template()
    assert (np.count_nonzero(model.weights, 1) <= 4).all()
    np.testing.assert_allclose(model.weights.sum(1), 1, atol=1e-6)
    across = np.linalg.norm(model.mean[:, None] * MIRROR - model.mean[None], axis=-1)
    partner = across.argmin(1)
    assert across.min(1).max() < 1e-6
    swap = [BONES.index(b.translate(str.maketrans("LR", "RL"))) for b in BONES]
    np.testing.assert_allclose(model.weights[partner], model.weights[:, swap], atol=1e-6)
    np.testing.assert_allclose(model.shapes[:, partner] * MIRROR, model.shapes, atol=1e-6)


def test_a_seed_is_a_person() -> None:
    first, again, other = (sample_body(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vertices, again.vertices)
    assert np.abs(first.vertices - other.vertices).max() > 0.01
    people = [sample_body(np.random.default_rng(seed)) for seed in range(60)]
    heights = np.array([person.height for person in people])
    assert heights.min() > 1.45 and heights.max() < 2.0 and heights.std() > 0.06
    assert all(0.4 < person.hip_height / person.height < 0.6 for person in people)


def test_skinning_is_the_weighted_mean_of_the_bones_motions() -> None:
    body, joints = moved("run", 3)
    turns, shifts = motions(body, joints)
    points = np.concatenate([body.vertices, np.ones((len(body.vertices), 1))], 1)
    matrices = np.concatenate([turns, shifts[..., None]], -1)
    got = skinned(template().weights, matrices, points)
    for vertex in (0, 57, 200):
        wanted = np.zeros(3)
        for bone, weight in enumerate(template().weights[vertex]):
            wanted += weight * (turns[7, bone] @ body.vertices[vertex] + shifts[7, bone])
        np.testing.assert_allclose(got[7, vertex], wanted, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_every_action_moves_the_skin_as_its_joints(name: str) -> None:
    """Rigid bones, ends of bones on the pose's joints, and no vertex below the floor."""
    for seed in range(3):
        body, joints = moved(name, seed)
        turns, shifts = motions(body, joints)
        identity = turns @ turns.swapaxes(-1, -2)
        np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-6)
        assert (np.linalg.det(turns) > 0).all()
        ends = {"forearm": ("wrist", joints.wrists), "arm": ("elbow", joints.elbows),
                "thigh": ("knee", joints.knees), "shin": ("ankle", joints.ankles)}  # fmt: skip
        for bone, (end, places) in ends.items():
            for k, side in enumerate("LR"):
                number = BONES.index(f"{bone}.{side}")
                rest = body.rest[end] * (MIRROR if side == "L" else 1)
                there = turns[:, number] @ rest + shifts[:, number]
                np.testing.assert_allclose(there, places[:, k], atol=1e-5)
        surface = figure(body, joints)[0]
        assert np.isfinite(surface.quads).all() and np.isfinite(surface.normals).all()
        assert surface.quads[..., 1].min() > -0.005


def test_a_mirrored_pose_gives_the_mirrored_skin() -> None:
    body, joints = moved("walk", 5)
    body = replace(body, legs="long", bag=False, long_hair=False)
    one, other = (figure(body, p)[0].quads.reshape(len(TIMES), -1, 3)
                  for p in (joints, mirrored(joints)))  # fmt: skip
    gaps = np.linalg.norm(one[9][::8, None] * MIRROR - other[9], axis=-1)
    assert gaps.min(1).max() < 1e-4


def test_standing_at_ease_hardly_stretches_the_skin() -> None:
    """Edges of the body keep their length within a few millimetres, except near the armpits."""
    body, joints = moved("wave", 2)
    turns, shifts = motions(body, joints)
    points = np.concatenate([body.vertices, np.ones((len(body.vertices), 1))], 1)
    still = skinned(template().weights, np.concatenate([turns, shifts[..., None]], -1), points)[0]
    edges = template().faces[:, :2]
    before, now = (np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=-1)
                   for v in (body.vertices, still))  # fmt: skip
    assert np.median(np.abs(now - before)) < 0.003
    assert np.quantile(np.abs(now - before), 0.95) < 0.03


def test_clothes_cover_their_zones_and_are_wider_than_the_skin() -> None:
    body = replace(
        sample_body(np.random.default_rng(0)), shirt=(0.5, 0.1, 0.1), trousers=(0.1, 0.1, 0.5),
        skin=(0.4, 0.3, 0.2), long_sleeves=False, legs="shorts",
    )  # fmt: skip
    zones = template().face_zones
    for changes, bare in (({}, True), ({"long_sleeves": True, "legs": "long"}, False)):
        person = replace(body, **changes)
        colours = albedo(person)
        for zone, cloth in (("lower arm", person.shirt), ("lower leg", person.trousers)):
            wanted = person.skin if bare else cloth
            assert np.abs(colours[zones == ZONES.index(zone)] - wanted).max() < 1e-6
        wide = np.linalg.norm(dressed(person) - person.vertices, axis=-1)
        leg = template().vertex_zones == ZONES.index("lower leg")
        assert (wide[leg].max() < 1e-6) == bare


def test_a_fist_closes_that_hand_only() -> None:
    body, joints = moved("drink", 4)
    open_, left = (figure(body, joints, f)[0].quads[0] for f in ((False, False), (True, False)))
    changed = np.abs(open_ - left).max((1, 2)) > 0.005
    assert changed.any() and set(template().face_zones[changed]) == {ZONES.index("hand")}
    assert (template().mean[template().faces[changed]].mean(1)[:, 0] < 0).all()


def test_the_number_of_threads_changes_no_bit_of_a_scene() -> None:
    """Else a data set would have another digest on another machine."""
    spec, scenes = plan("darkroom", {"train": 1}, 0)[0], []
    for threads in (1, 2):
        with threadpool_limits(threads):
            scenes.append(render_take(spec).radiance)
    np.testing.assert_array_equal(*scenes)
