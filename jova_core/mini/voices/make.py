"""Speech for the mini's clips: every utterance of a plan spoken once, by several processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...errors import JoVAError
from ...files import write_problem
from ...processes import process_pool
from .cache import Plan, Split, Utterance, speech_path, write_plan, write_speech
from .cast import NEWCOMER, VOICES
from .phrases import write_phrases
from .speech import Engine

# Ours: how much slower or faster than usual a voice may speak, in steps of a hundredth.
SLOWEST, FASTEST = 85, 115
# Utterances for evaluation and for the new voice, as shares of the training ones.
SHARES = {"heldout": 0.05, "unseen": 0.05, "newcomer": 0.02}
# Not the streams of the phrases.
STREAMS = {"train": 11, "heldout": 12, "unseen": 13, "newcomer": 14}

OpenEngine = Callable[[], Engine]
Progress = Callable[[int, int], None]


def plan_speech(count: int, seed: int) -> tuple[Utterance, ...]:
    """`count` training utterances with those for evaluation spread among them.

    So that any beginning of the list is a sample of the whole; the voices take turns.
    """
    if count < 1:
        raise JoVAError(f"Got {count} phrases; expected 1 or more.")
    sizes = {"train": count} | {split: max(1, round(count * s)) for split, s in SHARES.items()}
    placed = [
        ((at + 0.5) / size, utterance)
        for split, size in sizes.items()
        for at, utterance in enumerate(_utterances(split, size, seed))
    ]
    return tuple(utterance for _, utterance in sorted(placed, key=lambda pair: pair[0]))


def _utterances(split: Split, size: int, seed: int) -> Iterator[Utterance]:
    rng = np.random.default_rng((seed, STREAMS[split]))
    new = split == "newcomer"
    phrases = write_phrases(size, seed + new, "train" if new else split)
    order: list[str] = []
    for phrase in phrases:
        order = order or ([NEWCOMER] if new else [str(voice) for voice in rng.permutation(VOICES)])
        yield Utterance(
            split=split,
            voice=order.pop(),
            words=phrase.words,
            text=phrase.text,
            tempo=int(rng.integers(SLOWEST, FASTEST + 1)) / 100,
        )


def make_speech(
    folder: Path,
    count: int,
    seed: int,
    workers: int,
    *,
    open_engine: OpenEngine,
    progress: Progress = lambda _done, _total: None,
) -> Plan:
    """Speaks into `folder` what is not there yet and returns the plan; it may be stopped anywhere.

    `open_engine` is called once in every process. Raises JoVAError.
    """
    utterances = plan_speech(count, seed)
    if workers < 1:
        raise JoVAError(f"Got {workers} workers; expected 1 or more.")
    engine = open_engine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_problem(folder, error.errno, error.strerror or str(error)) from error
    plan = {u.key(engine.version(u.voice)): u for u in utterances}
    write_plan(folder, plan)
    jobs = [(folder, *item) for item in plan.items() if not speech_path(folder, item[0]).exists()]
    total, done = len(plan), len(plan) - len(jobs)
    progress(done, total)
    if workers == 1:
        for number, job in enumerate(jobs, done + 1):
            _speak(engine, *job)
            progress(number, total)
        return plan
    del engine
    with process_pool(workers, _start_worker, (open_engine,)) as pool:
        for number, _ in enumerate(pool.map(_speak_in_worker, jobs), done + 1):
            progress(number, total)
    return plan


def _speak(engine: Engine, folder: Path, key: str, utterance: Utterance) -> None:
    write_speech(folder, key, engine.say(utterance.text, utterance.voice, utterance.tempo))


_worker: dict[str, Engine] = {}


def _start_worker(open_engine: OpenEngine) -> None:
    import torch

    # A worker is one thread; the processes share the cores.
    torch.set_num_threads(1)
    _worker["engine"] = open_engine()


def _speak_in_worker(job: tuple[Path, str, Utterance]) -> None:
    _speak(_worker["engine"], *job)
