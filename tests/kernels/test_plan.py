"""Attention by ranges equals attention under a mask, in every mode, in the whole network too."""

import pytest
import torch
import torch.nn.functional as F

from jova_core.kernels import AttentionPlan, attention, planned_attention

SIZES = [(5, 9), (1, 1), (17, 3), (0, 6), (6, 0)]
MODES = ["full", "isolated", "video_sees_audio", "audio_sees_video", "exact_audio"]


def draw(count, dtype=torch.float64):
    generator = torch.Generator().manual_seed(count)
    shape = (3, 2, 4, count, 6)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).unbind()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_ranges_are_the_mask(mode, sizes, mask_of):
    plan = AttentionPlan.of(mode, *sizes)
    q, k, v = draw(sum(sizes))
    masked = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_of(plan))
    out = planned_attention(q, k, v, plan=plan, attend=attention)
    torch.testing.assert_close(out, masked.transpose(1, 2).flatten(2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_mask_says_who_sees_whom(mode, mask_of):
    seen = mask_of(AttentionPlan.of(mode, 2, 3))
    assert seen[:2, :2].all()
    assert seen[2:, 2:].all()
    assert seen[:2, 2:].all() == (mode in ("full", "exact_audio", "audio_sees_video"))
    assert seen[2:, :2].all() == (mode in ("full", "exact_audio", "video_sees_audio"))


def test_only_the_rows_of_the_sound_are_computed_exactly():
    plan = AttentionPlan.of("exact_audio", 5, 9)
    q, k, v = draw(14)
    coarse = lambda *qkv: attention(*(part.bfloat16() for part in qkv)).double()  # noqa: E731
    out = planned_attention(q, k, v, plan=plan, attend=coarse, exact=attention)
    true = attention(q, k, v)
    torch.testing.assert_close(out[:, :5], true[:, :5], rtol=1e-12, atol=1e-12)
    assert (out[:, 5:] - true[:, 5:]).abs().max() > 1e-4


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match="isolated"):
        AttentionPlan.of("none", 1, 1)


@pytest.mark.parametrize("picture", [True, False])
def test_isolated_branches_are_the_branches_alone(tiny_config, tiny_model, inputs, picture):
    """So guidance by the sound alone needs the audio branch and no video at all."""
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config, picture=picture, dtype=torch.float32)
    with torch.inference_mode():
        together = model(x, t_video, t_audio, conditioning, mode="isolated")
        joint = model(x, t_video, t_audio, conditioning)
        audio = type(x)(audio=x.audio)
        alone = model(audio, t_video, t_audio, conditioning)
    torch.testing.assert_close(together.audio, alone.audio, rtol=1e-4, atol=1e-5)
    assert (joint.audio - alone.audio).abs().max() > 1e-3


def test_one_way_attention_leaves_the_sound_untouched_by_the_video(tiny_config, tiny_model, inputs):
    config = tiny_config()
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)
    other = type(x)(video=x.video + 1, audio=x.audio)
    with torch.inference_mode():
        first, second = (
            model(y, t_video, t_audio, conditioning, mode="video_sees_audio") for y in (x, other)
        )
    torch.testing.assert_close(first.audio, second.audio)
    assert (first.video - second.video).abs().max() > 1e-3
