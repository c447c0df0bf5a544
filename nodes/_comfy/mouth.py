"""Mouth node: mouths of an IMAGE as core's MASK, BOUNDING_BOX and IMAGE."""

from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.utils
from torch import Tensor

from ...jova_core.mouth import (
    MouthRegions,
    detect_mouths,
    draw_boxes,
    mouth_regions,
    track_mouths,
)
from ...jova_core.mouth.faces import MOST_FACES
from .files import face_model
from .landmarks import looks_of
from .media import bytes_of, to_image

__all__ = ["MOST_FACES", "MouthMasks", "mouth_masks"]


@dataclass(frozen=True, kw_only=True)
class MouthMasks:
    """The mouths of a clip."""

    frames: Tensor  # uint8 [F, H, W, 3]
    regions: MouthRegions
    report: str

    def outputs(self) -> tuple[Tensor, Tensor, list[list[dict[str, Any]]], Tensor, str]:
        """Outputs of JoVA Mouth Mask, in their order."""
        device = comfy.model_management.intermediate_device()
        return (
            self.regions.pixels.to(device),
            self.regions.latents.to(device),
            _bounding_boxes(self.regions),
            to_image(draw_boxes(self.frames, self.regions)),
            self.report,
        )


def mouth_masks(
    image: Tensor,
    faces: int,
    pad: float,
    frames_per_latent: int,
    pixels_per_latent: int,
    face_landmarks: dict[str, Any] | None = None,
) -> MouthMasks:
    """Mouths of IMAGE `[F, H, W, C]`, looked for or read from core's landmarks.

    Updating the progress bar raises after a cancel.
    """
    frames = bytes_of(image)
    if face_landmarks is not None:
        tracks = track_mouths(looks_of(face_landmarks, image), len(frames), faces=faces)
    else:
        bar = comfy.utils.ProgressBar(len(frames))
        tracks = detect_mouths(
            frames, faces=faces, model_path=face_model(), progress=bar.update_absolute
        )
    regions = mouth_regions(
        tracks,
        height=frames.shape[1],
        width=frames.shape[2],
        pad=pad,
        temporal_ratio=frames_per_latent,
        spatial_ratio=pixels_per_latent,
    )
    return MouthMasks(frames=frames, regions=regions, report=_report(tracks.summary(), regions))


def _report(summary: str, regions: MouthRegions) -> str:
    sentences = [summary]
    if not regions.found.any():
        sentences.append("The masks are empty.")
    if regions.left_out:
        sentences.append(
            f"The last {regions.left_out} frame(s) do not fill a latent; the latent mask drops "
            "them, as VAE Encode does."
        )
    return "\n".join(sentences)


def _bounding_boxes(regions: MouthRegions) -> list[list[dict[str, Any]]]:
    """Core's form: a list for each frame, of a dict for each mouth in it."""
    boxes: list[list[dict[str, Any]]] = [[] for _ in regions.found]
    for f, k in regions.found.nonzero().tolist():
        x0, y0, x1, y1 = regions.boxes[f, k].tolist()
        size = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        boxes[f].append({**size, "label": f"mouth {k + 1}", "score": 1.0})
    return boxes
