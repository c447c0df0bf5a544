"""Held-out films through both codecs: how near they come back, and what codecs do wrong."""

import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...errors import JoVAError
from ...media.pixels import to_frames, to_video
from . import load_codecs
from .clips import mouth_mask, open_clips
from .measure import hop_buzz, seams
from .video import SPACE_STRIDE

# Clips softer than this (RMS) hold no speech to judge.
SILENT_RMS = 1e-3


@torch.inference_mode()
def evaluate_codecs(
    root: Path | str, codecs_path: Path | str, *, limit: int = 48
) -> dict[str, float | int]:
    """Figures of held-out clips after encode and decode, as means over clips and the worst one.

    psnr, psnr_mouth: dB, of the squared error pooled over a clip in 8-bit pictures. seams: gradient
    on the borders of 8 px over that inside, divided by the same of the source. stoi: pystoi's at
    16 kHz over the whole audio; clips with less speech than its window of 384 ms have none
    (`stoi_clips` counts the others). buzz: `hop_buzz` in dB above the source's. mos and
    mos_source: Distill-MOS, where that package is installed.
    """
    codecs = load_codecs(codecs_path)
    rate_quality = _quality_judge()
    rows = []
    for path in open_clips(root).heldout[:limit]:
        clip = load_file(path)
        real, wave = clip["frames"], clip["audio"]
        made = to_frames(codecs.video.decode(codecs.video.encode(to_video(real))))
        heard = codecs.audio.decode(codecs.audio.encode(wave[None]))[0][: len(wave)]
        error = (made.float() - real.float()).square()
        mouth = mouth_mask(clip["mouth_box"], *error.shape[1:3])
        row = {"psnr": _psnr(error), "psnr_mouth": _psnr(error[mouth])}
        row["seams"] = seams(made, SPACE_STRIDE) / seams(real, SPACE_STRIDE)
        spoken = float(wave.square().mean().sqrt()) > SILENT_RMS
        row["stoi"] = _stoi(wave, heard) if spoken else math.nan
        row["buzz"] = hop_buzz(heard) - hop_buzz(wave) if spoken else math.nan
        if rate_quality is not None:
            row["mos"] = rate_quality(heard) if spoken else math.nan
            row["mos_source"] = rate_quality(wave) if spoken else math.nan
        rows.append(row)
    if not rows:
        raise JoVAError(f"The data set {root} has no held-out clips to measure codecs on.")
    return _summary(rows)


def _summary(rows: list[dict[str, float]]) -> dict[str, float | int]:
    """Means and worst values of every figure; the worst of seams and buzz is the highest."""
    figures: dict[str, float | int] = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no clip speaks
            worst = np.nanmax if name in ("seams", "buzz") else np.nanmin
            figures |= {name: float(np.nanmean(values)), f"{name}_worst": float(worst(values))}
    heard = int(np.isfinite([row["stoi"] for row in rows]).sum())
    return figures | {"clips": len(rows), "stoi_clips": heard}


def _quality_judge() -> Callable[[Tensor], float] | None:
    """A function from a wave `[N]` at 16 kHz to Distill-MOS, or None where it is not installed."""
    if find_spec("distillmos") is None:
        return None
    import distillmos

    model = distillmos.ConvTransformerSQAModel().eval()
    return lambda wave: float(model(wave[None]))


def _stoi(real: Tensor, made: Tensor) -> float:
    """Return pystoi's figure, or NaN where it warns that there is too little speech for one."""
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(real.numpy(), made.numpy(), 16000))
        except RuntimeWarning:
            return math.nan


def _psnr(error: Tensor) -> float:
    return 10 * math.log10(255**2 / max(float(error.double().mean()), 1e-4))
