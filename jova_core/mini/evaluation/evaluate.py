"""`jova eval-mini`: generated clips measured beside their ceiling and their shuffled controls.

The ceiling is the ground-truth clip of the same prompt put through the codecs. Legend: B batch,
F frames, H and W pixels, N samples.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

import torch
from torch import Tensor

from ...media.pixels import to_frames, to_video
from ...mouth.landmarks import LipDetector, LipTrack
from ...prompt import Prompt
from ...sync.correlation import SyncReport, speech_envelope, sync_report
from ..data.dataset import ClipInfo, Dataset, load_clip
from .cases import LOOKS, Case, clip_cases
from .features import SAMPLE_RATE
from .judges import Judges
from .shuffle import shuffled_controls
from .words import words_right, words_right_shuffled

FPS = 16  # without a data set
# Figures with a ceiling: the ground truth through the codecs.
CEILINGS = (
    *("words", "sync", "sync_width", "offset_frames"),
    *("attributes", "voice", "faces_found", "flicker"),
)


class Clip(Protocol):
    """Pictures and sound of one clip."""

    frames: Tensor  # uint8 [F, H, W, 3]
    audio: Tensor  # float32 [N] at 16 kHz


class Codec(Protocol):
    """One stream's codec: `[B, 3, F, H, W]` in [-1, 1] or `[B, N]` to latents and back."""

    def encode(self, data: Tensor) -> Tensor:
        """Latents of pixels or samples."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels or samples of latents."""
        ...


class Codecs(Protocol):
    """Both codecs of a checkpoint."""

    video: Codec
    audio: Codec


class Detector(Protocol):
    """A detector of lips: `LipDetector`, or a stand-in."""

    def detect(self, frames: Tensor) -> LipTrack:
        """The lips of uint8 frames [F, H, W, 3]."""
        ...


GenerateFn = Callable[[Prompt, int, int], Clip]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The judges' findings in one clip."""

    heard: list[str]
    looks: dict[str, str]
    voice: str
    sync: SyncReport
    opening: Tensor  # float32 [F], pixels
    envelope: Tensor  # float64 [F], loudness
    flicker: float  # of the background, in grey levels a frame


@dataclass(frozen=True, kw_only=True)
class PlainClip:
    """Pictures and sound that no model made."""

    frames: Tensor
    audio: Tensor


def evaluate(
    generate_fn: GenerateFn,
    dataset: Dataset | None,
    codecs: Codecs | None,
    judges: Judges,
    *,
    limit: int = 60,
    prompts: Sequence[Case] | None = None,
    seed: int = 0,
    shuffles: int = 200,
    detector: Detector | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Figures of `limit` held-out prompts of the data set, or of `prompts`; JSON-able.

    `generate_fn(prompt, frames, seed + i)` makes clip i. Shares and correlations are 0 to 1; a
    missing figure (no ground truth, no face) is None. `detector` finds the lips: by
    default a LipDetector with the model file of the environment. `progress(done, total)` follows
    each prompt.
    """
    cases = list(prompts) if prompts is not None else clip_cases(dataset, limit)
    fps = dataset.fps if dataset else FPS
    measured, ceiling = [], []
    with nullcontext(detector) if detector else LipDetector() as lips:
        for i, case in enumerate(cases):
            clip = generate_fn(case.prompt, case.frames, seed + i)
            measured.append(measure(clip, judges, lips, fps=fps))
            if case.clip and codecs and dataset:
                truth = through_codecs(dataset, case.clip, codecs)
                ceiling.append(measure(truth, judges, lips, fps=fps))
            if progress:
                progress(i + 1, len(cases))
    top = summarise(cases, ceiling, seed=seed, shuffles=shuffles) if ceiling else {}
    result = summarise(cases, measured, seed=seed, shuffles=shuffles)
    result |= {f"{name}_ceiling": top.get(name) for name in CEILINGS}
    result["judges"] = dict(judges.figures)
    result["details"] = [_detail(c, m) for c, m in zip(cases, measured, strict=True)]
    return _jsonable(result)


def words_figures(
    generate_fn: GenerateFn,
    dataset: Dataset,
    codecs: Codecs,
    judges: Judges,
    cases: Sequence[Case],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Share of heard words of `cases` with ground truth, shuffled and at the ceiling.

    For words in no training clip, as the names of the figures say.
    """
    wanted, heard, top = [case.words for case in cases], [], []
    for i, case in enumerate(cases):
        heard.append(generate_fn(case.prompt, case.frames, seed + i).audio)
        top.append(through_codecs(dataset, case.clip, codecs).audio)
        if progress:
            progress(i + 1, len(cases))
    heard, top = judges.recogniser.recognise(heard), judges.recogniser.recognise(top)
    return {
        "unseen_clips": len(cases),
        "unseen_words": words_right(wanted, heard),
        "unseen_words_shuffled": words_right_shuffled(wanted, heard, n=200, seed=seed),
        "unseen_words_ceiling": words_right(wanted, top),
    }


def through_codecs(dataset: Dataset, info: ClipInfo, codecs: Codecs) -> Clip:
    """A ground-truth clip encoded and decoded by both codecs, cut to its own length."""
    data = load_clip(dataset, info)
    return copied(data["frames"], data["audio"], codecs)


@torch.inference_mode()
def copied(frames: Tensor, audio: Tensor, codecs: Codecs) -> Clip:
    """Frames `[F, H, W, 3]` and audio `[N]` through both codecs, cut to their own lengths."""
    made = to_frames(codecs.video.decode(codecs.video.encode(to_video(frames))))
    heard = codecs.audio.decode(codecs.audio.encode(audio[None]))[0].float()
    return PlainClip(frames=made[: len(frames)], audio=heard[: len(audio)])


def measure(clip: Clip, judges: Judges, detector: Detector, *, fps: int = 16) -> Measured:
    """All measurements of one clip."""
    track = detector.detect(clip.frames)
    envelope = speech_envelope(clip.audio, SAMPLE_RATE, fps, len(clip.frames))
    return Measured(
        heard=judges.recogniser.recognise([clip.audio])[0],
        looks=judges.looks.classify(clip.frames),
        voice=judges.voices.classify(clip.audio),
        sync=sync_report(track, envelope),
        opening=track.opening,
        envelope=envelope,
        flicker=background_flicker(clip.frames),
    )


def background_flicker(frames: Tensor) -> float:
    """Mean absolute difference of consecutive frames beside the character's head, of 255."""
    height, width = frames.shape[1:3]
    side = width // 10
    strips = torch.cat((frames[:, : height // 2, :side], frames[:, : height // 2, -side:]), dim=2)
    return float(strips.float().diff(dim=0).abs().mean()) if len(frames) > 1 else math.nan


def summarise(
    cases: Sequence[Case], measured: Sequence[Measured], *, seed: int = 0, shuffles: int = 200
) -> dict[str, Any]:
    """Means over the clips with their shuffled controls."""
    wanted, heard = [case.words for case in cases], [m.heard for m in measured]
    shares = _looks_right(cases, measured)
    return {
        "clips": len(cases),
        "words": words_right(wanted, heard),
        "words_shuffled": words_right_shuffled(wanted, heard, n=shuffles, seed=seed),
        **_sync_figures(measured, seed=seed, shuffles=shuffles),
        "attributes": mean(list(shares.values())),
        "per_attribute": shares,
        "voice": _share([(c.voice, m.voice) for c, m in zip(cases, measured, strict=True)]),
        "flicker": mean([m.flicker for m in measured]),
        "faces_found": sum(m.sync.face_share > 0 for m in measured),
        "faces_share": mean([m.sync.face_share for m in measured]),
    }


def _sync_figures(measured: Sequence[Measured], *, seed: int, shuffles: int) -> dict[str, Any]:
    reports = [m.sync for m in measured]
    controls = shuffled_controls(
        [m.opening for m in measured], [m.envelope for m in measured], n=shuffles, seed=seed
    )
    offsets = [r.offset_frames for r in reports if r.offset_frames is not None]
    return {
        "sync": mean([r.opening for r in reports]),
        "sync_shuffled": controls.mean,
        "sync_shuffled_p95": controls.p95,
        "sync_width": mean([r.width for r in reports]),
        "offset_frames": median(offsets) if offsets else None,
        "sync_clips": sum(not math.isnan(r.opening) for r in reports),
        "sync_shuffled_clips": controls.clips,
    }


def _looks_right(cases: Sequence[Case], measured: Sequence[Measured]) -> dict[str, float]:
    pairs = list(zip(cases, measured, strict=True))
    return {name: _share([(c.looks[name], m.looks[name]) for c, m in pairs]) for name in LOOKS}


def _share(pairs: Sequence[tuple[str | None, str]]) -> float:
    """Share of pairs that agree, over those with a wanted value."""
    return mean([float(wanted == seen) for wanted, seen in pairs if wanted is not None])


def mean(values: Sequence[float]) -> float:
    """Mean of the numbers among `values`; NaN if there are none."""
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else math.nan


def _detail(case: Case, measured: Measured) -> dict[str, Any]:
    return {
        "video_caption": case.prompt.video_caption,
        "audio_caption": case.prompt.audio_caption,
        "transcript": case.prompt.transcript,
        "frames": case.frames,
        "heard": " ".join(measured.heard),
        "looks": measured.looks,
        "voice": measured.voice,
        "sync": measured.sync.opening,
        "offset_frames": measured.sync.offset_frames,
        "found": measured.sync.face_share,
    }


def _jsonable(value: Any) -> Any:
    """The same with NaN as None."""
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
