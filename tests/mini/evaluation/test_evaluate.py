import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from jova_core.errors import JoVAError
from jova_core.mini.data.dataset import load_clip, load_dataset
from jova_core.mini.evaluation.attributes import thumbnails, train_looks
from jova_core.mini.evaluation.cases import Case, clip_cases, read_cases
from jova_core.mini.evaluation.evaluate import background_flicker, evaluate, words_figures
from jova_core.mini.evaluation.judges import judges_for, load_judges, save_judges, train_judges
from jova_core.mini.evaluation.table import format_table
from jova_core.mini.evaluation.tasks import evaluate_tasks
from jova_core.mouth import LipTrack
from jova_core.prompt import Prompt

STEPS = {"recogniser": 2, "looks": 2, "voices": 2}
HAIRS = ("black", "red")
COLOURS = {"black": (10, 10, 10), "red": (220, 40, 30)}


def make_clip(i, hair):
    """A flat picture in the hair's colour, a mouth that opens with a tone's loudness."""
    generator = torch.Generator().manual_seed(i)
    shape = torch.rand(10, generator=generator).repeat_interleave(4)[:33]
    tone = torch.sin(torch.arange(33_000) * 0.3) * shape.repeat_interleave(1_000)
    frames = torch.tensor(COLOURS[hair], dtype=torch.uint8).expand(33, 48, 48, 3).clone()
    frames[:, 0, 0, 0] = (shape * 200).byte()
    lips = torch.stack([shape, shape], dim=1)
    return {"frames": frames, "audio": 0.3 * tone, "lips": lips, "mouth_box": torch.zeros(33, 4)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    (root / "clips").mkdir()
    entries = []
    for i in range(20):
        hair = HAIRS[i % 2]
        save_file(make_clip(i, hair), root / "clips" / f"{i:06d}.safetensors")
        attributes = {"skin": "pale", "hair": hair, "shirt": None, "background": "pink"}
        entries.append(
            {
                "id": f"{i:06d}",
                "split": "unseen" if i >= 16 else "heldout" if i >= 8 else "train",
                "video_caption": f"a pale face with {hair} hair on a pink background",
                "audio_caption": "a deep voice speaks",
                "transcript": "hello cat" if i % 2 else "yes dog",
                "frames": 33,
                "attributes": attributes,
                "voice": "deep",
                "words": [
                    {"word": word, "start": 0.1 + 0.5 * n, "end": 0.5 + 0.5 * n}
                    for n, word in enumerate(["hello", "cat"] if i % 2 else ["yes", "dog"])
                ],
            }
        )
    about = {"format": "jova-clips-1", "seed": 0, "fps": 16, "sample_rate": 16_000}
    about |= {"height": 48, "width": 48, "clips": entries}
    about["held_out"] = {"hair_background": [["red", "blue"]], "word_pairs": [["hello", "cat"]]}
    (root / "dataset.json").write_text(json.dumps(about))
    return load_dataset(root)


class PixelDetector:
    """Reads the opening that `make_clip` hides in a pixel."""

    def detect(self, frames):
        found = torch.ones(len(frames), dtype=torch.bool)
        opening = frames[:, 0, 0, 0].float()
        boxes = torch.zeros(len(frames), 4)
        face = torch.ones(len(frames))
        return LipTrack(
            boxes=boxes, opening=opening, width=opening, face=face, found=found, measured=found
        )


def see(frames):
    """Hair from the pixels' colour, one right and one wrong constant, a shirt nobody asked for."""
    hair = "red" if frames[0, 5, 5, 0] > 100 else "black"
    return {"skin": "pale", "hair": hair, "shirt": "blue", "background": "gray"}


def hear(waves):
    return [["hello", "cat"] for _ in waves]


JUDGES = SimpleNamespace(
    figures={"words": 1.0},
    recogniser=SimpleNamespace(recognise=hear),
    looks=SimpleNamespace(classify=see),
    voices=SimpleNamespace(classify=lambda _: "deep"),
)
IDENTITY = SimpleNamespace(encode=lambda x: x, decode=lambda x: x)
CODECS = SimpleNamespace(video=IDENTITY, audio=IDENTITY)


def truth_of(dataset):
    def generate(prompt, frames, seed):
        info = [c for c in dataset.clips if c.split == "heldout"][seed]
        assert prompt.transcript == info.transcript
        assert frames == info.frames
        return SimpleNamespace(**load_clip(dataset, info))

    return generate


def test_true_clips_reach_their_ceiling(dataset):
    result = evaluate(
        truth_of(dataset), dataset, CODECS, JUDGES, detector=PixelDetector(), shuffles=20
    )
    assert result["clips"] == result["faces_found"] == 8
    assert result["sync"] == pytest.approx(result["sync_ceiling"])
    assert result["sync"] > 0.8 > result["sync_shuffled_p95"] > result["sync_shuffled"]
    assert result["offset_frames"] == 0
    assert result["words"] == result["words_ceiling"] == 0.5
    assert result["per_attribute"] == {"skin": 1, "hair": 1, "shirt": None, "background": 0}
    assert result["attributes"] == pytest.approx(2 / 3)
    assert result["voice"] == 1
    assert len(result["details"]) == 8
    json.dumps(result, allow_nan=False)
    table = format_table(result)
    assert "0.500" in table
    assert "hair" in table


def test_unseen_words_have_figures_of_their_own(dataset):
    cases = clip_cases(dataset, 9, "unseen")
    assert [case.clip.id for case in cases] == [f"{i:06d}" for i in range(16, 20)]
    seeds = []

    def generate(prompt, frames, seed):
        seeds.append((prompt.transcript, frames, seed))
        return SimpleNamespace(audio=torch.zeros(33_000))

    figures = words_figures(generate, dataset, CODECS, JUDGES, cases, seed=5)
    assert [seed for *_, seed in seeds] == [5, 6, 7, 8]
    # The judge always hears "hello cat", which two of the four clips should say.
    assert (figures["unseen_clips"], figures["unseen_words"]) == (4, 0.5)
    assert figures["unseen_words_ceiling"] == 0.5
    best = evaluate(truth_of(dataset), dataset, CODECS, JUDGES, detector=PixelDetector())
    assert "unseen words right" not in format_table(best)
    assert "unseen words right" in format_table(best | figures)


def test_tasks_compare_what_was_made_with_the_true_clip(dataset):
    cases, given_to = clip_cases(dataset, 8), []

    def perfect(prompt, frames, seed, given):
        given_to.append(sorted(given))
        return SimpleNamespace(**load_clip(dataset, cases[seed].clip))

    def still(prompt, frames, seed, given):
        clip = load_clip(dataset, cases[seed].clip)
        return SimpleNamespace(
            frames=clip["frames"][:1].repeat(33, 1, 1, 1) * 0 + 255, audio=clip["audio"] * 0
        )

    def figures(make):
        return evaluate_tasks(make, dataset, CODECS, JUDGES, cases, detector=PixelDetector())

    best, worst = figures(perfect), figures(still)
    assert given_to == [["audio"], ["image"], ["video"]] * 8
    for name in ("lips_opening", "lips_width", "envelope"):
        assert best[name] == pytest.approx(best[f"{name}_ceiling"])
        assert best[name] > 0.99
        assert worst[name] is None  # a still mouth and silence correlate with nothing
    assert best["portrait_attributes"] == pytest.approx(2 / 3)
    assert best["portrait_words"] == 0.5
    assert "closed on b m p" in format_table(
        {**evaluate(truth_of(dataset), dataset, CODECS, JUDGES, detector=PixelDetector()), **best}
    )


def test_closed_lips_are_counted_in_words_with_b_m_p_only(dataset):
    from jova_core.mini.data.dataset import WordTime
    from jova_core.mini.evaluation.tasks import _closures

    def track(*openings):
        return SimpleNamespace(opening=torch.tensor(openings, dtype=torch.float32))

    words = [WordTime(word="home", start=0, end=0.5), WordTime(word="no", start=0.5, end=1)]
    truth = track(9, 9, 0, 0, 9, 9, 9, 9, 9, 9, 0, 9, 9, 9, 9, 9)
    late = track(9, 9, 9, 9, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9)
    never = track(*[9.0] * 16)
    assert _closures(words, 16, truth, truth, late, never) == (1, 1, 1, 0)


def test_flicker_is_zero_for_a_still_background_and_grey_levels_else():
    frames = torch.zeros(5, 40, 40, 3, dtype=torch.uint8)
    frames[::2, 30:] = 200  # the character moves
    assert background_flicker(frames) == 0
    frames[::2, :20] = 10
    assert background_flicker(frames) == 10


def test_prompts_without_ground_truth_have_no_ceiling_and_silence_no_sync():
    case = Case(prompt=Prompt(transcript="hello cat"), frames=33)

    def generate(prompt, frames, seed):
        still = torch.zeros(frames, 48, 48, 3, dtype=torch.uint8)
        return SimpleNamespace(frames=still, audio=torch.zeros(33_000))

    cases = [case, case]
    result = evaluate(generate, None, None, JUDGES, prompts=cases, detector=PixelDetector())
    assert result["words"] == 1
    assert result["words_ceiling"] is None
    assert result["sync"] is result["sync_shuffled"] is result["offset_frames"] is None
    assert result["attributes"] is result["voice"] is None
    assert "-" in format_table(result)


def test_cases_come_from_held_out_clips_or_a_file(dataset, tmp_path):
    cases = clip_cases(dataset, 3)
    assert [case.clip.id for case in cases] == ["000008", "000010", "000013"]
    assert cases[2].looks == {"skin": "pale", "hair": "red", "shirt": None, "background": "pink"}
    assert cases[0].voice == "deep"
    assert Case(prompt=Prompt(transcript="Hello, 3 cats!"), frames=33).words == [
        *("hello", "three", "cats")
    ]
    entry = {"video_caption": "a tan face", "audio_caption": "", "transcript": "no", "frames": 49}
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps([entry]))
    [case] = read_cases(file)
    assert (case.looks["skin"], case.looks["hair"], case.voice) == ("tan", None, None)


@pytest.mark.parametrize(
    "text",
    ["hello", "{}", "[]", "[1]", '[{"transcript": "yes"}]']
    + [
        json.dumps([dict.fromkeys(("video_caption", "audio_caption", "transcript"), "") | extra])
        for extra in ({"frames": 34}, {"frames": "33"}, {"frames": 33, "colour": 1})
    ],
)
def test_a_wrong_prompt_file_gets_a_sentence(tmp_path, text):
    file = tmp_path / "prompts.json"
    file.write_text(text)
    with pytest.raises(JoVAError, match=r"prompts\.json"):
        read_cases(file)


def test_judges_survive_their_file(dataset, tmp_path):
    judges = train_judges(dataset, limit=6, steps=STEPS)
    assert set(judges.figures) == {"words", "skin", "hair", "background", "voice"}
    save_judges(judges, tmp_path / "judges.safetensors")
    again = load_judges(tmp_path / "judges.safetensors")
    assert again.figures == judges.figures
    mels = torch.randn(1, 80, 40)
    with torch.no_grad():
        assert torch.equal(judges.recogniser(mels), again.recogniser(mels))
        assert torch.equal(judges.voices(mels), again.voices(mels))
    clip = load_clip(dataset, dataset.clips[0])
    assert judges.looks.classify(clip["frames"]) == again.looks.classify(clip["frames"])


def test_judges_are_read_where_they_lie_and_damaged_ones_get_a_sentence(dataset):
    file = dataset.root / "judges.safetensors"
    save_judges(train_judges(dataset, limit=2, steps=STEPS), file)
    assert judges_for(dataset).figures == load_judges(file).figures
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(JoVAError, match="delete it"):
        judges_for(dataset)
    file.unlink()


def test_colours_are_learnt():
    generator = torch.Generator().manual_seed(0)
    clips, labels = [], []
    for i in range(20):
        hair = HAIRS[i % 2]
        noise = torch.randint(0, 30, (5, 96, 96, 3), generator=generator)
        clips.append((torch.tensor(COLOURS[hair]) + noise).clamp(max=255).byte())
        labels.append({"hair": hair})
    thumbs = torch.stack([thumbnails(clip) for clip in clips])
    model = train_looks(thumbs, labels, classes={"hair": HAIRS}, steps=25, batch=16)
    assert [model.classify(clip)["hair"] for clip in clips] == [x["hair"] for x in labels]
