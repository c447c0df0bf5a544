"""A recogniser of the published words, trained on ground-truth speech only.

It hears a wave and nothing else: neither transcript nor word count. Convolutions that see one
second each, so that it cannot learn which word likes to follow which.
Legend: B batch, N samples, M mel bands, L feature frames, C words and the blank.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import JoVAError
from .features import BANDS, augmented, features
from .fitting import minimise, same_length_batches, seeded

WIDTH = 128
DILATIONS = (1, 2, 4, 1, 2, 4)
BLANK = 0


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.gelu(self.norm(self.conv(x)))


class WordRecogniser(nn.Module):
    """Log-mel features to the log-probabilities of words at 31.25 Hz (CTC)."""

    def __init__(self, words: Sequence[str], *, width: int = WIDTH) -> None:
        """A recogniser of `words`, not trained yet."""
        super().__init__()
        self.words = tuple(words)
        self.stem = nn.Conv1d(BANDS, width, 5, stride=2, padding=2)
        self.blocks = nn.Sequential(*(_Block(width, d) for d in DILATIONS))
        self.head = nn.Conv1d(width, len(self.words) + 1, 1)
        self.register_buffer("mean", torch.zeros(BANDS, 1))
        self.register_buffer("std", torch.ones(1))

    def forward(self, mels: Tensor) -> Tensor:
        """Log-probabilities [B, C, ceil(L / 2)] of features [B, M, L]; class 0 is the blank."""
        x = F.gelu(self.stem((mels - self.mean) / self.std))
        return self.head(self.blocks(x)).log_softmax(dim=1)

    @torch.inference_mode()
    def recognise(self, waveforms: Sequence[Tensor]) -> list[list[str]]:
        """The words heard in each wave [N] (16 kHz, any lengths), in order."""
        self.eval()
        return [self._read(self(features(wave[None]))[0]) for wave in waveforms]

    def _read(self, scores: Tensor) -> list[str]:
        """Best class per step, repeats merged, blanks dropped."""
        best = torch.unique_consecutive(scores.argmax(dim=0)).tolist()
        return [self.words[i - 1] for i in best if i != BLANK]


def train_recogniser(
    mels: Sequence[Tensor],
    transcripts: Sequence[str],
    *,
    words: Sequence[str],
    steps: int = 600,
    batch: int = 48,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> WordRecogniser:
    """Train on `features` [M, L] of clips and their transcripts; `progress(step, steps, loss)`.

    Deterministic by seed and thread count. JoVAError if a transcript has a word not in `words`.
    """
    generator = torch.Generator().manual_seed(seed)
    targets = [_numbers(text, words) for text in transcripts]
    model = _fresh(words, mels, seed)
    batches = same_length_batches(mels, batch, generator)

    def loss() -> Tensor:
        chosen = next(batches)
        scores = model(augmented(torch.stack([mels[i] for i in chosen]), generator))
        return _ctc(scores, [targets[i] for i in chosen])

    return minimise(model, loss, steps=steps, progress=progress)


def _fresh(words: Sequence[str], mels: Sequence[Tensor], seed: int) -> WordRecogniser:
    model = seeded(lambda: WordRecogniser(words), seed)
    sample = torch.cat(list(mels[:256]), dim=1)
    model.mean.copy_(sample.mean(dim=1, keepdim=True))
    model.std.copy_(sample.std())
    return model


def _numbers(transcript: str, words: Sequence[str]) -> Tensor:
    """Class numbers of a transcript's words, counted from 1."""
    places = {word: i + 1 for i, word in enumerate(words)}
    unknown = sorted({word for word in transcript.split() if word not in places})
    if unknown:
        raise JoVAError(
            f"Got transcripts with {', '.join(unknown)}, outside the recogniser's {len(places)} "
            "words; give it every word of the transcripts."
        )
    return torch.tensor([places[word] for word in transcript.split()], dtype=torch.long)


def _ctc(scores: Tensor, targets: Sequence[Tensor]) -> Tensor:
    lengths = torch.full((len(targets),), scores.shape[2], dtype=torch.long)
    return F.ctc_loss(
        scores.permute(2, 0, 1),
        torch.cat(list(targets)),
        lengths,
        torch.tensor([len(target) for target in targets]),
        blank=BLANK,
        zero_infinity=True,
    )
