"""The preview's colours are those of the decoded picture, cell by cell."""

import torch
import torch.nn.functional as F

from jova_core.latents import AVLatents, normalise
from jova_core.media.pixels import to_video
from jova_core.mini import load_pipeline
from jova_core.mini.codecs.preview import PREVIEW, preview_frames
from jova_core.mini.codecs.video import frame_groups
from jova_core.mini.samples import load_sample, sample_names


@torch.inference_mode()
def test_preview_explains_the_mean_colours_of_the_bundled_characters():
    pipeline, shown, true = load_pipeline(), [], []
    for name in sample_names():
        video = to_video(load_sample(name).frames)
        latents = AVLatents(video=pipeline.codecs.video.encode(video))
        latent = normalise(pipeline.config, latents).video[0]
        cells = F.avg_pool2d(frame_groups(video).mean(1), 8)
        shown.append(
            preview_frames(latent, PREVIEW[pipeline.config.video.codec]).float() / 127.5 - 1
        )
        true.append(cells.permute(0, 2, 3, 1))
    shown, true = torch.cat(shown), torch.cat(true)
    missed = (shown - true).square().sum() / (true - true.mean((0, 1, 2))).square().sum()
    assert float(1 - missed) > 0.9, f"R² {float(1 - missed):.3f}"
