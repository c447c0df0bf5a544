"""One clip's lip-sync and sound in figures, and as a table for artists.

A silent, frozen or too short clip, or one without a face, is a finding and no error.

Legend: F video frames, N audio samples.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..errors import JoVAError
from ..mouth.landmarks import LipTrack, detect_lips
from .correlation import MIN_FRAMES, SILENCE_POWER, SyncReport, speech_envelope, sync_report

SILENCE_WINDOWS = 50  # per second: silence is counted in windows of 20 ms
FULL_SCALE = 0.9999  # a clipped 16-bit sample is 32767 / 32768
LARGEST_SHIFT_SECONDS = Fraction(1, 2)
# Over the distance of the outer eye corners. On held-out clips of the mini's data the detector's
# own jitter on closed lips stays below 0.012, and lips that speak are above 0.022.
STILL_LIPS = 0.015
# Best correlations of 82 such clips (2 to 4 s) are 0.58 and more. Voices of other clips of that
# length also get there in a third of the pairs, so a match is evidence and not proof.
CLEAR_MATCH = 0.55
# Ours: chance matches shrink with the root of the length, so longer clips need less.
CLEAR_MATCH_SECONDS, LEAST_MATCH = 4.0, 0.3
# Share of such chance matches, measured: 0.60 at 0.75 to 1 s, 0.4 at 2 s, 0.26 at 3 s, 0.18 at 4 s.
CHANCE = "3 of 5 at 1 s, 2 of 5 at 2 s, 1 of 5 at 4 s"

# From where viewers see that sound comes early or late (ITU-R BT.1359-1, section 3).
SEEN_EARLY_MS, SEEN_LATE_MS = 45, 125


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """Level, clipping and silence of audio, over all its samples; empty audio is silent."""

    seconds: float
    peak_db: float  # dBFS of the largest sample, -inf for silence
    rms_db: float  # dBFS, a full-scale square wave is 0; -inf for silence
    clipped: float  # share of the samples at full scale or beyond
    silence: float  # share of the 20 ms windows below -60 dBFS
    broken: int  # NaN or infinite samples; they count as 0 everywhere else


@dataclass(frozen=True, kw_only=True)
class ClipSync:
    """Tracks, sync and sound of one clip."""

    fps: Fraction
    sync: SyncReport
    lips: Tensor  # float32 [F], inner-lip opening in pixels, NaN without a face
    envelope: Tensor  # float64 [F], loudness of the voice, 0 up to -60 dBFS
    lip_motion: float  # standard deviation of the opening over the eye distance, NaN without a face
    audio: AudioFacts

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return float(len(self.lips) / self.fps)

    @property
    def clear_match(self) -> float:
        """The correlation that counts as a match in a clip of this length."""
        longer = max(self.seconds / CLEAR_MATCH_SECONDS, 1.0)
        return max(CLEAR_MATCH / math.sqrt(longer), LEAST_MATCH)

    @property
    def offset_ms(self) -> float | None:
        """Delay of the sound in ms (negative: early); None without a match of lips and voice.

        To the nearest frame.
        """
        return None if self.sync.offset_frames is None or self.problem else self._best_ms

    @property
    def problem(self) -> str:
        """The reason for no verdict about sync, in a few words, or ""."""
        count, faces = len(self.lips), int(torch.isfinite(self.lips).sum())
        few = f"at least {MIN_FRAMES} frames are needed, not"
        unheard = float(self.envelope.max()) == 0
        checks = (
            (count < MIN_FRAMES, f"too short to tell: {few} {count}"),
            (unheard and self.audio.broken > 0, "the sound is broken: it holds NaN or infinity"),
            (unheard, "the sound is silent"),
            (faces == 0, "no face was found"),
            (faces < MIN_FRAMES, f"too few faces to tell: {few} {faces}"),
            (self.lip_motion < STILL_LIPS, "the mouth does not move"),
            (self.sync.offset_frames is None, "the sound stays the same from frame to frame"),
            (
                self.sync.offset_correlation < self.clear_match,
                "no clear match of lips and voice at any shift",
            ),
        )
        return next((words for applies, words in checks if applies), "")

    @property
    def _best_ms(self) -> float:
        return float(1000 * (self.sync.offset_frames or 0) / self.fps)


def measure_sync(
    frames: Tensor,
    audio: Tensor,
    sample_rate: int,
    fps: Fraction | float,
    *,
    model_path: str | Path | None = None,
) -> ClipSync:
    """Sync and sound of a clip: uint8 frames [F, H, W, 3], mono audio [N] in [-1, 1].

    `model_path` as in `find_landmarker`. JoVAError for other input, and if mediapipe or its
    face model is missing.
    """
    fps = _checked(audio, sample_rate, fps)
    track = detect_lips(frames, model_path=model_path)
    return judge_sync(track, audio, sample_rate, fps)


def judge_sync(track: LipTrack, audio: Tensor, sample_rate: int, fps: Fraction | float) -> ClipSync:
    """`measure_sync` with lips [F] tracked before."""
    fps = _checked(audio, sample_rate, fps)
    frames = len(track.opening)
    finite = torch.nan_to_num(audio.detach().cpu().double(), nan=0.0, posinf=0.0, neginf=0.0)
    envelope = speech_envelope(finite, sample_rate, fps, frames)
    relative = (track.opening / track.face)[track.found].double()
    return ClipSync(
        fps=fps,
        sync=sync_report(track, envelope, max_frames=largest_shift(frames, fps)),
        lips=track.opening,
        envelope=envelope,
        lip_motion=float(relative.std(correction=0)) if len(relative) else math.nan,
        audio=audio_facts(audio, sample_rate),
    )


def largest_shift(frames: int, fps: Fraction | float) -> int:
    """The largest shift of sound against picture to try, in frames, at least 1.

    Half a second, but at most a quarter of the clip, so that three quarters always overlap.
    """
    return max(1, min(round(LARGEST_SHIFT_SECONDS * Fraction(fps)), frames // 4))


def audio_facts(audio: Tensor, sample_rate: int) -> AudioFacts:
    """Level, clipping and silence of mono audio [N]; NaN and infinity are counted, not used."""
    audio = audio.detach().cpu().double()
    wave = torch.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    if not len(wave):
        wave = torch.zeros(1, dtype=torch.float64)
    window = max(1, sample_rate // SILENCE_WINDOWS)
    power = torch.stack([part.square().mean() for part in wave.split(window)])
    return AudioFacts(
        seconds=len(audio) / sample_rate,
        peak_db=_decibels(float(wave.abs().max())),
        rms_db=_decibels(float(wave.square().mean().sqrt())),
        clipped=float((wave.abs() >= FULL_SCALE).double().mean()),
        silence=float((power < SILENCE_POWER).double().mean()),
        broken=int((~torch.isfinite(audio)).sum()),
    )


def sync_table(clip: ClipSync) -> str:
    """The findings as plain text, one line a fact, the verdict first."""
    faces = round(clip.sync.face_share * len(clip.lips))
    rows = {
        "Lip-sync": verdict(clip),
        "Match": _match(clip),
        "Face": f"found in {faces} of {len(clip.lips)} frames",
        "Loudest": _level(clip.audio.peak_db, clip.audio.broken),
        "Average": _level(clip.audio.rms_db, clip.audio.broken),
        "Clipping": _clipping(clip.audio),
        "Silence": f"{clip.audio.silence:.0%} of the sound",
        "Length": _lengths(clip),
    }
    if not clip.problem and clip.seconds < CLEAR_MATCH_SECONDS:
        rows["Caution"] = f"a short clip, which other voices match by chance: {CHANCE}"
    if clip.audio.broken:
        rows["Broken"] = f"NaN or infinite samples, taken as silence: {clip.audio.broken}"
    return "\n".join(f"{name:<10}{text}" for name, text in rows.items())


def verdict(clip: ClipSync) -> str:
    """The sync in a few words, such as "the sound comes 125 ms late"."""
    late, frames = clip.offset_ms, clip.sync.offset_frames
    if late is None or frames is None:
        return clip.problem
    # Clips in sync measure one frame off at times: frames have no finer resolution.
    if abs(frames) <= 1 or -SEEN_EARLY_MS < late < SEEN_LATE_MS:
        return f"in sync (best match at {round(late)} ms)"
    return f"the sound comes {abs(round(late))} ms {'late' if late > 0 else 'early'}"


def _match(clip: ClipSync) -> str:
    best, now = clip.sync.offset_correlation, clip.sync.opening
    if clip.sync.offset_frames is None:
        return "none"
    unmoved = "" if math.isnan(now) else f", {now:.2f} as it is"
    return (
        f"{best:.2f} at {round(clip._best_ms)} ms{unmoved} "
        f"(1 is perfect, {clip.clear_match:.2f} is needed)"
    )


def _level(decibels: float, broken: int) -> str:
    if decibels == -math.inf:
        return "unknown" if broken else "silent"
    return f"{decibels:.1f} dBFS"


def _clipping(audio: AudioFacts) -> str:
    if not audio.clipped:
        return "none"
    share = f"{audio.clipped:.1%}" if audio.clipped >= 5e-4 else "less than 0.1%"
    return f"{share} of the samples are at full scale; lower the volume"


def _lengths(clip: ClipSync) -> str:
    more = clip.audio.seconds - clip.seconds
    lengths = f"{clip.audio.seconds:.2f} s of sound, {clip.seconds:.2f} s of picture"
    if abs(more) * clip.fps < 1:
        return lengths
    return f"{lengths}: the sound is {abs(more):.2f} s {'longer' if more > 0 else 'shorter'}"


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _checked(audio: Tensor, sample_rate: int, fps: Fraction | float) -> Fraction:
    if audio.ndim != 1 or not audio.is_floating_point():
        raise JoVAError(
            f"Got {audio.dtype} audio of shape {list(audio.shape)}; expected mono float audio [N] "
            "in -1 ... 1."
        )
    if not 1000 <= sample_rate <= 1_000_000:
        raise JoVAError(f"The sample rate {sample_rate} is not possible; give Hz, such as 16000.")
    if not 1 <= fps <= 1000:
        raise JoVAError(f"The frame rate {fps} is not possible; give one from 1 to 1000.")
    return Fraction(fps)
