"""What the prompt nodes do: text → CONDITIONING, and a picture as its first frame."""

from dataclasses import dataclass
from typing import Any

import node_helpers
from torch import Tensor

from ...jova_core.media import fit_image
from ...jova_core.prompt import Prompt
from ...jova_core.vocabulary import describe_length, describe_unknown
from .codecs import codec_name
from .latent import both_streams, give, noise_masks
from .media import bytes_of


@dataclass(frozen=True, kw_only=True)
class EncodedPrompt:
    """A prompt as CONDITIONING, as tagged text, and as the node shows it: with remarks."""

    positive: Any
    negative: Any
    text: str
    shown: str


def encode_prompt(clip: Any, seconds: float | None, **parts: str) -> EncodedPrompt:
    """The parts of a prompt, as core's CLIPTextEncode encodes the tagged text, and its negative.

    Remarks name unknown words, and more words than `seconds` hold.
    """
    prompt = Prompt(**parts)
    vocabulary = getattr(clip.tokenizer, "vocabulary", None)
    form = getattr(clip.tokenizer, "form", None)
    text = prompt.tagged(form)
    remarks = [
        "" if vocabulary is None else describe_unknown(prompt, vocabulary),
        "" if seconds is None else describe_length(prompt, seconds),
    ]
    positive, negative = (
        clip.encode_from_tokens_scheduled(clip.tokenize(each))
        for each in (text, Prompt().tagged(form))
    )
    shown = "\n\n".join([text, *filter(None, remarks)])
    return EncodedPrompt(positive=positive, negative=negative, text=text, shown=shown)


def add_picture(conditioning: Any, known: Tensor, vae: Any) -> Any:
    """CONDITIONING that carries the raw latent `[1, C, n, h, w]` of the first frames.

    And the name of its codec, by which the model refuses the latents of another one.
    """
    told = {"jova_image": known, "jova_image_codec": codec_name(vae)}
    return node_helpers.conditioning_set_values(conditioning, told)


def give_first_frame(
    latent: dict[str, Any], vae: Any, image: Tensor
) -> tuple[dict[str, Any], Tensor]:
    """The LATENT with its first frame given, and the raw latent `[1, C, 1, h, w]` of the picture.

    The picture (the first of a batch) is cropped and scaled to the clip's size.
    """
    video, audio = both_streams(latent)
    ratio = vae.spacial_compression_encode()
    size = (video.shape[3] * ratio, video.shape[4] * ratio)
    fitted = fit_image(bytes_of(image[:1])[0], *size)
    known = vae.encode(fitted[None].float() / 255).to(video)
    video = video.clone()
    video[:, :, :1] = known
    masks = noise_masks(latent, video, audio)
    masks.video[:, :, 0] = 0
    return give(latent, video, audio, masks), known
