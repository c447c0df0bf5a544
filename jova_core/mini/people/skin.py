"""The skin's albedo and gloss, painted over (angle, height) of the base mesh."""

import numpy as np

from .anatomy import TALL, TOP
from .attributes import Person
from .facemaps import FaceMaps
from .identity import Traits, linear

# Twice as fine as the pixels of a picture of 192 px.
WIDTH, HEIGHT = 576, 384
EYESHADOWS = ((120, 70, 60), (90, 70, 90), (84, 66, 62), (150, 96, 84))


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]
) -> np.ndarray:
    """Noise about 0, float32 [height, width], smooth over cells; it wraps round in x."""
    from PIL import Image

    rows, columns = cells
    grid = rng.normal(size=(rows + 3, columns)).astype(np.float32)
    grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], 1)
    size = (width * (columns + 4) // columns, height * (rows + 3) // rows)
    enlarged = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))
    left = 2 * width // columns
    return enlarged[:height, left : left + width]


class SkinPainter:
    """One painting at work: the albedo picture [HEIGHT, WIDTH, 3] and its coordinates."""

    def __init__(self, person: Person, traits: Traits, maps: FaceMaps) -> None:
        """A plain coat of the skin's colour, slightly uneven."""
        self.person, self.traits, self.maps = person, traits, maps
        self.rng = np.random.default_rng((person.seed, 3))
        angle = ((np.arange(WIDTH) + 0.5) / WIDTH - 0.5) * 2 * np.pi
        height = TOP - (np.arange(HEIGHT) + 0.5) / HEIGHT * TALL
        self.angle, self.height = np.meshgrid(np.float32(angle), np.float32(height))
        self.side = np.abs(self.angle)
        cells = ((9, 14), (36, 60), (150, 240))
        self.coarse, self.middle, self.fine = (
            smooth_noise(self.rng, HEIGHT, WIDTH, size) for size in cells
        )
        uneven = 1 + 0.025 * self.coarse + 0.02 * self.middle + 0.02 * self.fine
        self.albedo = traits.skin * uneven[..., None]

    def blob(self, at: float, height: float, wide: float, tall: float) -> np.ndarray:
        """A soft spot [HEIGHT, WIDTH] at ±`at` radians from the front."""
        across, along = (self.side - at) / wide, (self.height - height) / tall
        return np.exp(-(across**2) - along**2)

    def spot(self, size: float) -> np.ndarray:
        """A tiny round spot [HEIGHT, WIDTH] at a random place of the face."""
        at, height = self.rng.uniform(-0.9, 0.9), self.rng.uniform(6.3, 8.0)
        return np.exp(-(((self.angle - at) / size) ** 2) - ((self.height - height) / size) ** 2)

    def tint(self, amount: np.ndarray, change: tuple[float, float, float]) -> None:
        """Multiply the albedo by 1 + amount · change for red, green and blue."""
        self.albedo *= 1 + amount[..., None] * np.array(change, np.float32)

    def cover(self, amount: np.ndarray, colour: np.ndarray) -> None:
        """Blend the albedo towards a colour by `amount` 0..1."""
        share = np.clip(amount, 0, 1)[..., None].astype(np.float32)
        self.albedo += share * (colour - self.albedo)

    def blood(self) -> None:
        """Red cheeks, nose and chin, lighter forehead, shade round the eyes."""
        red = 0.5 * self.blob(0.36, 6.98, 0.18, 0.18) + 0.5 * self.blob(0, 6.98, 0.09, 0.13)
        red += 0.25 * self.blob(0, 6.33, 0.2, 0.1) + 0.2 * self.blob(0.2, 7.2, 0.2, 0.07)
        red += 0.06 * smooth_noise(self.rng, HEIGHT, WIDTH, (20, 32))
        strength = self.rng.uniform(0.55, 1.1) * (1 - 0.6 * self.traits.tone)
        self.tint(red * strength, (0.04, -0.28, -0.22))
        self.tint(self.blob(0, 7.75, 0.5, 0.25), (0.02, 0.015, -0.03))
        bags = self.blob(0.23, 7.155, 0.13, 0.05) * (0.06 + 0.5 * self.traits.age)
        bags += 0.1 * self.blob(0.12, 7.25, 0.05, 0.08)
        self.tint(bags, (-0.7, -0.95, -0.75))

    def makeup(self) -> None:
        """Eyelids darker, with eyeshadow, eyeliner and blush by the amount of make-up."""
        lid = self.blob(0.23, 7.385, 0.14, 0.045)
        self.tint(lid, (-0.05, -0.12, -0.1))
        amount = self.traits.makeup
        shade = linear(EYESHADOWS[self.rng.integers(len(EYESHADOWS))])
        self.cover(0.45 * amount * lid, np.minimum(self.traits.skin * 0.75, shade * 1.6))
        liner = self.blob(0.235, 7.345, 0.13, 0.016)
        self.cover(0.5 * amount * liner, np.float32(0.02))
        self.tint(amount * self.blob(0.48, 7.0, 0.17, 0.17), (0.03, -0.12, -0.08))

    def age_marks(self) -> None:
        """Lines of the forehead and beside the eyes, folds, spots; moles and freckles."""
        age, rng = self.traits.age, self.rng
        if age > 0.12:
            strength = min(1.0, (age - 0.12) * 1.8)
            lines = np.zeros_like(self.angle)
            for height in np.linspace(7.6, 7.86, 4):
                wave = 0.012 * self.coarse + 0.02 * np.cos(self.angle * 5)
                width = np.clip(1.2 - (self.side / 0.42) ** 2, 0, 1) * rng.uniform(0.4, 1)
                lines += np.exp(-(((self.height - height - wave) / 0.009) ** 2)) * width
            for slope in (-0.7, 0.0, 0.7):
                off = (self.height - 7.27 - slope * (self.side - 0.40)) / 0.008
                lines += np.exp(-(off**2) - ((self.side - 0.48) / 0.07) ** 2)
            fold = self.side - 0.20 - 0.55 * (6.95 - self.height)
            lines += 0.8 * np.exp(-((fold / 0.03) ** 2) - ((self.height - 6.82) / 0.14) ** 2)
            self.tint(0.55 * strength * np.clip(lines, 0, 1), (-0.8, -1, -0.95))
            for _ in range(int(12 * strength)):
                self.tint(self.spot(0.014), (-0.16, -0.2, -0.2))
        for _ in range(rng.integers(0, 3)):
            self.tint(self.spot(0.009), (-0.5, -0.55, -0.55))
        speckles = np.clip(1.2 * self.fine - 0.9, 0, 1) * self.blob(0.25, 7.0, 0.35, 0.22)
        self.tint(np.clip(speckles * self.traits.freckles, 0, 1), (-0.3, -0.45, -0.5))

    def hair(self) -> np.ndarray:
        """Beard shadow, brows and the scalp's dark roots; the scalp's density comes back."""
        traits, maps = self.traits, self.maps
        if traits.stubble:
            area = maps.beard_area(self.angle, self.height) * (0.85 + 0.15 * self.fine)
            tint = traits.skin * np.array([0.40, 0.45, 0.53], np.float32)
            amount = 0.62 * traits.stubble * np.clip(area, 0, 1)
            if self.person.beard != "none":
                tint, amount = tint * 0.5 + traits.hair * 0.5, np.clip(amount * 1.6, 0, 0.85)
            self.cover(amount, tint)
        brows = maps.brow(self.angle, self.height) * (0.8 + 0.25 * self.fine)
        self.cover(0.5 * brows, traits.brow)
        roots = maps.scalp(self.angle, self.height, 0.03)
        share = {"buzz-cut": 0.85, "bald": 0.3, "receding": 0.8}.get(maps.style, 0.93)
        roots = np.clip(roots * share * (1 + 0.05 * self.fine), 0, 1)
        self.cover(roots, traits.hair * (0.7 if maps.style in ("buzz-cut", "bald") else 0.55))
        return roots

    def gloss(self, roots: np.ndarray) -> np.ndarray:
        """How oily the skin is, [HEIGHT, WIDTH] about 0.5."""
        gloss = 0.5 + 0.3 * self.blob(0, 7.75, 0.35, 0.2) + 0.4 * self.blob(0, 7.05, 0.07, 0.25)
        gloss += 0.2 * self.blob(0.38, 7.05, 0.14, 0.1) + 0.05 * (self.fine + self.middle)
        return np.clip(gloss, 0.1, 1.6) * (1 - roots)


def paint_skin(person: Person, traits: Traits, maps: FaceMaps) -> np.ndarray:
    """Linear albedo and gloss of a person, float32 [HEIGHT, WIDTH, 4]."""
    painter = SkinPainter(person, traits, maps)
    painter.blood()
    painter.makeup()
    painter.age_marks()
    roots = painter.hair()
    albedo = np.clip(painter.albedo, 0.003, 0.95)
    return np.float32(np.concatenate([albedo, painter.gloss(roots)[..., None]], 2))
