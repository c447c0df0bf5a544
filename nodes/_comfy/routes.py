"""What the page may ask the server: the rates of a checkpoint, for the length planner."""

from pathlib import Path

from aiohttp import web
from safetensors import safe_open

from ...jova_core.config import JoVAError
from ...jova_core.files import existing_file
from ...jova_core.model.checkpoint import describe
from ...jova_core.pipeline import MINI
from ...jova_core.timeline import Timeline
from .files import chosen_path


def add_routes() -> None:
    """Register the route on ComfyUI's server; without a server (in scripts) nothing happens."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get("/jova/rates")(_rates)


async def _rates(request: web.Request) -> web.Response:
    try:
        path = chosen_path("diffusion_models", request.query.get("checkpoint", ""))
        line = Timeline.of(describe(*_header(path or MINI), preset=_preset(request))[0])
    except (JoVAError, FileNotFoundError) as error:
        return web.json_response({"error": str(error)}, status=400)
    rates = {
        "fps": str(line.fps),
        "sample_rate": line.sample_rate,
        "audio_rate": str(line.audio_rate),
        "temporal_ratio": line.temporal_ratio,
        "max_seconds": line.max_seconds,
    }
    return web.json_response(rates)


def _header(path: Path) -> tuple[Path, dict, dict[str, str]]:
    """A checkpoint's path, no tensors, and its metadata, read without the weights."""
    existing_file(path, "checkpoint", "a JoVA checkpoint (.safetensors)")
    try:
        with safe_open(str(path), framework="pt") as file:
            return path, {}, file.metadata() or {}
    except Exception as error:
        raise JoVAError(
            f"{path.name} is truncated or no safetensors file ({error}); give a JoVA checkpoint."
        ) from error


def _preset(request: web.Request) -> str | None:
    name = request.query.get("preset", "from the file")
    return None if name == "from the file" else name
