"""Public video backbones whose weights fit a JoVA's video branch: names, order of rows, facts.

A table's row reads: our layer, then the layer's name in each naming. `a+b` stacks the rows of two
layers, `~swap` exchanges the halves of a layer's rows, `~pairs` turns rotary rows in two halves
into neighbouring pairs, and a `?` marks what only some checkpoints have. Facts are those of the
backbones' public code and configs, unless a comment says that they are ours.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from ...config import TextEncoderSpec, VideoSpec
from ...errors import JoVAError

Table = dict[tuple[str, ...], str]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One backbone in one naming.

    signs: tensors that together no other layout has. rules: our layer → the parts of its rows, each
    a layer with an operation or "". columns: the pieces of our input layer's columns in the order
    noisy latent, picture, mask, each a layer with first and last column. aliases: patterns of other
    names that files of this backbone have, and what they become.
    """

    name: str
    licence: str
    signs: tuple[str, ...]
    rules: dict[str, tuple[tuple[str, str], ...]]
    optional: frozenset[str]
    columns: tuple[tuple[str, int, int | None], ...]
    aliases: tuple[tuple[str, str], ...]
    rope_theta: float
    shift: float
    video: VideoSpec
    text: TextEncoderSpec

    def renamed(self, name: str) -> str:
        """The name that the table has for a tensor of a file."""
        for pattern, becomes in self.aliases:
            name = re.sub(pattern, becomes, name)
        return name


def layout_of(names: Iterable[str], where: str) -> Layout:
    """The layout of a checkpoint with these tensors; JoVAError where none fits."""
    names = list(names)
    for layout in LAYOUTS:
        if set(layout.signs) <= {layout.renamed(name) for name in names}:
            return layout
    known = ", ".join(dict.fromkeys(layout.name for layout in LAYOUTS))
    raise JoVAError(
        f"Got {where} with {len(names)} tensors of an unknown layout; expected a video backbone "
        f"({known}); give the safetensors file or index of one of them."
    )


def _rules(table: Table, column: int) -> dict[str, tuple[tuple[str, str], ...]]:
    """One naming of a table as rules."""
    rules = {}
    for prefixes, rows in table.items():
        for row in rows.strip().splitlines():
            ours, *theirs = row.split()
            parts = (part.partition("~") for part in theirs[column].split("+"))
            rules[prefixes[0] + ours.strip("?")] = tuple(
                (prefixes[1 + column] + name, change) for name, _, change in parts
            )
    return rules


def _optional(table: Table) -> frozenset[str]:
    rows = [(p[0], row.split()[0]) for p, rows in table.items() for row in rows.strip().split("\n")]
    return frozenset(prefix + ours.strip("?") for prefix, ours in rows if ours.startswith("?"))


_HUNYUAN: Table = {
    ("branches.v.", "", ""): """
        time_in.in_layer       time_in.mlp.0        time_text_embed.timestep_embedder.linear_1
        time_in.out_layer      time_in.mlp.2        time_text_embed.timestep_embedder.linear_2
        vector_in.in_layer     vector_in.in_layer   time_text_embed.text_embedder.linear_1
        vector_in.out_layer    vector_in.out_layer  time_text_embed.text_embedder.linear_2
        ?guidance_in.in_layer  guidance_in.mlp.0    time_text_embed.guidance_embedder.linear_1
        ?guidance_in.out_layer guidance_in.mlp.2    time_text_embed.guidance_embedder.linear_2
        final.mod              final_layer.adaLN_modulation.1 norm_out.linear~swap
        final.linear           final_layer.linear   proj_out
    """,
    ("branches.v.text_in.0.", "txt_in.", "context_embedder."): """
        input                  input_embedder       proj_in
        time_in.in_layer       t_embedder.mlp.0     time_text_embed.timestep_embedder.linear_1
        time_in.out_layer      t_embedder.mlp.2     time_text_embed.timestep_embedder.linear_2
        mean_in.in_layer       c_embedder.linear_1  time_text_embed.text_embedder.linear_1
        mean_in.out_layer      c_embedder.linear_2  time_text_embed.text_embedder.linear_2
    """,
    (
        "branches.v.text_in.0.blocks.{}.",
        "txt_in.individual_token_refiner.blocks.{}.",
        "context_embedder.token_refiner.refiner_blocks.{}.",
    ): """
        norm1                  norm1                norm1
        norm2                  norm2                norm2
        qkv                    self_attn_qkv        attn.to_q+attn.to_k+attn.to_v
        proj                   self_attn_proj       attn.to_out.0
        mlp.0                  mlp.fc1              ff.net.0.proj
        mlp.2                  mlp.fc2              ff.net.2
        mod                    adaLN_modulation.1   norm_out.linear
    """,
    ("double_blocks.{}.video.", "double_blocks.{}.img_", "transformer_blocks.{}."): """
        mod                    mod.linear           norm1.linear
        qkv                    attn_qkv             attn.to_q+attn.to_k+attn.to_v
        q_norm                 attn_q_norm          attn.norm_q
        k_norm                 attn_k_norm          attn.norm_k
        proj                   attn_proj            attn.to_out.0
        mlp.0                  mlp.fc1              ff.net.0.proj
        mlp.2                  mlp.fc2              ff.net.2
    """,
    ("double_blocks.{}.text_v.", "double_blocks.{}.txt_", "transformer_blocks.{}."): """
        mod                    mod.linear           norm1_context.linear
        qkv                    attn_qkv             attn.add_q_proj+attn.add_k_proj+attn.add_v_proj
        q_norm                 attn_q_norm          attn.norm_added_q
        k_norm                 attn_k_norm          attn.norm_added_k
        proj                   attn_proj            attn.to_add_out
        mlp.0                  mlp.fc1              ff_context.net.0.proj
        mlp.2                  mlp.fc2              ff_context.net.2
    """,
    ("single_blocks.{}.v.", "single_blocks.{}.", "single_transformer_blocks.{}."): """
        mod                    modulation.linear    norm.linear
        linear1                linear1              attn.to_q+attn.to_k+attn.to_v+proj_mlp
        linear2                linear2              proj_out
        q_norm                 q_norm               attn.norm_q
        k_norm                 k_norm               attn.norm_k
    """,
}

_OPEN_SORA_STREAM = """
    mod                    mod.lin
    qkv                    attn.q_proj~pairs+attn.k_proj~pairs+attn.v_proj
    q_norm                 attn.norm.query_norm~pairs
    k_norm                 attn.norm.key_norm~pairs
    proj                   attn.proj
    mlp.0                  mlp.0
    mlp.2                  mlp.2
"""
_OPEN_SORA: Table = {
    ("branches.v.", ""): """
        time_in.in_layer       time_in.in_layer
        time_in.out_layer      time_in.out_layer
        vector_in.in_layer     vector_in.in_layer
        vector_in.out_layer    vector_in.out_layer
        ?guidance_in.in_layer  guidance_in.in_layer
        ?guidance_in.out_layer guidance_in.out_layer
        text_in.0.input        txt_in
        final.mod              final_layer.adaLN_modulation.1
        final.linear           final_layer.linear
    """,
    ("double_blocks.{}.video.", "double_blocks.{}.img_"): _OPEN_SORA_STREAM,
    ("double_blocks.{}.text_v.", "double_blocks.{}.txt_"): _OPEN_SORA_STREAM,
    ("single_blocks.{}.v.", "single_blocks.{}."): """
        mod                    modulation.lin
        linear1                q_proj~pairs+k_proj~pairs+v_mlp
        linear2                linear2
        q_norm                 norm.query_norm~pairs
        k_norm                 norm.key_norm~pairs
    """,
}

# What hosts put before the names of a diffusion model.
_PREFIXES = ((r"^(model\.diffusion_model|model\.model|diffusion_model|module)\.", ""),)
# ComfyUI saves HunyuanVideo under names of its own.
_COMFYUI = (
    (r"(time_in|guidance_in|t_embedder)\.in_layer\.", r"\1.mlp.0."),
    (r"(time_in|guidance_in|t_embedder)\.out_layer\.", r"\1.mlp.2."),
    (r"c_embedder\.in_layer\.", "c_embedder.linear_1."),
    (r"c_embedder\.out_layer\.", "c_embedder.linear_2."),
    (r"(_mod|modulation)\.lin\.", r"\1.linear."),
    (r"(img|txt|self)_attn\.(qkv|proj)\.", r"\1_attn_\2."),
    (r"(img|txt)_attn\.norm\.(q|k)(uery|ey)_norm\.", r"\1_attn_\2_norm."),
    (r"(single_blocks\.\d+)\.norm\.(q|k)(uery|ey)_norm\.", r"\1.\2_norm."),
    (r"(img_mlp|txt_mlp|blocks\.\d+\.mlp)\.0\.", r"\1.fc1."),
    (r"(img_mlp|txt_mlp|blocks\.\d+\.mlp)\.2\.", r"\1.fc2."),
    (r"_norm\.scale$", "_norm.weight"),
)

# HunyuanVideo's VAE divides by nothing and multiplies by 0.476986; 24 fps, 544p. Open-Sora's too.
_HUNYUAN_VIDEO = VideoSpec(
    fps=Fraction(24),
    width=960,
    height=544,
    codec="hunyuan-video",
    mean=(0.0,) * 16,
    std=(1 / 0.476986,) * 16,
)

HUNYUAN = Layout(
    name="hunyuan",
    licence="Tencent Hunyuan Community License: not in the European Union, the United Kingdom and "
    "South Korea, and not to improve other models",
    signs=("img_in.proj.weight", "txt_in.input_embedder.weight"),
    rules=_rules(_HUNYUAN, 0),
    optional=_optional(_HUNYUAN),
    columns=(("img_in.proj", 0, None),),
    aliases=_PREFIXES + _COMFYUI,
    rope_theta=256.0,
    shift=7.0,
    video=_HUNYUAN_VIDEO,
    text=TextEncoderSpec(
        name="llava-llama-3-8b",
        width=4096,
        max_tokens=256,
        hidden_layer=-3,
        template="hunyuan-video",
        dropped_prefix=95,
        pad="cut",
    ),
)
HUNYUAN_DIFFUSERS = replace(
    HUNYUAN,
    signs=("x_embedder.proj.weight", "context_embedder.proj_in.weight"),
    rules=_rules(_HUNYUAN, 1),
    columns=(("x_embedder.proj", 0, None),),
    aliases=_PREFIXES,
)
OPEN_SORA = Layout(
    name="open-sora-2",
    licence="Apache-2.0",
    signs=("img_in.weight", "cond_in.weight", "single_blocks.0.v_mlp.weight"),
    rules=_rules(_OPEN_SORA, 0),
    optional=_optional(_OPEN_SORA),
    # Its condition is [mask, picture]; a channel of a patch is four columns.
    columns=(("img_in", 0, None), ("cond_in", 4, None), ("cond_in", 0, 4)),
    aliases=(*_PREFIXES, (r"_norm\.scale$", "_norm.weight")),
    rope_theta=10_000.0,
    # It grows with the size and the length: (1 + (2040 − 256) · 2 / 3840) · √33 for 129 frames of
    # 2,040 tokens, rounded.
    shift=11.0,
    video=_HUNYUAN_VIDEO,
    text=TextEncoderSpec(name="t5-xxl", width=4096, max_tokens=512),
)
LAYOUTS = (HUNYUAN, HUNYUAN_DIFFUSERS, OPEN_SORA)
