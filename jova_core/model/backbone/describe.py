"""The config of the JoVA that a backbone becomes, from its shapes and its layout's facts."""

from dataclasses import replace
from typing import Literal, get_args

from ...config import AudioSpec, JoVAConfig
from ...errors import JoVAError
from ...presets import PRESETS
from .recipes import Backbone, channels_of

Latents = Literal["keep", "wan2.1"]
# Noisy latent, picture and mask: what HunyuanVideo's image-to-video model takes in, and Open-Sora.
CHANNELS = 16 + 16 + 1
HEAD = 128  # every layout's; its rotary axes fit no other
# Ours: twice the 129 frames of 24 a second that these backbones were trained on.
MAX_SECONDS = 2 * 129 / 24


def config_of(backbone: Backbone, latents: Latents) -> JoVAConfig:
    """What the checkpoint will say of itself. JoVAError for shapes that no layout has.

    latents: keep, the VAE of the backbone, or wan2.1, whose rates and statistics it gets instead.
    """
    if latents not in get_args(Latents):
        raise JoVAError(f"Got latents {latents!r}; expected one of {', '.join(get_args(Latents))}.")
    layout = backbone.layout
    names = {ours: parts[0][0] for ours, parts in layout.rules.items()}

    def shape(ours: str) -> tuple[int, ...]:
        return backbone.shape(f"{names[ours]}.weight".replace("{}", "0"))

    dim, head = shape("double_blocks.{}.video.proj")[0], shape("double_blocks.{}.video.q_norm")[0]
    channels = channels_of(backbone)
    if head != HEAD or channels > CHANNELS:
        raise JoVAError(
            f"Got {backbone.source.path} with heads of {head} and {channels} channels; expected "
            f"heads of {HEAD} and at most {CHANNELS} channels; give a checkpoint of "
            f"{layout.name} whose picture enters by such channels."
        )
    refiner = names.get("branches.v.text_in.0.blocks.{}.qkv")
    text = replace(layout.text, width=shape("branches.v.text_in.0.input")[1])
    return JoVAConfig(
        dim=dim,
        heads=dim // head,
        dual_blocks=backbone.blocks(names["double_blocks.{}.video.qkv"]),
        single_blocks=backbone.blocks(names["single_blocks.{}.v.linear2"]),
        single_form="parallel",
        mlp_ratio=shape("double_blocks.{}.video.mlp.0")[0] // dim,
        mask_channels=1,
        rope_axes=(16, 56, 56),
        rope_theta=layout.rope_theta,
        time_width=shape("branches.v.time_in.in_layer")[1],
        qkv_bias=f"{names['double_blocks.{}.video.qkv']}.bias".replace("{}", "0") in backbone.files,
        text_refiner_blocks=backbone.blocks(refiner) if refiner else 0,
        pooled_width=shape("branches.v.vector_in.in_layer")[1],
        pooled_encoder="clip-l",
        guidance_embed=f"{names['branches.v.guidance_in.in_layer']}.weight" in backbone.files,
        head_silu="once",
        shift=layout.shift,
        max_seconds=MAX_SECONDS,
        video=layout.video if latents == "keep" else PRESETS["jova_3b2"].video,
        audio=AudioSpec(),
        text=(text,),
    )
