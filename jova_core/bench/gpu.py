"""`jova bench kernels --gpu`: the measurements for a GPU.

Attention by each of torch's backends and by ours, a block by each of our backends, the bandwidth of
the row kernels, and the error of 8 bit attention in the rows of the audio.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import JoVAError
from ..kernels import split_heads, use_backend
from ..kernels.dispatch import implementation
from .kernels import bench_kernels, times
from .peers import BlockSize, joint_block, plain_forward

# A 24 B block at 832 × 480: 21 and 81 frames and their sound, and two texts of 512 tokens.
SIZES = (
    BlockSize(dim=3072, heads=24, video=7800, audio=157, text=512),
    BlockSize(dim=3072, heads=24, video=32_760, audio=157, text=512),
)
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def bench_gpu(
    repeat: int, *, sizes: tuple[BlockSize, ...] = SIZES, device: str = "cuda"
) -> dict[str, Any]:
    """The four measurements in bf16. Raises JoVAError without a GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        raise JoVAError("No CUDA device found; run `jova bench kernels` for the CPU.")
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return {
        "device": name,
        "attention": [row for size in sizes for row in attention(size, repeat, device)],
        "block": [row for size in sizes for row in block(size, repeat, device)],
        "audio_rows": [audio_rows(size, device) for size in sizes],
        **bench_kernels(sizes[0], repeat, device),
    }


def attention(size: BlockSize, repeat: int, device: str) -> list[dict[str, Any]]:
    """Milliseconds and TFLOP/s of the joint attention by every backend that runs it."""
    qkv = _qkv(size, device)
    ways: dict[str, Callable[[], Any]] = {
        name: _by(backend, qkv) for name, backend in BACKENDS.items()
    }
    if importlib.util.find_spec("triton") and device == "cuda":
        ours = implementation("triton", "joint_attention")
        ways["jova triton"] = lambda: ours(qkv, size.plan)
    flops = 4 * size.tokens**2 * size.dim
    rows = []
    for name, way in ways.items():
        try:
            (seconds,) = times([way], repeat, device)
        except RuntimeError as error:  # a backend that this GPU or build does not have
            rows.append({"tokens": size.tokens, "way": name, "refused": str(error).split("\n")[0]})
            continue
        row = {"tokens": size.tokens, "way": name, "ms": 1000 * seconds}
        rows.append(row | {"tflops": flops / seconds / 1e12})
    return rows


def block(size: BlockSize, repeat: int, device: str) -> list[dict[str, Any]]:
    """Milliseconds of a dual block: plain formulas, stock calls, as shipped, all of it Triton."""
    layer, x, joint, attend = joint_block("dual", size, torch.bfloat16, device)

    def by(backend: str) -> Callable[[], Any]:
        def call() -> Tensor:
            with use_backend(backend):
                return layer(x.clone(), joint, attend)

        return call

    ways = {"plain": lambda: plain_forward(layer, x, joint, attend), "eager": by("eager")}
    if device == "cuda":
        ways |= {"auto": by("auto"), "triton": by("triton")}
    seconds = times(list(ways.values()), repeat, device)
    return [
        {"tokens": size.tokens, "way": name, "ms": 1000 * spent}
        for name, spent in zip(ways, seconds, strict=True)
    ]


def audio_rows(size: BlockSize, device: str) -> dict[str, Any]:
    """Relative error of the audio's rows of attention, by 8 bit and by bf16, against fp32.

    The 8 bit attention is comfy-kitchen's; without it the figures name the reason.
    """
    qkv = _qkv(size, device)
    q, k, v = split_heads(qkv)
    audio = slice(0, size.audio)
    exact = F.scaled_dot_product_attention(q[:, :, audio].float(), k.float(), v.float())

    def error(result: Tensor) -> float:
        return float((result[:, :, audio].float() - exact).norm() / exact.norm())

    figures: dict[str, Any] = {
        "tokens": size.tokens,
        "bf16": error(F.scaled_dot_product_attention(q, k, v)),
    }
    if importlib.util.find_spec("comfy_kitchen") is None:
        return figures | {"int8": None, "why": "comfy-kitchen is not installed"}
    import comfy_kitchen

    if not comfy_kitchen.int8_attention_is_available():
        return figures | {"int8": None, "why": "its 8 bit attention needs another GPU"}
    return figures | {"int8": error(comfy_kitchen.int8_attention(q, k, v))}


def _qkv(size: BlockSize, device: str) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (1, size.tokens, 3, size.heads, size.head_dim)
    return torch.randn(shape, generator=generator).to(device, torch.bfloat16)


def _by(backend: SDPBackend, qkv: Tensor) -> Callable[[], Any]:
    def call() -> Tensor:
        with sdpa_kernel([backend]):
            return F.scaled_dot_product_attention(*split_heads(qkv))

    return call
