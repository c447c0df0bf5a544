"""Distance to the skin and density of the hair on a coarse grid: what strands grow round.

Legend: X, Y, Z cells of the grid; cell (i, j, k) lies at ORIGIN + CELL · (i, j, k).
"""

import numpy as np

from .compiled import F, kernel

ORIGIN, CELL, CELLS = np.float32([-1.6, 4.3, -1.6]), np.float32(0.08), (41, 64, 43)


@kernel
def distance_grid(points: np.ndarray, normals: np.ndarray, out: np.ndarray) -> None:
    """Signed distance, positive outside, to a surface given by points [N, 3] with normals.

    The points are in the order of their heights y. A cell's search begins with what was nearest to
    the cell before, and ends where the points are higher or lower than that is far.
    """
    count, nearest = points.shape[0], 0
    for j in range(out.shape[1]):
        y = ORIGIN[1] + F(j) * CELL
        level = np.searchsorted(points[:, 1], y)
        for i in range(out.shape[0]):
            for k in range(out.shape[2]):
                x, z = ORIGIN[0] + F(i) * CELL, ORIGIN[2] + F(k) * CELL
                best = _square(points[nearest], x, y, z)
                for m in range(level, count):
                    if (points[m, 1] - y) ** 2 > best:
                        break
                    square = _square(points[m], x, y, z)
                    if square < best:
                        best, nearest = square, m
                for m in range(level - 1, -1, -1):
                    if (points[m, 1] - y) ** 2 > best:
                        break
                    square = _square(points[m], x, y, z)
                    if square < best:
                        best, nearest = square, m
                dx, dy, dz = x - points[nearest, 0], y - points[nearest, 1], z - points[nearest, 2]
                n = normals[nearest]
                side = dx * n[0] + dy * n[1] + dz * n[2]
                far = F(0.7) * np.sqrt(best)
                out[i, j, k] = max(side, far) if side > 0 else min(side, -far)


@kernel
def _square(point: np.ndarray, x: float, y: float, z: float) -> float:
    """The squared distance of a point [3] from a place."""
    dx, dy, dz = point[0] - x, point[1] - y, point[2] - z
    return dx * dx + dy * dy + dz * dz


@kernel
def sample(grid: np.ndarray, x: float, y: float, z: float) -> float:
    """Trilinear value of a grid at a place; places outside take the border's."""
    fx, fy, fz = (x - ORIGIN[0]) / CELL, (y - ORIGIN[1]) / CELL, (z - ORIGIN[2]) / CELL
    fx = min(max(fx, F(0)), F(grid.shape[0] - 1.001))
    fy = min(max(fy, F(0)), F(grid.shape[1] - 1.001))
    fz = min(max(fz, F(0)), F(grid.shape[2] - 1.001))
    i, j, k = int(fx), int(fy), int(fz)
    a, b, c = fx - F(i), fy - F(j), fz - F(k)
    low = (F(1) - b) * ((F(1) - c) * grid[i, j, k] + c * grid[i, j, k + 1])
    low += b * ((F(1) - c) * grid[i, j + 1, k] + c * grid[i, j + 1, k + 1])
    high = (F(1) - b) * ((F(1) - c) * grid[i + 1, j, k] + c * grid[i + 1, j, k + 1])
    high += b * ((F(1) - c) * grid[i + 1, j + 1, k] + c * grid[i + 1, j + 1, k + 1])
    return (F(1) - a) * low + a * high


@kernel
def gradient(grid: np.ndarray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Direction in which a grid grows, of length one."""
    e = F(0.05)
    gx = sample(grid, x + e, y, z) - sample(grid, x - e, y, z)
    gy = sample(grid, x, y + e, z) - sample(grid, x, y - e, z)
    gz = sample(grid, x, y, z + e) - sample(grid, x, y, z - e)
    scale = F(1) / (np.sqrt(gx * gx + gy * gy + gz * gz) + F(1e-9))
    return gx * scale, gy * scale, gz * scale


@kernel
def splat(points: np.ndarray, amounts: np.ndarray, grid: np.ndarray) -> None:
    """Adds amounts [n] of each strand to the cells of its points [n, S, 3]."""
    for n in range(points.shape[0]):
        for s in range(points.shape[1]):
            i = int((points[n, s, 0] - ORIGIN[0]) / CELL + F(0.5))
            j = int((points[n, s, 1] - ORIGIN[1]) / CELL + F(0.5))
            k = int((points[n, s, 2] - ORIGIN[2]) / CELL + F(0.5))
            inside = 0 <= i < grid.shape[0] and 0 <= j < grid.shape[1] and 0 <= k < grid.shape[2]
            if inside:
                grid[i, j, k] += amounts[n]


@kernel
def light_through(
    points: np.ndarray,
    directions: np.ndarray,
    density: np.ndarray,
    distance: np.ndarray,
    steps: int,
    blocked: bool,
    out: np.ndarray,
) -> None:
    """Light [N, D] that reaches points along directions through hair and, if blocked, the head."""
    for i in range(points.shape[0]):
        for d in range(directions.shape[0]):
            thick = F(0)
            for step in range(1, steps + 1):
                along = F(0.9) * CELL * F(step)
                x = points[i, 0] + directions[d, 0] * along
                y = points[i, 1] + directions[d, 1] * along
                z = points[i, 2] + directions[d, 2] * along
                thick += sample(density, x, y, z)
                if blocked and sample(distance, x, y, z) < F(-0.03):
                    thick += F(2)
                if thick > 6:
                    break
            out[i, d] = np.exp(-thick)
