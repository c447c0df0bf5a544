"""JoVA as a MODEL: core's view of our network."""

from functools import partial
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents, denormalise, normalise
from .mini import preview_factors
from .network import JoVANetwork
from .streams import (
    first_channels,
    keep_given,
    map_streams,
    noisy_frames,
    noisy_tokens,
    read_streams,
)

# Bytes that a forward pass holds at its peak, per token and channel of the network, in units of
# the element size; measured on the mini (25) and a 512 wide network (15) by tests/comfy/compat.py.
PEAK_ELEMENTS = 28.0


class JoVALatentFormat(comfy.latent_formats.LatentFormat):
    """The video stream for previews; the model normalises, as it has both streams."""

    latent_dimensions = 3

    def __init__(self, config: JoVAConfig) -> None:
        video = config.video
        self.video_channels = video.channels
        # Caching nodes cut every stream to this many channels.
        self.latent_channels = max(video.channels, config.audio.channels)
        self.spacial_downscale_ratio = video.spatial_ratio
        self.temporal_downscale_ratio = video.temporal_ratio
        if video.codec == "wan2.1":
            wan = comfy.latent_formats.Wan21()
            self.latent_rgb_factors = wan.latent_rgb_factors
            self.latent_rgb_factors_bias = wan.latent_rgb_factors_bias
            self.taesd_decoder_name = wan.taesd_decoder_name
        elif (preview := preview_factors(video.codec)) is not None:
            self.latent_rgb_factors = preview.factors
            self.latent_rgb_factors_bias = preview.bias

    def fix_empty_latent(self, latent: Tensor) -> Tensor:
        """Undo core's repeating of an empty video latent to `latent_channels`."""
        return latent[:, : self.video_channels] if latent.ndim == 5 else latent


class JoVAModelConfig(comfy.supported_models_base.BASE):
    """Core's description of an architecture, from the checkpoint's own config."""

    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012  core's interface
    supported_inference_dtypes = [torch.bfloat16, torch.float32]  # noqa: RUF012
    optimizations = {"fp8": False}  # noqa: RUF012

    def __init__(self, config: JoVAConfig) -> None:
        self.latent_format = partial(JoVALatentFormat, config)
        self.sampling_settings = {"shift": config.shift, "multiplier": 1000}
        self.memory_usage_factor = memory_factor(config)
        super().__init__({"image_model": "jova", "config": config})

    def get_model(self, state_dict: Any, prefix: str = "", device: Any = None) -> "JoVAModel":  # noqa: ARG002
        """The model for core's patcher."""
        return JoVAModel(self, device)


def memory_factor(config: JoVAConfig) -> float:
    """Core's memory_usage_factor for latents packed to `[B, 1, N]`.

    Core reserves N · element size · factor · 0.01 MiB; a token holds C·p·p of the N elements.
    """
    per_token = config.video.channels * config.patch[1] * config.patch[2]
    return PEAK_ELEMENTS * config.dim / per_token / (0.01 * 2**20)


class JoVAModel(comfy.model_base.BaseModel):
    """Core's side of sampling: conditions, normalised streams, a time for each latent."""

    def __init__(self, model_config: JoVAModelConfig, device: Any = None) -> None:
        flow = comfy.model_base.ModelType.FLOW
        super().__init__(model_config, flow, device=device, unet_model=JoVANetwork)
        self.notes: dict[str, Any] = {}

    @property
    def config(self) -> JoVAConfig:
        """The checkpoint's config."""
        return self.diffusion_model.config

    def process_latent_in(self, latent: Any) -> Any:
        """Raw codec latents → normalised latents; packed, nested or plain."""
        return self._convert(latent, normalise)

    def process_latent_out(self, latent: Any) -> Any:
        """The inverse of `process_latent_in`."""
        return self._convert(latent, denormalise)

    def _convert(self, latent: Any, fn: Any) -> Any:
        config = self.config

        def convert(x: AVLatents) -> AVLatents:
            video, audio = x.video, x.audio
            if video is not None:
                count = config.video.channels
                video = first_channels(video, count, lambda v: fn(config, AVLatents(video=v)).video)
            if audio is not None:
                audio = fn(config, AVLatents(audio=audio)).audio
            return AVLatents(video=video, audio=audio)

        return map_streams(latent, self.latent_shapes, convert)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Text, reference image and masks as core's condition objects."""
        out = super().extra_conds(**kwargs)
        shapes = kwargs["latent_shapes"]
        out["latent_shapes"] = comfy.conds.CONDConstant(shapes)
        text = kwargs.get("cross_attn")
        if text is not None:
            out["c_crossattn"] = comfy.conds.CONDRegular(text)
        given = kwargs.get("jova_image")
        video = next((shape for shape in shapes if len(shape) == 5), None)
        if given is not None and video is not None:
            image, mask = self._reference(given, video)
            out["jova_image"] = comfy.conds.CONDRegular(image)
            out["jova_image_mask"] = comfy.conds.CONDRegular(mask)
        mask = kwargs.get("denoise_mask")
        if mask is not None:
            masks = read_streams(mask, shapes)
            if masks.video is not None:
                out["noisy_video"] = comfy.conds.CONDRegular(noisy_frames(masks.video))
            if masks.audio is not None:
                tokens = noisy_tokens(masks.audio, self.config.audio_patch)
                out["noisy_audio"] = comfy.conds.CONDRegular(tokens)
        return out

    def _reference(self, given: Tensor, video: torch.Size) -> tuple[Tensor, Tensor]:
        """Normalised latent `[1, C, T, h, w]` of the first frames, then zeros, and its mask."""
        if tuple(given.shape[3:]) != tuple(video[3:]) or given.shape[2] > video[2]:
            raise JoVAError(
                f"Got a reference image latent of shape {tuple(given.shape)} for a video latent of "
                f"shape {tuple(video)}; sample the latent from JoVA Reference Image."
            )
        first = normalise(self.config, AVLatents(video=given[:1].float())).video
        image = first.new_zeros(1, first.shape[1], *video[2:])
        mask = first.new_zeros(1, 1, *video[2:])
        image[:, :, : first.shape[2]], mask[:, :, : first.shape[2]] = first, 1
        return image, mask

    def process_timestep(
        self,
        timestep: Tensor,
        noisy_video: Tensor | None = None,
        noisy_audio: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        """Times of video latents and audio tokens; given ones are clean, at time 0."""
        video = timestep if noisy_video is None else timestep[:, None] * noisy_video.float()
        audio = timestep if noisy_audio is None else timestep[:, None] * noisy_audio.float()
        return video, audio

    def scale_latent_inpaint(
        self,
        sigma: Tensor,
        noise: Tensor,
        latent_image: Tensor,
        denoise_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Given latents: clean, or noisy where another part of their frame is sampled."""
        noisy = super().scale_latent_inpaint(sigma, noise, latent_image, **kwargs)
        if denoise_mask is None:
            return noisy
        shapes = self.latent_shapes
        masks, given = read_streams(denoise_mask, shapes), read_streams(latent_image, shapes)
        keep = partial(keep_given, masks, given, per_token=self.config.audio_patch)
        return map_streams(noisy, shapes, keep)

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        """As core's, with the shape of a plain latent counted like that of a packed one."""
        packed = [input_shape[0], 1, torch.Size(input_shape[1:]).numel()]
        return super().memory_required(packed, cond_shapes or {})


def model_config(model: Any) -> JoVAConfig:
    """The config behind a MODEL socket. Raises JoVAError for another kind of model."""
    return _jova(model).config


def model_notes(model: Any) -> dict[str, Any]:
    """Notes such as the vocabulary of the checkpoint behind a MODEL socket."""
    return _jova(model).notes


def _jova(model: Any) -> JoVAModel:
    if not isinstance(model.model, JoVAModel):
        raise JoVAError(
            f"Got a {type(model.model).__name__} model; expected a JoVA: connect Load JoVA Model."
        )
    return model.model
