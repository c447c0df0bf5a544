"""Blocks to compare with: ours and those of HunyuanVideo, Flux and LTX-2 as diffusers has them.

All have one width and as many tokens; weights are random. A time vector and rotary angles come in
from outside, as a transformer would hand them to each of its blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import JoVAConfig
from ..errors import JoVAError
from ..kernels import AttentionPlan, joint_attention, use_backend
from ..model.block import Block, dual_block, single_block
from ..model.joint import Joint
from ..presets import PRESETS

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
PEERS = ("HunyuanVideo", "Flux", "LTX-2")
WORST = 2.0  # of our error in units of plain torch's, against fp64; beyond it nothing is timed


@dataclass(frozen=True, kw_only=True)
class BlockSize:
    """Width, heads and tokens of a block; text counts for each branch."""

    dim: int = 768
    heads: int = 6
    video: int = 2000
    audio: int = 160
    text: int = 64

    @property
    def tokens(self) -> int:
        """Of the joint sequence."""
        return self.video + self.audio + 2 * self.text

    @property
    def rows(self) -> dict[str, int]:
        """Tokens of each stream, in their order."""
        text = self.text
        return {"audio": self.audio, "text_a": text, "text_v": text, "video": self.video}

    @property
    def plan(self) -> AttentionPlan:
        """Everything sees everything."""
        return AttentionPlan.of("full", self.audio + self.text, self.video + self.text)

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.dim // self.heads


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A block to time: its system, a call of it, and the FLOP of the call."""

    system: str
    name: str
    run: Callable[[], Any]
    products: int  # FLOP of matrix products
    attention: int  # FLOP of q kᵀ and of weights · v

    @property
    def flops(self) -> int:
        """All counted FLOP."""
        return self.products + self.attention


def contenders(size: BlockSize, dtype: torch.dtype, device: str = "cpu") -> list[Contender]:
    """Ours, ours by the plain formulas, and the peers.

    Raises JoVAError if diffusers is missing.
    """
    try:
        with torch.device(device):
            peers = [*_hunyuan(size), *_flux(size), _ltx(size)]
    except ImportError as error:
        raise JoVAError(
            f'Comparing with other systems needs diffusers ({error}); pip install -e ".[test]".'
        ) from error
    result = our_contenders(size, dtype, device)
    for system, name, block, call in peers:
        arguments = _cast(call, dtype)
        run = partial(block.to(dtype).eval().requires_grad_(False), **arguments)
        result.append(_counted(system, name, run))
    return result


def our_contenders(size: BlockSize, dtype: torch.dtype, device: str = "cpu") -> list[Contender]:
    """A dual and a single block of ours as shipped, and by the plain formulas."""
    return [*_ours(size, dtype, device), *_plain(size, dtype, device)]


def joint_block(
    kind: str, size: BlockSize, dtype: torch.dtype, device: str = "cpu"
) -> tuple[Block, Tensor, Joint, Callable[[Tensor], Tensor]]:
    """A block of ours and its arguments: x `[1, S, dim]`, its joint, its attention."""
    config = _config(size)
    generator = torch.Generator(device).manual_seed(0)
    draw = partial(torch.randn, generator=generator, device=device)
    block = (dual_block if kind == "dual" else single_block)(config, ops=nn, device=device)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.03, generator=generator)
    angles = draw(size.tokens, size.head_dim // 2)
    joint = Joint(
        rows=size.rows,
        vec={name: draw(1, 1, size.dim).to(dtype) for name in size.rows},
        layout=tuple((1, count) for count in size.rows.values()),
        rope=(angles.cos(), angles.sin()),
    )
    x = draw(1, size.tokens, size.dim).to(dtype)
    attend = partial(joint_attention, plan=size.plan)
    block = block.to(dtype).eval().requires_grad_(False)
    return block, x, joint if kind == "dual" else joint.shared(), attend


def _config(size: BlockSize) -> JoVAConfig:
    axes = (size.head_dim // 8, size.head_dim * 7 // 16, size.head_dim * 7 // 16)
    config = PRESETS["mini"]
    return replace(config, dim=size.dim, heads=size.heads, rope_axes=axes, mlp_ratio=4)


def _ours(size: BlockSize, dtype: torch.dtype, device: str) -> Iterator[Contender]:
    for kind in ("dual", "single"):
        block, x, joint, attend = joint_block(kind, size, dtype, device)
        run = lambda b=block, x=x, j=joint, a=attend: b(x.clone(), j, a)  # noqa: E731
        with use_backend("reference"):  # the reference does not hide products from the counter
            counted = _counted("jova", f"jova {kind}", run)
        yield counted


def _plain(size: BlockSize, dtype: torch.dtype, device: str) -> Iterator[Contender]:
    for kind in ("dual", "single"):
        run = partial(plain_forward, *joint_block(kind, size, dtype, device))
        yield _counted("plain", f"jova {kind}, plain torch", run)


def plain_forward(
    block: Block, x: Tensor, joint: Joint, attend: Callable[[Tensor], Tensor]
) -> Tensor:
    """A block by the plain formulas: no buffers shared, nothing in place, as in training."""
    with torch.inference_mode(False), torch.enable_grad(), use_backend("reference"):
        return block(x, joint, attend)


def _counted(system: str, name: str, run: Callable[[], Any]) -> Contender:
    from torch.utils.flop_counter import FlopCounterMode  # slow to import

    attention = [0]

    def count(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
        pairs = query.shape[:-1].numel() * key.shape[-2]
        attention[0] += 2 * pairs * (query.shape[-1] + value.shape[-1])
        return torch.zeros_like(query)

    with torch.no_grad(), _attention_is(count), FlopCounterMode(display=False) as counter:
        run()
    products = counter.get_total_flops()
    return Contender(system=system, name=name, run=run, products=products, attention=attention[0])


@contextmanager
def wide_attention() -> Iterator[None]:
    """torch's attention computes half precision in fp32 inside, for everybody."""
    attend = F.scaled_dot_product_attention

    def wide(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        return attend(query.float(), key.float(), value.float(), **options).to(query.dtype)

    with _attention_is(wide):
        yield


@contextmanager
def _attention_is(attend: Callable[..., Tensor]) -> Iterator[None]:
    before, F.scaled_dot_product_attention = F.scaled_dot_product_attention, attend
    try:
        yield
    finally:
        F.scaled_dot_product_attention = before


def _cast(arguments: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Arguments in a dtype; angles stay fp32, as their systems keep them."""
    return {
        name: value.to(dtype) if isinstance(value, Tensor) else value
        for name, value in arguments.items()
    }


def _draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    return torch.randn(shape, generator=generator)


def _angles(*shape: int) -> tuple[Tensor, Tensor]:
    """cos and sin with each angle twice, for neighbouring channels."""
    angles = _draw(*shape[:-1], shape[-1] // 2).repeat_interleave(2, dim=-1)
    return angles.cos(), angles.sin()


def _pictures_and_text(size: BlockSize) -> dict[str, Any]:
    """Input of a block of two streams: ours of both branches, all text, a time vector."""
    return {
        "hidden_states": _draw(1, size.video + size.audio, size.dim),
        "encoder_hidden_states": _draw(1, 2 * size.text, size.dim, seed=1),
        "temb": _draw(1, size.dim, seed=2),
    }


def _hunyuan(size: BlockSize) -> Iterator[tuple[str, str, nn.Module, dict[str, Any]]]:
    from diffusers.models.transformers import transformer_hunyuan_video as hunyuan

    call = _pictures_and_text(size)
    angles = _angles(size.video + size.audio, size.head_dim)
    make = {"num_attention_heads": size.heads, "attention_head_dim": size.head_dim, "mlp_ratio": 4}
    double = hunyuan.HunyuanVideoTransformerBlock(**make, qk_norm="rms_norm")
    yield "HunyuanVideo", "HunyuanVideo double", double, call | {"freqs_cis": angles}
    single = hunyuan.HunyuanVideoSingleTransformerBlock(**make, qk_norm="rms_norm")
    yield "HunyuanVideo", "HunyuanVideo single", single, call | {"image_rotary_emb": angles}


def _flux(size: BlockSize) -> Iterator[tuple[str, str, nn.Module, dict[str, Any]]]:
    from diffusers.models.transformers import transformer_flux as flux

    call = _pictures_and_text(size)
    call["image_rotary_emb"] = _angles(size.tokens, size.head_dim)
    make = {
        "dim": size.dim,
        "num_attention_heads": size.heads,
        "attention_head_dim": size.head_dim,
    }
    yield "Flux", "Flux double", flux.FluxTransformerBlock(**make), call
    yield "Flux", "Flux single", flux.FluxSingleTransformerBlock(**make), call


def _ltx(size: BlockSize) -> tuple[str, str, nn.Module, dict[str, Any]]:
    """Its audio is as wide as its video here, as ours is; its real one is narrower."""
    from diffusers.models.transformers import transformer_ltx2 as ltx

    dim, shape = size.dim, (size.heads, size.head_dim)
    block = ltx.LTX2VideoTransformerBlock(dim, *shape, dim, dim, *shape, dim)
    video, audio = _angles(1, size.video, dim), _angles(1, size.audio, dim)
    call = {
        "hidden_states": _draw(1, size.video, dim),
        "audio_hidden_states": _draw(1, size.audio, dim, seed=1),
        "encoder_hidden_states": _draw(1, size.text, dim, seed=2),
        "audio_encoder_hidden_states": _draw(1, size.text, dim, seed=3),
        "temb": _draw(1, 1, 6 * dim, seed=4),
        "temb_audio": _draw(1, 1, 6 * dim, seed=5),
        "temb_ca_scale_shift": _draw(1, 1, 4 * dim, seed=6),
        "temb_ca_audio_scale_shift": _draw(1, 1, 4 * dim, seed=7),
        "temb_ca_gate": _draw(1, 1, dim, seed=8),
        "temb_ca_audio_gate": _draw(1, 1, dim, seed=9),
        "video_rotary_emb": video,
        "audio_rotary_emb": audio,
        "ca_video_rotary_emb": video,
        "ca_audio_rotary_emb": audio,
    }
    return "LTX-2", "LTX-2 audio-video", block, call
