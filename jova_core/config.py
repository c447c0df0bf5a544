"""The config of a JoVA, as frozen data: every checkpoint carries its own and describes itself.

Comments name the source of a value (the paper, or Waver, its backbone); "ours" marks values
without a published source.
"""

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from .errors import JoVAError
from .fields import build, check_choices, check_numbers


@dataclass(frozen=True, kw_only=True)
class VideoSpec:
    """The video stream: frame rate, codec geometry and the statistics of its latents."""

    fps: Fraction = Fraction(16)  # Wan2.1's rate; ours
    width: int = 832
    height: int = 480
    channels: int = 16  # Wan2.1 VAE
    temporal_ratio: int = 4
    spatial_ratio: int = 8
    codec: str = "wan2.1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self, "fps width height channels temporal_ratio spatial_ratio")
        _check_stats("video", self.channels, self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """The audio stream: sample rate, latent rate (1/s) and the statistics of its latents."""

    sample_rate: int = 16_000
    latent_rate: Fraction = Fraction(125, 4)  # MMAudio 16k: 31.25 Hz
    channels: int = 20  # MMAudio 16k
    codec: str = "mmaudio-16k"  # the paper says MMAudio's VAE, not which one; ours
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self, "sample_rate latent_rate channels")
        _check_stats("audio", self.channels, self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class TextEncoderSpec:
    """One text encoder: features `[B, max_tokens, width]`, or `[B, S, width]` without padding.

    pad: padding tokens are kept, zeroed or cut; cutting leaves 1 ≤ S ≤ max_tokens, for encoders
    with masked padding in training.
    hidden_layer: index of the encoder's hidden state, from the end; -1 is its output.
    template: the text around the prompt, with {} in the prompt's place, or the name of one of the
    tokenizer's templates; the first `dropped_prefix` tokens of the result are dropped.
    fingerprint: "tensor name:SHA-256 of its values in fp32", to tell files of one shape apart, such
    as T5 and flan-T5; the empty one accepts every file.
    """

    name: str
    width: int
    max_tokens: int
    hidden_layer: int = -1
    template: str = ""
    dropped_prefix: int = 0
    pad: Literal["kept", "zeroed", "cut"] = "kept"
    fingerprint: str = ""

    def __post_init__(self) -> None:
        check_numbers(self, "width max_tokens")
        check_numbers(self, "dropped_prefix", zero=True)
        check_choices(self)
        _check(self.hidden_layer < 0, f"hidden_layer {self.hidden_layer} must be below 0")
        _check(
            not self.fingerprint or re.fullmatch(r"[^:]+:[0-9a-f]{64}", self.fingerprint),
            f"fingerprint {self.fingerprint!r:.40} is not a tensor's name, a colon and a SHA-256",
        )

    def accepts(self, tokens: int) -> bool:
        """Whether the network takes features of this many tokens."""
        return tokens == self.max_tokens or (self.pad == "cut" and 1 <= tokens < self.max_tokens)


@dataclass(frozen=True, kw_only=True)
class PromptForm:
    """The order of a prompt's parts in the text for the encoders.

    The paper's figure has captions first and always three tags. Its second version (ECCV 2026,
    project page) begins with the transcript and leaves that tag out without speech.
    """

    order: tuple[str, ...] = ("video_caption", "audio_caption", "transcript")
    transcript_if_empty: bool = True

    def __post_init__(self) -> None:
        parts = sorted(PromptForm.order)
        _check(
            sorted(self.order) == parts,
            f"prompt order {self.order} must contain each of {parts} once",
        )


@dataclass(frozen=True, kw_only=True)
class JoVAConfig:
    """Shape of one unified transformer.

    Both branches (video, audio) have the same width and depth: the paper starts the audio branch as
    a copy of the video branch.
    """

    dim: int
    heads: int
    dual_blocks: int
    single_blocks: int
    single_form: Literal["sequential", "parallel"] = "sequential"  # Waver's figure; the other: Flux
    mlp_ratio: int = 4
    patch: tuple[int, int, int] = (1, 2, 2)  # latent frames, rows, columns of a token; Waver
    audio_patch: int = 1  # ours
    image_channels: int = 16  # Waver: the latent of the reference picture
    mask_channels: int = 4  # Waver
    # Which given pictures enter by these channels: a reference picture at the beginning, or any
    # given part of the video, as the paper's second version has it.
    given_pictures: Literal["first", "all"] = "first"
    rope_axes: tuple[int, int, int] = (16, 56, 56)  # time, rows, columns; sums to the head width
    rope_theta: float = 10_000.0
    rope_time: Literal["aligned", "scaled", "none"] = "aligned"  # the paper's; its formula is ours
    learned_pos: Literal["factorised", "none"] = "none"  # Waver: factorised
    learned_pos_size: tuple[int, int, int] = (64, 128, 128)  # ours
    time_width: int = 256
    qkv_bias: bool = True
    text_refiner_blocks: int = 0  # HunyuanVideo: 2
    # Text tokens whose features are 0. Ours: dropped, those that no sample of a batch uses take no
    # part in the attention, and those that a sample does not use none in its pooled text; the first
    # mini was trained with them.
    unused_text: Literal["kept", "dropped"] = "kept"
    pooled_width: int = 0  # HunyuanVideo: CLIP's 768
    pooled_encoder: str = ""  # source of the pooled vector, such as clip-l
    pooled_from_text: bool = False  # ours: the mean refined text token joins the time embedding
    guidance_embed: bool = False  # HunyuanVideo's distilled guidance
    # SiLUs between the time embedding and the head's modulation: Flux and HunyuanVideo have one,
    # the first mini was trained with two.
    head_silu: Literal["once", "twice"] = "twice"
    final_conv: int = 0  # channels of `FinalConv` after the head, against borders of tokens; ours
    shift: float = 3.0  # of the sampling schedule; ours
    max_seconds: float = 20.0  # of a clip; ours: five times the mini's longest training clip
    prompt: PromptForm = field(default_factory=PromptForm)
    video: VideoSpec = field(default_factory=VideoSpec)
    audio: AudioSpec = field(default_factory=AudioSpec)
    text: tuple[TextEncoderSpec, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self, "dim heads mlp_ratio patch audio_patch rope_theta learned_pos_size")
        check_numbers(self, "time_width shift max_seconds")
        check_numbers(self, "dual_blocks single_blocks image_channels mask_channels", zero=True)
        check_numbers(self, "rope_axes text_refiner_blocks pooled_width final_conv", zero=True)
        check_choices(self)
        _check(
            self.dim % self.heads == 0, f"dim {self.dim} must be a multiple of heads {self.heads}"
        )
        axes = self.rope_axes
        _check(
            sum(axes) == self.head_dim and all(a % 2 == 0 for a in axes),
            f"rope_axes {axes} must be even and sum to the head width {self.head_dim}",
        )
        _check(self.patch[0] == 1, f"patch {self.patch}: a token spans exactly one latent frame")
        _check(self.time_width % 2 == 0, f"time_width {self.time_width} must be even")
        _check(len(self.text) > 0, "a JoVA needs at least one text encoder")
        _check(
            not self.pooled_from_text or self.text_refiner_blocks > 0,
            "pooled_from_text needs text_refiner_blocks > 0",
        )

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.dim // self.heads

    @property
    def text_tokens(self) -> int:
        """Tokens of the whole prompt over all encoders; without padding, the maximum."""
        return sum(spec.max_tokens for spec in self.text)

    @property
    def video_in_channels(self) -> int:
        """Latent channels of a video token: noisy latent, reference picture, mask."""
        return self.video.channels + self.image_channels + self.mask_channels

    def to_json(self) -> str:
        """One JSON object; `from_json` gives an equal config."""
        return json.dumps(dataclasses.asdict(self), default=str, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "JoVAConfig":
        """The config that `to_json` wrote; JoVAError for any other text, with the field named."""
        try:
            return build(JoVAConfig, json.loads(text), "the config")
        except JoVAError:
            raise
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise JoVAError(
                f"Got an invalid JoVA config ({error}); use a config written by `jova`."
            ) from error


def _check(condition: bool, sentence: str) -> None:
    if not condition:
        raise JoVAError(f"Invalid JoVA config: {sentence}.")


def _check_stats(
    stream: str, channels: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    for name, values in (("mean", mean), ("std", std)):
        _check(
            len(values) in (0, channels),
            f"{stream} {name} has {len(values)} values; expected {channels}, one per channel",
        )
    _check(len(mean) == len(std), f"{stream} mean and std must be given together")
    _check(all(map(math.isfinite, mean)), f"{stream} mean {mean} must be finite")
    _check(all(0 < v < math.inf for v in std), f"{stream} std {std} must be above 0")
