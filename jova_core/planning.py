"""What a run needs: bytes of weights, activations and decoding; docs/memory.md explains them."""

from dataclasses import dataclass
from math import prod

from .config import JoVAConfig
from .errors import JoVAError
from .latents import latent_shapes
from .model.checkpoint import expected_shapes

# Elements that a forward pass holds at its peak for each token and channel of the network:
# measured 13.9 to 15.2 on a CPU, 15.0 to 16.9 on an H200, and there 17.4 to 19.3 with fp8 weights.
PEAK_ELEMENTS = 17.0
# Bytes of an element of a matrix, and of everything else, which quantised files leave in bf16.
WEIGHT_BYTES = {
    "fp32": (4, 4),
    "bf16": (2, 2),
    "fp16": (2, 2),
    "fp8": (1, 2),
    "int8": (1, 2),
}
# Elements that decoding holds: for each pixel of a frame, and at most so many frames at a time;
# what ComfyUI reserves for these VAEs (its 2,200 or 7,000 and 2,800 of a pixel).
_VIDEO_DECODE = {"wan2.1": (7000, 1), "hunyuan-video": (2800, 8)}
# For each sample of audio at the codec's own rate; ComfyUI's figures, too.
_AUDIO_DECODE = {"mmaudio-16k": 90 * 44_100, "ace-step-1.5": 1000 * 48_000}
# Ours, for a codec that is not in the tables: as much as the larger one.
_UNKNOWN_VIDEO, _UNKNOWN_AUDIO = (7000, 1), 1000 * 48_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Tokens of one pass, and bytes: of weights, of activations, of decoding both streams."""

    video_tokens: int
    audio_tokens: int
    text_tokens: int
    weights: int
    activations: int
    decode: int

    @property
    def tokens(self) -> int:
        """All tokens that attend to each other."""
        return self.video_tokens + self.audio_tokens + self.text_tokens

    @property
    def peak(self) -> int:
        """The most at a time where weights leave before decoding: sampling, or decoding."""
        return max(self.weights + self.activations, self.decode)


def plan(
    config: JoVAConfig,
    frames: int,
    *,
    dtype: str = "bf16",
    height: int | None = None,
    width: int | None = None,
    guided: bool = True,
) -> Plan:
    """The needs of a clip of a legal frame count; sides in pixels, by default the trained ones.

    guided: with and without the prompt in one pass. Raises JoVAError for an unknown dtype and an
    illegal frame count.
    """
    if dtype not in WEIGHT_BYTES:
        raise JoVAError(f"Got the dtype {dtype!r}; give one of {', '.join(WEIGHT_BYTES)}.")
    video, audio = latent_shapes(config, frames, height=height, width=width)
    _, rows, columns = config.patch
    grid = (video[2], -(-video[3] // rows), -(-video[4] // columns))
    tokens = (prod(grid), -(-audio[2] // config.audio_patch), 2 * config.text_tokens)
    element = 4 if dtype == "fp32" else 2
    samples = 2 if guided else 1
    return Plan(
        video_tokens=tokens[0],
        audio_tokens=tokens[1],
        text_tokens=tokens[2],
        weights=weight_bytes(config, dtype),
        activations=int(samples * sum(tokens) * config.dim * PEAK_ELEMENTS * element),
        decode=_decode_bytes(config, frames, video, element),
    )


def weight_bytes(config: JoVAConfig, dtype: str) -> int:
    """Bytes of a checkpoint's tensors in a dtype of `WEIGHT_BYTES`."""
    matrix, other = WEIGHT_BYTES[dtype]
    shapes = expected_shapes(config).values()
    return sum(prod(shape) * (matrix if len(shape) == 2 else other) for shape in shapes)


def _decode_bytes(config: JoVAConfig, frames: int, video: tuple[int, ...], element: int) -> int:
    """The frames and samples of the clip in fp32, and what the codec holds while it makes them."""
    pixels = video[3] * video[4] * config.video.spatial_ratio**2
    each, at_once = _VIDEO_DECODE.get(config.video.codec, _UNKNOWN_VIDEO)
    picture = each * min(at_once, frames) * pixels * element + 12 * frames * pixels
    seconds = frames / float(config.video.fps)
    sound = 4 * int(_AUDIO_DECODE.get(config.audio.codec, _UNKNOWN_AUDIO) * seconds)
    return max(picture, sound)


def describe(found: Plan) -> str:
    """A line for each need."""
    rows = {
        "weights": found.weights,
        "activations": found.activations,
        "decoding": found.decode,
        "most at a time": found.peak,
    }
    lines = [f"{name:<16}{size / 1e9:8.2f} GB" for name, size in rows.items()]
    parts = (
        f"{found.video_tokens:,} video, {found.audio_tokens:,} audio, {found.text_tokens:,} text"
    )
    return "\n".join([f"{found.tokens:,} tokens: {parts}", *lines])
