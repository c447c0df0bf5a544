"""Named configs: the two sizes of the paper, the bundled mini, and the one for ablations."""

from dataclasses import replace
from fractions import Fraction

from .config import AudioSpec, JoVAConfig, PromptForm, TextEncoderSpec, VideoSpec
from .errors import JoVAError

# Wan2.1's latent statistics are public constants of that codec; core's VAE gives raw means.
_WAN = VideoSpec(
    mean=(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
          0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
    std=(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
         3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
)  # fmt: skip
_T5 = TextEncoderSpec(name="t5-xxl", width=4096, max_tokens=512)
_QWEN = TextEncoderSpec(name="qwen2.5", width=3584, max_tokens=512)

# 2 x 12 B: Waver's M = 16, N = 40, 24 heads of 128; sequential single blocks give 18 d^2 each.
_JOVA_24B = JoVAConfig(
    dim=3072,
    heads=24,
    dual_blocks=16,
    single_blocks=40,
    given_pictures="all",
    learned_pos="factorised",
    video=_WAN,
    text=(_T5, _QWEN),
)
# 2 x 1.6 B: the size is the paper's, the split into width and depth ours.
_JOVA_3B2 = replace(_JOVA_24B, dim=1536, heads=12, dual_blocks=8, single_blocks=22)

_MINI = JoVAConfig(
    dim=192,
    heads=3,
    dual_blocks=2,
    single_blocks=4,
    patch=(1, 3, 3),
    audio_patch=2,
    mask_channels=1,
    rope_axes=(32, 16, 16),
    rope_theta=256.0,
    text_refiner_blocks=2,
    pooled_from_text=True,
    video=VideoSpec(width=96, height=96, codec="jova-mini-video"),
    audio=AudioSpec(codec="jova-mini-audio"),
    text=(TextEncoderSpec(name="jova-mini-sounds", width=320, max_tokens=40),),
)
# The second mini: people at 192 px and 25 fps, prompts as in the paper's second version. 4 frames
# are 5 audio latents; a video latent of 24 x 24 cells is 64 tokens. Under 48 MB with its codecs:
# single blocks, half as large as dual ones, give the most depth for that.
_MINI2 = replace(
    _MINI,
    dim=256,
    heads=4,
    dual_blocks=1,
    single_blocks=5,
    mlp_ratio=3,
    text_refiner_blocks=1,
    head_silu="once",
    unused_text="dropped",
    final_conv=48,
    given_pictures="all",
    prompt=PromptForm(
        order=("transcript", "audio_caption", "video_caption"), transcript_if_empty=False
    ),
    video=VideoSpec(fps=Fraction(25), width=192, height=192, codec="jova-mini2-video"),
    audio=AudioSpec(codec="jova-mini2-audio"),
    # The longest captions take 25 tokens, which leaves 55 sounds: a sentence of some twelve words.
    text=(TextEncoderSpec(name="jova-mini-speech", width=380, max_tokens=80),),
)
_MINI_ABLATION = replace(_MINI, dim=96, heads=3, rope_axes=(16, 8, 8))

PRESETS: dict[str, JoVAConfig] = {
    "mini": _MINI,
    "mini2": _MINI2,
    "mini_ablation": _MINI_ABLATION,
    "jova_3b2": _JOVA_3B2,
    "jova_24b": _JOVA_24B,
}


def preset_config(name: str) -> JoVAConfig:
    """The config of a preset. JoVAError for an unknown name."""
    if name not in PRESETS:
        raise JoVAError(f"The preset {name!r} is unknown; use one of {', '.join(PRESETS)}.")
    return PRESETS[name]
