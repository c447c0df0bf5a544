"""Thin ComfyUI nodes over `jova_core`; the only place that knows ComfyUI."""

from comfy_api.latest import ComfyExtension, io

from ._comfy.routes import add_routes
from .backbone import JoVABuildFromBackbone
from .conditioning import JoVALoadConditioning, JoVASaveConditioning
from .latent import JoVAEmptyLatent, JoVALength, JoVATask
from .load import JoVALoadCodecs, JoVALoadModel, JoVALoadTextEncoder
from .mouth import JoVAMouthMask
from .prompt import JoVAPrompt, JoVAReferenceImage
from .sample import JoVASampler
from .train import JoVAEncodeDataset, JoVATrainLoRA
from .video import JoVADecode, JoVASampleMedia, JoVASaveVideo, JoVASyncReport

NODES: list[type[io.ComfyNode]] = [
    JoVALoadModel,
    JoVALoadTextEncoder,
    JoVALoadCodecs,
    JoVAPrompt,
    JoVALength,
    JoVAEmptyLatent,
    JoVAReferenceImage,
    JoVATask,
    JoVASampler,
    JoVADecode,
    JoVASaveVideo,
    JoVASyncReport,
    JoVAMouthMask,
    JoVAEncodeDataset,
    JoVATrainLoRA,
    JoVASampleMedia,
    JoVASaveConditioning,
    JoVALoadConditioning,
    JoVABuildFromBackbone,
]


class JoVAExtension(ComfyExtension):
    """The pack's entry for ComfyUI."""

    async def on_load(self) -> None:
        """Add the route that tells the page a checkpoint's rates."""
        add_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Every node, in the order of the README's table."""
        return NODES


async def comfy_entrypoint() -> JoVAExtension:
    """Called by ComfyUI once the pack is imported."""
    return JoVAExtension()
