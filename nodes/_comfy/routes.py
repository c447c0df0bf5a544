"""What the page may ask the server: the rates of a checkpoint, for the length planner."""

from aiohttp import web

from ...jova_core.errors import JoVAError
from ...jova_core.model.checkpoint import read_config
from ...jova_core.timeline import Timeline
from .files import FROM_FILE, chosen_path
from .mini import bundled_checkpoint


def add_routes() -> None:
    """Register the route on ComfyUI's server; without a server (in scripts) nothing happens."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get("/jova/rates")(_rates)


async def _rates(request: web.Request) -> web.Response:
    path = None
    try:
        path = chosen_path("diffusion_models", request.query.get("checkpoint", ""))
        preset = request.query.get("preset", FROM_FILE)
        named = None if preset == FROM_FILE else preset
        config, _ = read_config(path or bundled_checkpoint(), preset=named)
    except (JoVAError, FileNotFoundError) as error:
        # The page learns the file's name, not where the server keeps it.
        told = str(error) if path is None else str(error).replace(str(path), path.name)
        return web.json_response({"error": told}, status=400)
    line = Timeline.of(config)
    rates = {
        "fps": str(line.fps),
        "sample_rate": line.sample_rate,
        "audio_rate": str(line.audio_rate),
        "temporal_ratio": line.temporal_ratio,
        "max_seconds": line.max_seconds,
    }
    return web.json_response(rates)
