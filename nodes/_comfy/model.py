"""JoVA as a MODEL: core's own loader steps for a network that core does not know."""

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
from ...jova_core.latents import (
    AVLatents,
    denormalise,
    normalise,
)
from ...jova_core.planning import PEAK_ELEMENTS
from .mini import preview_factors
from .network import JoVANetwork
from .streams import first_channels, keep_clean, made_frames, made_tokens, map_streams, read_streams
from .told import read_told, text_keys, text_tokens

# Core's formats of public video codecs, for previews.
_PUBLIC_FORMATS = {"wan2.1": "Wan21", "hunyuan-video": "HunyuanVideo"}


class JoVALatentFormat(comfy.latent_formats.LatentFormat):
    """Describes the video stream to previews; normalising is the model's, it knows both streams."""

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
        elif (known := preview_factors(video.codec)) is not None:
            self.latent_rgb_factors = known.factors
            self.latent_rgb_factors_bias = known.bias

    def fix_empty_latent(self, latent: Tensor) -> Tensor:
        """Undo core's repeating of an empty video latent to `latent_channels`."""
        return latent[:, : self.video_channels] if latent.ndim == 5 else latent


class JoVAModelConfig(comfy.supported_models_base.BASE):
    """What core asks of an architecture, answered from the checkpoint's own config."""

    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012  core's interface
    supported_inference_dtypes = [torch.bfloat16, torch.float32]  # noqa: RUF012
    optimizations = {"fp8": False}  # noqa: RUF012

    def __init__(self, config: JoVAConfig) -> None:
        self.latent_format = partial(JoVALatentFormat, config)
        self.sampling_settings = {"shift": config.shift, "multiplier": 1000}
        self.memory_usage_factor = memory_factor(config)
        super().__init__({"image_model": "jova", "config": config})

    def get_model(self, state_dict: Any, prefix: str = "", device: Any = None) -> "JoVAModel":  # noqa: ARG002
        """The model that core's patcher wraps."""
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
        """Raw codec latents → as the network sees them; packed, nested or plain."""
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
        """Text, given picture and masks as core's condition objects."""
        out = super().extra_conds(**kwargs)
        shapes = kwargs["latent_shapes"]
        out["latent_shapes"] = comfy.conds.CONDConstant(shapes)
        for key, value in read_told(self.config, kwargs).items():
            name = "c_crossattn" if key == "cross_attn" else key
            out[name] = comfy.conds.CONDRegular(value)
        picture = kwargs.get("jova_image")
        video = next((shape for shape in shapes if len(shape) == 5), None)
        if picture is not None:
            self._check_picture(kwargs.get("jova_image_codec"))
        if picture is not None and video is not None:
            image, mask = self._picture(picture, video)
            out["jova_image"] = comfy.conds.CONDRegular(image)
            out["jova_image_mask"] = comfy.conds.CONDRegular(mask)
        mask = kwargs.get("denoise_mask")
        if mask is not None:
            masks = read_streams(mask, shapes)
            if masks.video is not None:
                out["made_video"] = comfy.conds.CONDRegular(made_frames(masks.video))
            if masks.audio is not None:
                made = made_tokens(masks.audio, self.config.audio_patch)
                out["made_audio"] = comfy.conds.CONDRegular(made)
        return out

    def _check_picture(self, codec: str | None) -> None:
        config = self.config
        if not config.image_channels:
            raise JoVAError(
                "A reference picture came, but this model was trained without picture channels; "
                "leave JoVA Reference Image out, or load a model that takes pictures."
            )
        if codec not in (None, config.video.codec):
            raise JoVAError(
                f"The reference picture was encoded by {codec}; this model was trained with "
                f"{config.video.codec}: give JoVA Reference Image that `video_vae`."
            )

    def _picture(self, picture: Tensor, video: torch.Size) -> tuple[Tensor, Tensor]:
        """Normalised latent `[1, C, T, h, w]` of the first frames, 0 after them, and its mask."""
        if tuple(picture.shape[3:]) != tuple(video[3:]) or picture.shape[2] > video[2]:
            raise JoVAError(
                f"The reference picture has a latent of shape {tuple(picture.shape)}, the clip one "
                f"of {tuple(video)}; give JoVA Reference Image the latent that is sampled."
            )
        known = normalise(self.config, AVLatents(video=picture[:1].float())).video
        image = known.new_zeros(1, known.shape[1], *video[2:])
        mask = known.new_zeros(1, 1, *video[2:])
        image[:, :, : known.shape[2]], mask[:, :, : known.shape[2]] = known, 1
        return image, mask

    def process_timestep(
        self,
        timestep: Tensor,
        made_video: Tensor | None = None,
        made_audio: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        """Times of video latents and audio tokens; what is given is clean, at 0."""
        video = timestep if made_video is None else timestep[:, None] * made_video.float()
        audio = timestep if made_audio is None else timestep[:, None] * made_audio.float()
        return video, audio

    def scale_latent_inpaint(
        self,
        sigma: Tensor,
        noise: Tensor,
        latent_image: Tensor,
        denoise_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """What stands where nothing is made: the clean latent, or noisy beside a made region."""
        noisy = super().scale_latent_inpaint(sigma, noise, latent_image, **kwargs)
        if denoise_mask is None:
            return noisy
        shapes = self.latent_shapes
        masks, given = read_streams(denoise_mask, shapes), read_streams(latent_image, shapes)
        keep = partial(keep_clean, masks, given, per_token=self.config.audio_patch)
        return map_streams(noisy, shapes, keep)

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, list[int]]:
        """Shapes of the texts, from which core estimates memory before it makes conditions."""
        found = {key: kwargs[key] for key in text_keys(self.config) if key in kwargs}
        return {
            "c_crossattn" if key == "cross_attn" else key: list(text.shape)
            for key, text in found.items()
            if text is not None
        }

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        """As core's, counting a plain latent's channels as a packed one's are, and the text."""
        latents = torch.Size(input_shape).numel()
        text = text_tokens(self.config, cond_shapes or {}) * elements_of_token(self.config)
        return super().memory_required([1, 1, latents + text])


def model_config(model: Any) -> JoVAConfig:
    """The config behind a MODEL socket. Raises JoVAError if another kind of model came."""
    return _jova(model).config


def model_notes(model: Any) -> dict[str, Any]:
    """Notes such as the vocabulary of the checkpoint behind a MODEL socket."""
    return _jova(model).notes


def _jova(model: Any) -> JoVAModel:
    if not isinstance(model.model, JoVAModel):
        raise JoVAError(
            f"The model is a {type(model.model).__name__}, not a JoVA; connect Load JoVA Model."
        )
    return model.model
