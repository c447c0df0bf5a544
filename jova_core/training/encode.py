"""A user's clips → latents and mouth masks: in parallel, resumable, with a reason for each refusal.

Legend: F frames, T video latents, h and w latent rows and columns, N samples.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..codecs.checkpoint import MiniCodecs, load_codecs
from ..codecs.pixels import to_video
from ..config import JoVAConfig, JoVAError
from ..media import (
    PICTURE_SUFFIXES,
    MediaInfo,
    VideoInfo,
    audio_fault,
    fit_image,
    load_audio,
    probe,
    read_image,
    read_video,
    resample,
)
from ..mouth.landmarks import LipDetector, find_landmarker, sampled_frames
from ..mouth.masks import by_latent, latent_mask
from ..timeline import Timeline
from .manifest import Entry
from .shards import Outcome, TrainingClip, read_outcomes, write_index, write_shard

BATCH = 8  # clips a job and a shard: what a run that is cut off may lose


@dataclass(frozen=True, kw_only=True)
class EncodeRules:
    """What is taken. All values are ours."""

    min_seconds: float = 1.0
    max_seconds: float = 4.0  # of a longer clip only the beginning is used
    min_fps_share: float = 0.5  # of the model's rate
    min_face_share: float = 0.5  # of the frames looked at
    silence: float = 1e-3  # RMS below -60 dBFS
    look_every: int = 2  # frames between two looks at the face

    def __post_init__(self) -> None:
        if not 0 < self.min_seconds <= self.max_seconds:
            raise JoVAError(
                f"Clips of {self.min_seconds:g} to {self.max_seconds:g} s are asked for; give a "
                "least length above 0 and a greatest one not below it."
            )


class RejectedError(Exception):
    """A clip that cannot be trained on; its text is the reason."""


def encode_clips(
    entries: Sequence[Entry],
    out: Path,
    config: JoVAConfig,
    codecs_path: Path,
    *,
    rules: EncodeRules | None = None,
    workers: int = 2,
    model_path: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Encode into shards in `out` what is not there yet; returns what became of every entry.

    `config` gives rates and picture size. An entry that was done or refused before, and whose files
    are unchanged, is not looked at again; clips that `entries` no longer name stay in their shards
    but are not trained on. `progress(done, total)` follows each clip. Raises JoVAError for an
    unusable folder or model file.
    """
    if workers < 1:
        raise JoVAError(f"{workers} workers cannot encode; give 1 or more.")
    # Only where a mouth has to be found.
    model = find_landmarker(model_path) if any(e.mouth is None for e in entries) else None
    codecs = load_codecs(codecs_path)
    out.mkdir(parents=True, exist_ok=True)
    done = read_outcomes(out)
    keys = {entry.key(): entry for entry in entries}
    waiting = [(key, entry) for key, entry in keys.items() if key not in done]
    batches = [waiting[i : i + BATCH] for i in range(0, len(waiting), BATCH)]
    tools = _Tools(config=config, codecs=codecs_path, rules=rules or EncodeRules(), model=model)
    count, total = len(keys) - len(waiting), len(keys)

    def clip_done() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, total)

    for tensors, outcomes in _encoded(tools, batches, workers, clip_done):
        write_shard(out, tensors, outcomes, codecs.stats)
        done |= {outcome.id: outcome for outcome in outcomes}
    write_index(out, keys)
    return [done[key] for key in keys]


@dataclass(frozen=True, kw_only=True)
class _Tools:
    """What a process needs to encode a batch."""

    config: JoVAConfig
    codecs: Path
    rules: EncodeRules
    model: Path | None


_Batch = Sequence[tuple[str, Entry]]
_Encoded = tuple[dict[str, Tensor], list[Outcome]]


def _encoded(
    tools: _Tools, batches: Sequence[_Batch], workers: int, clip_done: Callable[[], None]
) -> Iterator[_Encoded]:
    """The batches in order; one worker is this process, which may live inside another program."""
    if workers == 1:
        for batch in batches:
            yield _encode_batch(tools, batch, clip_done)
        return
    # A forked child would inherit MediaPipe's and torch's threads half alive.
    context = multiprocessing.get_context("spawn")
    count = min(workers, max(1, len(batches)))
    with ProcessPoolExecutor(count, context, torch.set_num_threads, (1,)) as pool:
        for tensors, outcomes in pool.map(partial(_encode_batch, tools), batches):
            for _ in outcomes:
                clip_done()
            yield tensors, outcomes


@dataclass(frozen=True, kw_only=True)
class ClipEncoder:
    """What every clip of one job is read and encoded with."""

    config: JoVAConfig
    codecs: MiniCodecs
    detector: LipDetector | None
    rules: EncodeRules

    @property
    def line(self) -> Timeline:
        """The model's rates."""
        return Timeline.of(self.config)

    def encode(self, entry: Entry) -> tuple[dict[str, Tensor], int, list[str]]:
        """`video` [C, T, h, w] and `audio` [C, L] in bf16, `mouth` uint8 [T, h, w]; F; notes.

        Raises RejectedError with the reason.
        """
        notes: list[str] = []
        if entry.problem:
            raise RejectedError(entry.problem)
        if not (entry.video_caption or entry.audio_caption or entry.transcript):
            raise RejectedError("it has no caption")
        try:
            info = probe(entry.video)
            notes += info.notes
            frames = self._frames(entry, info.video, notes)
            sound = self._sound(entry, info, len(frames), notes)
            mouth = self._mouth(entry, frames, notes)
        except JoVAError as error:
            raise RejectedError(str(error)) from error
        with torch.inference_mode():
            video = self.codecs.video.encode(to_video(frames))[0].bfloat16()
            audio = self.codecs.audio.encode(sound[None])[0].bfloat16()
        return {"video": video, "audio": audio, "mouth": mouth.byte()}, len(frames), notes

    def _frames(self, entry: Entry, info: VideoInfo | None, notes: list[str]) -> Tensor:
        line, rules = self.line, self.rules
        if info is None:
            raise RejectedError("it has no pictures")
        if info.fps < Fraction(rules.min_fps_share) * line.fps:
            rate = f"{float(info.fps):.3g} frames/s"
            raise RejectedError(f"its {rate} are too few for the model's {float(line.fps):g}")
        frames = read_video(
            entry.video,
            fps=line.fps,
            max_frames=line.legal_frames(rules.max_seconds),
            height=self.config.video.height,
            width=self.config.video.width,
        )
        frames = frames[: line.whole_frames(len(frames))]
        there, used = float(info.seconds), float(line.seconds(len(frames)))
        if used < rules.min_seconds:
            raise RejectedError(f"it lasts {there:.2f} s, less than {rules.min_seconds:g} s")
        if there > used + 1:
            notes.append(f"the first {used:.2f} s of {there:.2f} s are used")
        return frames

    def _sound(self, entry: Entry, info: MediaInfo, frames: int, notes: list[str]) -> Tensor:
        if entry.audio is None and info.audio is None:
            raise RejectedError("it has no sound")
        # No more than the clip lasts: the rest of a long recording would only fill memory.
        wanted = self.line.seconds(frames) + 1
        audio = load_audio(entry.audio or entry.video, max_seconds=wanted)
        notes += [f"of its sound: {remark}" for remark in audio.notes]
        sound = resample(audio.mono, audio.sample_rate, self.line.sample_rate)
        samples = self.line.audio_samples(frames)
        sound = torch.nn.functional.pad(sound[:samples], (0, max(0, samples - len(sound))))
        fault = audio_fault(sound, silence=self.rules.silence)
        if fault is not None:
            raise RejectedError(f"its sound is {fault.words}")
        return sound

    def _mouth(self, entry: Entry, frames: Tensor, notes: list[str]) -> Tensor:
        """Mask [T, h, w], from the entry's own video or picture, or from the face that is found."""
        if entry.mouth is not None:
            return _drawn_mask(entry.mouth, self.config, len(frames))
        every = self.rules.look_every
        track = self.detector.detect(frames, every=every)
        share = float(track.measured.sum()) / len(sampled_frames(len(frames), every))
        if share < self.rules.min_face_share:
            raise RejectedError(
                f"a face was found in {share:.0%} of the frames. {track.note}".rstrip(". ")
            )
        if not track.found.all():
            notes.append(f"no mouth in {int((~track.found).sum())} of {len(frames)} frames")
        height, width = self.config.video.height, self.config.video.width
        return latent_mask(track.boxes, track.found, height=height, width=width)


def _drawn_mask(path: Path, config: JoVAConfig, frames: int) -> Tensor:
    """White where the mouth is → mask [T, h, w] of every latent that touches it."""
    height, width = config.video.height, config.video.width
    if path.suffix.lower() in PICTURE_SUFFIXES:
        drawn = fit_image(read_image(path), height, width).expand(frames, -1, -1, -1)
    else:
        size = {"height": height, "width": width}
        drawn = read_video(path, fps=config.video.fps, max_frames=frames, **size)
        drawn = torch.cat([drawn, drawn[-1:].expand(frames - len(drawn), -1, -1, -1)])
    white = (drawn.float().mean(dim=-1) > 127).float()
    cells = torch.nn.functional.max_pool2d(white[:, None], config.video.spatial_ratio)[:, 0]
    return by_latent(cells.bool(), config.video.temporal_ratio)


def _encode_batch(
    tools: _Tools, batch: _Batch, clip_done: Callable[[], None] = lambda: None
) -> _Encoded:
    codecs, tensors, outcomes = load_codecs(tools.codecs), {}, []
    with nullcontext() if tools.model is None else LipDetector(tools.model) as detector:
        encoder = ClipEncoder(
            config=tools.config, codecs=codecs, detector=detector, rules=tools.rules
        )
        for key, entry in batch:
            about = {"id": key, "source": str(entry.video)}
            try:
                made, frames, notes = encoder.encode(entry)
            except RejectedError as reason:
                outcomes.append(Outcome(**about, reason=str(reason)))
            except Exception as error:  # one clip never ends the run, whatever is wrong with it
                reason = f"it cannot be encoded ({type(error).__name__}: {error})"
                outcomes.append(Outcome(**about, reason=reason))
            else:
                tensors |= {f"{key}.{name}": value for name, value in made.items()}
                clip = TrainingClip(
                    id=key,
                    frames=frames,
                    video_caption=entry.video_caption,
                    audio_caption=entry.audio_caption,
                    transcript=entry.transcript,
                )
                outcomes.append(Outcome(**about, clip=clip, notes=tuple(notes)))
            clip_done()
    return tensors, outcomes
