"""JoVA: one transformer for video, audio and text tokens (arXiv 2512.13677).

Read config, timeline, latents, kernels/reference, model, flow, pipeline, in that order.
"""

__version__ = "0.1.0"
