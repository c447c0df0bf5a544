"""Many prompts in a row, and broken ones: the server keeps its memory, its files and its temper.

JOVA_PROMPTS=300 runs as many prompts as the pack promises to bear; the suite runs fewer.
"""

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TWIN = ROOT / "tests" / "workflows" / "text_to_talking_video.api.json"
PROMPTS = int(os.environ.get("JOVA_PROMPTS", "24"))
WARM = max(8, PROMPTS // 10)  # caches and allocators have their final size after so many
GROWTH = 50 * 2**20
ODD = (None, -1, 0, 10**12, "", "NaN", [], {}, True, ["404", 0], "\u2028", 1e-9)


@pytest.fixture(scope="module")
def fresh(start_server):
    """A server that nothing has run on."""
    with start_server() as server:
        yield server


def prompt(seed, **changes):
    """The text workflow in two steps."""
    graph = json.loads(TWIN.read_text(encoding="utf-8"))
    for each in graph.values():
        for name, value in {"seed": seed, "steps": 2, **changes}.items():
            if name in each["inputs"] and not isinstance(each["inputs"][name], list):
                each["inputs"][name] = value
    return graph


def resident(pid):
    """Bytes of memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def handles(pid):
    """What a process holds open, sockets aside: clients come and go."""
    paths = Path(f"/proc/{pid}/fd").iterdir()
    links = [str(path.readlink()) for path in paths if path.is_symlink()]
    return sorted(link for link in links if not link.startswith("socket:"))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_memory_and_files_after_many_prompts(fresh):
    for seed in range(WARM):
        fresh.run(prompt(seed))
    before, held = resident(fresh.pid), handles(fresh.pid)
    queued = [fresh.start(prompt(seed)) for seed in range(WARM, PROMPTS)]
    for each in queued:
        assert fresh.wait(each, 3600)["status"]["status_str"] == "success"
    growth = resident(fresh.pid) - before
    print(f"{len(queued)} prompts: {growth / 2**20:+.1f} MiB")  # noqa: T201
    assert growth <= GROWTH
    assert len(handles(fresh.pid)) <= len(held), set(handles(fresh.pid)) - set(held)
    assert not list((fresh.folder / "temp").rglob("*.*"))
    made = list((fresh.folder / "output").rglob("*.mp4"))
    assert len(made) == PROMPTS
    assert not [path for path in (fresh.folder / "output").rglob(".*") if path.is_file()]


def test_broken_prompts_get_sentences_and_the_server_lives(fresh):
    rng, ran = np.random.default_rng(0), 0
    for number in range(200):
        graph = damaged(prompt(number, seconds=0.3), rng)
        answer = fresh.post("/prompt", {"prompt": graph})
        if "prompt_id" not in answer:
            assert answer["error"] or answer["node_errors"], answer
            continue
        entry = fresh.wait(answer["prompt_id"])
        error = fresh.messages(entry).get("execution_error")
        ran += 1
        if error is not None and error["node_type"].startswith("JoVA"):
            assert error["exception_type"].endswith("JoVAError"), error
            assert "\n" not in error["exception_message"].strip()
    assert ran > 10
    fresh.run(prompt(0))


def damaged(graph, rng):
    """One or two inputs with odd values, gone, or wired to another node."""
    graph = copy.deepcopy(graph)
    for _ in range(int(rng.integers(1, 3))):
        inputs = graph[list(graph)[int(rng.integers(len(graph)))]]["inputs"]
        if not inputs:
            continue
        name = list(inputs)[int(rng.integers(len(inputs)))]
        kind = int(rng.integers(3))
        if kind == 0 and not isinstance(inputs[name], list):  # a page only wires sockets
            inputs[name] = ODD[int(rng.integers(len(ODD)))]
        elif kind == 1:
            del inputs[name]
        else:
            other = list(graph)[int(rng.integers(len(graph)))]
            inputs[name] = [other, int(rng.integers(3))]
    return graph
