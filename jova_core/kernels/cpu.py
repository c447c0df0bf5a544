"""Faster fp32 on CPUs: matrix products by oneDNN in the place of MKL, where they are as exact.

On a CPU with AVX-512 torch's switch for reduced precision only changes the library, and oneDNN's
fp32 products are up to twice as fast there. Where it would really round to bf16 (AMX) the check
refuses it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

SIDE, WORST = 256, 1e-5  # of the checked product, and the relative error that is allowed


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


def upcasts(q: Tensor) -> bool:
    """Whether attention of q is faster and more exact computed in fp32 and rounded afterwards."""
    half = q.device.type == "cpu" and q.dtype in (torch.bfloat16, torch.float16)
    return half and not torch.compiler.is_compiling() and not torch.is_grad_enabled() and is_exact()
