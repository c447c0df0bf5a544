"""Thin ComfyUI nodes over `jova_core`; the only place that knows ComfyUI. None yet."""
