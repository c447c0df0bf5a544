"""The server's route for the length planner: the rates of a checkpoint."""

from aiohttp import web

from ...jova_core.errors import JoVAError
from ...jova_core.timeline import Timeline
from .files import FROM_FILE, chosen_path, describe_file
from .mini import bundled_checkpoint


def add_routes() -> None:
    """Register the route on ComfyUI's server; a no-op without a server (in scripts)."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get("/jova/rates")(_rates)


async def _rates(request: web.Request) -> web.Response:
    path = None
    try:
        path = chosen_path("diffusion_models", request.query.get("checkpoint", ""))
        preset = request.query.get("preset", FROM_FILE)
        config, _ = describe_file(path or bundled_checkpoint(), preset)
    except (JoVAError, FileNotFoundError) as error:
        return web.json_response({"error": str(error)}, status=400)
    timeline = Timeline.of(config)
    rates = {
        "fps": str(timeline.fps),
        "sample_rate": timeline.sample_rate,
        "audio_rate": str(timeline.audio_rate),
        "temporal_ratio": timeline.temporal_ratio,
        "max_seconds": timeline.max_seconds,
    }
    return web.json_response(rates)
