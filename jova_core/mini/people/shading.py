"""Kernels that give every visible pixel its colour.

Skin, cloth and the inside of the mouth are lit at the vertices, which lie closer than the pixels
of the finished picture; eyes, teeth and tongue are lit for each pixel, darkened by the lids or
lips near them. Legend: N vertices, T triangles, W picture side in (supersampled) pixels.

A vertex is one row of 16 float32 (a cache line): light, gloss, place on the skin picture, share
of lip, height above the neckline, own colour, place in the eye or tooth.
"""

import numpy as np

from .anatomy import CLOTH, EYE, INNER, SKIN, TEETH
from .compiled import F, kernel
from .lines import half_way

LIGHT, GLOSS, ACROSS, DOWN, LIPS, ABOVE, COLOUR, PLACE = 0, 3, 6, 7, 8, 9, 10, 13
COLUMNS = 16
# Rows of the paints [4, 3].
LIP_PAINT, IRIS_PAINT, CLOTH_PAINT, AMBIENT_PAINT = range(4)
IRIS_RADIUS = 0.47


@kernel
def smooth(low: float, high: float, x: float) -> float:
    """0 below `low`, 1 above `high`, a cubic step between."""
    t = min(max((x - low) / (high - low), F(0)), F(1))
    return t * t * (F(3) - F(2) * t)


@kernel
def power16(x: float) -> float:
    """x to the sixteenth."""
    x *= x
    x *= x
    x *= x
    return x * x


@kernel
def light_vertices(
    normals: np.ndarray,
    ambient: np.ndarray,
    shadow: np.ndarray,
    body: np.ndarray,
    seen: np.ndarray,
    lamps: np.ndarray,
    colours: np.ndarray,
    vertex: np.ndarray,
) -> None:
    """Writes light and gloss of skin and cloth into the vertices [N, 16].

    `body` [N, 3] holds the shares of head, cloth and ear; `seen` [4, 9] the harmonics of key and
    rim lamp as seen from the turned head, then from the body.
    """
    hx, hy, hz = half_way(lamps, 0)
    gx, gy, gz = half_way(lamps, 1)
    for i in range(normals.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        head, cloth, ear = body[i, 0], body[i, 1], body[i, 2]
        open_key, open_rim = F(0), F(0)
        for k in range(9):
            open_key += shadow[i, k] * (seen[2, k] + head * (seen[0, k] - seen[2, k]))
            open_rim += shadow[i, k] * (seen[3, k] + head * (seen[1, k] - seen[3, k]))
        open_key, open_rim = min(max(open_key, F(0)), F(1)), min(max(open_rim, F(0)), F(1))
        key = nx * lamps[0, 0] + ny * lamps[0, 1] + nz * lamps[0, 2]
        rim = nx * lamps[1, 0] + ny * lamps[1, 1] + nz * lamps[1, 2]
        # Light goes round the edge of the shadow on skin, red most (wrapped diffuse).
        through = F(3) * ear * max(F(0), F(0.5) - rim) * F(0.035)
        for c in range(3):
            wrap = F(0.25) if c == 0 else (F(0.14) if c == 1 else F(0.09))
            lit_key = max(F(0), (key + wrap) / (F(1) + wrap)) * open_key
            lit_rim = max(F(0), (rim + F(0.5) * wrap) / (F(1) + F(0.5) * wrap)) * open_rim
            lit_rim += through if c == 0 else F(0.2) * through
            vertex[i, LIGHT + c] = ambient[i, c] + colours[0, c] * lit_key + colours[1, c] * lit_rim
        edge = F(1) - max(nz, F(0))
        edge *= edge
        fresnel = F(0.028) + F(0.45) * edge * edge * (F(1) - max(nz, F(0)))
        shine = power16(max(F(0), nx * hx + ny * hy + nz * hz))
        sharp = shine * shine
        sharp = F(2.2) * sharp * sharp * shine
        from_key = (F(1.3) * shine + sharp) * fresnel * max(F(0), min(F(1), F(4) * key)) * open_key
        shine = power16(max(F(0), nx * gx + ny * gy + nz * gz))
        from_rim = F(2) * shine * fresnel * max(F(0), min(F(1), F(4) * rim)) * open_rim
        for c in range(3):
            skin = from_key * colours[0, c] + from_rim * colours[1, c]
            skin += F(0.55) * fresnel * ambient[i, c]
            # Cloth has a faint sheen towards its edges instead.
            sheen = F(0.05) * edge * vertex[i, LIGHT + c]
            vertex[i, GLOSS + c] = skin + cloth * (sheen - skin)


@kernel
def mixed(vertex: np.ndarray, at: tuple, share: tuple, column: int) -> float:
    """A column of three vertices, mixed by their shares."""
    value = share[0] * vertex[at[0], column] + share[1] * vertex[at[1], column]
    return value + share[2] * vertex[at[2], column]


@kernel
def vector_at(vertex: np.ndarray, at: tuple, share: tuple, column: int) -> tuple:
    """Three columns of three vertices, mixed by their shares."""
    x, y = mixed(vertex, at, share, column), mixed(vertex, at, share, column + 1)
    return x, y, mixed(vertex, at, share, column + 2)


@kernel
def shares_at(places: np.ndarray, at: tuple, x: float, y: float) -> tuple:
    """Barycentric shares of a place on the picture, held inside the triangle."""
    x0, y0 = places[at[0], 0], places[at[0], 1]
    ax, ay = places[at[1], 0] - x0, places[at[1], 1] - y0
    bx, by = places[at[2], 0] - x0, places[at[2], 1] - y0
    inverse = F(1) / (ax * by - bx * ay)
    dx, dy = x - x0, y - y0
    second = min(max((dx * by - bx * dy) * inverse, F(0)), F(1))
    third = min(max((ax * dy - dx * ay) * inverse, F(0)), F(1) - second)
    return F(1) - second - third, second, third


@kernel
def texel(skin: np.ndarray, i: int, j: int, near: tuple, channel: int) -> float:
    """A channel of the skin picture, mixed from four neighbours."""
    # Views of rows would cost more than the sum: numba counts references to them.
    top = near[0] * skin[j, i, channel] + near[1] * skin[j, i + 1, channel]
    return top + near[2] * skin[j + 1, i, channel] + near[3] * skin[j + 1, i + 1, channel]


@kernel
def skin_colour(
    vertex: np.ndarray, at: tuple, share: tuple, skin: np.ndarray, paint: np.ndarray, gloss: float
) -> tuple:
    """Colour of skin or, below the neckline, of cloth."""
    above = mixed(vertex, at, share, ABOVE)
    light0, light1 = mixed(vertex, at, share, LIGHT), mixed(vertex, at, share, LIGHT + 1)
    light2 = mixed(vertex, at, share, LIGHT + 2)
    if above < 0:
        return (
            paint[CLOTH_PAINT, 0] * light0,
            paint[CLOTH_PAINT, 1] * light1,
            paint[CLOTH_PAINT, 2] * light2,
        )
    x = mixed(vertex, at, share, ACROSS) * F(skin.shape[1]) - F(0.5)
    y = mixed(vertex, at, share, DOWN) * F(skin.shape[0]) - F(0.5)
    x = min(max(x, F(0)), F(skin.shape[1] - 1.01))
    y = min(max(y, F(0)), F(skin.shape[0] - 1.01))
    i, j = int(x), int(y)
    u, v = x - F(i), y - F(j)
    nw, ne = (F(1) - u) * (F(1) - v), u * (F(1) - v)
    sw, se = (F(1) - u) * v, u * v
    near = (nw, ne, sw, se)
    red, green = texel(skin, i, j, near, 0), texel(skin, i, j, near, 1)
    blue, oily = texel(skin, i, j, near, 2), texel(skin, i, j, near, 3)
    lips = mixed(vertex, at, share, LIPS)
    oily += lips * (F(2.2) * gloss - oily)
    red += lips * (paint[LIP_PAINT, 0] - red)
    green += lips * (paint[LIP_PAINT, 1] - green)
    blue += lips * (paint[LIP_PAINT, 2] - blue)
    # The shirt's edge shades the skin beside it.
    shade = F(0.6) + F(0.4) * smooth(F(0), F(0.10), above)
    return (
        shade * (red * light0 + oily * mixed(vertex, at, share, GLOSS)),
        shade * (green * light1 + oily * mixed(vertex, at, share, GLOSS + 1)),
        shade * (blue * light2 + oily * mixed(vertex, at, share, GLOSS + 2)),
    )


@kernel
def plain_colour(vertex: np.ndarray, at: tuple, share: tuple) -> tuple:
    """Colour of cloth or of the inside of the mouth: the vertices' own."""
    red = mixed(vertex, at, share, COLOUR) * mixed(vertex, at, share, LIGHT)
    green = mixed(vertex, at, share, COLOUR + 1) * mixed(vertex, at, share, LIGHT + 1)
    blue = mixed(vertex, at, share, COLOUR + 2) * mixed(vertex, at, share, LIGHT + 2)
    return (
        red + F(0.2) * mixed(vertex, at, share, GLOSS),
        green + F(0.2) * mixed(vertex, at, share, GLOSS + 1),
        blue + F(0.2) * mixed(vertex, at, share, GLOSS + 2),
    )


@kernel
def skin_distance(
    shown: np.ndarray, material: np.ndarray, x: int, y: int, across: int, down: int, reach: int
) -> int:
    """Steps from a pixel to skin in a direction, at most `reach`."""
    size = shown.shape[0]
    for step in range(1, reach + 1):
        u, v = x + across * step, y + down * step
        if u < 0 or v < 0 or u >= size or v >= size:
            break
        t = shown[v, u]
        if t >= 0 and material[t] == SKIN:
            return step - 1
    return reach


@kernel
def iris_colour(x: float, y: float, lamps: np.ndarray, paint: np.ndarray) -> tuple:
    """Colour of iris and pupil at a place on the eyeball, and the share of white there."""
    radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x)
    q = radius / F(IRIS_RADIUS)
    fibres = F(0.5) + F(0.25) * np.sin(F(23) * angle + F(3) * np.sin(F(5) * angle))
    fibres += F(0.25) * np.sin(F(41) * angle + F(4) * q)
    bright = F(0.55) + F(0.6) * fibres * (F(0.4) + F(0.6) * q)
    # The side of the iris away from the light glows.
    bright *= F(0.85) - F(0.9) * (x * lamps[0, 0] + y * lamps[0, 1])
    bright *= F(1) - F(0.8) * smooth(F(0.68), F(1.0), q)
    outer = smooth(F(0.30), F(0.5), q)
    pupil = smooth(F(0.175), F(0.215), radius)
    red = paint[IRIS_PAINT, 0] * bright * (F(1.25) - F(0.25) * outer) * pupil + F(0.004)
    green = paint[IRIS_PAINT, 1] * bright * (F(1.1) - F(0.1) * outer) * pupil + F(0.004)
    blue = paint[IRIS_PAINT, 2] * bright * pupil + F(0.004)
    white = smooth(F(IRIS_RADIUS - 0.03), F(IRIS_RADIUS + 0.04), radius)
    return red, green, blue, white


@kernel
def lit(own: tuple, diffuse: float, shine: float, colours: np.ndarray, paint: np.ndarray) -> tuple:
    """A surface's own colour under the main lamp and the light around, plus what it mirrors."""
    red, green, blue = colours[0, 0], colours[0, 1], colours[0, 2]
    return (
        own[0] * (paint[AMBIENT_PAINT, 0] + red * diffuse) + shine * red,
        own[1] * (paint[AMBIENT_PAINT, 1] + green * diffuse) + shine * green,
        own[2] * (paint[AMBIENT_PAINT, 2] + blue * diffuse) + shine * blue,
    )


@kernel
def eye_colour(
    place: tuple,
    normal: tuple,
    near: tuple,
    lamps: np.ndarray,
    colours: np.ndarray,
    paint: np.ndarray,
) -> tuple:
    """Colour of an eye; `near` are the shares of light past upper lid, lower lid and corner."""
    x, y, z = place
    nx, ny, nz = normal
    radius = np.sqrt(x * x + y * y)
    key = nx * lamps[0, 0] + ny * lamps[0, 1] + nz * lamps[0, 2]
    veins = smooth(F(0.45), F(1.0), radius)
    red, green, blue = F(0.66), F(0.62) - F(0.10) * veins, F(0.60) - F(0.12) * veins
    if radius < F(IRIS_RADIUS + 0.04) and z > 0:
        i_red, i_green, i_blue, white = iris_colour(x, y, lamps, paint)
        red, green = i_red + white * (red - i_red), i_green + white * (green - i_green)
        blue = i_blue + white * (blue - i_blue)
    upper, lower, corner = near
    shade = (F(0.36) + F(0.64) * upper) * (F(0.78) + F(0.22) * lower)
    shade *= F(0.66) + F(0.34) * corner
    diffuse = F(0.75) * max(F(0), (key + F(0.35)) / F(1.35))
    # A window mirrored in the cornea.
    mx, my, mz = F(2) * nz * nx, F(2) * nz * ny, F(2) * nz * nz - F(1)
    mirror = mx * lamps[0, 0] + my * lamps[0, 1] + mz * lamps[0, 2]
    gleam = smooth(F(0.945), F(0.985), mirror) * F(1.1) + F(0.03)
    gleam *= F(0.7) * (F(0.2) + F(0.8) * upper) * (F(0.3) if radius > F(0.6) else F(1))
    return lit((red * shade, green * shade, blue * shade), diffuse, gleam, colours, paint)


@kernel
def mouth_colour(
    tooth: bool,
    place: tuple,
    normal: tuple,
    near: float,
    gap: float,
    lamps: np.ndarray,
    colours: np.ndarray,
    paint: np.ndarray,
) -> tuple:
    """Colour of a tooth or the tongue.

    `near` is the share of light past the upper lip, `gap` how far the lips are apart: with shut
    lips it is dark inside, or teeth would shine through.
    """
    x, y, z = place
    open_share = smooth(F(0.0), F(0.07), gap)
    key = normal[0] * lamps[0, 0] + normal[1] * lamps[0, 1] + normal[2] * lamps[0, 2]
    diffuse = max(F(0), (key + F(0.4)) / F(1.4))
    if tooth:
        # Place on a tooth: side, height, number from the middle.
        depth = F(1) / (F(1) + F(0.7) * max(F(0), z - F(2.5)))
        edge = F(1) - F(0.17) * smooth(F(0.75), F(1.0), abs(x))
        gum = smooth(F(0.93), F(1.05), y)
        red, green, blue = F(0.70) * depth * edge, F(0.65) * depth * edge, F(0.56) * depth * edge
        red, green = red + gum * (F(0.40) - red), green + gum * (F(0.13) - green)
        blue += gum * (F(0.13) - blue)
        shade = (F(0.5) + F(0.5) * near) * (F(0.06) + F(0.89) * open_share)
    else:
        red, green, blue = F(0.42), F(0.13), F(0.12)
        front = smooth(F(0.75), F(1.38), z)
        shade = (F(0.10) + F(0.90) * front * front) * (F(0.30) + F(0.70) * near)
        shade *= F(0.25) + F(0.55) * open_share
    hx, hy, hz = half_way(lamps, 0)
    shine = power16(max(F(0), normal[0] * hx + normal[1] * hy + normal[2] * hz))
    shine *= shine * shade * (F(0.10) if tooth else F(0.05))
    return lit((red * shade, green * shade, blue * shade), diffuse, shine, colours, paint)


@kernel
def inside_colour(
    kind: int,
    x: int,
    y: int,
    shown: np.ndarray,
    material: np.ndarray,
    place: tuple,
    normal: tuple,
    gap: float,
    lamps: np.ndarray,
    colours: np.ndarray,
    paint: np.ndarray,
) -> tuple:
    """Colour of eye, tooth or tongue at a pixel, shaded by the skin around it."""
    scale = F(shown.shape[0]) / F(384)
    reach = int(F(8) * scale)
    up = F(skin_distance(shown, material, x, y, 0, -1, reach))
    if kind != EYE:
        near = smooth(F(-1), F(6) * scale, up)
        return mouth_colour(kind == TEETH, place, normal, near, gap, lamps, colours, paint)
    down = F(skin_distance(shown, material, x, y, 0, 1, reach))
    side = min(
        skin_distance(shown, material, x, y, 1, 0, reach),
        skin_distance(shown, material, x, y, -1, 0, reach),
    )
    upper, lower = smooth(F(-1), F(7) * scale, up), smooth(F(-1), F(3) * scale, down)
    near = (upper, lower, smooth(F(-1), F(5) * scale, F(side)))
    return eye_colour(place, normal, near, lamps, colours, paint)


@kernel
def is_even(
    shown: np.ndarray, depth: np.ndarray, material: np.ndarray, rough: np.ndarray, x: int, y: int
) -> bool:
    """Whether one sample will do for a block of 2 × 2 pixels: one smooth surface."""
    a, b, c, d = shown[y, x], shown[y, x + 1], shown[y + 1, x], shown[y + 1, x + 1]
    if a < 0 or b < 0 or c < 0 or d < 0:
        return False
    if rough[a] or rough[b] or rough[c] or rough[d]:
        return False
    if a == b and b == c and c == d:
        return True
    kind = material[a]
    if material[b] != kind or material[c] != kind or material[d] != kind:
        return False
    e, f, g, h = depth[y, x], depth[y, x + 1], depth[y + 1, x], depth[y + 1, x + 1]
    return max(e, f, g, h) - min(e, f, g, h) < F(0.00022)


@kernel
def shade(
    shown: np.ndarray,
    depth: np.ndarray,
    places: np.ndarray,
    triangles: np.ndarray,
    material: np.ndarray,
    rough: np.ndarray,
    normals: np.ndarray,
    vertex: np.ndarray,
    skin: np.ndarray,
    lamps: np.ndarray,
    colours: np.ndarray,
    paint: np.ndarray,
    gloss: float,
    gap: float,
    picture: np.ndarray,
) -> None:
    """Colours every pixel [W, W, 3] that shows a triangle.

    `rough` [T] marks triangles that want every pixel; others are sampled once in 2 × 2 pixels
    where they lie even.
    """
    size = shown.shape[0]
    for block in range((size // 2) * (size // 2)):
        top, left = 2 * (block // (size // 2)), 2 * (block % (size // 2))
        even = is_even(shown, depth, material, rough, left, top)
        for part in range(1 if even else 4):
            y, x = top + part // 2, left + part % 2
            t = shown[y, x]
            if t < 0:
                continue
            middle = F(1.0) if even else F(0.5)
            at = (triangles[t, 0], triangles[t, 1], triangles[t, 2])
            share = shares_at(places, at, F(x) + middle, F(y) + middle)
            kind = material[t]
            if kind == SKIN:
                colour = skin_colour(vertex, at, share, skin, paint, gloss)
            elif kind in (CLOTH, INNER):
                colour = plain_colour(vertex, at, share)
            else:
                place = vector_at(vertex, at, share, PLACE)
                normal = vector_at(normals, at, share, 0)
                colour = inside_colour(
                    kind, x, y, shown, material, place, normal, gap, lamps, colours, paint
                )
            for pixel in range(4 if even else 1):
                v = top + pixel // 2 if even else y
                u = left + pixel % 2 if even else x
                picture[v, u, 0], picture[v, u, 1], picture[v, u, 2] = colour
