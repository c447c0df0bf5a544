"""A person built in three dimensions: everything that stays the same from frame to frame.

Legend: N vertices (the anatomy's, then the shirt's band), T triangles, n strands.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from . import shading
from .anatomy import CLOTH, INNER, SKIN, TALL, TOP, Anatomy, Shape, load_anatomy
from .attributes import Person
from .clothes import Shirt, cut_shirt, drop_arms
from .facehair import FaceHair, grow_face_hair
from .facemaps import draw_maps
from .glasses import Glasses, fit_glasses
from .grid import CELLS, distance_grid
from .hair import grow_hair, hair_density, light_hair, looseness
from .identity import Traits, draw_traits, linear
from .light import SHIRTS, Lights, SkinLight, draw_lights, light_skin
from .raster import normals
from .skin import paint_skin
from .strands import Strands

# Everybody's head is about this tall and wide (units of 10 cm), with the eyes at this place.
HEAD_HEIGHT, HEAD_WIDTH, EYES_AT = 2.22, 1.5, (0.0, 7.3, 1.25)
CAMERA_DISTANCE, CAMERA_HEIGHT, FIELD = 16.0, 7.06, 3.15
# Nothing below this height comes into a picture or shades what does.
LOWEST = 4.9
# Room above the head for tall hair.
TALL_HAIR = {"bun": 0.14, "afro": 0.08}
# Hair lower than the first number rests on the body, higher than the second moves with the head.
RESTING, CARRIED = 5.5, 6.4


@dataclass(frozen=True, kw_only=True)
class Head:
    """What `build` makes and `render` draws; hold on to it, building takes seconds."""

    person: Person
    anatomy: Anatomy = field(repr=False)
    vertices: np.ndarray = field(repr=False)  # float32 [N, 3], neutral
    eyes: dict[str, tuple[np.ndarray, float]] = field(repr=False)  # centre and radius
    pivots: np.ndarray = field(repr=False)  # float32 [2, 3]: top and foot of the neck
    triangles: np.ndarray = field(repr=False)  # uint32 [T, 3]
    material: np.ndarray = field(repr=False)  # uint8 [T]
    one_sided: np.ndarray = field(repr=False)  # uint8 [T]
    rough: np.ndarray = field(repr=False)  # uint8 [T], see shading.shade
    weights: np.ndarray = field(repr=False)  # float32 [2, N]: head and neck
    body: np.ndarray = field(repr=False)  # float32 [N, 3]: head, cloth, ear
    vertex: np.ndarray = field(repr=False)  # float32 [N, 16], see shading
    skin: np.ndarray = field(repr=False)  # float32 albedo picture
    paint: np.ndarray = field(repr=False)  # float32 [4, 3]
    lip_gloss: float
    lights: Lights = field(repr=False)
    skin_light: SkinLight = field(repr=False)
    hair: Strands = field(repr=False)
    hair_weights: np.ndarray = field(repr=False)  # float32 [2, n · S]: head and lagging head
    face_hair: FaceHair = field(repr=False)
    glasses: Glasses | None = field(repr=False)
    camera: np.ndarray = field(repr=False)  # float32 [4]: place, and focal length for side 1


def build(person: Person) -> Head:
    """Builds a person (about a second); the same person gives the same head.

    JoVAError when numba is missing.
    """
    anatomy = load_anatomy()
    traits = draw_traits(person, anatomy.meshes)
    maps = draw_maps(person)
    rng = np.random.default_rng((person.seed, 8))
    shape = _placed(rng, anatomy, anatomy.shape(traits.shape))
    drop_arms(anatomy, shape, traits.shoulders)
    _settle_mouth(anatomy, shape.vertices)
    bare = _normals(shape.vertices, anatomy.triangles)
    shirt = cut_shirt(rng, anatomy, shape, _distance(anatomy, shape.vertices, bare))
    dressed = _normals(shape.vertices, anatomy.triangles)
    distance = _distance(anatomy, shape.vertices, dressed)
    hair = grow_hair(person, traits, maps, anatomy, shape.vertices, dressed, distance)
    face = grow_face_hair(person, traits, maps, anatomy, shape.vertices, dressed, shape.eyes)
    mesh = _mesh(anatomy, shape, shirt)
    cloth = linear(SHIRTS[person.shirt])
    lights = draw_lights(person, cloth)
    density = hair_density(hair)
    light_hair(hair, density, distance, *lights.directions)
    lit = mesh["triangles"][np.isin(mesh["material"], (SKIN, CLOTH, INNER))]
    around = _normals(mesh["vertices"], mesh["triangles"])
    skin_light = light_skin(mesh["vertices"], around, lit, lights, density, distance)
    field_of_view = FIELD * np.exp(0.03 * rng.normal())
    focal = (CAMERA_DISTANCE - 0.6) / field_of_view
    height = CAMERA_HEIGHT + TALL_HAIR.get(person.hair_style, 0) + 0.02 * rng.normal()
    head = Head(
        person=person,
        anatomy=anatomy,
        eyes=shape.eyes,
        pivots=_pivots(shape),
        skin=paint_skin(person, traits, maps),
        paint=np.stack([traits.lips, traits.iris, cloth, lights.ambient]).astype(np.float32),
        lip_gloss=traits.lip_gloss,
        lights=lights,
        skin_light=skin_light,
        hair=hair,
        hair_weights=_hair_weights(hair),
        face_hair=face,
        glasses=fit_glasses(person, shape.eyes),
        camera=np.float32([0, height, CAMERA_DISTANCE, focal]),
        vertex=_vertex_rows(anatomy, traits, shirt, cloth),
        **mesh,
    )
    return without_hidden_hair(head)


def without_hidden_hair(head: Head) -> Head:
    """The head with only the strands that some pose shows, those in front first."""
    if not len(head.hair.points):
        return head
    from .stage import strands_seen

    seen = strands_seen(head)
    faint = head.hair.alpha[seen] < 0.7
    order = np.argsort(10 * faint - head.hair.points[seen, :, 2].mean(1), kind="stable")
    hair = head.hair.pick(seen[order])
    return replace(head, hair=hair, hair_weights=_hair_weights(hair))


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    out = np.zeros_like(vertices)
    normals(vertices, triangles, out)
    return out


def _placed(rng: np.random.Generator, anatomy: Anatomy, shape: Shape) -> Shape:
    """The shape with its head at the usual size and its eyes at the usual place."""
    middle = (shape.eyes["left"][0] + shape.eyes["right"][0]) / 2
    x, y, _ = shape.vertices.T
    face = (anatomy.head_weight > 0.9) & (anatomy.masks["ears"] < 0.3)
    tall = y[face].max() - y[anatomy.chin]
    wide = np.ptp(x[face & (np.abs(y - middle[1]) < 0.5)])
    # Between equal height and equal width, or long faces would be thin and round ones huge.
    scale = np.sqrt(HEAD_HEIGHT / tall * HEAD_WIDTH / wide) * np.exp(0.02 * rng.normal())

    def place(points: np.ndarray) -> np.ndarray:
        return ((points - middle) * scale + EYES_AT).astype(np.float32)

    return Shape(
        vertices=place(shape.vertices),
        joints={name: place(joint) for name, joint in shape.joints.items()},
        eyes={side: (place(c), radius * scale) for side, (c, radius) in shape.eyes.items()},
    )


def _settle_mouth(anatomy: Anatomy, vertices: np.ndarray) -> None:
    """Rest the tongue low and the teeth a little behind the lips, in place."""
    front = np.clip((anatomy.canon[anatomy.tongue, 2] - 0.63) / 0.76, 0, 1)
    vertices[anatomy.tongue, 1] -= 0.055 + 0.05 * front
    vertices[anatomy.tongue, 2] -= 0.06 * front
    vertices[anatomy.parts["teeth_upper"]] -= np.float32([0, 0.05, 0.03])
    vertices[anatomy.parts["teeth_lower"]] -= np.float32([0, 0.045, 0.02])


def _distance(anatomy: Anatomy, vertices: np.ndarray, around: np.ndarray) -> np.ndarray:
    """The distance grid of skin and shirt, without ears and the inside of the mouth."""
    rows = np.unique(anatomy.triangles[anatomy.material == SKIN])
    rows = rows[(anatomy.masks["ears"] < 0.5)[rows] & (anatomy.masks["inside_mouth"] < 0.5)[rows]]
    # One vertex in a cube of 6.5 mm will do.
    cubes = np.floor(vertices[rows] / 0.065).astype(int)
    rows = rows[np.unique(cubes, axis=0, return_index=True)[1]]
    rows = rows[np.argsort(vertices[rows, 1], kind="stable")]
    grid = np.zeros(CELLS, np.float32)
    distance_grid(vertices[rows], around[rows], grid)
    return grid


def _pivots(shape: Shape) -> np.ndarray:
    """Where the head turns on the neck, and the neck on the body: [2, 3]."""
    neck = shape.joints["neck"]
    return np.stack([neck + np.array([0, 0.45, 0.15]), neck - np.array([0, 0.2, 0])]).astype(
        np.float32
    )


def _mesh(anatomy: Anatomy, shape: Shape, shirt: Shirt) -> dict[str, np.ndarray]:
    """The joined arrays of person and shirt that are fields of `Head`."""
    band = len(shirt.vertices)
    seen = shape.vertices[anatomy.triangles][..., 1].max(1) > LOWEST
    triangles, material = anatomy.triangles[seen], anatomy.material[seen]
    above = shirt.above[triangles]
    material[(above < 0).all(1) & (material == SKIN)] = CLOTH
    edge = (above < 0.12).any(1) & (above > 0).any(1)
    rough = edge & (material == SKIN)
    joined = np.concatenate([triangles, shirt.triangles + anatomy.count]).astype(np.uint32)
    one_sided = np.concatenate([np.ones(len(triangles)), np.zeros(len(shirt.triangles))])

    def padded(values: np.ndarray, fill: float) -> np.ndarray:
        return np.concatenate([values, np.full(band, fill)]).astype(np.float32)

    cloth = padded(np.clip(-shirt.above / 0.03, 0, 1), 1)
    head = padded(anatomy.head_weight, 0)
    return {
        "vertices": np.concatenate([shape.vertices, shirt.vertices]).astype(np.float32),
        "triangles": joined,
        "material": np.concatenate([material, np.full(len(shirt.triangles), CLOTH)]).astype(
            np.uint8
        ),
        "one_sided": one_sided.astype(np.uint8),
        "rough": np.concatenate([rough, np.ones(len(shirt.triangles))]).astype(np.uint8),
        "weights": np.stack([head, padded(anatomy.neck_weight, 0)]),
        "body": np.ascontiguousarray(np.stack([head, cloth, padded(anatomy.masks["ears"], 0)], 1)),
    }


def _vertex_rows(anatomy: Anatomy, traits: Traits, shirt: Shirt, cloth: np.ndarray) -> np.ndarray:
    """What stays the same in the vertices' rows of the shading kernels: [N, 16]."""
    band, canon = len(shirt.vertices), anatomy.canon
    rows = np.zeros((anatomy.count + band, shading.COLUMNS), np.float32)
    own = rows[: anatomy.count]
    own[:, shading.ACROSS] = anatomy.angle / (2 * np.pi) + 0.5
    own[:, shading.DOWN] = (TOP - canon[:, 1]) / TALL
    own[:, shading.LIPS] = anatomy.masks["lips"]
    own[:, shading.ABOVE] = shirt.above
    own[:, shading.PLACE : shading.PLACE + 3] = canon
    # The mouth grows red and dark inwards.
    inside = 0.6 * anatomy.masks["inside_mouth"][:, None]
    lips = anatomy.masks["lips"][:, None]
    flesh = traits.skin + lips * (traits.lips - traits.skin)
    flesh = flesh + inside * (np.float32([0.30, 0.07, 0.06]) - flesh)
    front = np.clip((canon[:, 2:3] - 0.9) / 0.66, 0, 1)
    front = front * front * (3 - 2 * front)
    colour = flesh * (0.06 + 0.94 * front**2)
    covered = (shirt.above < 0.0)[:, None]
    own[:, shading.COLOUR : shading.COLOUR + 3] = np.where(covered, cloth, colour)
    rows[anatomy.count :, shading.COLOUR : shading.COLOUR + 3] = cloth * (
        1 - 0.45 * shirt.seam[:, None]
    )
    return rows


def _hair_weights(hair: Strands) -> np.ndarray:
    """Weights [2, n · S] of the head and the lagging head; what rests on the body has neither."""
    share = np.clip((hair.points[..., 1] - RESTING) / (CARRIED - RESTING), 0, 1)
    carried = share * share * (3 - 2 * share)
    loose = looseness(hair)
    weights = np.stack([carried * (1 - loose), carried * loose])
    return np.ascontiguousarray(weights.reshape(2, -1), np.float32)
