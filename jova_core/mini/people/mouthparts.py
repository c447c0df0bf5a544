"""Eyeballs and teeth of our own: the base mesh has only coarse helpers for them."""

import numpy as np

# Tooth sizes from the middle outwards in units of 10 cm: incisors, canine, premolars, molars;
# rounded from dental averages, the arch is scaled to fit them.
UPPER_WIDTHS = (0.085, 0.068, 0.076, 0.070, 0.068, 0.100, 0.095)
LOWER_WIDTHS = (0.054, 0.060, 0.068, 0.070, 0.072, 0.105, 0.100)
UPPER_HEIGHTS = (0.103, 0.090, 0.098, 0.082, 0.076, 0.070, 0.066)
LOWER_HEIGHTS = (0.086, 0.088, 0.098, 0.082, 0.076, 0.070, 0.066)
# (share of the tooth's height, offset outwards) from inside the edge over the neck to the gum.
PROFILE = (
    *((-0.02, -0.035), (0.0, -0.012), (0.12, 0.0), (0.5, 0.004)),
    *((0.85, 0.0), (1.0, -0.008), (1.15, 0.004), (2.4, 0.0)),
)
COLUMNS_OF_A_TOOTH = 7


def eyeball(rings: int = 9, spokes: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Front of a unit sphere with a cornea bulge, looking along z: points [N, 3], triangles."""
    points, triangles = [(0.0, 0.0, 1.0)], []
    for ring in range(1, rings + 1):
        polar = ring / rings * 1.75
        for spoke in range(spokes):
            angle = 2 * np.pi * spoke / spokes
            radius = np.sin(polar)
            points.append((radius * np.cos(angle), radius * np.sin(angle), np.cos(polar)))
    for ring in range(rings):
        for spoke in range(spokes):
            following = (spoke + 1) % spokes
            outer = 1 + ring * spokes
            if ring == 0:
                triangles.append((0, outer + spoke, outer + following))
                continue
            a, b = outer - spokes + spoke, outer - spokes + following
            c, d = outer + spoke, outer + following
            triangles += [(a, c, d), (a, d, b)]
    sphere = np.array(points, np.float32)
    radius = np.hypot(sphere[:, 0], sphere[:, 1])
    sphere *= (1 + 0.06 * np.exp(-((radius / 0.42) ** 4)))[:, None]
    return sphere, np.array(triangles, np.int32)


def dental_arch(*, upper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fourteen teeth and gum of a jaw, in canonical places: points, triangles, places on the tooth.

    The places [N, 3] say side within the tooth -1..1, height (0 edge, 1 neck, above gum) and the
    number of the tooth from the middle.
    """
    half_width, depth = (0.285, 0.42) if upper else (0.262, 0.40)
    back, edge = (1.045, 6.612) if upper else (1.03, 6.618)
    angle = np.linspace(0, np.pi / 2 * 0.97, 400)
    x, z = half_width * np.sin(angle), back + depth * np.cos(angle)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    columns = _columns(upper, length[-1])
    up = 1 if upper else -1
    points, places = [], []
    for along, outwards, height, side, tooth in columns:
        at = np.interp(abs(along), length, angle) * np.sign(along)
        normal = np.array([np.sin(at) * depth, np.cos(at) * half_width])
        normal /= np.linalg.norm(normal)
        for share, offset in PROFILE:
            out = outwards * (1 if share < 1.0 else 0.5) + offset
            bow = 0 if share > 0.6 else up * 0.012 * side**2
            points.append(
                (
                    half_width * np.sin(at) + normal[0] * out,
                    edge + up * share * height + bow,
                    back + depth * np.cos(at) + normal[1] * out,
                )
            )
            places.append((side, share, tooth))
    triangles = _strip(len(columns), len(PROFILE), upper)
    return np.array(points, np.float32), triangles, np.array(places, np.float32)


def _columns(upper: bool, length: float) -> list[tuple[float, float, float, float, int]]:
    """Columns of points along the arch: place, offset outwards, height, side, tooth."""
    widths, heights = (UPPER_WIDTHS, UPPER_HEIGHTS) if upper else (LOWER_WIDTHS, LOWER_HEIGHTS)
    scaled = np.array(widths) * length / sum(widths)
    columns, start = [], 0.0
    for tooth, (width, height) in enumerate(zip(scaled, heights, strict=True)):
        for side in np.linspace(-1, 1, COLUMNS_OF_A_TOOTH):
            outwards = 0.016 * (1 - side**4) - 0.012 * (abs(side) > 0.99)
            tall = height * (1 - 0.10 * side**4)
            columns.append((start + (side + 1) / 2 * width, outwards, tall, side, tooth))
        start += width
    mirrored = [(-place, out, tall, -side, tooth) for place, out, tall, side, tooth in columns]
    return mirrored[::-1] + columns


def _strip(columns: int, rows: int, upper: bool) -> np.ndarray:
    """Triangles [N, 3] of a grid of points, facing outwards."""
    triangles = []
    for column in range(columns - 1):
        for row in range(rows - 1):
            a, d = column * rows + row, column * rows + row + 1
            b, e = a + rows, d + rows
            triangles += [(a, b, e), (a, e, d)] if upper else [(a, e, b), (a, d, e)]
    return np.array(triangles, np.int32)
