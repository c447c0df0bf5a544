"""JoVA-mini: the small JoVA that ships in the package, and everything that only it needs."""

from pathlib import Path

from ..errors import JoVAError
from ..model.checkpoint import load_jova
from ..pipeline import JoVAPipeline
from ..vocabulary import Vocabulary
from .codecs.checkpoint import load_codecs
from .text.encoder import MiniTextEncoder

WEIGHTS = Path(__file__).parent / "weights"
MINI, MINI_CODECS = WEIGHTS / "jova_mini.safetensors", WEIGHTS / "jova_mini_codecs.safetensors"


def load_pipeline(checkpoint: Path | None = None, codecs: Path | None = None) -> JoVAPipeline:
    """The bundled JoVA-mini, or the given files, in fp32 on the CPU."""
    checkpoint, codecs = checkpoint or MINI, codecs or MINI_CODECS
    loaded, loaded_codecs = load_jova(checkpoint), load_codecs(codecs)
    if "vocabulary" not in loaded.notes:
        raise JoVAError(
            f"{checkpoint} has no vocabulary, so its prompts cannot be encoded; "
            "give a checkpoint from `jova train`."
        )
    if not loaded_codecs.stats.match(loaded.config):
        raise JoVAError(
            f"{checkpoint} was not trained with the codecs {codecs}: their latent statistics "
            "differ; give the codecs of its data."
        )
    vocabulary = Vocabulary.from_dict(loaded.notes["vocabulary"])
    return JoVAPipeline(
        model=loaded.model(),
        codecs=loaded_codecs,
        encoders=(MiniTextEncoder.of(loaded.config, vocabulary),),
        vocabulary=vocabulary,
        notes=loaded.notes,
    )
