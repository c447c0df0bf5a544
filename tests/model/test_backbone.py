"""A converted backbone gives the backbone's numbers, whatever its names were.

HunyuanVideo under diffusers' names is held against the diffusers library, HunyuanVideo under its
own names and Open-Sora 2.0 against their formulas, written here anew.
"""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from jova_core.latents import AVLatents, Conditioning
from jova_core.model.backbone import convert
from jova_core.model.checkpoint import load_jova
from jova_core.model.jova import JoVA

SIZES = [(3, 8, 12), (1, 6, 10), (5, 10, 6)]  # latent frames, rows, columns
# Layout: channels that enter a HunyuanVideo, or 0 for Open-Sora 2.0.
CASES = {
    f"{layout}-{'guided' if guidance else 'plain'}": (naming, channels, guidance)
    for layout, naming, channels in [
        ("hunyuan-t2v", "original", 16),
        ("hunyuan-i2v", "original", 33),
        ("diffusers-t2v", "diffusers", 16),
        ("diffusers-i2v", "diffusers", 33),
        ("open-sora", "", 0),
    ]
    for guidance in (False, True)
}
SEES_PICTURES = ("i2v", "open-sora")
LIMIT = 1e-5


@pytest.fixture(scope="module")
def converted(tmp_path_factory, hunyuan_weights, open_sora_weights):
    """`converted(case)`: the backbone's tensors and the JoVA made of them, in fp32."""

    @cache
    def make(case):
        naming, channels, guidance = CASES[case]
        if channels:
            tensors = hunyuan_weights(naming, channels=channels, guidance=guidance)
        else:
            tensors = open_sora_weights(guidance=guidance)
        folder = tmp_path_factory.mktemp("backbone")
        save_file(tensors, folder / "backbone.safetensors")
        convert(folder / "backbone.safetensors", folder / "jova.safetensors")
        return tensors, load_jova(folder / "jova.safetensors").model()

    return make


def inputs(case, size, tokens=7):
    """Two samples, their times and what conditions them: pictures where the backbone has any."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    seen = any(name in case for name in SEES_PICTURES)
    conditioning = Conditioning(
        text=(draw(2, 512 if "open-sora" in case else tokens, 24),),
        pooled=draw(2, 10),
        guidance=torch.tensor([6.0, 1.5]) if "guided" in case else None,
        image=draw(2, 16, *size) if seen else None,
        image_mask=(draw(2, 1, *size) > 0).float() if seen else None,
    )
    return AVLatents(video=draw(2, 16, *size)), torch.tensor([914.0, 203.5]), conditioning


def expected(case, tensors, x, t, given):
    """What the backbone itself answers."""
    picture = () if given.image is None else (given.image, given.image_mask)
    if "diffusers" in case:
        model = diffusers_model(tensors)
        answer = model(
            hidden_states=torch.cat((x.video, *picture), dim=1),
            timestep=t,
            encoder_hidden_states=given.text[0],
            encoder_attention_mask=torch.ones(given.text[0].shape[:2]),
            pooled_projections=given.pooled,
            guidance=None if given.guidance is None else 1000 * given.guidance,
        )
        return answer.sample
    if "hunyuan" in case:
        return hunyuan(tensors, torch.cat((x.video, *picture), dim=1), t, given)
    return open_sora(tensors, x.video, t, given)


def relative(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_the_backbones_own_numbers(case, size, converted):
    tensors, model = converted(case)
    x, t, given = inputs(case, size)
    answer = expected(case, tensors, x, t, given)
    assert relative(model(x, t, t, given).video, answer) <= LIMIT


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_a_second_silu_would_be_noticed(case, converted):
    tensors, model = converted(case)
    x, t, given = inputs(case, SIZES[1])
    twice = JoVA(replace(model.config, head_silu="twice")).eval()
    twice.load_state_dict(model.state_dict())
    answer = expected(case, tensors, x, t, given)
    assert relative(twice(x, t, t, given).video, answer) >= 0.1


@torch.no_grad()
def test_cut_text_equals_masked_pads(converted):
    """HunyuanVideo pads its text and masks the pads; the converted model is given none."""
    case = "diffusers-t2v-guided"
    tensors, model = converted(case)
    x, t, given = inputs(case, SIZES[0], tokens=11)
    mask = (torch.arange(11) < 7).float().expand(2, -1)
    answer = diffusers_model(tensors)(
        hidden_states=x.video,
        timestep=t,
        encoder_hidden_states=given.text[0],
        encoder_attention_mask=mask,
        pooled_projections=given.pooled,
        guidance=1000 * given.guidance,
    ).sample
    cut = replace(given, text=(given.text[0][:, :7],))
    assert relative(model(x, t, t, cut).video, answer) <= LIMIT
    assert relative(model(x, t, t, given).video, answer) > 0.01


@pytest.mark.parametrize("case", ["hunyuan-i2v-guided", "open-sora-plain"])
@torch.no_grad()
def test_the_audio_may_watch_without_being_noticed(case, converted):
    _, model = converted(case)
    x, t, given = inputs(case, SIZES[0])
    both = replace(x, audio=torch.randn(2, 20, 9, generator=torch.Generator().manual_seed(5)))
    alone = model(x, t, t, given).video
    watched = model(both, t, t, given, mode="audio_sees_video")
    assert relative(watched.video, alone) <= 1e-6
    assert relative(model(both, t, t, given).video, alone) > 1e-3
    # The audio branch starts as a copy whose new output projection is 0.
    assert not watched.audio.any()
    weights = model.state_dict()
    new = {"input.weight", "input.bias", "final.linear.weight", "final.linear.bias"}
    for name, value in weights.items():
        twin = name.replace("branches.a.", "branches.v.").replace(".audio.", ".video.")
        twin = twin.replace(".text_a.", ".text_v.").replace(".a.", ".v.")
        if name.removeprefix("branches.a.") not in new:
            assert torch.equal(value, weights[twin])
    assert weights["branches.a.input.weight"].abs().max() > 0.01


@torch.no_grad()
def test_channels_that_a_backbone_lacks_change_nothing(converted):
    _, model = converted("hunyuan-t2v-plain")
    x, t, given = inputs("hunyuan-t2v-plain", SIZES[0])
    picture = {"image": torch.randn(2, 16, *SIZES[0]), "image_mask": torch.ones(2, 1, *SIZES[0])}
    assert model.config.video_in_channels == 33
    without, seen = model(x, t, t, given), model(x, t, t, replace(given, **picture))
    assert torch.equal(without.video, seen.video)


def test_every_naming_gives_the_same_bytes(tmp_path, hunyuan_weights):
    made = {}
    for naming in ("original", "diffusers", "comfyui"):
        source, out = tmp_path / f"{naming}.safetensors", tmp_path / f"jova-{naming}.safetensors"
        save_file(hunyuan_weights(naming, guidance=True, dtype=torch.bfloat16), source)
        convert(source, out)
        data = out.read_bytes()
        made[naming] = data[8 + int.from_bytes(data[:8], "little") :]
    assert made["original"] == made["diffusers"] == made["comfyui"]
    tensors = load_file(tmp_path / "jova-original.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.bfloat16}


@cache
def _diffusers(channels, guidance):
    from diffusers import HunyuanVideoTransformer3DModel

    return HunyuanVideoTransformer3DModel(
        in_channels=channels,
        num_attention_heads=2,
        attention_head_dim=128,
        num_layers=2,
        num_single_layers=2,
        text_embed_dim=24,
        pooled_projection_dim=10,
        guidance_embeds=guidance,
    ).eval()


def diffusers_model(tensors):
    """The library's own network with these weights, each of which it must know."""
    channels = tensors["x_embedder.proj.weight"].shape[1]
    guidance = any("guidance" in name for name in tensors)
    model = _diffusers(channels, guidance)
    model.load_state_dict(tensors, strict=True)
    return model


# Formulas of the public networks. Legend: w weights by name, B batch, N tokens, d = 128.


def linear(w, name, x):
    return F.linear(x, w[f"{name}.weight"].flatten(1), w[f"{name}.bias"])


def two_layers(w, names, x):
    return linear(w, names[1], F.silu(linear(w, names[0], x)))


def waves(t):
    """cos, then sin, of t at 128 frequencies from 1 down to about 1e-4, in fp32 as published.

    A guidance scale is a large angle, of which fp32 drops digits that matter.
    """
    angles = t[:, None] * torch.exp(-math.log(10_000.0) * torch.arange(128.0) / 128)
    return torch.cat((angles.cos(), angles.sin()), dim=1)


def norm(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()


def shifted(x, shift, scale):
    return norm(x) * (1 + scale[:, None]) + shift[:, None]


def rms(x, weight):
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def attend(q, k, v):
    """`[B, N, H, d]` each → `[B, N, H·d]`."""
    scores = torch.einsum("bnhd,bmhd->bhnm", q, k) / q.shape[-1] ** 0.5
    return torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v).flatten(2)


def angles(grid, theta):
    """`[N, 64]`: 8 of the time, 28 of the row, 28 of the column of each token."""
    places = torch.cartesian_prod(*(torch.arange(float(n)) for n in grid)).view(-1, 3).double()
    turns = [
        places[:, i, None] * theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        for i, width in enumerate((16, 56, 56))
    ]
    return torch.cat(turns, dim=1)


def turned(x, angle, *, halves):
    """Each pair of channels as a complex number, turned; pairs are neighbours or d/2 apart."""
    pair = x.unflatten(-1, (2, -1) if halves else (-1, 2)).movedim(-2 if halves else -1, -1)
    number = torch.view_as_complex(pair.contiguous()) * torch.polar(
        torch.ones_like(angle), angle
    ).to(torch.complex64).unsqueeze(1)
    back = torch.view_as_real(number).movedim(-1, -2 if halves else -1)
    return back.flatten(-2)


def heads(x):
    return x.unflatten(-1, (-1, 128))


def patches(x):
    """`[B, C, T, H, W]` → `[B, N, C·4]`."""
    return (
        F.unfold(x.transpose(1, 2).flatten(0, 1), 2, stride=2)
        .unflatten(0, (x.shape[0], -1))
        .transpose(2, 3)
        .flatten(1, 2)
    )


def pictures(tokens, size):
    """The inverse of `patches` for 16 channels."""
    frames = tokens.unflatten(1, (size[0], -1)).flatten(0, 1).transpose(1, 2)
    return F.fold(frames, size[1:], 2, stride=2).unflatten(0, (-1, size[0])).transpose(1, 2)


def mlp(w, names, x, activation=F.gelu):
    options = {"approximate": "tanh"} if activation is F.gelu else {}
    return linear(w, names[1], activation(linear(w, names[0], x), **options))


def blocks(w, names):
    return len({name.split(".")[names.count(".") + 1] for name in w if name.startswith(names)})


def head(w, x, vec):
    shift, scale = linear(w, "final_layer.adaLN_modulation.1", F.silu(vec)).chunk(2, dim=1)
    return linear(w, "final_layer.linear", shifted(x, shift, scale))


def hunyuan(w, x, t, given):
    """HunyuanVideo: refined text, two streams, one stream; video tokens stand before the text."""
    size = x.shape[2:]
    vec = two_layers(w, ("time_in.mlp.0", "time_in.mlp.2"), waves(t))
    vec = vec + two_layers(w, ("vector_in.in_layer", "vector_in.out_layer"), given.pooled)
    if given.guidance is not None:
        vec = vec + two_layers(
            w, ("guidance_in.mlp.0", "guidance_in.mlp.2"), waves(1000 * given.guidance)
        )
    img, txt = linear(w, "img_in.proj", patches(x)), refined(w, t, given.text[0])
    angle = angles((size[0], size[1] // 2, size[2] // 2), 256.0)
    count = img.shape[1]

    def joined(q, k, v):
        """Attention of [video, text] where the video's queries and keys are turned."""
        q, k = (
            torch.cat((turned(n[:, :count], angle, halves=False), n[:, count:]), 1) for n in (q, k)
        )
        return attend(q, k, v)

    for i in range(blocks(w, "double_blocks")):
        factors, parts = {}, []
        for name, stream in (("img", img), ("txt", txt)):
            at = f"double_blocks.{i}.{name}"
            factors[name] = linear(w, f"{at}_mod.linear", F.silu(vec)).chunk(6, dim=1)
            qkv = linear(w, f"{at}_attn_qkv", shifted(stream, *factors[name][:2]))
            q, k, v = map(heads, qkv.chunk(3, dim=2))
            q, k = (rms(n, w[f"{at}_attn_{c}_norm.weight"]) for n, c in ((q, "q"), (k, "k")))
            parts.append((q, k, v))
        out = joined(*(torch.cat(pair, 1) for pair in zip(*parts, strict=True)))
        after = []
        for name, stream, rows in (("img", img, out[:, :count]), ("txt", txt, out[:, count:])):
            at = f"double_blocks.{i}.{name}"
            _, _, gate1, shift2, scale2, gate2 = factors[name]
            between = stream + gate1[:, None] * linear(w, f"{at}_attn_proj", rows)
            hidden = shifted(between, shift2, scale2)
            made = mlp(w, (f"{at}_mlp.fc1", f"{at}_mlp.fc2"), hidden)
            after.append(between + gate2[:, None] * made)
        img, txt = after
    both = torch.cat((img, txt), dim=1)
    for i in range(blocks(w, "single_blocks")):
        at = f"single_blocks.{i}"
        shift, scale, gate = linear(w, f"{at}.modulation.linear", F.silu(vec)).chunk(3, dim=1)
        wide = linear(w, f"{at}.linear1", shifted(both, shift, scale))
        q, k, v = map(heads, wide[..., :768].chunk(3, dim=2))
        out = joined(rms(q, w[f"{at}.q_norm.weight"]), rms(k, w[f"{at}.k_norm.weight"]), v)
        hidden = F.gelu(wide[..., 768:], approximate="tanh")
        both = both + gate[:, None] * linear(w, f"{at}.linear2", torch.cat((out, hidden), 2))
    return pictures(head(w, both[:, :count], vec), size)


def refined(w, t, text):
    """HunyuanVideo's text refiner: gated by the time and the mean of the features."""
    vec = two_layers(w, ("txt_in.t_embedder.mlp.0", "txt_in.t_embedder.mlp.2"), waves(t))
    names = ("txt_in.c_embedder.linear_1", "txt_in.c_embedder.linear_2")
    vec = vec + two_layers(w, names, text.mean(dim=1))
    x = linear(w, "txt_in.input_embedder", text)
    prefix = "txt_in.individual_token_refiner.blocks"
    for i in range(blocks(w, prefix)):
        at = f"{prefix}.{i}"
        gate1, gate2 = linear(w, f"{at}.adaLN_modulation.1", F.silu(vec)).chunk(2, dim=1)
        normed = norm(x) * w[f"{at}.norm1.weight"] + w[f"{at}.norm1.bias"]
        qkv = linear(w, f"{at}.self_attn_qkv", normed)
        out = attend(*map(heads, qkv.chunk(3, dim=2)))
        x = x + gate1[:, None] * linear(w, f"{at}.self_attn_proj", out)
        normed = norm(x) * w[f"{at}.norm2.weight"] + w[f"{at}.norm2.bias"]
        x = x + gate2[:, None] * mlp(w, (f"{at}.mlp.fc1", f"{at}.mlp.fc2"), normed, F.silu)
    return x


def open_sora(w, x, t, given):
    """Open-Sora 2.0: text before video, rotary halves, [mask, picture] added by `cond_in`."""
    size = x.shape[2:]
    vec = two_layers(w, ("time_in.in_layer", "time_in.out_layer"), waves(t))
    vec = vec + two_layers(w, ("vector_in.in_layer", "vector_in.out_layer"), given.pooled)
    if given.guidance is not None:
        names = ("guidance_in.in_layer", "guidance_in.out_layer")
        vec = vec + two_layers(w, names, waves(1000 * given.guidance))
    condition = torch.cat((given.image_mask, given.image), dim=1)
    img = linear(w, "img_in", patches(x)) + linear(w, "cond_in", patches(condition))
    txt = linear(w, "txt_in", given.text[0])
    count = txt.shape[1]
    video = angles((size[0], size[1] // 2, size[2] // 2), 10_000.0)
    angle = torch.cat((torch.zeros(count, 64, dtype=torch.float64), video))

    def qkv_of(at, x, widths, last):
        q, k, v = (linear(w, f"{at}{name}", x) for name in ("q_proj", "k_proj", last))
        scales = [w[f"{at}norm.{name}_norm.scale"] for name in ("query", "key")]
        return rms(heads(q), scales[0]), rms(heads(k), scales[1]), v[..., :widths], v[..., widths:]

    def joined(q, k, v):
        return attend(turned(q, angle, halves=True), turned(k, angle, halves=True), heads(v))

    for i in range(blocks(w, "double_blocks")):
        factors, parts = {}, []
        for name, stream in (("txt", txt), ("img", img)):
            at = f"double_blocks.{i}.{name}"
            factors[name] = linear(w, f"{at}_mod.lin", F.silu(vec)).chunk(6, dim=1)
            entering = shifted(stream, *factors[name][:2])
            parts.append(qkv_of(f"{at}_attn.", entering, 256, "v_proj")[:3])
        out = joined(*(torch.cat(pair, 1) for pair in zip(*parts, strict=True)))
        after = []
        for name, stream, rows in (("txt", txt, out[:, :count]), ("img", img, out[:, count:])):
            at = f"double_blocks.{i}.{name}"
            _, _, gate1, shift2, scale2, gate2 = factors[name]
            between = stream + gate1[:, None] * linear(w, f"{at}_attn.proj", rows)
            made = mlp(w, (f"{at}_mlp.0", f"{at}_mlp.2"), shifted(between, shift2, scale2))
            after.append(between + gate2[:, None] * made)
        txt, img = after
    both = torch.cat((txt, img), dim=1)
    for i in range(blocks(w, "single_blocks")):
        at = f"single_blocks.{i}"
        shift, scale, gate = linear(w, f"{at}.modulation.lin", F.silu(vec)).chunk(3, dim=1)
        q, k, v, hidden = qkv_of(f"{at}.", shifted(both, shift, scale), 256, "v_mlp")
        wide = torch.cat((joined(q, k, v), F.gelu(hidden, approximate="tanh")), dim=2)
        both = both + gate[:, None] * linear(w, f"{at}.linear2", wide)
    return pictures(head(w, both[:, count:], vec), size)
