"""JoVA Task: what is given to a clip and what is made of it, as streams with core's masks."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.given import Given, check_takes_parts
from ...jova_core.latents import AVLatents
from ...jova_core.media import fit_image, resample
from ...jova_core.mouth.masks import by_latent
from ...jova_core.tasks import dub, dub_in_voice, extend, redo
from ...jova_core.timeline import Timeline
from .codecs import check_codec, encode_audio
from .latent import both_streams, frame_step, frames_at
from .masks import GIVEN, noise_masks, with_streams
from .media import bytes_of, waveform_of
from .model import model_config
from .streams import check_streams, nested, read_streams

# The film and the audio that a task was given, in the LATENT, for JoVA Decode to put back what is
# kept of them: a `Given` at the model's size and rates.
FILM = "jova_film"

TOOLTIP = (
    "Choose what is given: nothing, audio or video. audio needs the inputs audio and audio_vae; "
    "video needs film and video_vae. lip-sync: the film's mouth follows the audio; dub: it says "
    "the prompt's transcript, in a new voice or in that of its own audio, if that is connected; "
    "extend: the film goes on; redo: a stretch of it is made anew."
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A LATENT with what is given, and what the node shows."""

    latent: dict[str, Any]
    shown: str


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """The node's inputs besides the model and the latent."""

    given: str
    audio: Any
    audio_vae: Any
    film: Tensor | None
    video_vae: Any
    film_fps: float
    mouth_mask: Tensor | None
    first_frame: Tensor | None
    last_frame: Tensor | None
    redo_from: float
    redo_to: float
    redo_stream: str

    def needed(self, *names: str) -> list[Any]:
        """These inputs. Raises JoVAError for those that are not connected."""
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise JoVAError(
                f"`given` is {self.given}, but nothing is connected to {' and '.join(missing)}; "
                "connect that, or set `given` to nothing."
            )
        return [getattr(self, name) for name in names]


def give_task(model: Any, latent: dict[str, Any], given: str, **inputs: Any) -> Task:
    """The LATENT with what JoVA Task gives; says what is cut or missing.

    Raises JoVAError if an input of the task is not connected, or does not fit.
    """
    chosen = _Inputs(given=given, **inputs)
    return TASKS[given](model_config(model), latent, chosen)


def _nothing(_config: JoVAConfig, latent: dict[str, Any], _inputs: _Inputs) -> Task:
    return Task(latent=latent, shown="Nothing is given; video and sound are made.")


def _audio(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    audio, vae = inputs.needed("audio", "audio_vae")
    made = give_audio(config, latent, vae, audio)
    return Task(latent=made, shown=_describe_audio(config, made, audio))


def _video(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    film, vae = inputs.needed("film", "video_vae")
    frames = _fitted_film(config, latent, film, inputs)
    empty, audio = both_streams(latent)
    encoded = vae.encode(frames.float() / 255).to(empty)
    masks = noise_masks(latent)
    masks.video[:] = 0
    made = with_streams(latent, encoded.expand_as(empty).clone(), audio, masks)
    return Task(latent=made, shown="The video is given; the sound is made to it.")


def _lip_sync(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    film, _, audio, _, mask = inputs.needed("film", "video_vae", "audio", "audio_vae", "mouth_mask")
    check_takes_parts(config)
    made = give_audio(config, latent, inputs.audio_vae, audio)
    frames = _fitted_film(config, made, film, inputs)
    mouth = _mouth_cells(config, made, mask, len(film), inputs)
    # The audio lies in the latent already, whole; of the film the pictures are given as for a dub.
    made = _with_film(made, inputs.video_vae, dub(frames, mouth))
    return Task(
        latent=made,
        shown=f"{_describe_audio(config, made, audio)} Of the film the mouth is made anew.",
    )


def _dub(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    film, _, mask = inputs.needed("film", "video_vae", "mouth_mask")
    check_takes_parts(config)
    frames = _fitted_film(config, latent, film, inputs)
    mouth = _mouth_cells(config, latent, mask, len(film), inputs)
    wave = _own_rate(config, inputs)
    given = dub(frames, mouth) if wave is None else dub_in_voice(config, frames, wave, mouth)
    if not given.lead:
        made = _with_film(latent, inputs.video_vae, given)
        return Task(latent=made, shown="The mouth and the voice of the film are made anew.")
    made = _with_film_and_audio(config, _longer(config, latent, given.lead), inputs, given)
    heard = given.lead / float(Timeline.of(config).fps)
    shown = f"The mouth and the words are made anew, in the voice of the first {heard:.2f} s."
    return Task(latent=made, shown=shown)


def _longer(config: JoVAConfig, latent: dict[str, Any], lead: int) -> dict[str, Any]:
    """An empty LATENT of the same size with `lead` frames more, for what the model sees first."""
    video, audio = both_streams(latent)
    frames, line = _frames(config, latent) + lead, Timeline.of(config)
    streams = AVLatents(
        video=video.new_zeros(*video.shape[:2], line.video_latents(frames), *video.shape[3:]),
        audio=audio.new_zeros(*audio.shape[:2], line.audio_latents(frames)),
    )
    kept = {name: value for name, value in latent.items() if name not in ("noise_mask", GIVEN)}
    return {**kept, "samples": nested(streams)}


def _extend(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    film, _ = inputs.needed("film", "video_vae")
    count, line = _frames(config, latent), Timeline.of(config)
    frames = _fitted_film(config, latent, film, inputs, most=count)
    wave = _own_rate(config, inputs)
    given = extend(config, frames, wave, count)
    made = _with_film_and_audio(config, latent, inputs, given)
    kept, total = (float(line.seconds(n)) for n in (line.whole_frames(len(frames)), count))
    shown = f"The film is kept for {kept:.2f} s and goes on to {total:.2f} s."
    return Task(latent=made, shown=shown)


def _redo(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    film, _ = inputs.needed("film", "video_vae")
    frames = _fitted_film(config, latent, film, inputs)
    seconds = (inputs.redo_from, inputs.redo_to)
    given = redo(config, frames, _own_rate(config, inputs), seconds, inputs.redo_stream)
    made = _with_film_and_audio(config, latent, inputs, given)
    what = {"both": "Video and sound", "video": "The video", "audio": "The sound"}
    return Task(
        latent=made,
        shown=f"{what[inputs.redo_stream]} from {seconds[0]:g} to {seconds[1]:g} s made anew.",
    )


def _ends(config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs) -> Task:
    first, last, vae = inputs.needed("first_frame", "last_frame", "video_vae")
    check_codec(config, vae, "video")
    empty, audio = both_streams(latent)
    still = last[:1].expand(Timeline.of(config).frames(2), -1, -1, -1)
    video, masks = empty.clone(), noise_masks(latent)
    for place, pictures in ((0, first[:1]), (-1, still)):
        encoded = vae.encode(_fit(pictures, empty, vae).float() / 255).to(empty)
        video[:, :, place] = encoded[:, :, -1]
        masks.video[:, :, place] = 0
    made = with_streams(latent, video, audio, masks)
    return Task(latent=made, shown="The first and the last frame are given.")


TASKS: dict[str, Callable[[JoVAConfig, dict[str, Any], _Inputs], Task]] = {
    "nothing": _nothing,
    "audio": _audio,
    "video": _video,
    "lip-sync": _lip_sync,
    "dub": _dub,
    "extend": _extend,
    "redo": _redo,
    "first and last frame": _ends,
}


def give_audio(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, audio: dict[str, Any] | None
) -> dict[str, Any]:
    """The LATENT with given audio, cut or padded with silence to the clip's length."""
    video, empty = both_streams(latent)
    timeline = Timeline.of(config)
    frames = check_streams(config, AVLatents(video=video, audio=empty))
    check_codec(config, vae, "audio")
    wave, rate = waveform_of(audio and {**audio, "waveform": audio["waveform"][:1]})
    own = vae.audio_sample_rate
    end = floor(timeline.seconds(frames) * own + Fraction(1, 2))
    wave = resample(wave, rate, own)[:, :end]
    samples = ceil(empty.shape[2] * own / timeline.audio_rate)
    wave = pad(wave, (0, samples - wave.shape[1]))
    encoded = encode_audio(vae, wave, empty.shape[2]).to(empty)
    masks = noise_masks(latent)
    masks.audio[:] = 0
    return with_streams(latent, video, encoded.expand_as(empty).clone(), masks)


def _describe_audio(config: JoVAConfig, latent: dict[str, Any], audio: dict[str, Any]) -> str:
    line = Timeline.of(config)
    seconds = float(line.seconds(_frames(config, latent)))
    there = audio["waveform"].shape[-1] / audio["sample_rate"]
    shown = "The sound is given; the video is made to it."
    if there > seconds + 1 / line.fps:
        return f"{shown} It lasts {there:.2f} s; the clip takes its first {seconds:.2f} s."
    if there < seconds - 1 / line.fps:
        return f"{shown} It lasts {there:.2f} s; silence follows up to the clip's {seconds:.2f} s."
    return shown


def _frames(config: JoVAConfig, latent: dict[str, Any]) -> int:
    return check_streams(config, read_streams(latent["samples"]))


def _picks(config: JoVAConfig, frames: int, there: int, fps: float) -> list[int]:
    """Which of a film's frames are seen at the model's rate. JoVAError: they are too few."""
    rate = Timeline.of(config).fps
    available = frames_at(there, fps, rate)
    if available < frames:
        raise JoVAError(
            f"Got a video of {available} frames at {float(rate):g} fps; the clip has "
            f"{frames}: connect the video to JoVA Length as well, for a shorter clip."
        )
    return [int(i * frame_step(fps, rate) + Fraction(1, 2)) for i in range(frames)]


def _fit(pictures: Tensor, video: Tensor, vae: Any) -> Tensor:
    """IMAGE `[F, H, W, C]` as uint8 frames of the size of a video latent."""
    ratio = vae.spacial_compression_encode()
    size = (video.shape[3] * ratio, video.shape[4] * ratio)
    return torch.stack([fit_image(frame, *size) for frame in bytes_of(pictures)])


def _fitted_film(
    config: JoVAConfig,
    latent: dict[str, Any],
    film: Tensor,
    inputs: _Inputs,
    *,
    most: int | None = None,
) -> Tensor:
    """The film as uint8 frames at the model's rate, as many as the clip has, or at most `most`."""
    check_codec(config, inputs.video_vae, "video")
    frames = _frames(config, latent)
    if most is not None:
        line = Timeline.of(config)
        frames = min(most, line.whole_frames(frames_at(len(film), inputs.film_fps, line.fps)))
    picks = _picks(config, frames, len(film), inputs.film_fps)
    return _fit(film[picks], both_streams(latent)[0], inputs.video_vae)


def _mouth_cells(
    config: JoVAConfig, latent: dict[str, Any], mask: Tensor, there: int, inputs: _Inputs
) -> Tensor:
    """Cells `[T, h, w]` of a MASK `[F, H, W]` of the film's pixels, or of one for all frames."""
    if len(mask) not in (1, there):
        raise JoVAError(
            f"Got a mouth mask of {len(mask)} frames for a film of {there}; connect `mask` of JoVA "
            "Mouth Mask, of the same film."
        )
    video, _ = both_streams(latent)
    picks = _picks(config, _frames(config, latent), there, inputs.film_fps)
    pictures = mask.expand(there, -1, -1)[picks][..., None].expand(-1, -1, -1, 3)
    pixels = _fit(pictures.clamp(0, 1), video, inputs.video_vae)[..., 0].float()
    ratio = inputs.video_vae.spacial_compression_encode()
    cells = max_pool2d(pixels[:, None], ratio)[:, 0] > 127
    return by_latent(cells, config.video.temporal_ratio).float()


def _own_rate(config: JoVAConfig, inputs: _Inputs) -> Tensor | None:
    """The film's own audio `[N]` at the model's rate, if it is connected."""
    if inputs.audio is None:
        return None
    inputs.needed("audio_vae")
    wave, rate = waveform_of({**inputs.audio, "waveform": inputs.audio["waveform"][:1]})
    return resample(wave.mean(0), rate, config.audio.sample_rate)


def _with_film(latent: dict[str, Any], vae: Any, given: Given) -> dict[str, Any]:
    """The LATENT with the latents of a film, and masks for what of it is made."""
    empty, audio = both_streams(latent)
    encoded = vae.encode(given.video.float() / 255).to(empty)
    video, masks = empty.clone(), noise_masks(latent)
    video[:, :, : encoded.shape[2]] = encoded
    masks.video[:] = given.made_video.to(masks.video)
    return with_streams(latent, video, audio, masks) | {FILM: given}


def _heard(config: JoVAConfig, audio: dict[str, Any], given: Given) -> dict[str, Any]:
    """The film's AUDIO, or the part of it that a lead has."""
    if not given.lead:
        return audio
    samples = round(given.lead * audio["sample_rate"] / Timeline.of(config).fps)
    return {**audio, "waveform": audio["waveform"][..., :samples]}


def _with_film_and_audio(
    config: JoVAConfig, latent: dict[str, Any], inputs: _Inputs, given: Given
) -> dict[str, Any]:
    """The same with the film's audio, where that is connected."""
    if given.audio is not None:
        latent = give_audio(config, latent, inputs.audio_vae, _heard(config, inputs.audio, given))
        video, audio = both_streams(latent)
        masks = noise_masks(latent)
        masks.audio[:] = given.made_audio.to(masks.audio)
        latent = with_streams(latent, video, audio, masks)
    return _with_film(latent, inputs.video_vae, given)
