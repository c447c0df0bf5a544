"""The README's strip and the workflows' thumbnails, from the bundled mini, as in the workflows.

python tools/pictures.py [FOLDER]     # default: workflows/; needs JOVA_FACE_LANDMARKER
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from jova_core.decoding import Clip, generate
from jova_core.given import Given
from jova_core.mini import load_pipeline
from jova_core.mini.samples import load_sample, sample_names
from jova_core.mouth import detect_mouths, draw_boxes, mouth_regions
from jova_core.pipeline import JoVAPipeline, SampleSettings
from jova_core.prompt import Prompt
from jova_core.prompt_text import parse_prompt

ROOT = Path(__file__).parents[1]
SIDE, ROW, FRAMES = 480, 160, 33
BICUBIC = Image.Resampling.BICUBIC
DARK, GREY, WHITE = (24, 25, 30), (140, 143, 150), (235, 236, 240)
COLOURS = {
    "text_to_talking_video": (112, 186, 240),
    "text_to_talking_video_stock_nodes": (160, 152, 232),
    "portrait_to_talking_video": (252, 184, 104),
    "voice_to_talking_video": (140, 224, 140),
    "video_to_voice": (228, 140, 228),
    "train_lora": (236, 204, 88),
    "mouth_mask": (236, 120, 120),
    "full_size": (196, 200, 210),
}
STRIP = Prompt(
    video_caption="a tan face with red hair in a blue shirt on a white background",
    transcript="hello friend",
)


def font(size: int) -> ImageFont.ImageFont:
    """DejaVu where it is installed, else Pillow's own."""
    return ImageFont.truetype("DejaVuSans.ttf", size)


def node_inputs(name: str) -> dict[str, dict[str, Any]]:
    """Inputs of a workflow's nodes by their class."""
    path = ROOT / "tests" / "workflows" / f"{name}.api.json"
    nodes = json.loads(path.read_text(encoding="utf-8")).values()
    # The empty prompt of a negative conditioning is not what is asked for.
    return {n["class_type"]: n["inputs"] for n in nodes if n["inputs"].get("text") != ""}


def clip_of(pipeline: JoVAPipeline, name: str) -> tuple[Clip, Clip, Prompt]:
    """The clip of a workflow, its given media (frames and audio), and its prompt."""
    nodes = node_inputs(name)
    if "JoVAPrompt" in nodes:
        parts = ("video_caption", "audio_caption", "transcript")
        prompt = Prompt(**{key: nodes["JoVAPrompt"][key] for key in parts})
        asked = ("seed", "steps", "cfg_video", "cfg_audio")
        settings = SampleSettings(**{key: nodes["JoVASampler"][key] for key in asked})
    else:
        prompt = parse_prompt(nodes["CLIPTextEncode"]["text"])
        cfg, seed = nodes["CFGGuider"]["cfg"], nodes["RandomNoise"]["noise_seed"]
        steps = nodes["BasicScheduler"]["steps"]
        settings = SampleSettings(seed=seed, steps=steps, cfg_video=cfg, cfg_audio=cfg)
    sample = load_sample(nodes.get("JoVASampleMedia", {"character": "brown-hair"})["character"])
    media = Clip(frames=sample.frames, audio=sample.audio, latents=None)
    given = {
        "portrait_to_talking_video": Given(image=sample.frames[0]),
        "voice_to_talking_video": Given(audio=sample.audio),
        "video_to_voice": Given(video=sample.frames),
    }.get(name, Given())
    return generate(pipeline, prompt, FRAMES, settings, given=given), media, prompt


def pictures(frames: Tensor, wave: Tensor, count: int = 3) -> list[Image.Image]:
    """The first frame and the loudest and one between, each ROW pixels wide."""
    samples = len(wave) // len(frames)
    loud = [
        float(wave[i * samples : (i + 1) * samples].square().mean()) for i in range(len(frames))
    ]
    order = np.argsort(loud)[::-1]
    first = int(order[0])
    other = next(int(i) for i in order if abs(int(i) - first) > 5)
    chosen = sorted({0, first, other})[:count]
    return [Image.fromarray(frames[i].numpy()).resize((ROW, ROW), BICUBIC) for i in chosen]


def bars(draw: ImageDraw.ImageDraw, wave: Tensor, middle: int, height: int, colour: Any) -> None:
    """The loudness of audio as upright bars around a line."""
    parts = wave[: len(wave) // 110 * 110].reshape(110, -1).abs().amax(dim=1)
    parts = parts / parts.max().clamp(min=1e-6)
    for i, value in enumerate(parts.tolist()):
        x, half = 20 + 4 * i, max(1, round(value * height / 2))
        draw.rectangle((x, middle - half, x + 2, middle + half), fill=colour)


def arrow(draw: ImageDraw.ImageDraw, top: int) -> None:
    """A grey arrow downwards."""
    draw.rectangle((237, top, 243, top + 16), fill=GREY)
    draw.polygon(((228, top + 16), (252, top + 16), (240, top + 30)), fill=GREY)


def thumbnail(pipeline: JoVAPipeline, name: str) -> Image.Image:
    """What goes in above, what comes out below."""
    picture = Image.new("RGB", (SIDE, SIDE), DARK)
    draw = ImageDraw.Draw(picture)
    colour = COLOURS[name]
    if name == "mouth_mask":
        mouth_boxes(picture)
        return picture
    if name == "full_size":
        public_files(draw)
        return picture
    clip, media, prompt = clip_of(pipeline, name)
    if name == "video_to_voice":
        for i, frame in enumerate(pictures(media.frames[:FRAMES], clip.audio)):
            picture.paste(frame, (i * ROW, 50))
        arrow(draw, 224)
        bars(draw, clip.audio, 362, 180, colour)
        return picture
    if name == "voice_to_talking_video":
        bars(draw, media.audio, 118, 110, colour)
    elif name == "portrait_to_talking_video":
        face = Image.fromarray(media.frames[0].numpy()).resize((134, 134), BICUBIC)
        picture.paste(face, (173, 48))
    elif name == "train_lora":
        for i, who in enumerate(sample_names()):
            face = load_sample(who).frames[0].numpy()
            picture.paste(Image.fromarray(face).resize((134, 134), BICUBIC), (26 + 147 * i, 48))
    else:
        look, _, place = prompt.video_caption.partition(" in ")
        draw.text((240, 77), look, GREY, font(18), anchor="mm")
        draw.text((240, 101), f"in {place}", GREY, font(18), anchor="mm")
        draw.text((240, 141), f"“{prompt.transcript}”", WHITE, font(28), anchor="mm")
        if name.endswith("stock_nodes"):
            words = "ComfyUI’s own sampler, VAE Decode, Save Video"
            draw.text((240, 177), words, GREY, font(14), anchor="mm")
    arrow(draw, 188)
    for i, frame in enumerate(pictures(clip.frames, clip.audio)):
        picture.paste(frame, (i * ROW, 229))
    audio = media.audio if name == "voice_to_talking_video" else clip.audio
    bars(draw, audio, 435, 76, colour)
    return picture


def mouth_boxes(picture: Image.Image) -> None:
    """A video with the boxes of its mouths, and the masks below."""
    video = load_sample(node_inputs("mouth_mask")["JoVASampleMedia"]["character"]).frames
    height, width = video.shape[1:3]
    regions = mouth_regions(detect_mouths(video), height=height, width=width)
    masks = (regions.pixels[..., None] * 255).byte().expand(-1, -1, -1, 3)
    for row, frames in enumerate((draw_boxes(video, regions), masks)):
        for i, frame in enumerate((4, 9, 14)):
            small = Image.fromarray(frames[frame].numpy()).resize((ROW, ROW), BICUBIC)
            picture.paste(small, (i * ROW, 60 + 200 * row))


def public_files(draw: ImageDraw.ImageDraw) -> None:
    """What a full-size checkpoint is joined with, as boxes; no such clip can be made here."""
    rows = ((("T5-XXL", "Qwen2.5-7B"), 60), (("JoVA",), 200), (("Wan 2.1 VAE", "MMAudio VAE"), 340))
    for names, top in rows:
        width = (SIDE - 40) // len(names)
        for i, text in enumerate(names):
            left = 20 + i * width
            box = (left + 6, top, left + width - 6, top + 80)
            draw.rounded_rectangle(box, 10, outline=COLOURS["full_size"], width=2)
            middle = (left + width // 2, top + 40)
            draw.text(middle, text, WHITE, font(24), anchor="mm")
    for top in (155, 295):
        arrow(draw, top)
    draw.text((240, 446), "480p, from a checkpoint of yours", GREY, font(18), anchor="mm")


def strip(pipeline: JoVAPipeline) -> Image.Image:
    """Twelve frames of the README's clip."""
    clip = generate(pipeline, STRIP, FRAMES, SampleSettings())
    picture = Image.new("RGB", (1536, 128))
    for i, frame in enumerate(np.linspace(0, FRAMES - 1, 12).round().astype(int)):
        grown = Image.fromarray(clip.frames[int(frame)].numpy())
        picture.paste(grown.resize((128, 128), BICUBIC), (128 * i, 0))
    return picture


def run() -> None:
    """Write all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "workflows"
    pipeline = load_pipeline()
    with torch.inference_mode():
        strip(pipeline).save(folder / "strip.jpg", quality=88)
        for name in COLOURS:
            thumbnail(pipeline, name).save(folder / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    run()
