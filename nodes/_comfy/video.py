"""Video nodes: decoding, the sync report, sample media."""

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...jova_core.compositing import over_audio, over_film
from ...jova_core.config import JoVAConfig
from ...jova_core.decoding import check_finite
from ...jova_core.given import Given
from ...jova_core.mouth import track_first_face
from ...jova_core.sync.plot import plot_sync
from ...jova_core.sync.report import judge_sync, measure_sync, sync_table
from ...jova_core.timeline import Timeline
from .codecs import check_codec
from .files import face_model
from .landmarks import looks_of
from .media import bytes_of, mono, to_audio, to_image
from .mini import load_sample, sample_names
from .model import model_config
from .streams import check_streams, read_streams
from .tasks import FILM

__all__ = ["decode", "sample_media", "sample_names", "sync_report"]


def decode(
    model: Any, latent: dict[str, Any], video_vae: Any, audio_vae: Any
) -> tuple[Tensor | None, dict[str, Any] | None, float]:
    """IMAGE `[B·F, H, W, 3]`, AUDIO `[B, C, N]` of exactly that length, frame rate.

    Raises JoVAError for NaN, for streams of different lengths and for codecs of another model.
    """
    config, streams = model_config(model), read_streams(latent["samples"])
    timeline = Timeline.of(config)
    frames = check_streams(config, streams)
    check_finite(streams)
    given = latent.get(FILM)
    if given is not None and timeline.frames(len(given.made_video)) != frames:
        given = None  # another clip has taken the place of the task's
    images = audio = None
    if streams.video is not None and video_vae is not None:
        check_codec(config, video_vae, "video")
        images = video_vae.decode(streams.video).flatten(0, 1)
    if streams.audio is not None and audio_vae is not None:
        check_codec(config, audio_vae, "audio")
        wave = audio_vae.decode(streams.audio).movedim(-1, 1)
        rate = getattr(audio_vae, "audio_sample_rate_output", audio_vae.audio_sample_rate)
        samples = round(timeline.seconds(frames) * rate)
        # A codec whose latents are no whole number of samples may round the last one away.
        wave = pad(wave[..., :samples], (0, max(0, samples - wave.shape[2])))
        audio = to_audio(_kept_audio(config, given, wave.clamp(-1, 1), rate), rate)
    if images is not None and given is not None:
        images = _kept_pictures(config, given, images)
    return images, audio, float(timeline.fps)


def _kept_pictures(config: JoVAConfig, given: Given, images: Tensor) -> Tensor:
    """IMAGE `[B·F, H, W, 3]` with what JoVA Task keeps of a film put back, without its lead."""
    clips = images.split(Timeline.of(config).frames(len(given.made_video)))
    if images.shape[1:3] == given.video.shape[1:3]:
        clips = [to_image(next(over_film(config, given, [bytes_of(clip)]))) for clip in clips]
    return torch.cat([clip[given.lead :] for clip in clips])


def _kept_audio(config: JoVAConfig, given: Given | None, wave: Tensor, rate: int) -> Tensor:
    """Waves `[B, C, N]` with what JoVA Task keeps of given audio put back, without its lead."""
    if given is None:
        return wave
    if given.audio is not None and rate == config.audio.sample_rate:
        wave = torch.stack([torch.stack([over_audio(config, given, c) for c in w]) for w in wave])
    return wave[..., round(given.lead * rate / Timeline.of(config).fps) :]


def sample_media(name: str) -> tuple[Tensor, Tensor, dict[str, Any], float, Tensor]:
    """Portrait, video, voice, frame rate and mouth mask `[F, H, W]` of a bundled character."""
    sample = load_sample(name)
    video, voice = to_image(sample.frames), to_audio(sample.audio, sample.sample_rate)
    return video[:1], video, voice, float(sample.fps), sample.mouth_mask()


def sync_report(
    images: Tensor, audio: Any, fps: float, face_landmarks: dict[str, Any] | None = None
) -> tuple[str, float, Tensor]:
    """Table, offset in ms (0 where unknown) and plot of a clip; lips looked for or given."""
    wave, rate = mono(audio)
    rational = Fraction(fps).limit_denominator(1001)
    if face_landmarks is not None:
        track = track_first_face(looks_of(face_landmarks, images), len(images))
        report = judge_sync(track, wave, rate, rational)
    else:
        report = measure_sync(bytes_of(images), wave, rate, rational, model_path=face_model())
    plot = plot_sync(
        report.lips, report.envelope, fps=report.fps, offset_frames=report.sync.offset_frames
    )
    return sync_table(report), float(report.offset_ms or 0.0), to_image(plot[None])
