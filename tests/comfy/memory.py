"""Memory of the CPU that a call holds, read from torch's profiler."""

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call):
    """Most bytes that torch held at once during `call`, beyond what it held before."""
    activities = [ProfilerActivity.CPU]
    with torch.inference_mode(), profile(activities=activities, profile_memory=True) as seen:
        call()
    held = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak
