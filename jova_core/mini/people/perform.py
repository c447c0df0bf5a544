"""Speaking and moving: phones with their times to face units, head, gaze, blinks and brows.

Legend: F frames, U face units, K steps of a finer clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import JoVAError
from .anatomy import load_anatomy
from .visemes import BITE, CLOSED, VISEMES, VOWELS, TimedPhone, visemes_of

CLOCK = 200  # Hz
# Lips blend neighbouring phones over the first window; closures hold within the second.
BLEND_SECONDS, CLOSE_SECONDS = 0.15, 0.085
# Mouths move before their sound.
LEAD_SECONDS = 0.03
MOST_YAW, MOST_PITCH, MOST_ROLL = np.radians((20, 9, 7))
# Hair follows the head like a damped pendulum of this frequency (Hz).
LAG_FREQUENCY, LAG_DAMPING = 1.7, 0.45
# Face units held through the clip, and how much of them gives way to speech at the lips.
MOODS: dict[str, dict[str, float]] = {
    "neutral": {"mouthSmile": 0.16, "browInnerUp": 0.12, "eyeWide": 0.12},
    "smiling": {
        "mouthSmile": 0.62,
        "cheekSquint": 0.40,
        "eyeSquint": 0.08,
        "mouthDimple": 0.15,
        "browInnerUp": 0.06,
        "browOuterUp": 0.08,
    },
    "serious": {
        "browDown": 1.0,
        "eyeSquint": 0.20,
        "mouthFrown": 0.50,
        "mouthPress": 0.10,
    },
}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One frame of a performance; angles in radians, shift in units of 10 cm."""

    units: np.ndarray  # float32 [U]
    head: np.ndarray  # float32 [3], yaw, pitch (down), roll
    lag: np.ndarray  # float32 [3], the head as loose hair follows it
    shift: np.ndarray  # float32 [3]
    gaze: np.ndarray  # float32 [2], right and up against the head
    tongue: np.ndarray  # float32 [], how far the tip is lifted


@dataclass(frozen=True, kw_only=True)
class Performance:
    """The moments of a clip, each field with a leading axis of F frames."""

    fps: float
    units: np.ndarray
    head: np.ndarray
    lag: np.ndarray
    shift: np.ndarray
    gaze: np.ndarray
    tongue: np.ndarray
    closed: np.ndarray  # bool [F]: within m, b or p, where the lips must meet

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, frame: int) -> Moment:
        """The moment of a frame."""
        names = Moment.__dataclass_fields__
        return Moment(**{name: getattr(self, name)[frame] for name in names})

    def unit(self, name: str) -> np.ndarray:
        """A face unit's track [F], by its ARKit name."""
        return self.units[:, load_anatomy().units.index(name)]


def rest(frames: int, fps: float = 25) -> Performance:
    """A neutral face that looks ahead and does not move."""
    zeros = {"head": (3,), "lag": (3,), "shift": (3,), "gaze": (2,), "tongue": ()}
    return Performance(
        fps=fps,
        units=np.zeros((frames, len(load_anatomy().units)), np.float32),
        closed=np.zeros(frames, bool),
        **{name: np.zeros((frames, *shape), np.float32) for name, shape in zeros.items()},
    )


def perform(
    phones: Sequence[TimedPhone],
    seconds: float,
    fps: float,
    rng: int | np.random.Generator,
    *,
    expression: str = "neutral",
    liveliness: float = 1.0,
) -> Performance:
    """A clip of round(seconds · fps) frames in which somebody says `phones`.

    Each frame shows the middle of its interval. `liveliness` scales turns, brows and shifts.
    JoVAError for a phone or expression that is unknown, or times that are not in order.
    """
    rng = np.random.default_rng(rng)
    frames = round(seconds * fps)
    _check(phones, frames, expression)
    times = (np.arange(frames) + 0.5) / fps
    tracks, closing = _articulate(phones, seconds, times)
    stress = _stress(phones, times)
    head = _turns(rng, times, stress, liveliness)
    gaze = _gaze(rng, times, head)
    names = load_anatomy().units
    units = np.zeros((frames, len(names)))

    def add(unit: str, amount: np.ndarray | float) -> None:
        for name in (unit,) if unit in names else (f"{unit}Left", f"{unit}Right"):
            units[:, names.index(name)] += amount

    for unit, track in tracks.items():
        if unit != "tongue":
            add(unit, track)
    talking = np.clip(tracks["jawOpen"] * 3, 0, 1)
    for unit, amount in MOODS[expression].items():
        lips = unit in ("mouthSmile", "mouthDimple", "mouthFrown")
        add(unit, amount * (1 - (0.25 * talking + 0.45 * closing) * lips))
    _live_face(rng, times, stress, gaze, add, liveliness)
    shift = np.stack([_wander(rng, times, scale, 0.35) for scale in (0.03, 0.012, 0.02)], 1)
    return Performance(
        fps=fps,
        units=np.clip(units, 0, 1.2).astype(np.float32),
        head=head.astype(np.float32),
        lag=_lagging(head, fps).astype(np.float32),
        shift=np.float32(liveliness * shift),
        gaze=gaze.astype(np.float32),
        tongue=tracks["tongue"].astype(np.float32),
        closed=_within(phones, times),
    )


def _check(phones: Sequence[TimedPhone], frames: int, expression: str) -> None:
    if expression not in MOODS:
        raise JoVAError(f"Got the expression {expression!r}; expected one of: {', '.join(MOODS)}.")
    if frames < 1:
        raise JoVAError("Got a clip without a frame; expected a length of at least one frame.")
    last = 0.0
    for phone in phones:
        if not last - 1e-6 <= phone.start <= phone.end:
            raise JoVAError(
                f"Got the phone {phone.name} from {phone.start:.3f} to {phone.end:.3f} s after "
                f"one that ends at {last:.3f} s; expected phones in order, without overlap."
            )
        last = phone.end


def _articulate(
    phones: Sequence[TimedPhone], seconds: float, times: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Tracks [F] of the units that speak, and how closed [F] the lips are held."""
    steps = int(np.ceil(seconds * CLOCK)) + 1
    shape = np.full(steps, "rest", dtype=object)
    for phone in phones:
        visemes = visemes_of(phone.name)
        edges = np.linspace(phone.start, phone.end, len(visemes) + 1)
        for viseme, start, end in zip(visemes, edges[:-1], edges[1:], strict=True):
            shape[round(start * CLOCK) : max(round(end * CLOCK), round(start * CLOCK) + 1)] = viseme
    # Sampled early, a closure must last longer, or lips would part before its sound ends.
    for phone in phones:
        if visemes_of(phone.name) == (CLOSED,):
            until = round((phone.end + LEAD_SECONDS) * CLOCK)
            shape[round(phone.start * CLOCK) : until] = CLOSED
    names = {unit for amounts in VISEMES.values() for unit in amounts}
    at = np.clip((times + LEAD_SECONDS) * CLOCK, 0, steps - 1)

    def sampled(track: np.ndarray) -> np.ndarray:
        return np.interp(at, np.arange(steps), track)

    tracks = {}
    for unit in sorted(names):
        amounts = {viseme: VISEMES[viseme].get(unit, 0.0) for viseme in VISEMES}
        track = _smooth(np.array([amounts[viseme] for viseme in shape]), BLEND_SECONDS)
        tracks[unit] = sampled(track)
    held = {}
    for viseme in (BITE, CLOSED):
        held[viseme] = sampled(np.clip(2.2 * _smooth(shape == viseme, CLOSE_SECONDS), 0, 1))
        for unit, track in tracks.items():
            wanted = VISEMES[viseme].get(unit, 0.0)
            tracks[unit] = track + held[viseme] * (wanted - track)
    return tracks, held[CLOSED]


def _smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """A track on the fine clock under a Hann window of `seconds`."""
    window = np.hanning((int(seconds * CLOCK) | 1) + 2)
    half = len(window) // 2
    padded = np.pad(track.astype(float), half, mode="edge")
    return np.convolve(padded, window / window.sum(), "valid")


def _within(phones: Sequence[TimedPhone], times: np.ndarray) -> np.ndarray:
    """Frames [F] whose middle lies in an m, b or p."""
    inside = np.zeros(len(times), bool)
    for phone in phones:
        if visemes_of(phone.name) == (CLOSED,):
            inside |= (times >= phone.start) & (times < phone.end)
    return inside


def _stress(phones: Sequence[TimedPhone], times: np.ndarray) -> np.ndarray:
    """Stress [F] in 0..1: bumps on vowels marked 1, lower ones on long unmarked vowels."""
    stress = np.zeros(len(times))
    for phone in phones:
        bare = phone.name.upper().rstrip("012")
        marked = phone.name.endswith("1")
        if bare in VOWELS and (marked or (phone.name == bare and phone.end - phone.start > 0.1)):
            middle = (phone.start + phone.end) / 2
            bump = np.exp(-(((times - middle) / 0.12) ** 2))
            stress = np.maximum(stress, bump * (1.0 if marked else 0.6))
    return stress


def _wander(
    rng: np.random.Generator, times: np.ndarray, scale: float, frequency: float
) -> np.ndarray:
    """A smooth random track [F] of about `scale`."""
    waves = np.zeros(len(times))
    for _ in range(4):
        turn = rng.uniform(0.4, 1.0) * frequency * times + rng.random()
        waves += np.sin(2 * np.pi * turn) * rng.uniform(0.3, 1)
    return scale * waves / 2


def _turns(
    rng: np.random.Generator, times: np.ndarray, stress: np.ndarray, liveliness: float
) -> np.ndarray:
    """Yaw, pitch and roll [F, 3]: a pose, slow motion, nods on stressed vowels."""
    pose = rng.normal(size=3) * [0.11, 0.04, 0.03]
    scales, speeds = (0.09, 0.04, 0.035), (0.5, 0.6, 0.4)
    moves = zip(pose, scales, speeds, strict=True)
    angles = [at + _wander(rng, times, liveliness * s, v) for at, s, v in moves]
    nod = liveliness * rng.uniform(0.0, 0.07)
    angles[1] = angles[1] + nod * (stress - stress.mean())
    most = np.array((MOST_YAW, MOST_PITCH, MOST_ROLL))
    return most * np.tanh(np.stack(angles, 1) / most)


def _gaze(rng: np.random.Generator, times: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Gaze [F, 2]: jumps between places near the camera, held while the head turns."""
    target, at = np.zeros((len(times), 2)), 0.0
    place = np.zeros(2)
    while len(times) and at < times[-1]:
        target[times >= at] = place
        at += 0.12 + rng.exponential(1.2)
        place = np.zeros(2) if rng.random() < 0.65 else rng.normal(size=2) * [0.14, 0.06]
    against = np.stack([target[:, 0] - 0.85 * head[:, 0], target[:, 1] + 0.85 * head[:, 1]], 1)
    return np.clip(against, -0.42, 0.42)


def _live_face(
    rng: np.random.Generator,
    times: np.ndarray,
    stress: np.ndarray,
    gaze: np.ndarray,
    add: "callable",
    liveliness: float,
) -> None:
    """Adds blinks, lids that follow the gaze, and brows that move by chance and with stress."""
    blink, at = np.zeros(len(times)), rng.uniform(0.3, 3.0)
    while len(times) and at < times[-1]:
        lid = np.interp(times - at, [-0.07, 0, 0.04, 0.16], [0, 1, 1, 0], left=0, right=0)
        blink = np.maximum(blink, lid)
        at += 0.6 + rng.exponential(2.8)
    add("eyeBlink", blink)
    add("eyeLookDown", np.clip(-gaze[:, 1] / 0.45, 0, 1))
    add("eyeLookUp", np.clip(gaze[:, 1] / 0.45, 0, 1))
    brow = np.clip(_wander(rng, times, 0.3, 0.6), 0, 1) + rng.uniform(0.2, 0.9) * stress
    add("browInnerUp", liveliness * 0.45 * brow)
    add("browOuterUp", liveliness * rng.uniform(0.3, 0.6) * brow)
    add("mouthSmile", np.clip(_wander(rng, times, 0.05, 0.3), 0, 0.2))
    lean = 0.07 * rng.normal()
    add("mouthSmileLeft", max(lean, 0))
    add("mouthSmileRight", max(-lean, 0))


def _lagging(head: np.ndarray, fps: float) -> np.ndarray:
    """The head's angles [F, 3] as loose hair follows them: a damped pendulum."""
    pace, fine = 2 * np.pi * LAG_FREQUENCY, 8
    step = 1 / (fps * fine)
    place, speed = head[:1].repeat(1, 0)[0].copy(), np.zeros(3)
    out = np.zeros_like(head)
    for frame, target in enumerate(head):
        for _ in range(fine):
            pull = pace**2 * (target - place) - 2 * LAG_DAMPING * pace * speed
            speed = speed + step * pull
            place = place + step * speed
        out[frame] = place
    return out
