"""Prompt nodes: text → CONDITIONING, and a reference image as first frame."""

from dataclasses import dataclass
from typing import Any

import node_helpers
from torch import Tensor

from ...jova_core.media import fit_image
from ...jova_core.prompt import Prompt
from ...jova_core.vocabulary import describe_length, describe_markup, describe_unknown
from .codecs import codec_name
from .latent import both_streams
from .masks import noise_masks, with_streams
from .media import bytes_of, check_image


@dataclass(frozen=True, kw_only=True)
class EncodedPrompt:
    """A prompt as CONDITIONING, as tagged text, and as the node's preview: with remarks."""

    positive: Any
    negative: Any
    text: str
    preview: str


def encode_prompt(clip: Any, seconds: float | None, **parts: str) -> EncodedPrompt:
    """The three parts as tagged text, encoded like core's CLIPTextEncode, and the negative.

    Remarks name unknown words and say if the transcript takes longer than `seconds`.
    """
    prompt = Prompt(**parts)
    vocabulary = getattr(clip.tokenizer, "vocabulary", None)
    form = getattr(clip.tokenizer, "form", None)
    text = prompt.tagged(form)
    remarks = [
        describe_markup(prompt),
        "" if vocabulary is None else describe_unknown(prompt, vocabulary),
        "" if seconds is None else describe_length(prompt, seconds),
    ]
    positive, negative = (
        clip.encode_from_tokens_scheduled(clip.tokenize(each))
        for each in (text, Prompt().tagged(form))
    )
    preview = "\n\n".join([text, *filter(None, remarks)])
    return EncodedPrompt(positive=positive, negative=negative, text=text, preview=preview)


def add_image(conditioning: Any, image_latent: Tensor, vae: Any) -> Any:
    """CONDITIONING with the raw latent `[1, C, n, h, w]` of the first frames.

    And with the name of its codec, by which a model refuses the latents of another one.
    """
    values = {"jova_image": image_latent, "jova_image_codec": codec_name(vae)}
    return node_helpers.conditioning_set_values(conditioning, values)


def give_first_frame(
    latent: dict[str, Any], vae: Any, image: Tensor
) -> tuple[dict[str, Any], Tensor]:
    """The LATENT with its first frame given, and the raw latent `[1, C, 1, h, w]` of the image.

    The image (the first of a batch) is cropped and scaled to the clip's size.
    """
    video, audio = both_streams(latent)
    ratio = vae.spacial_compression_encode()
    size = (video.shape[3] * ratio, video.shape[4] * ratio)
    check_image(image)
    fitted = fit_image(bytes_of(image[:1])[0], *size)
    encoded = vae.encode(fitted[None].float() / 255).to(video)
    video = video.clone()
    video[:, :, :1] = encoded
    masks = noise_masks(latent)
    masks.video[:, :, 0] = 0
    return with_streams(latent, video, audio, masks), encoded
