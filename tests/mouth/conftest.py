"""How much two boxes overlap, for everything that compares found mouths with drawn ones."""

import pytest
import torch


@pytest.fixture(scope="session")
def box_iou():
    """`box_iou(first, second)`: intersection over union [...] of boxes [..., 4]."""

    def overlap(first, second):
        low = torch.maximum(first[..., :2], second[..., :2])
        high = torch.minimum(first[..., 2:], second[..., 2:])
        shared = (high - low).clamp(min=0).prod(dim=-1)
        areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (first, second)]
        return shared / (areas[0] + areas[1] - shared)

    return overlap
