"""Kernels that light and draw hairs as lines (the hair model of Kajiya and Kay, 1989).

Legend: n strands, S points of a strand, W picture side in (supersampled) pixels.
"""

import numpy as np

from .compiled import F, kernel


@kernel
def half_way(lamps: np.ndarray, lamp: int) -> tuple[float, float, float]:
    """The unit vector between a lamp of [., 3] and the viewer on z."""
    x, y, z = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2] + F(1)
    scale = F(1) / (np.sqrt(x * x + y * y + z * z) + F(1e-6))
    return x * scale, y * scale, z * scale


@kernel
def light_strands(
    points: np.ndarray,
    reached: np.ndarray,
    colour: np.ndarray,
    lamps: np.ndarray,
    lamp_colours: np.ndarray,
    ambient: np.ndarray,
    shine: float,
    out: np.ndarray,
) -> None:
    """Linear colour [n, S, 3] of every point.

    `reached` [n, S, 3] are the shares of key, rim and ambient light that get there.
    """
    last = points.shape[1] - 1
    kx, ky, kz = half_way(lamps, 0)
    rx, ry, rz = half_way(lamps, 1)
    for i in range(points.shape[0]):
        # Neighbouring hairs shine at slightly different places.
        shift = F(0.10) * (F((i * 7919) % 64) / F(32) - F(1))
        for s in range(last + 1):
            a = min(s, last - 1)
            tx, ty = points[i, a + 1, 0] - points[i, a, 0], points[i, a + 1, 1] - points[i, a, 1]
            tz = points[i, a + 1, 2] - points[i, a, 2]
            scale = F(1) / np.sqrt(tx * tx + ty * ty + tz * tz + F(1e-12))
            tx, ty, tz = tx * scale, ty * scale, tz * scale
            key, rim = reached[i, s, 0], reached[i, s, 1]
            d = tx * lamps[0, 0] + ty * lamps[0, 1] + tz * lamps[0, 2]
            lit_key = key * (F(0.25) + F(0.75) * np.sqrt(max(F(0), F(1) - d * d)))
            d = tx * lamps[1, 0] + ty * lamps[1, 1] + tz * lamps[1, 2]
            lit_rim = rim * (F(0.25) + F(0.75) * np.sqrt(max(F(0), F(1) - d * d)))
            d = tx * kx + ty * ky + tz * kz + shift + F(0.06)
            broad = max(F(0), F(1) - d * d)
            broad *= broad
            broad *= broad
            broad *= broad
            sharp = broad * broad
            sharp *= sharp
            d = tx * rx + ty * ry + tz * rz + shift
            back = max(F(0), F(1) - d * d)
            back *= back
            back *= back
            back *= back
            white, edge = shine * F(0.05) * sharp * key, shine * F(0.05) * back * rim
            body = lit_key + F(0.55) * shine * broad * key * (F(1) - colour[i, 1])
            for c in range(3):
                from_all = ambient[c] * reached[i, s, 2]
                direct = lamp_colours[0, c] * body + lamp_colours[1, c] * lit_rim
                gloss = lamp_colours[0, c] * white + lamp_colours[1, c] * edge
                out[i, s, c] = colour[i, c] * (from_all + direct) + gloss


@kernel
def draw_strands(
    places: np.ndarray,
    colours: np.ndarray,
    alpha: np.ndarray,
    width: np.ndarray,
    bias: float,
    depth: np.ndarray,
    picture: np.ndarray,
    owner: np.ndarray,
) -> None:
    """Draws strands at projected places [n, S, 3] over the picture [W, W, 3], with depth test.

    Tips fade. Only opaque parts write depth. `owner` [W, W] takes each pixel's strand where it
    has that shape: what is seen at all.
    """
    size, last = depth.shape[0], places.shape[1] - 1
    owned = owner.shape[0] == size
    for i in range(places.shape[0]):
        for s in range(last):
            x0, y0, z0 = places[i, s, 0], places[i, s, 1], places[i, s, 2] * bias
            dx, dy = places[i, s + 1, 0] - x0, places[i, s + 1, 1] - y0
            dz = places[i, s + 1, 2] * bias - z0
            steps = int(max(abs(dx), abs(dy))) + 1
            share = F(1) / F(steps)
            across, down = (1, 0) if abs(dy) > abs(dx) else (0, 1)
            along = (F(s) + F(0.5)) / F(last)
            cover = alpha[i] * (F(1) - F(0.65) * along * along * along)
            solid = cover > F(0.7)
            cover = F(1) if solid else cover
            # Strands taper towards the tip.
            wide = width[i] if along < F(0.6) else max(1, width[i] - 1)
            r0, g0, b0 = colours[i, s, 0], colours[i, s, 1], colours[i, s, 2]
            dr, dg = colours[i, s + 1, 0] - r0, colours[i, s + 1, 1] - g0
            db = colours[i, s + 1, 2] - b0
            for step in range(steps):
                w = F(step) * share
                x, y, near = int(x0 + dx * w), int(y0 + dy * w), z0 + dz * w
                for e in range(wide):
                    u, v = np.uint32(x + across * e), np.uint32(y + down * e)
                    # What lies left of or above the picture is a large number here.
                    if u >= size or v >= size or near <= depth[v, u]:
                        continue
                    if solid:
                        depth[v, u] = near
                    if owned:
                        owner[v, u] = i
                    picture[v, u, 0] += cover * (r0 + dr * w - picture[v, u, 0])
                    picture[v, u, 1] += cover * (g0 + dg * w - picture[v, u, 1])
                    picture[v, u, 2] += cover * (b0 + db * w - picture[v, u, 2])


@kernel
def hang(
    vertices: np.ndarray,
    corners: np.ndarray,
    shares: np.ndarray,
    offsets: np.ndarray,
    turn: np.ndarray,
    out: np.ndarray,
) -> None:
    """Hairs [n, S, 3] on the moving mesh: roots on triangles, `offsets` turned with the head."""
    for i in range(corners.shape[0]):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        for d in range(3):
            root = shares[i, 0] * vertices[a, d] + shares[i, 1] * vertices[b, d]
            root += shares[i, 2] * vertices[c, d]
            for s in range(offsets.shape[1]):
                turned = turn[d, 0] * offsets[i, s, 0] + turn[d, 1] * offsets[i, s, 1]
                out[i, s, d] = root + turned + turn[d, 2] * offsets[i, s, 2]


@kernel
def hang_lashes(
    vertices: np.ndarray, edges: np.ndarray, share: np.ndarray, length: float, out: np.ndarray
) -> None:
    """Lashes [n, 2, 3] across the quads of the lash helper, from the lid's edge outwards.

    `edges` [n, 4] are the two vertices on the lid and the two outside, `share` [n] the place
    between them.
    """
    for i in range(edges.shape[0]):
        w = share[i]
        for d in range(3):
            lid = vertices[edges[i, 0], d] * (1 - w) + vertices[edges[i, 1], d] * w
            tip = vertices[edges[i, 2], d] * (1 - w) + vertices[edges[i, 3], d] * w
            out[i, 0, d] = lid
            out[i, 1, d] = lid + (tip - lid) * length
