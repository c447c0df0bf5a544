"""The Triton kernels without a GPU: run by the interpreter, and compiled for three of them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jova_core.kernels import triton as host

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


def _process(*arguments, **variables):
    """A Python of its own: Triton decides on import whether it interprets."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **variables},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


@needs_triton
def test_the_kernels_by_the_interpreter():
    cases = str(HERE / "interpreted.py")
    found = _process("-m", "pytest", cases, "--show-capture=no", TRITON_INTERPRET="1")
    assert found.returncode == 0, found.stdout[-6000:]
    assert "[100%]" in found.stdout


class Launches:
    """In the place of a kernel: keeps its grids."""

    def __init__(self):
        self.grids = []

    def __getitem__(self, grid):
        self.grids.append(grid)
        return lambda *_, **__: None


@needs_triton
def test_no_clip_is_too_long_for_a_grid(monkeypatch):
    """A GPU takes 65,535 programs on the second and third axis: 720p has more tokens than that."""
    from jova_core.kernels import triton_kernels

    names = [name for name in vars(triton_kernels) if name.endswith("_kernel")]
    launches = {name: Launches() for name in names}
    for name, launch in launches.items():
        monkeypatch.setattr(triton_kernels, name, launch)
    batch, tokens, heads, width = 2, 200_000, 24, 128
    x = torch.empty(batch, tokens, heads * width, device="meta")
    row = x[:, :1]
    layout = ((1, tokens),)
    host.gated_residual(x, x, row, layout)
    host.layer_norm_modulate(x, row, row, layout)
    host.gated_residual_layer_norm_modulate(x, x, row, row, row, layout)
    host.gelu(x)
    host.gelu(x.flatten(0, 1))
    angles = x[0, :, : width // 2]
    qkv = torch.empty(batch, tokens, 3, heads, width, device="meta")
    weights = torch.empty(1, 2, width, device="meta")
    host.qk_norm_rope(qkv, weights, (angles, angles), (tokens,))
    for name, launch in launches.items():
        assert launch.grids, name
        for grid in launch.grids:
            assert all(size <= 65_535 for size in grid[1:]), (name, grid)


# Pointers by name; what is neither a pointer nor a constant is a size or a stride.
BF16 = dict.fromkeys(("x", "y", "out", "h", "gate", "shift", "scale", "qkv", "weights"), "*bf16")
OTHERS = {"group_of": "*i32", "segment_of": "*i32"} | {
    "cos": "*fp32",
    "sin": "*fp32",
}


def _compiled(kernel, capability, constants, options, types=()):
    """A kernel for a GPU of that capability, its big operands 16 byte aligned as torch's are."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    known = BF16 | OTHERS | {"eps": "fp32"} | dict(types)
    kinds = {n: "constexpr" if n in constants else known.get(n, "i32") for n in names}
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, n in enumerate(names)
        if n not in ("tokens", "heads") and kinds[n][0] in "*i"
    }
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, kinds, constexprs=values, attrs=aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def _rows(residual, norm):
    def build(kernels):
        constants = {"RESIDUAL": residual, "NORM": norm, "BLOCK": 4096}
        return kernels._rows_kernel, constants, {"num_warps": host.row_warps(4096)}, ()

    return build


def _gelu(kernels):
    return kernels._gelu_kernel, {"BLOCK": host.COLUMNS}, {"num_warps": 4}, ()


def _qk(kernels):
    tile = {"TOKENS": host.TOKENS, "HEADS": host.HEADS}
    constants = {"WIDTH": 128, "PADDED": 128, **tile}
    return kernels._qk_norm_rope_kernel, constants, {"num_warps": 4}, ()


KERNELS = {
    "layer_norm_modulate": _rows(False, True),
    "gated_residual": _rows(True, False),
    "gated_residual_layer_norm_modulate": _rows(True, True),
    "qk_norm_rope": _qk,
    "gelu": _gelu,
}


@needs_triton
@pytest.mark.parametrize("capability", [80, 89, 90])
@pytest.mark.parametrize("name", KERNELS)
def test_compiles_without_spills_and_with_wide_accesses(name, capability, tmp_path, monkeypatch):
    """At width 3072 in bf16: nothing spilt, operands moved 16 bytes at a time, shared memory fits.

    Narrower loads are those of lookups: groups, segments, angles and norm weights.
    """
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    from jova_core.kernels import triton_kernels

    kernel, constants, options, types = KERNELS[name](triton_kernels)
    built = _compiled(kernel, capability, constants, options, types)
    stores = set(re.findall(r"st\.global\S*", built.asm["ptx"]))
    loads = re.findall(r"ld\.global\S*", built.asm["ptx"])
    assert stores == {"st.global.v4.b32"}
    assert "ld.global.v4.b32" in loads
    assert set(loads) <= {"ld.global.v4.b32", "ld.global.v2.b32", "ld.global.b32"}
    assert built.metadata.shared <= 99 * 1024
    used = _registers(built.asm["cubin"], tmp_path / "kernel.cubin")
    assert used["STACK"] == used["LOCAL"] == 0, used
    assert used["REG"] <= 255


def _registers(cubin, path):
    """Registers and bytes of stack that a compiled kernel uses, by the tool that Triton brings."""
    import triton

    path.write_bytes(cubin)
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    found = subprocess.run(
        [tool, "-res-usage", path], capture_output=True, text=True, check=True
    ).stdout
    return {name: int(value) for name, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", found)}
