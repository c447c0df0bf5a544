"""The unified transformer: every token reaches every other, whatever its form or what is absent."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from jova_core.config import TextEncoderSpec
from jova_core.errors import JoVAError
from jova_core.kernels import attention
from jova_core.latents import AVLatents
from jova_core.model.jova import JoVA
from jova_core.training.initialise import initialise

TWO_ENCODERS = (
    TextEncoderSpec(name="one", width=12, max_tokens=5),
    TextEncoderSpec(name="two", width=20, max_tokens=3),
)
FORMS = {
    "sequential": {},
    "parallel": {"single_form": "parallel"},
    "learned_pos": {"learned_pos": "factorised", "learned_pos_size": (4, 3, 3)},
    "two_encoders": {"text": TWO_ENCODERS},
    "guidance": {"guidance_embed": True},
    "pooled": {"pooled_from_text": False, "pooled_width": 10},
    "no_refiner": {"pooled_from_text": False, "text_refiner_blocks": 0},
    "audio_patch": {"audio_patch": 3},
    "no_qkv_bias": {"qkv_bias": False},
    "final_conv": {"final_conv": 6},
    "all": {
        "single_form": "parallel",
        "learned_pos": "factorised",
        "learned_pos_size": (3, 2, 3),
        "text": TWO_ENCODERS,
        "guidance_embed": True,
        "pooled_from_text": False,
        "pooled_width": 10,
        "audio_patch": 2,
        "rope_time": "scaled",
        "mask_channels": 4,
        "final_conv": 6,
    },
}


@pytest.fixture(params=FORMS)
def config(request, tiny_config):
    return tiny_config(**FORMS[request.param])


def test_every_form_runs_and_gives_velocities_like_its_input(config, tiny_model, inputs):
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    with torch.no_grad():
        out = model(x, t_video, t_audio, conditioning)
    assert out.video.shape == x.video.shape
    assert out.audio.shape == x.audio.shape
    assert out.video.isfinite().all()
    assert out.audio.isfinite().all()
    assert out.video.std() > 0.01
    assert out.audio.std() > 0.01


def test_every_token_group_reaches_both_outputs(config, tiny_model, inputs):
    """Joint attention: each input, text included, has a gradient in each output."""
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    leaves = {
        "video": x.video,
        "audio": x.audio,
        "image": conditioning.image,
        "mask": conditioning.image_mask,
        **{f"text {i}": text for i, text in enumerate(conditioning.text)},
    }
    if conditioning.pooled is not None:
        leaves["pooled"] = conditioning.pooled
    for leaf in leaves.values():
        leaf.requires_grad_(True)
    out = model(x, t_video, t_audio, conditioning)
    for stream in (out.video, out.audio):
        grads = torch.autograd.grad(stream.square().sum(), leaves.values(), retain_graph=True)
        for name, grad in zip(leaves, grads, strict=True):
            assert grad.isfinite().all(), name
            # Every single element of every input matters, not just some of them.
            assert (grad != 0).float().mean() > 0.99, name


def test_every_parameter_has_a_gradient(config, tiny_model, inputs):
    model = tiny_model(config)
    out = model(*inputs(config))
    (out.video.square().sum() + out.audio.square().sum()).backward()
    silent = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0
    ]
    # The last block's text rows lead nowhere, but single blocks share weights with the streams.
    assert silent == []


def test_one_joint_attention_for_each_layer(config, tiny_model, inputs):
    """Counts every attention: one a layer over all tokens, and the refiner's over the text."""
    model, calls = tiny_model(config), []

    def attend(q, k, v):
        calls.append(q.shape[2])
        return attention(q, k, v)

    x, t_video, t_audio, conditioning = inputs(config)
    with torch.no_grad():
        injected = model(x, t_video, t_audio, conditioning, attend)
        default = model(x, t_video, t_audio, conditioning)
    assert torch.equal(injected.video, default.video)
    audio_tokens = -(-x.audio.shape[2] // config.audio_patch)
    everything = 3 * 2 * 3 + audio_tokens + 2 * config.text_tokens
    layers = config.dual_blocks + config.single_blocks
    refiners = [spec.max_tokens for spec in config.text] * 2 * config.text_refiner_blocks
    assert sorted(calls) == sorted([everything] * layers + refiners)


def test_no_attention_hides_from_injection(tiny_config, tiny_model, inputs, monkeypatch):
    config = tiny_config()
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", None)

    def attend(q, k, v):
        return v.transpose(1, 2).flatten(2)

    with torch.no_grad():
        out = tiny_model(config)(*inputs(config), attend)
    assert out.video.isfinite().all()


def test_all_weights_come_from_the_injected_layers(config):
    made = []

    def counted(layer):
        def make(*args, **kwargs):
            made.append(layer(*args, **kwargs))
            return made[-1]

        return make

    kinds = ("Linear", "LayerNorm", "RMSNorm", "Embedding", "Conv2d")
    ops = SimpleNamespace(**{kind: counted(getattr(nn, kind)) for kind in kinds})
    model = JoVA(config, ops=ops, dtype=torch.bfloat16)
    ours = {id(p) for layer in made for p in layer.parameters()}
    assert {id(p) for p in model.parameters()} == ours
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_one_stream_alone(config, tiny_model, inputs):
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    with torch.no_grad():
        both = model(x, t_video, t_audio, conditioning)
        video = model(AVLatents(video=x.video), t_video, t_audio, conditioning)
        audio = model(AVLatents(audio=x.audio), t_video, t_audio, conditioning)
    assert video.audio is None
    assert audio.video is None
    assert video.video.shape == x.video.shape
    assert audio.audio.shape == x.audio.shape
    assert not torch.allclose(video.video, both.video, atol=1e-4)
    assert not torch.allclose(audio.audio, both.audio, atol=1e-4)


def test_an_absent_stream_leaves_the_other_branch_untouched(tiny_config, tiny_model, inputs):
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    out = model(AVLatents(video=x.video), t_video, t_audio, conditioning)
    out.video.sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    assert not [n for n in touched if ".a." in n or ".audio." in n or ".text_a." in n]


def test_a_timestep_for_each_latent_equals_one_for_all(config, tiny_model, inputs):
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    groups = -(-x.audio.shape[2] // config.audio_patch)
    with torch.no_grad():
        one = model(x, t_video, t_audio, conditioning)
        each = model(
            x,
            t_video[:, None].expand(-1, x.video.shape[2]),
            t_audio[:, None].expand(-1, groups),
            conditioning,
        )
    torch.testing.assert_close(one.video, each.video, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(one.audio, each.audio, atol=2e-5, rtol=1e-4)


def test_timesteps_of_both_streams_and_of_one_latent_matter(tiny_config, tiny_model, inputs):
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    per_frame = t_video[:, None].repeat(1, 3)
    with torch.no_grad():
        base = model(x, per_frame, t_audio, conditioning)
        audio = model(x, per_frame, t_audio + 50, conditioning)
        per_frame[:, 0] = 0  # a given first picture is clean
        given = model(x, per_frame, t_audio, conditioning)
    for other in (audio, given):
        assert (base.video - other.video).abs().max() > 1e-3
        assert (base.audio - other.audio).abs().max() > 1e-3


def test_text_has_the_time_of_the_noisiest_latent(tiny_config, tiny_model, inputs):
    """A clean first frame must not make the text believe that all is clean."""
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    seen = []
    model.branches["v"].text_in[0].register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    times = t_video[:, None].repeat(1, 3)
    times[:, 0] = 0
    with torch.no_grad():
        model(x, times, t_audio, conditioning)
    assert torch.equal(seen[0], t_video)


def test_picture_and_mask_channels_matter(tiny_config, tiny_model, inputs):
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, given = inputs(config)
    zeros = replace(
        given,
        image=torch.zeros_like(given.image),
        image_mask=torch.zeros_like(given.image_mask),
    )
    with torch.no_grad():
        results = {
            "given": model(x, t_video, t_audio, given).video,
            "mask only": model(x, t_video, t_audio, replace(given, image=zeros.image)).video,
            "image only": model(
                x, t_video, t_audio, replace(given, image_mask=zeros.image_mask)
            ).video,
            "zeros": model(x, t_video, t_audio, zeros).video,
        }
        none = model(x, t_video, t_audio, replace(given, image=None, image_mask=None)).video
    assert torch.equal(none, results["zeros"])
    values = list(results.values())
    for i, a in enumerate(values):
        for b in values[:i]:
            assert (a - b).abs().max() > 1e-3


def test_batch_entries_do_not_mix(config, tiny_model, inputs):
    model = tiny_model(config)
    x, t_video, t_audio, c = inputs(config)
    first = replace(
        c,
        text=tuple(text[:1] for text in c.text),
        pooled=None if c.pooled is None else c.pooled[:1],
        guidance=None if c.guidance is None else c.guidance[:1],
        image=c.image[:1],
        image_mask=c.image_mask[:1],
    )
    with torch.no_grad():
        both = model(x, t_video, t_audio, c)
        alone = model(x.map(lambda s: s[:1]), t_video[:1], t_audio[:1], first)
    torch.testing.assert_close(both.video[:1], alone.video, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(both.audio[:1], alone.audio, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 5, 7), (3, 4, 5)])
@pytest.mark.parametrize("length", [1, 5, 6])
def test_sizes_that_no_patch_divides(size, length, tiny_config, tiny_model, inputs):
    config = tiny_config(patch=(1, 3, 2), audio_patch=4)
    x, *rest = inputs(config, video=size, audio=length)
    with torch.no_grad():
        out = tiny_model(config)(x, *rest)
    assert out.video.shape == x.video.shape
    assert out.audio.shape == x.audio.shape


def test_float32_is_close_to_float64(config, tiny_model, inputs):
    low, high = (
        tiny_model(config, dtype=dtype)(*inputs(config, dtype=dtype))
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in ((low.video, high.video), (low.audio, high.audio)):
        assert (a.double() - b).norm() / b.norm() < 2e-5


def test_bfloat16_stays_bfloat16_and_close(tiny_config, tiny_model, inputs):
    config = tiny_config()
    with torch.no_grad():
        exact = tiny_model(config)(*inputs(config))
        model = tiny_model(config, dtype=torch.bfloat16)
        x, t_video, t_audio, conditioning = inputs(config, dtype=torch.bfloat16)
        out = model(x, t_video, t_audio, conditioning)
    assert out.video.dtype == out.audio.dtype == torch.bfloat16
    assert (out.video.float() - exact.video).norm() / exact.video.norm() < 0.1
    assert (out.audio.float() - exact.audio).norm() / exact.audio.norm() < 0.1


# Tracing autograd takes long, so the larger form only proves that it is one graph.
@pytest.mark.parametrize(("form", "backend"), [("no_refiner", "aot_eager"), ("all", "eager")])
def test_compiles_as_one_graph(form, backend, tiny_config, tiny_model, inputs):
    short = {"dual_blocks": 1, "single_blocks": 1}
    config = tiny_config(**(FORMS[form] | short))
    model = tiny_model(config)
    arguments = inputs(config)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    eager, traced = model(*arguments), compiled(*arguments)
    torch.testing.assert_close(traced.video, eager.video, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(traced.audio, eager.audio, atol=2e-5, rtol=1e-4)
    traced.video.square().mean().backward()
    assert model.branches["a"].input.weight.grad.abs().max() > 0


def test_initialised_velocity_is_exactly_zero(config, inputs):
    model = JoVA(config)
    initialise(model, 0)
    with torch.no_grad():
        out = model(*inputs(config))
    assert not out.video.any()
    assert not out.audio.any()


def test_initialisation_is_a_function_of_the_seed(config):
    def weights(seed):
        model = JoVA(config)
        initialise(model, seed)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.manual_seed(5)
    first = weights(0)
    torch.manual_seed(6)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


WRONG = {
    "neither a video": lambda _, c: (AVLatents(), c),
    "Got a video latent of shape": lambda x, c: (replace(x, video=x.video[:, :3]), c),
    "Got an audio latent of shape": lambda x, c: (replace(x, audio=x.audio[0]), c),
    "2 video and 1 audio": lambda x, c: (replace(x, audio=x.audio[:1]), c),
    "text features of shapes": lambda x, c: (x, replace(c, text=())),
    r"expected \[\(2, 5, 12\)\]": lambda x, c: (
        x,
        replace(c, text=(c.text[0][:, :4],)),
    ),
    "no pooled text": lambda x, c: (x, replace(c, pooled=None)),
    "no guidance": lambda x, c: (x, replace(c, guidance=None)),
    "both or neither": lambda x, c: (x, replace(c, image_mask=None)),
    "Got a picture of shape": lambda x, c: (x, replace(c, image=c.image[:, :, :1])),
    "learned positions reach": lambda x, c: (replace(x, video=x.video.repeat(1, 1, 9, 1, 1)), c),
}


def test_an_encoder_whose_pads_are_cut_gives_shorter_text(tiny_config, tiny_model, inputs):
    encoder = TextEncoderSpec(name="one", width=12, max_tokens=5, pad="cut")
    config = tiny_config(text=(encoder,))
    model = tiny_model(config)
    x, t_video, t_audio, given = inputs(config)
    short = replace(given, text=(given.text[0][:, :3],))
    with torch.no_grad():
        whole = model(x, t_video, t_audio, given).video
        assert (model(x, t_video, t_audio, short).video - whole).abs().max() > 1e-3
    for tokens in (0, 6):
        wrong = replace(given, text=(torch.zeros(2, tokens, 12),))
        with pytest.raises(JoVAError, match="fewer tokens are allowed"):
            model(x, t_video, t_audio, wrong)


@pytest.mark.parametrize("sentence", WRONG)
def test_input_that_cannot_be_used_is_named(sentence, tiny_config, tiny_model, inputs):
    config = tiny_config(
        learned_pos="factorised",
        learned_pos_size=(4, 4, 4),
        guidance_embed=True,
        pooled_from_text=False,
        pooled_width=10,
    )
    x, t_video, t_audio, conditioning = inputs(config)
    x, conditioning = WRONG[sentence](x, conditioning)
    with pytest.raises(JoVAError, match=sentence):
        tiny_model(config)(x, t_video, t_audio, conditioning)


def test_timesteps_that_fit_no_latent_are_named(tiny_config, tiny_model, inputs):
    config = tiny_config()
    x, _, t_audio, conditioning = inputs(config, video=(4, 4, 4))
    # Two times for four latents would otherwise be read as pairs.
    with pytest.raises(JoVAError, match=r"video timesteps .* expected \[B\] or \[B, 4\]"):
        tiny_model(config)(x, torch.zeros(2, 2), t_audio, conditioning)
