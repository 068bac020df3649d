"""The human body in its rest pose: the mesh that the renderer bends, and its range of shapes.

`body.npz` holds it; `tools/make_body.py` made it from MakeHuman's body data (CC0). The person
stands on the floor, looks along +z and holds the arms out and down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("body.npz")
JOINTS = ("hip", "knee", "ankle", "toe", "shoulder", "elbow", "wrist")  # of the right side
LIMB = ("shoulder", "upper arm", "arm", "forearm", "hip", "thigh", "shin", "foot")
BONES = (
    "pelvis", "waist", "chest", "neck", "head",
    *(f"{part}.{side}" for part in LIMB for side in "LR"),
)  # fmt: skip
ZONES = (
    "hair", "face", "eye", "mouth", "chest", "shirt", "hips", "upper arm", "lower arm", "hand",
    "upper leg", "lower leg", "foot",
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """The mean body and its shapes; metres, float32. V vertices, F faces, B bones.

    A body of shape `s` `[10]` has the vertices `mean + s @ shapes`, and joints likewise.
    """

    mean: np.ndarray  # [V, 3]
    shapes: np.ndarray  # [10, V, 3], one standard deviation each
    joints: np.ndarray  # [7, 3], the `JOINTS`
    joint_shapes: np.ndarray  # [10, 7, 3]
    adults: np.ndarray  # [N, 10], shapes of N random adults
    faces: np.ndarray  # [F, 4], corners; a triangle repeats its last one
    weights: np.ndarray  # [V, B], at most 4 of a row are not 0
    face_weights: np.ndarray  # [F, B], means of the corners' weights
    fist: np.ndarray  # [V, 3], what closing the hands adds
    face_zones: np.ndarray  # [F], numbers of `ZONES`
    vertex_zones: np.ndarray  # [V], likewise

    def vertices(self, shape: np.ndarray) -> np.ndarray:
        """Vertices `[V, 3]` of the body of `shape` `[10]`."""
        return self.mean + np.einsum("s,svi->vi", shape, self.shapes)

    def rest_joints(self, shape: np.ndarray) -> dict[str, np.ndarray]:
        """The right side's joints by name, `[3]` each."""
        places = self.joints + np.einsum("s,sji->ji", shape, self.joint_shapes)
        return dict(zip(JOINTS, places, strict=True))


@cache
def template() -> Template:
    """The body of `body.npz`."""
    with np.load(FILE) as saved:
        arrays = dict(saved)
    bones, shares = arrays.pop("bones"), arrays.pop("shares").astype(np.float32)
    weights = np.zeros((len(bones), len(BONES)), np.float32)
    np.add.at(weights, (np.arange(len(bones))[:, None], bones), shares)
    weights /= weights.sum(1, keepdims=True)
    kind = {np.dtype(np.float16): np.float32}
    wide = {name: array.astype(kind.get(array.dtype, np.intp)) for name, array in arrays.items()}
    return Template(weights=weights, face_weights=weights[wide["faces"]].mean(1), **wide)
