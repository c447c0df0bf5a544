"""Pictures, sound and video as tensors; a wrong file gets one clear sentence.

F frames, H height, W width, C sound channels, N samples.
"""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import existing_file
from .ffmpeg import ffmpeg_reason, input_arguments, run_ffmpeg
from .probe import probe
from .resample import resample

_PICTURES = "a picture (.png, .jpg, .webp, .bmp, .tif, .gif)"
_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_SOUNDS = "a sound file (.wav, .flac, .ogg, .mp3, .m4a) or a video with sound"
_VIDEOS = "a video (.mp4, .mkv, .webm, .mov, .avi, .gif)"
_SNDFILE_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"}


def read_image(path: str | Path) -> Tensor:
    """Return the picture as uint8 RGB [H, W, 3]: EXIF turned upright, transparency over white."""
    from PIL import Image, ImageOps

    path = existing_file(path, "picture", _PICTURES)
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as opened:
            upright = ImageOps.exif_transpose(opened)
            pixels = np.array(_to_rgb(upright))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "damaged, too large, or not a picture at all"
        raise JoVAError(
            f"{path} cannot be read as a picture ({reason}); give the path of {_PICTURES}."
        ) from error
    return torch.from_numpy(pixels)


def _to_rgb(image: "Image.Image") -> "Image.Image":  # noqa: F821
    """Convert any PIL mode to RGB over white; 16-bit grey keeps its upper 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        grey = np.nan_to_num(np.asarray(image)) * 255
        return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.mode or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def fit_image(image: Tensor, height: int, width: int) -> Tensor:
    """Scale uint8 [H, W, 3] to cover [height, width, 3], cut the rest off evenly on both sides.

    Lanczos with antialiasing; a picture of the right size comes back unchanged.
    """
    from PIL import Image

    _check_image(image)
    if height < 1 or width < 1:
        raise JoVAError(f"The size {height} x {width} is not possible; both must be at least 1.")
    have_h, have_w = image.shape[:2]
    if (have_h, have_w) == (height, width):
        return image
    factor = min(have_h / height, have_w / width)
    left, top = (have_w - width * factor) / 2, (have_h - height * factor) / 2
    box = (max(left, 0), max(top, 0), min(have_w - left, have_w), min(have_h - top, have_h))
    picture = Image.fromarray(image.contiguous().numpy())
    fitted = picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
    return torch.from_numpy(np.array(fitted))


def _check_image(image: Tensor) -> None:
    """Reject anything but uint8 [H, W, 3]."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.numel():
        raise JoVAError(
            f"The picture is {image.dtype} {list(image.shape)}; "
            "it must be uint8 [height, width, 3]."
        )


def read_audio(path: str | Path, sample_rate: int) -> Tensor:
    """Return the sound as mono float32 [N] at `sample_rate` Hz (channels averaged)."""
    if sample_rate < 1:
        raise JoVAError(f"The sample rate {sample_rate} is not possible; give Hz, such as 16000.")
    audio, rate = read_audio_native(path)
    return resample(audio.mean(0), rate, sample_rate)


def read_audio_native(path: str | Path) -> tuple[Tensor, int]:
    """Return the sound as stored: float32 [C, N] and its sample rate in Hz."""
    path = existing_file(path, "sound", _SOUNDS)
    found = _decode_sndfile(path) if path.suffix.lower() in _SNDFILE_SUFFIXES else None
    # Whatever libsndfile refuses (a wrong suffix, a rare codec) may still be known to ffmpeg.
    audio, rate = found if found is not None else _decode_sound(path)
    if audio.shape[-1] == 0:
        raise JoVAError(f"{path} holds no sound at all (0 samples); give {_SOUNDS}.")
    if not torch.isfinite(audio).all():
        raise JoVAError(f"The sound of {path} holds NaN or infinite samples; export it again.")
    return audio, rate


def _decode_sndfile(path: Path) -> tuple[Tensor, int] | None:
    """Decode by libsndfile; None when it does not know the file."""
    import soundfile

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError):
        return None
    return torch.from_numpy(np.ascontiguousarray(samples.T)), int(rate)


def _decode_sound(path: Path) -> tuple[Tensor, int]:
    """Decode the first sound stream by ffmpeg; a late start becomes silence to keep it in sync."""
    if probe(path).audio is None:
        raise JoVAError(f"{path} has no sound stream; give {_SOUNDS}.")
    with tempfile.TemporaryDirectory(prefix="jova-") as folder:
        wav = Path(folder) / "sound.wav"
        wanted = ["-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-c:a", "pcm_f32le"]
        done = run_ffmpeg(["-v", "error", *input_arguments(path), *wanted, "-f", "wav", str(wav)])
        found = _decode_sndfile(wav) if done.returncode == 0 else None
    if found is None:
        reason = ffmpeg_reason(done.stderr)
        raise JoVAError(f"The sound of {path} cannot be decoded ({reason}); give {_SOUNDS}.")
    return found


def read_video(
    path: str | Path,
    *,
    fps: Fraction | int,
    max_frames: int,
    height: int | None = None,
    width: int | None = None,
) -> Tensor:
    """Return up to `max_frames` frames, uint8 [F, H, W, 3], frame k being the one nearest k / fps.

    With `height` and `width` every frame is scaled to cover that size and cut at its centre.
    """
    path = existing_file(path, "video", _VIDEOS)
    if fps <= 0 or max_frames < 1:
        raise JoVAError(f"Asked for {max_frames} frames at {fps} frames/s; both must be above 0.")
    if probe(path).video is None:
        raise JoVAError(f"{path} has no video stream; give {_VIDEOS}.")
    filters = [f"fps=fps={Fraction(fps)}:start_time=0"]
    if height is not None and width is not None:
        cover = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos"
        filters += [cover, f"crop={width}:{height}"]
    filters.append("scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24")
    wanted = ["-map", "0:V:0", "-vf", ",".join(filters), "-frames:v", str(max_frames)]
    output = ["-c:v", "ppm", "-f", "image2pipe", "-"]
    done = run_ffmpeg(["-v", "error", *input_arguments(path), *wanted, *output])
    if done.returncode or not done.stdout:
        reason = ffmpeg_reason(done.stderr)
        raise JoVAError(f"The video of {path} cannot be decoded ({reason}); give {_VIDEOS}.")
    return _split_ppm(done.stdout)


def _split_ppm(data: bytes) -> Tensor:
    """Return concatenated PPM pictures of one size as uint8 [F, H, W, 3]."""
    lines = data[:64].split(b"\n", 3)
    width, height = (int(part) for part in lines[1].split())
    header = sum(len(line) + 1 for line in lines[:3])
    frames = np.frombuffer(data, dtype=np.uint8).reshape(-1, header + height * width * 3)
    return torch.from_numpy(frames[:, header:].reshape(-1, height, width, 3).copy())
