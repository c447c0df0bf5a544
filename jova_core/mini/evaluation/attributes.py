"""Skin, hair, shirt, background and voice of a clip.

Small classifiers, trained on ground-truth clips only. Legend: B batch, F frames, M mel bands,
L feature frames.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log2

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import JoVAError
from .features import BANDS, augmented, features
from .fitting import Progress, minimise, same_length_batches, seeded

THUMB = 48  # pixels, 6·2ⁿ: enough for a shirt, little enough to be fast
LOOKS = 3  # frames of a clip for the classifier: first, middle, last
SMALLEST = 6  # pixels of the classifier's last maps
MISSING = -1


class LookClassifier(nn.Module):
    """Thumbnails [B, 3, size, size] in [-1, 1] to logits per attribute."""

    def __init__(self, classes: Mapping[str, Sequence[str]], size: int = THUMB) -> None:
        """A classifier of `{attribute: values}`, not trained yet."""
        super().__init__()
        self.classes = {name: tuple(values) for name, values in classes.items()}
        self.size = size
        halvings = round(log2(size / SMALLEST))
        sizes = (3, *(16 * step for step in range(1, halvings + 1)))
        self.trunk = nn.Sequential(
            *(_step(narrow, wide) for narrow, wide in pairwise(sizes)),
            nn.Flatten(),
            nn.Linear(sizes[-1] * SMALLEST**2, 96),
            nn.GELU(),
        )
        self.heads = nn.ModuleDict({n: nn.Linear(96, len(v)) for n, v in self.classes.items()})

    def forward(self, thumbs: Tensor) -> dict[str, Tensor]:
        """Logits [B, values] by attribute."""
        x = self.trunk(thumbs)
        return {name: head(x) for name, head in self.heads.items()}

    @torch.inference_mode()
    def classify(self, frames: Tensor) -> dict[str, str]:
        """The attributes that uint8 frames [F, H, W, 3] show; every head names its best value."""
        self.eval()
        logits = self(thumbnails(frames, self.size).float() / 127.5 - 1)
        best = {name: int(value.mean(dim=0).argmax()) for name, value in logits.items()}
        return {name: self.classes[name][i] for name, i in best.items()}


class VoiceClassifier(nn.Module):
    """Log-mel features [B, M, L] to logits per voice."""

    def __init__(self, voices: Sequence[str]) -> None:
        """A classifier of `voices`, not trained yet."""
        super().__init__()
        self.voices = tuple(voices)
        self.trunk = nn.Sequential(
            nn.Conv1d(BANDS, 64, 5, padding=2),
            nn.BatchNorm1d(64),
            nn.GELU(),
            nn.Conv1d(64, 64, 3, padding=1),
            nn.BatchNorm1d(64),
            nn.GELU(),
        )
        self.head = nn.Linear(128, len(self.voices))

    def forward(self, mels: Tensor) -> Tensor:
        """Logits [B, voices]; the mean over time is weighted by loudness, pauses hardly count."""
        x = self.trunk(mels)
        weight = mels.mean(dim=1, keepdim=True).mul(2).softmax(dim=2)
        return self.head(torch.cat([(x * weight).sum(dim=2), x.amax(dim=2)], dim=1))

    @torch.inference_mode()
    def classify(self, waveform: Tensor) -> str:
        """The voice of a wave [N] at 16 kHz."""
        self.eval()
        return self.voices[int(self(features(waveform[None]))[0].argmax())]


def thumbnails(frames: Tensor, size: int = THUMB) -> Tensor:
    """First, middle and last of uint8 frames [F, H, W, 3] as uint8 [3, 3, size, size]."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0:
        raise JoVAError(f"Got frames of shape {list(frames.shape)}; expected [F, H, W, 3].")
    chosen = torch.linspace(0, len(frames) - 1, LOOKS).round().long()
    pixels = frames[chosen].permute(0, 3, 1, 2).float()
    return F.adaptive_avg_pool2d(pixels, (size, size)).round().byte()


def train_looks(
    thumbs: Tensor,
    labels: Sequence[Mapping[str, str | None]],
    *,
    classes: Mapping[str, Sequence[str]],
    steps: int = 400,
    batch: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> LookClassifier:
    """Train on `thumbnails` of clips [N, 3, 3, size, size] and attributes; None is not scored."""
    generator = torch.Generator().manual_seed(seed)
    targets = {name: _targets(labels, name, values) for name, values in classes.items()}
    model = seeded(lambda: LookClassifier(classes, thumbs.shape[-1]), seed)

    def loss() -> Tensor:
        clips = torch.randint(len(thumbs), (batch,), generator=generator)
        looks = torch.randint(LOOKS, (batch,), generator=generator)
        logits = model(_disturbed(thumbs[clips, looks].float() / 127.5 - 1, generator))
        return sum(_cross_entropy(logits[name], targets[name][clips]) for name in logits)

    return minimise(model, loss, steps=steps, progress=progress)


def train_voices(
    mels: Sequence[Tensor],
    labels: Sequence[str],
    *,
    voices: Sequence[str],
    steps: int = 300,
    batch: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> VoiceClassifier:
    """Train on `features` [M, L] of clips and the names of their voices."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.tensor([list(voices).index(label) for label in labels])
    batches = same_length_batches(mels, batch, generator)
    model = seeded(lambda: VoiceClassifier(voices), seed)

    def loss() -> Tensor:
        chosen = next(batches)
        # Pitch tells voices apart, so hardly any of it is bent here.
        disturbed = augmented(torch.stack([mels[i] for i in chosen]), generator, warp=0.2)
        return F.cross_entropy(model(disturbed), targets[chosen])

    return minimise(model, loss, steps=steps, progress=progress)


def _step(narrow: int, wide: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.GELU()
    )


def _targets(
    labels: Sequence[Mapping[str, str | None]], name: str, values: Sequence[str]
) -> Tensor:
    places = {value: i for i, value in enumerate(values)}
    return torch.tensor([places.get(label[name], MISSING) for label in labels])


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    labelled = targets != MISSING
    total = F.cross_entropy(logits, targets, ignore_index=MISSING, reduction="sum")
    return total / labelled.sum().clamp(min=1)


def _disturbed(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Pixels [B, 3, h, w] shifted by up to 6 %, blurred, tinted and grained, each by chance."""
    count = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = uniform(0.92, 1.08)
    theta[:, :, 2] = uniform(-0.12, 0.12, 2)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    pixels = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    soft = pixels
    for _ in range(round(pixels.shape[-1] / THUMB) ** 2):  # as soft at any size
        soft = F.avg_pool2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pixels = torch.lerp(pixels, soft, uniform(0, 1, 1, 1, 1))
    tint = uniform(0.94, 1.06, 3, 1, 1) * pixels + uniform(-0.05, 0.05, 3, 1, 1)
    return tint + uniform(0, 0.1, 1, 1, 1) * torch.randn(tint.shape, generator=generator)
