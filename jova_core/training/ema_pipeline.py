"""The pipeline of a run in progress, with its EMA weights, to generate clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor

from ..codecs import Codecs, TextEncoder
from ..latents import AVLatents, Conditioning
from ..model.jova import JoVA
from ..pipeline import JoVAPipeline
from .loop import TrainProgress


class CastingModel:
    """Casts between the pipeline, fp32 on the CPU, and a network in training."""

    def __init__(self, model: JoVA) -> None:
        self.model, self.config = model, model.config
        self.like = next(model.parameters())

    def __call__(
        self, x: AVLatents, t_video: Tensor, t_audio: Tensor, conditioning: Conditioning
    ) -> AVLatents:
        """Velocities in fp32."""
        image, mask = (
            None if part is None else part.to(self.like)
            for part in (conditioning.image, conditioning.image_mask)
        )
        text = tuple(part.to(self.like) for part in conditioning.text)
        device = self.like.device
        out = self.model(
            x.map(lambda part: part.to(self.like)),
            t_video.to(device),
            t_audio.to(device),
            replace(conditioning, text=text, image=image, image_mask=mask),
        )
        return out.map(lambda part: part.float().cpu())


@contextmanager
def pipeline_of(
    progress: TrainProgress, codecs: Codecs, encoders: tuple[TextEncoder, ...]
) -> Iterator[JoVAPipeline]:
    """The pipeline of a run, valid inside the context."""
    with progress.ema_model() as model:
        yield JoVAPipeline(model=CastingModel(model), codecs=codecs, encoders=encoders)
