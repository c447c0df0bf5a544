"""Kernels from face units to triangles on the picture: morph, pose, normals, projection, z-buffer.

Legend: N vertices, T triangles, W picture side in (supersampled) pixels. Everything is float32.
A camera is (x, y, z, focal length, half side): it looks along -z from far away.
"""

import numpy as np

from .compiled import F, kernel


@kernel
def add_units(
    vertices: np.ndarray,
    starts: np.ndarray,
    rows: np.ndarray,
    offsets: np.ndarray,
    amounts: np.ndarray,
) -> None:
    """Adds `amounts` [U] of the sparse face units to vertices [N, 3] in place."""
    for unit in range(amounts.shape[0]):
        amount = amounts[unit]
        if amount != 0:
            for at in range(starts[unit], starts[unit + 1]):
                row = rows[at]
                vertices[row, 0] += amount * offsets[at, 0]
                vertices[row, 1] += amount * offsets[at, 1]
                vertices[row, 2] += amount * offsets[at, 2]


@kernel
def pose(
    points: np.ndarray,
    first_weight: np.ndarray,
    second_weight: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    out: np.ndarray,
) -> None:
    """Linear blend of two motions [3, 4] and rest, by two weights [N], of points [N, 3]."""
    for i in range(points.shape[0]):
        a, b = first_weight[i], second_weight[i]
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        rest = F(1) - a - b
        for k in range(3):
            one = first[k, 0] * x + first[k, 1] * y + first[k, 2] * z + first[k, 3]
            two = second[k, 0] * x + second[k, 1] * y + second[k, 2] * z + second[k, 3]
            out[i, k] = a * one + b * two + rest * points[i, k]


@kernel
def normals(vertices: np.ndarray, triangles: np.ndarray, out: np.ndarray) -> None:
    """Unit vertex normals [N, 3], weighted by the area of the triangles [T, 3]."""
    out[:] = 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
        wx, wy, wz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for i in (a, b, c):
            out[i, 0] += x
            out[i, 1] += y
            out[i, 2] += z
    for i in range(out.shape[0]):
        square = out[i, 0] * out[i, 0] + out[i, 1] * out[i, 1] + out[i, 2] * out[i, 2]
        scale = F(1) / (np.sqrt(square) + F(1e-12))
        out[i, 0] *= scale
        out[i, 1] *= scale
        out[i, 2] *= scale


@kernel
def project(points: np.ndarray, camera: np.ndarray, out: np.ndarray) -> None:
    """Points [N, 3] to picture x, picture y (down) and 1 / depth."""
    for i in range(points.shape[0]):
        near = F(1) / (camera[2] - points[i, 2])
        out[i, 0] = camera[4] + camera[3] * (points[i, 0] - camera[0]) * near
        out[i, 1] = camera[4] - camera[3] * (points[i, 1] - camera[1]) * near
        out[i, 2] = near


@kernel
def rasterise(
    points: np.ndarray,
    triangles: np.ndarray,
    one_sided: np.ndarray,
    depth: np.ndarray,
    shown: np.ndarray,
) -> None:
    """Writes the number of the nearest triangle into shown [W, W] and its 1 / depth into depth.

    `one_sided` [T] triangles that are turned away are left out (counter-clockwise faces have a
    negative area, since y points down).
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (one_sided[t] and area > 0):
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - F(0.5))))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - F(0.5))))
        top = max(0, int(np.ceil(min(y0, y1, y2) - F(0.5))))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - F(0.5))))
        if left > right or top > bottom:
            continue
        inverse = F(1) / area
        z0, z1, z2 = points[a, 2], points[b, 2] - points[a, 2], points[c, 2] - points[a, 2]
        dx1, dx2 = (y2 - y0) * inverse, -(y1 - y0) * inverse
        dy1, dy2 = -(x2 - x0) * inverse, (x1 - x0) * inverse
        px, py = F(left) + F(0.5) - x0, F(top) + F(0.5) - y0
        row1, row2 = px * dx1 + py * dy1, px * dx2 + py * dy2
        for y in range(top, bottom + 1):
            w1, w2 = row1, row2
            for x in range(left, right + 1):
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1:
                    near = z0 + w1 * z1 + w2 * z2
                    if near > depth[y, x]:
                        depth[y, x] = near
                        shown[y, x] = t
                w1 += dx1
                w2 += dx2
            row1 += dy1
            row2 += dy2


@kernel
def visible_share(
    points: np.ndarray, along: np.ndarray, depth: np.ndarray, bias: float, out: np.ndarray
) -> None:
    """Share of the four nearest texels of a depth map that do not hide each point: [N].

    `points` [N, 2] are places on the map and `along` [N] the depths there.
    """
    height, width = depth.shape
    for i in range(points.shape[0]):
        x, y = points[i, 0] - F(0.5), points[i, 1] - F(0.5)
        left, top = int(np.floor(x)), int(np.floor(y))
        total = F(0)
        for row in range(2):
            for column in range(2):
                wx = x - F(left) if column else F(1) - (x - F(left))
                wy = y - F(top) if row else F(1) - (y - F(top))
                u, v = left + column, top + row
                outside = u < 0 or v < 0 or u >= width or v >= height
                if outside or depth[v, u] <= along[i] + bias:
                    total += wx * wy
        out[i] = total


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation float64 [3, 3] by yaw about y, after pitch about x, after roll about z (radians)."""
    (cy, cp, cr), (sy, sp, sr) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] at length one."""
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
