"""A LoRA learns a new character: forty clips of someone with an orange hat and a voice of its own.

    python experiments/lora.py FOLDER [--minutes 20] [--texts 20]

Renders and encodes the clips, trains with `jova train --lora`, and measures on held-out texts the
share of clips with the hat in its colour and with the new speaker's voice, with the LoRA and
without it. Needs espeak-ng and JOVA_FACE_LANDMARKER. Writes FOLDER/lora.json.
"""

import itertools
import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jova_core.__main__ import main as jova
from jova_core.decoding import generate
from jova_core.media import read_audio, read_video
from jova_core.mini import load_pipeline
from jova_core.mini.data.character import HAT_COLOUR
from jova_core.mini.data.newcomer import AUDIO_CAPTION, make_newcomer
from jova_core.mini.data.speech import NEW_VOICE, PROSODY, SAMPLE_RATE, make_bank
from jova_core.mini.data.vocabulary import SKINS, VOICES, held_out_pairs, video_caption
from jova_core.mini.evaluation.speaker import nearest, speaker_features
from jova_core.model.lora import load_lora, merge_lora
from jova_core.pipeline import JoVAPipeline, SampleSettings
from jova_core.prompt import Prompt

HUE_REACH = 45  # RGB distance from the hat's colour that still counts as it; red hair is 53 away
HAT_SHARE = 0.5  # of the hat's area in true clips, above which it is seen
VOICE_WORDS = ("hello", "seven", "yellow", "morning", "music", "friend", "water", "lion")


def hat_area(frames: Tensor) -> float:
    """Share of the upper third of uint8 frames [F, H, W, 3] that has the hat's colour."""
    top = frames[:, : frames.shape[1] // 3].float()
    shade = top.amax(dim=-1, keepdim=True).clamp(min=1) / max(HAT_COLOUR)
    distance = (top / shade - torch.tensor(HAT_COLOUR)).norm(dim=-1)
    return float(((distance < HUE_REACH) & (shade[..., 0] > 0.6)).float().mean())


def coded(pipeline: JoVAPipeline, wave: Tensor) -> Tensor:
    """Audio through the codec, like all generated audio."""
    with torch.inference_mode():
        codec = pipeline.codecs.audio
        return codec.decode(codec.encode(wave[None]))[0][: len(wave)]


def speakers(pipeline: JoVAPipeline) -> tuple[dict[str, Tensor], Tensor]:
    """Centroids of the six voices and the new one, and the spread within a voice."""
    names = (*VOICES, NEW_VOICE)
    bank = make_bank(VOICE_WORDS, names)
    features = {name: [] for name in names}
    for name, variant in itertools.product(names, range(len(PROSODY))):
        for words in (VOICE_WORDS[:4], VOICE_WORDS[4:]):
            said = np.concatenate([bank[word, name, variant].samples for word in words])
            features[name].append(speaker_features(coded(pipeline, 0.1 * torch.from_numpy(said))))
    stacked = {name: torch.stack(values) for name, values in features.items()}
    spread = torch.stack([values.std(dim=0) for values in stacked.values()]).mean(dim=0)
    return {name: values.mean(dim=0) for name, values in stacked.items()}, spread


def texts(count: int) -> list[Prompt]:
    """Held-out looks and word pairs."""
    pairs, rng = held_out_pairs(0), np.random.default_rng(99)
    prompts = []
    for i in range(count):
        hair, background = pairs.hair_background[i % len(pairs.hair_background)]
        look = {"skin": SKINS[i % 4], "hair": hair, "shirt": "blue", "background": background}
        words = pairs.word_pairs[rng.integers(len(pairs.word_pairs))]
        prompts.append(
            Prompt(
                video_caption=video_caption(look),
                audio_caption=AUDIO_CAPTION,
                transcript=" ".join(words),
            )
        )
    return prompts


def measure(
    prompts: list[Prompt],
    lora: Path | None,
    needed: float,
    known: tuple[dict[str, Tensor], Tensor],
) -> dict[str, float]:
    """Shares of clips with the hat and with the new voice; `known` as `speakers` gives it."""
    pipeline = load_pipeline()
    if lora is not None:
        merge_lora(pipeline.model, load_lora(lora))
    hats, voices = [], []
    for seed, prompt in enumerate(prompts):
        clip = generate(pipeline, prompt, 33, SampleSettings(seed=seed))
        hats.append(hat_area(clip.frames) > needed)
        voices.append(nearest(speaker_features(clip.audio), *known) == NEW_VOICE)
    return {"hat": float(np.mean(hats)), "voice": float(np.mean(voices))}


def run() -> None:
    """The whole experiment; every part that is there already is kept."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dtype", default="bf16")
    options = parser.parse_args()
    clips, encoded, out = (options.folder / name for name in ("clips", "encoded", "run"))
    if not (clips / "clips.jsonl").exists():
        make_newcomer(clips, options.clips)
    if jova(["data", "encode", str(clips / "clips.jsonl"), "--out", str(encoded)]):
        sys.exit(2)
    started = time.monotonic()
    lora = out / "lora.safetensors"
    if not lora.exists():
        settings = [
            *("--lora", "--lora-rank", str(options.rank), "--steps", str(options.steps)),
            *("--learning-rate", str(options.learning_rate), "--warmup", "10", "--batch", "8"),
            *("--ema", "0.98", "--minutes", str(options.minutes), "--dtype", options.dtype),
        ]
        if jova(["train", str(encoded), str(out), *settings]):
            sys.exit(2)
    minutes = (time.monotonic() - started) / 60
    files = sorted(clips.glob("*.mp4"))
    true = [hat_area(read_video(f, fps=16, max_frames=33)) for f in files[:10]]
    needed = HAT_SHARE * float(np.median(true))
    base = load_pipeline()
    known = speakers(base)
    heard = [
        nearest(speaker_features(coded(base, read_audio(f, SAMPLE_RATE))), *known) == NEW_VOICE
        for f in files
    ]
    prompts = texts(options.texts)
    figures = {
        "clips": options.clips,
        "training_minutes": round(minutes, 1),
        "texts": len(prompts),
        "truth": {"voice": float(np.mean(heard)), "hat_area": float(np.median(true))},
        "without": measure(prompts, None, needed, known),
        "with": measure(prompts, lora, needed, known),
    }
    (options.folder / "lora.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    run()
