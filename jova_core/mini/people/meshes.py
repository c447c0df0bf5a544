"""The packed head meshes: base shape, morph targets and face units (see tools/pack_heads.py).

Legend: V vertices of the packed mesh, Q quads. One unit is 10 cm; x is the person's left, y up,
z forwards. Vertices below keep their places of the base mesh ("canonical") for every person.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADS = Path(__file__).with_name("heads.npz")
SKIN, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, TONGUE, LASHES_UPPER, LASHES_LOWER = range(8)


@dataclass(frozen=True, kw_only=True)
class Meshes:
    """The base mesh and its sparse morph targets."""

    points: np.ndarray  # float32 [V + joints, 3]: the last rows are the joints' centres
    joints: tuple[str, ...]
    quads: np.ndarray  # int32 [Q, 4]
    kind: np.ndarray  # uint8 [Q], one of SKIN ... LASHES_LOWER
    masks: dict[str, np.ndarray]  # float32 [V] in 0..1: lips, ears, inside_mouth
    weights: dict[str, np.ndarray]  # float32 [V] in 0..1: head, neck, arm_left, arm_right
    targets: dict[str, tuple[np.ndarray, np.ndarray]]  # int32 rows [N], float32 offsets [N, 3]

    @property
    def count(self) -> int:
        """Number of vertices V, joints left out."""
        return len(self.points) - len(self.joints)

    def of_kind(self, *kinds: int) -> np.ndarray:
        """Quads [N, 4] of the given kinds."""
        return self.quads[np.isin(self.kind, kinds)]

    def morph(self, amounts: dict[str, float]) -> np.ndarray:
        """Points [V + joints, 3] with `amounts` of the named targets added."""
        points = self.points.copy()
        for name, amount in amounts.items():
            rows, offsets = self.targets[name]
            points[rows] += np.float32(amount) * offsets
        return points


@functools.cache
def load_meshes() -> Meshes:
    """Reads heads.npz, which ships with the package; once in a process."""
    with np.load(HEADS) as packed:
        arrays = {name: packed[name] for name in packed.files}
    starts, rows = arrays["starts"], arrays["rows"].astype(np.int32)
    offsets = arrays["offsets"].astype(np.float32) / 1000
    targets = {
        str(name): (rows[start:stop], offsets[start:stop])
        for name, start, stop in zip(arrays["names"], starts[:-1], starts[1:], strict=True)
    }

    def shares(prefix: str) -> dict[str, np.ndarray]:
        names = [name for name in arrays if name.startswith(prefix)]
        return {n.removeprefix(prefix): arrays[n].astype(np.float32) / 255 for n in names}

    return Meshes(
        points=arrays["points"].astype(np.float32),
        joints=tuple(str(name) for name in arrays["joints"]),
        quads=arrays["quads"].astype(np.int32),
        kind=arrays["kind"],
        masks=shares("mask_"),
        weights=shares("weight_"),
        targets=targets,
    )
