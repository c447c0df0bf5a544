"""Whether somebody stays the same person, on made-up meshes and pictures."""

import math

import numpy as np
import pytest
import torch

from jova_core.mini.evaluation.identity import portrait_error, shape_error

SIZE = 96


def mesh(seed=0):
    """478 points of a head about 40 px wide, its forehead above its eyes."""
    rng = np.random.default_rng(seed)
    points = np.array([48, 52, 0]) + rng.uniform(-20, 20, (478, 3))
    points[[33, 263]] = (30, 45, 0), (66, 45, 0)
    points[10] = (48, 30, 0)
    points[[151, 50, 280]] = (48, 36, 0), (36, 58, 0), (60, 58, 0)
    return points


def turned(points, degrees):
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return 1.3 * points @ turn.T + np.array([5, -3, 2])


class Face:
    """A detector that finds the same mesh in every picture that is not black."""

    def __init__(self, points):
        self.points = points

    def mesh(self, frame):
        return self.points if frame.any() else None


def test_a_turned_moved_and_larger_head_has_the_same_shape():
    assert shape_error(turned(mesh(), 25), mesh()) == pytest.approx(0, abs=1e-9)


def test_another_head_and_a_mirrored_one_have_another_shape():
    assert shape_error(mesh(1), mesh()) > 0.1
    assert shape_error(mesh() * np.array([1, 1, -1]), mesh()) > 0.1


def test_another_shirt_is_a_difference_of_colour_alone():
    portrait = torch.full((SIZE, SIZE, 3), 120, dtype=torch.uint8)
    film = portrait.repeat(9, 1, 1, 1)
    film[:, 85:] = 180  # one of seven places
    shape, colour = portrait_error(film, portrait, Face(mesh()))
    assert shape == pytest.approx(0, abs=1e-9)
    assert colour == pytest.approx(60 / 7)


def test_a_film_without_a_face_has_no_figure():
    portrait = torch.full((SIZE, SIZE, 3), 120, dtype=torch.uint8)
    nobody = torch.zeros(5, SIZE, SIZE, 3, dtype=torch.uint8)
    assert all(map(math.isnan, portrait_error(nobody, portrait, Face(mesh()))))
    assert all(map(math.isnan, portrait_error(portrait[None], nobody[0], Face(mesh()))))
