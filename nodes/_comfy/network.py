"""The transformer as core calls it: injected layers and attention, wrappers, block replacement."""

from collections.abc import Callable
from functools import partial
from typing import Any

import comfy.model_prefetch
import comfy.patcher_extension
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.latents import AVLatents, Conditioning
from ...jova_core.model.jova import JoVA
from .attention import attend
from .conditions import text_keys
from .streams import first_channels


class JoVANetwork(JoVA):
    """`JoVA` with core's signature; a LoRA's keys are `diffusion_model.` + its parameter names."""

    def __init__(
        self,
        *,
        config: JoVAConfig,
        operations: Any,
        dtype: torch.dtype | None = None,
        device: Any = None,
        image_model: str | None = None,  # noqa: ARG002  core passes its whole unet_config
    ) -> None:
        super().__init__(config, ops=operations, dtype=dtype, device=device)
        self.dtype = dtype
        self.in_channels = config.video.channels  # which core's nodes read

    def forward(
        self,
        x: list[Tensor],
        timestep: tuple[Tensor, Tensor],
        context: Tensor,
        transformer_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Tensor] | Tensor:
        """Velocities of the streams in `x`, in their order; of a single one as a bare tensor."""
        options = {} if transformer_options is None else transformer_options
        wrappers = comfy.patcher_extension.get_all_wrappers(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options
        )
        return comfy.patcher_extension.WrapperExecutor.new_class_executor(
            self._forward, self, wrappers
        ).execute(x, timestep, context, options, **kwargs)

    def _forward(
        self,
        x: list[Tensor],
        timestep: tuple[Tensor, Tensor],
        context: Tensor,
        transformer_options: dict[str, Any],
        **conditions: Any,
    ) -> list[Tensor] | Tensor:
        video = next((part for part in x if part.ndim == 5), None)
        audio = next((part for part in x if part.ndim == 3), None)
        count = self.config.video.channels
        texts = (context, *(conditions.get(key) for key in text_keys(self.config)[1:]))
        out = super().forward(
            AVLatents(video=None if video is None else video[:, :count], audio=audio),
            *timestep,
            Conditioning(
                text=tuple(text for text in texts if text is not None),
                pooled=conditions.get("jova_pooled"),
                guidance=conditions.get("jova_guidance"),
                image=conditions.get("jova_image"),
                image_mask=conditions.get("jova_image_mask"),
            ),
            partial(attend, options=transformer_options),
            run=_Runner(
                [*self.double_blocks, *self.single_blocks], x[0].device, transformer_options
            ),
        )
        velocities = {5: out.video, 3: out.audio}
        if video is not None:
            velocities[5] = first_channels(torch.zeros_like(video), count, lambda _: out.video)
        parts = [velocities[part.ndim] for part in x]
        return parts if len(parts) > 1 else parts[0]


class _Runner:
    """Runs a block with core's prefetching and block replacements."""

    def __init__(
        self, blocks: list[torch.nn.Module], device: torch.device, options: dict[str, Any]
    ) -> None:
        self.device, self.options = device, options
        self.last = blocks[-1]
        self.replace = options.get("patches_replace", {}).get("dit", {})
        prefetch = comfy.model_prefetch
        self.queue = prefetch.make_prefetch_queue(blocks, device, options)

    def __call__(
        self,
        block: torch.nn.Module,
        place: tuple[str, int],
        tokens: Tensor,
        joint: Any,
        attend: Callable[..., Tensor],
    ) -> Tensor:
        if self.queue is not None:
            comfy.model_prefetch.prefetch_queue_pop(self.queue, self.device, block)
        self.options["block_type"], self.options["block_index"] = place[0], place[1]

        def original(arguments: dict[str, Any]) -> dict[str, Any]:
            # A block overwrites its input; a replacing node may need it again.
            return {"img": block(arguments["img"].clone(), joint, attend)}

        if place in self.replace:
            arguments = {"img": tokens, "transformer_options": self.options}
            out = self.replace[place](arguments, {"original_block": original})["img"]
        else:
            out = block(tokens, joint, attend)
        if self.queue is not None and block is self.last:
            comfy.model_prefetch.prefetch_queue_pop(self.queue, self.device, None)
        return out
