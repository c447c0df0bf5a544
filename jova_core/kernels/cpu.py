"""What CPUs do in ways of their own, and what each way asks of the processor.

fp32: with AVX-512 torch's switch for reduced precision only changes the library, and oneDNN's
products are up to twice as fast as MKL's; where it would really round to bf16 (AMX) a check refuses
it. bf16: with bf16 units products are several times faster than fp32's; without, several times
slower, so that half precision is computed in fp32 there and rounded afterwards.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import reference

HALVES = (torch.float16, torch.bfloat16)
SIDE, WORST = 256, 1e-5  # of the checked product, and the relative error that is allowed
# Query tokens · key tokens of one head; beyond it the weights outgrow what they save. Ours.
MOST_PAIRS = 1024 * 1024


def has_fast_bf16(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torch and oneDNN use bf16 units here.

    ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA lower what they use of a processor, and so this.
    """
    most = environment.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    if not most.startswith(("DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX")):
        return False
    units = getattr(torch.cpu, "get_capabilities", None)  # older torch cannot say; most have them
    return units is None or bool(units()["avx512_bf16"])


# A constant, as it is for torch, which asks once; so a compiled graph reads it too.
FAST_BF16 = has_fast_bf16()


@contextmanager
def fast_fp32() -> Iterator[None]:
    """fp32 products inside take the fast library if it passed the check; torch's choice returns."""
    if not is_exact():
        yield
        return
    settings = torch.backends.mkldnn.matmul
    before, settings.fp32_precision = settings.fp32_precision, "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@cache
def is_exact() -> bool:
    """Whether a product in the fast library has fp32's precision on this machine; tried once."""
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None or not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    true = a.double() @ b.double()
    before, settings.fp32_precision = settings.fp32_precision, "bf16"
    try:
        off = (a @ b).double() - true
    finally:
        settings.fp32_precision = before
    return float(off.norm() / true.norm()) < WORST


def is_slow(x: Tensor) -> bool:
    """Whether products of x are faster, and more exact, computed in fp32 and rounded."""
    return x.dtype in HALVES and not FAST_BF16 and x.device.type == "cpu"


def wide_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x Wᵀ + b in fp32, whatever the arguments are in."""
    return F.linear(x.float(), weight.float(), None if bias is None else bias.float())


def fuses_gelu(x: Tensor) -> bool:
    """Whether oneDNN makes GELU(x Wᵀ + b) here: its bf16 products need a processor for them."""
    able = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and FAST_BF16)
    return able and x.device.type == "cpu" and torch.backends.mkldnn.is_available()


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over all tokens, no mask; `[B, H, N, d]` → `[B, N, H·d]`.

    What a network calls when its host brings none. On a CPU half precision is computed in fp32,
    but for training with bf16 units, which takes few tokens by whole matrices: both are faster
    there, and as exact.
    """
    if is_short(q, k):
        return ShortAttention.apply(q, k, v).transpose(1, 2).flatten(2)
    if not (upcasts(q) or is_slow(q)):
        return reference.attention(q, k, v)
    with fast_fp32() if upcasts(q) else nullcontext():
        return reference.attention(q.float(), k.float(), v.float()).to(q.dtype)


def upcasts(q: Tensor) -> bool:
    """Whether attention of q without gradients is faster and more exact in fp32's fast library."""
    half = q.device.type == "cpu" and q.dtype in HALVES
    return half and not torch.compiler.is_compiling() and not torch.is_grad_enabled() and is_exact()


def is_short(q: Tensor, k: Tensor) -> bool:
    """Whether weights are kept: gradients in bf16, by the units for it, over few tokens."""
    place = q.device.type == "cpu" and q.dtype == torch.bfloat16 and FAST_BF16
    return place and torch.is_grad_enabled() and q.shape[2] * k.shape[2] <= MOST_PAIRS


class ShortAttention(torch.autograd.Function):
    """softmax(q kᵀ / √d) v of `[B, H, N, d]`; scores and their gradients' sums are fp32.

    Flash attention spares memory by computing the weights twice. The weights of a few hundred
    tokens are small, so here they are kept in half precision, and everything after the scores is a
    bf16 product.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The attended values `[B, H, N, d]`."""
        scores = (q.float() * q.shape[-1] ** -0.5) @ k.float().mT
        weights = scores.softmax(-1).to(q.dtype)
        out = weights @ v
        ctx.save_for_backward(q, k, v, weights, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """∂S = W ∘ (∂W - rowsum(∂O ∘ O)), as in FlashAttention (arXiv 2205.14135, alg. 4)."""
        q, k, v, weights, out = ctx.saved_tensors
        shared = (grad.float() * out.float()).sum(-1, keepdim=True)
        moved = weights.float() * ((grad @ v.mT).float() - shared)
        scores = (moved * q.shape[-1] ** -0.5).to(q.dtype)
        return scores @ k, scores.mT @ q, weights.mT @ grad
