"""Built people: holes, sameness, and what a face detector that we did not train sees in them."""

import builtins
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.people import build, compiled, draw_person, perform, render, rest, true_lips
from jova_core.mini.people.anatomy import INNER, SKIN, load_anatomy
from jova_core.mini.people.caption import HAIR_STYLES
from jova_core.mini.people.meshes import load_meshes
from jova_core.mouth import LipDetector

pytest.importorskip("numba")

STYLES = [(sex, style) for sex, styles in HAIR_STYLES.items() for style in styles]
MANY = 20


@pytest.fixture(scope="module")
def heads():
    """One head of every style of each sex, then four more: the first compiles the kernels."""
    people = [draw_person(i, sex=sex, hair_style=style) for i, (sex, style) in enumerate(STYLES)]
    people += [draw_person(100 + i) for i in range(MANY - len(people))]
    return [build(person) for person in people]


@pytest.fixture(scope="module")
def detector(landmarker):
    with LipDetector(landmarker) as made:
        yield made


def spoken(seconds):
    """Phones that open, round and close the mouth, back to back from 0.2 s on."""
    names = ["M", "AA1", "B", "IY1", "P", "OW1", "T", "AE1", "M", "UW1", "F", "AY1"]
    phones, at = [], 0.2
    while at < seconds - 0.4:
        name = names[len(phones) % len(names)]
        length = 0.17 if name[-1] == "1" else 0.09
        phones.append(SimpleNamespace(name=name, start=at, end=at + length))
        at += length
    return phones


def test_skin_is_closed_but_for_its_lower_border():
    """Every edge of the skin belongs to two triangles, except where the body is cut off."""
    anatomy = load_anatomy()
    triangles = anatomy.triangles[np.isin(anatomy.material, (SKIN, INNER))]
    edges = Counter()
    for corners in ((0, 1), (1, 2), (2, 0)):
        edges.update(map(tuple, np.sort(triangles[:, corners], axis=1)))
    assert max(edges.values()) == 2
    border = {vertex for edge, count in edges.items() if count == 1 for vertex in edge}
    places = load_meshes().points[sorted(border)]
    cut_off = (places[:, 1] < 4.7) | (np.abs(places[:, 0]) > 2.0)
    assert cut_off.all(), places[~cut_off]


def test_the_same_seed_gives_the_same_pixels(heads):
    again = build(heads[0].person)
    acted = perform(spoken(1.0), 1.0, 10, 3)
    assert np.array_equal(render(heads[0], acted), render(again, acted))
    one, other = (render(head, rest(1)) for head in heads[:2])
    assert np.abs(one.astype(int) - other).mean() > 5


def test_pictures_have_no_holes(heads):
    """Inside the outline of face and neck no pixel shows the backdrop."""
    for head in heads[:8]:
        bare = replace(head, lights=replace(head.lights, backdrop=(np.full(3, 50.0),) * 2))
        glaring = (render(bare, rest(1))[0] >= 250).all(-1)
        face = glaring[50:170, 80:112]
        assert face.mean() < 0.01, head.person.caption


def test_a_face_is_found_in_everybody_where_the_lips_truly_are(heads, detector):
    frames = np.stack([render(head, rest(1))[0] for head in heads])
    found = detector.detect(torch.from_numpy(frames), max_gap=0)
    assert found.measured.all(), [
        h.person.caption for h, m in zip(heads, found.measured, strict=True) if not m
    ]
    true = np.stack([true_lips(head, rest(1)).boxes[0] for head in heads])
    off = (found.boxes.numpy()[:, :2] + found.boxes.numpy()[:, 2:] - true[:, :2] - true[:, 2:]) / 2
    assert np.median(np.abs(off)) < 2
    # The mouth area is the lips and a quarter of their size on each side.
    assert np.median(1.5 * (true[:, 2] - true[:, 0])) >= 40


def test_measured_lips_follow_the_jaw_and_close(heads, detector):
    correlations, shut, wide = [], [], []
    for index in (1, 9, 17):
        acted = perform(spoken(3.0), 3.0, 16, index)
        track = detector.detect(torch.from_numpy(render(heads[index], acted)), max_gap=0)
        assert track.measured.all()
        opening = (track.opening / track.face).numpy()
        correlations.append(np.corrcoef(opening, acted.unit("jawOpen"))[0, 1])
        shut.append(np.median(opening[acted.closed]))
        wide.append(np.quantile(opening, 0.9))
        true = true_lips(heads[index], acted)
        assert np.corrcoef(opening, true.opening)[0, 1] > 0.9
    assert np.median(correlations) >= 0.9, correlations
    assert np.max(np.array(shut) / wide) < 0.25


def test_men_and_women_differ_in_their_faces(heads):
    """The jaw's width over that of the cheekbones, before hair or clothes say anything."""
    anatomy, ratios = load_anatomy(), {"woman": [], "man": []}
    y = anatomy.canon[:, 1]
    skin = (anatomy.head_weight > 0.9) & (anatomy.masks["ears"] < 0.3)
    for head in heads:
        x = np.abs(head.vertices[: anatomy.count, 0])
        jaw, cheek = (x[skin & (np.abs(y - at) < 0.06)].max() for at in (6.45, 7.1))
        ratios[head.person.sex].append(jaw / cheek)
    assert np.median(ratios["man"]) > np.median(ratios["woman"])


def test_seconds(heads):
    """A loose bound for slow machines; benchmarks say 12 ms a frame and 2.5 s a person."""
    started = time.process_time()
    build(heads[3].person)
    assert time.process_time() - started < 8
    acted = perform([], 1.0, 10, 0)
    started = time.process_time()
    render(heads[3], acted)
    assert (time.process_time() - started) / 10 < 0.06


def test_a_picture_too_small_is_refused(heads):
    with pytest.raises(JoVAError, match="expected 16 or more"):
        render(heads[0], rest(1), size=8)


def test_without_numba_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "numba":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(JoVAError, match=r"pip install 'jova\[data\]'"):
        compiled.kernel(lambda x: x)(1)
