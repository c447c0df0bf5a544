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
from ...jova_core.model.checkpoint import ABOUT, about_tensor, metadata_of
from ...jova_core.planning import PEAK_ELEMENTS
from ...jova_core.timeline import Timeline
from .conditions import read_conditions, text_keys, text_tokens
from .mini import preview_factors
from .network import JoVANetwork
from .streams import (
    audio_window,
    check_streams,
    first_channels,
    keep_given,
    map_streams,
    noisy_frames,
    noisy_latents,
    per_token,
    read_streams,
    shapes_of_pack,
)

# Core's formats of public video codecs, for previews.
_PUBLIC_FORMATS = {"wan2.1": "Wan21", "hunyuan-video": "HunyuanVideo"}


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
        public = _PUBLIC_FORMATS.get(video.codec)
        if public is not None:
            same = getattr(comfy.latent_formats, public)()
            self.latent_rgb_factors = same.latent_rgb_factors
            self.latent_rgb_factors_bias = same.latent_rgb_factors_bias
            self.taesd_decoder_name = same.taesd_decoder_name
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

    Core reserves N · element size · factor · 0.01 MiB; a token holds C·p·p of the N elements,
    and a token of the text counts as many.
    """
    return PEAK_ELEMENTS * config.dim / elements_of_token(config) / (0.01 * 2**20)


def elements_of_token(config: JoVAConfig) -> int:
    """Elements of the video latent that one token holds."""
    return config.video.channels * config.patch[1] * config.patch[2]


# What core's nodes add to a condition that holds for a part of the picture only.
_CONFINED = {"area", "mask"}


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
        """Text, given picture and masks as core's condition objects.

        Raises JoVAError for streams that do not belong together, before the first step.
        """
        out = super().extra_conds(**kwargs)
        shapes = kwargs.get("latent_shapes") or self.latent_shapes or [kwargs["noise"].shape]
        check_streams(self.config, read_streams(kwargs["noise"], shapes))
        out["latent_shapes"] = comfy.conds.CONDConstant(shapes)
        for key, value in read_conditions(self.config, kwargs).items():
            name = "c_crossattn" if key == "cross_attn" else key
            out[name] = comfy.conds.CONDRegular(value)
        given = kwargs.get("jova_image")
        video = next((shape for shape in shapes if len(shape) == 5), None)
        if given is not None:
            self._check_reference(kwargs.get("jova_image_codec"))
        pictures = None
        if given is not None and video is not None:
            pictures = self._reference(given, video)
        mask = kwargs.get("denoise_mask")
        masks = AVLatents() if mask is None else read_streams(mask, shapes)
        if masks.video is not None and self.config.given_pictures == "all":
            kept = read_streams(kwargs["latent_image"], shapes).video
            pictures = self._given_parts(masks.video, kept, pictures)
        if pictures is not None:
            for name, part in zip(("jova_image", "jova_image_mask"), pictures, strict=True):
                out[name] = comfy.conds.CONDRegular(part)
        if masks.video is not None:
            out["noisy_video"] = comfy.conds.CONDRegular(noisy_frames(masks.video))
        if masks.audio is not None:
            out["noisy_audio"] = comfy.conds.CONDRegular(noisy_latents(masks.audio))
        return out

    def map_context_window_to_modalities(
        self, primary_indices: list[int], latent_shapes: list[torch.Size], dim: int
    ) -> list[list[int]]:
        """Core's context windows: which audio latents sound while these video latents are seen."""
        if len(latent_shapes) < 2:
            return [primary_indices]
        line, total = Timeline.of(self.config), latent_shapes[1][dim]
        return [primary_indices, audio_window(line, primary_indices, total)]

    def resize_cond_for_context_window(
        self,
        cond_key: str,
        cond_value: Any,
        window: Any,
        x_in: Tensor,
        device: Any,
        retain_index_list: list[int] | None = None,
    ) -> Any:
        """Masks cut to a window as the latents are; the text stays whole."""
        if cond_key == "c_crossattn" or cond_key in text_keys(self.config):
            return cond_value
        if cond_key == "noisy_video":
            return cond_value._copy_with(window.get_tensor(cond_value.cond, device, dim=1))
        if cond_key == "noisy_audio":
            heard = (window.modality_windows or {1: window})[1]
            return cond_value._copy_with(heard.get_tensor(cond_value.cond, device, dim=1))
        return super().resize_cond_for_context_window(
            cond_key, cond_value, window, x_in, device, retain_index_list or []
        )

    def _check_reference(self, codec: str | None) -> None:
        config = self.config
        if not config.image_channels:
            raise JoVAError(
                "Got a reference image for a model that was trained without image channels; leave "
                "JoVA Reference Image out, or load a model that takes images."
            )
        if codec not in (None, config.video.codec):
            raise JoVAError(
                f"Got a reference image encoded by {codec}; this model was trained with "
                f"{config.video.codec}: give JoVA Reference Image that `video_vae`."
            )

    def _reference(self, given: Tensor, video: torch.Size) -> tuple[Tensor, Tensor]:
        """Normalised latent `[1, C, T, h, w]` of the first frames, 0 after them, and its mask."""
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

    def _given_parts(
        self, mask: Tensor, kept: Tensor, reference: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """What is kept of the first clip of a batch, and its mask; a reference picture over it."""
        given = (mask[:1, :1] == 0).to(kept)
        image = kept[:1, : self.config.video.channels] * given
        if reference is None:
            return image, given
        picture, there = (part.to(kept) for part in reference)
        return torch.where(there > 0, picture, image), torch.maximum(there, given)

    def process_timestep(
        self,
        timestep: Tensor,
        noisy_video: Tensor | None = None,
        noisy_audio: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        """Times of video latents and audio tokens; what is given is clean, at 0."""
        video = timestep if noisy_video is None else timestep[:, None] * noisy_video.float()
        if noisy_audio is None:
            return video, timestep
        tokens = per_token(noisy_audio.float(), self.config.audio_patch)
        audio = timestep[:, None] * tokens
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
        shapes = shapes_of_pack(latent_image, self.latent_shapes)
        masks, given = read_streams(denoise_mask, shapes), read_streams(latent_image, shapes)
        keep = partial(keep_given, masks, given, patch=self.config.audio_patch)
        return map_streams(noisy, shapes, keep)

    def state_dict_for_saving(
        self, unet_state_dict: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> dict[str, Tensor]:
        """What core's save nodes write, with the config and the notes, whose metadata is core's."""
        out = super().state_dict_for_saving(unet_state_dict, *args, **kwargs)
        return {**out, ABOUT: about_tensor(metadata_of(self.config, self.notes))}

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, list[int]]:
        """Shapes of the texts, from which core estimates memory before it makes conditions."""
        texts = {key: kwargs[key] for key in text_keys(self.config) if key in kwargs}
        return {
            "c_crossattn" if key == "cross_attn" else key: list(text.shape)
            for key, text in texts.items()
            if text is not None
        }

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        """As core's, counting a plain latent's channels as a packed one's are, and the text."""
        latents = torch.Size(input_shape).numel()
        text = text_tokens(self.config, cond_shapes or {}) * elements_of_token(self.config)
        return super().memory_required([1, 1, latents + text])


def share_shapes(executor: Any, *args: Any, **kwargs: Any) -> Any:
    """Core's wrapper around a run: both models of a guider know the shapes until it ends."""
    guider = executor.class_obj
    patchers = (guider.model_patcher, getattr(guider, "uncond_model_patcher", None))
    models = [p.model for p in patchers if isinstance(getattr(p, "model", None), JoVAModel)]
    shapes = kwargs.get("latent_shapes")
    windows = guider.model_options.get("context_handler")
    if windows is not None and len(shapes or ()) > 1 and windows.dim != 2:
        raise JoVAError(
            f"Got context windows along dimension {windows.dim}; expected 2, the time of both "
            "streams; set `dim` to 2."
        )
    if len(shapes or ()) > 1 and any(_CONFINED & cond.keys() for c in _conds(guider) for cond in c):
        raise JoVAError(
            "Got conditioning for a part of the picture (Conditioning Set Area or Set Mask); "
            "pictures and audio are sampled together and have no part in common: leave it out, or "
            "sample the pictures alone."
        )
    for model in models:
        model.latent_shapes = shapes
    try:
        return executor(*args, **kwargs)
    finally:
        for model in models:
            model.latent_shapes = None


def _conds(guider: Any) -> list[list[dict[str, Any]]]:
    return [cond for cond in guider.conds.values() if cond is not None]


def model_config(model: Any) -> JoVAConfig:
    """The config behind a MODEL socket. Raises JoVAError for another kind of model."""
    return _jova(model).config


def model_notes(model: Any) -> dict[str, Any]:
    """Notes such as the vocabulary of the checkpoint behind a MODEL socket."""
    return _jova(model).notes


def _jova(model: Any) -> JoVAModel:
    if not isinstance(model.model, JoVAModel):
        raise JoVAError(
            f"Got a {type(model.model).__name__}; expected a JoVA; connect Load JoVA Model."
        )
    return model.model
