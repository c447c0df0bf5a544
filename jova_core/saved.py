"""Cached conditioning and finished latents as files: a run without encoders and codecs."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .config import JoVAConfig
from .errors import JoVAError
from .files import atomic_write, read_tensors
from .latents import AVLatents, Conditioning

# Of a distilled model, where nothing sets one; HunyuanVideo's published default.
GUIDANCE = 6.0
FORMAT = "jova-conditioning-1"
_KIND = ("conditioning", "a file that JoVA Save Conditioning wrote (.safetensors)")


@dataclass(frozen=True, kw_only=True)
class SavedConditioning:
    """One prompt as the network reads it: features `[1, S, width]` of each encoder, by name.

    pooled: `[1, width]`; guidance: the scale of a distilled model; both None where there is none.
    """

    names: tuple[str, ...]
    text: tuple[Tensor, ...]
    pooled: Tensor | None = None
    guidance: float | None = None
    prompt: str = ""

    def tensors(self) -> dict[str, Tensor]:
        """What is stored, by its names."""
        named = {f"text.{i}": part for i, part in enumerate(self.text)}
        named |= {} if self.pooled is None else {"pooled": self.pooled}
        return {name: value.detach().cpu().contiguous() for name, value in named.items()}

    def digest(self) -> str:
        """SHA-256 of the encoders' names, the guidance and every tensor."""
        found = hashlib.sha256(json.dumps([self.names, self.guidance]).encode())
        for name, value in self.tensors().items():
            found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            found.update(value.view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def conditioning(self, config: JoVAConfig, where: str) -> Conditioning:
        """What the network is told. JoVAError naming `where` for features of another model."""
        wanted = [spec.name for spec in config.text]
        fits = list(self.names) == wanted and all(
            part.ndim == 3 and part.shape[2] == spec.width and spec.accepts(part.shape[1])
            for part, spec in zip(self.text, config.text, strict=True)
        )
        pooled = config.pooled_width if not config.pooled_from_text else 0
        fits &= not pooled or (self.pooled is not None and self.pooled.shape[-1] == pooled)
        if not fits:
            raise JoVAError(
                f"{where} holds text of {', '.join(self.names)} that this checkpoint does not "
                f"read; it reads {', '.join(wanted)}{' and a pooled vector' if pooled else ''}: "
                "save the conditioning anew with its text encoders."
            )
        guidance = None
        if config.guidance_embed:
            guidance = torch.tensor([GUIDANCE if self.guidance is None else self.guidance])
        return Conditioning(
            text=tuple(part.float() for part in self.text),
            pooled=self.pooled.float() if pooled else None,
            guidance=guidance,
        )


def save_conditioning(path: Path, saved: SavedConditioning) -> None:
    """Write a file whole or not at all, its content hash with it."""
    about = {"names": saved.names, "guidance": saved.guidance, "prompt": saved.prompt}
    metadata = {"format": FORMAT, "about": json.dumps(about), "sha256": saved.digest()}
    with atomic_write(Path(path)) as temporary:
        save_file(saved.tensors(), temporary, metadata=metadata)


def load_conditioning(path: Path) -> SavedConditioning:
    """What `save_conditioning` wrote. JoVAError for other files and for changed content."""
    tensors, metadata = read_tensors(path, *_KIND)
    if metadata.get("format") != FORMAT:
        raise JoVAError(f"{path} is no saved conditioning; give {_KIND[1]}.")
    try:
        about = json.loads(metadata["about"])
        saved = SavedConditioning(
            names=tuple(about["names"]),
            text=tuple(tensors[f"text.{i}"] for i in range(len(about["names"]))),
            pooled=tensors.get("pooled"),
            guidance=about["guidance"],
            prompt=about["prompt"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise JoVAError(f"{path} has damaged metadata ({error}); save it anew.") from error
    if saved.digest() != metadata.get("sha256"):
        raise JoVAError(
            f"The content of {path} is not what was saved: its hash differs; copy it again."
        )
    return saved


def save_latents(path: Path, raw: AVLatents) -> list[Path]:
    """Raw latents, as codecs take them, in ComfyUI's form: a file for each stream.

    Core's Load Latent reads them, Concat AV Latent joins them. `path` is clip.latent; the files are
    clip.video.latent and clip.audio.latent, which are returned.
    """
    written = []
    for name, part in vars(raw).items():
        if part is not None:
            target = path.with_name(f"{path.stem}.{name}{path.suffix}")
            tensors = {
                "latent_tensor": part.float().contiguous(),
                # By this mark Load Latent knows that nothing is scaled.
                "latent_format_version_0": torch.tensor([]),
            }
            with atomic_write(target) as temporary:
                save_file(tensors, temporary)
            written.append(target)
    return written
