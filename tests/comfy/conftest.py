"""Finds a ComfyUI to test in, and runs it as a server with folders of its own."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

PACK = Path(__file__).parents[2]
# Checks run as scripts in ComfyUI, where the files beside them are modules; here, too.
sys.path.append(str(Path(__file__).parent))
BOOT_SECONDS, RUN_SECONDS = 240, 300
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _find_root():
    named = os.environ.get("COMFYUI_PATH")
    beside = [PACK.parents[1]] if PACK.parent.name == "custom_nodes" else []
    places = [Path(named)] if named else [*beside, Path.home() / "comfy" / "ComfyUI"]
    return next((place for place in places if (place / "main.py").is_file()), None)


@pytest.fixture(scope="session")
def comfy_root():
    """Folder of a ComfyUI 0.33 or newer."""
    root = _find_root()
    if root is None:
        pytest.skip("no ComfyUI found: name its folder in COMFYUI_PATH")
    text = (root / "comfyui_version.py").read_text(encoding="utf-8")
    version = re.search(r'"(\d+)\.(\d+)', text)
    if (int(version[1]), int(version[2])) < (0, 33):
        pytest.skip(f"ComfyUI {version[0]} is older than 0.33")
    return root


@pytest.fixture(scope="session")
def comfy_python(comfy_root):
    """The interpreter that ComfyUI is installed for."""
    python = os.environ.get("COMFYUI_PYTHON") or comfy_root / ".venv" / "bin" / "python"
    if not Path(python).is_file():
        pytest.skip(f"no interpreter at {python}: name ComfyUI's in COMFYUI_PYTHON")
    return str(python)


@pytest.fixture(scope="session")
def comfy_environment():
    """One thread, because two of them stall beside other work, and no network."""
    kept = {k: v for k, v in os.environ.items() if k != "JOVA_FACE_LANDMARKER"}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


@pytest.fixture(scope="session")
def run_checks(comfy_root, comfy_python, comfy_environment, tmp_path_factory):
    """`run_checks(script, *places)`: what a file of checks wrote, run by ComfyUI's interpreter."""

    def run(script, *places):
        folder = tmp_path_factory.mktemp(script)
        pack, results = folder / "ComfyUI-JoVA", folder / "results.json"
        pack.symlink_to(PACK)
        done = subprocess.run(
            [comfy_python, Path(__file__).parent / script, comfy_root, pack, *places, results],
            capture_output=True,
            text=True,
            check=False,
            env=comfy_environment,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(results.read_text(encoding="utf-8"))

    return run


@dataclass
class Server:
    """A running ComfyUI with this pack and nothing else."""

    url: str
    folder: Path
    log: Path
    pid: int = 0

    def get(self, path):
        """Body of a GET, as JSON where it is."""
        with NO_PROXY.open(self.url + path, timeout=60) as answer:
            body = answer.read()
            kind = answer.headers.get_content_type()
        return json.loads(body) if kind == "application/json" else body

    def post(self, path, data):
        """Answer of a POST of JSON; errors of the server become its own JSON."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(data).encode(), headers)
        try:
            with NO_PROXY.open(request, timeout=60) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            body = error.read()
        return json.loads(body) if body.strip() else {}

    def start(self, prompt):
        """Id of a queued prompt in API form."""
        answer = self.post("/prompt", {"prompt": prompt})
        assert "prompt_id" in answer, answer
        return answer["prompt_id"]

    def wait(self, prompt_id, seconds=RUN_SECONDS):
        """History entry of a prompt once it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry and entry["status"]["status_str"] in ("success", "error"):
                return entry
            time.sleep(0.2)
        raise AssertionError(f"no answer in {seconds} s:\n{self.tail()}")

    def run(self, prompt):
        """History entry of a prompt that must succeed."""
        entry = self.wait(self.start(prompt))
        assert entry["status"]["status_str"] == "success", self.error(entry)
        return entry

    def fail(self, prompt):
        """(class, sentence) of the error of a prompt that is accepted and then fails."""
        entry = self.wait(self.start(prompt))
        assert entry["status"]["status_str"] == "error", "it did not fail"
        error = self.messages(entry)["execution_error"]
        return error["exception_type"].rsplit(".", 1)[-1], error["exception_message"].strip()

    def refuses(self, prompt, sentence):
        """Assert that a prompt fails with one sentence of ours, in which a pattern is found."""
        kind, told = self.fail(prompt)
        assert kind == "JoVAError", told
        assert re.search(sentence, told), told
        assert "\n" not in told
        assert told.endswith(".")

    @staticmethod
    def messages(entry):
        """What a run reported, by kind of message."""
        return dict(entry["status"]["messages"])

    @classmethod
    def error(cls, entry):
        """The sentence of a failed run."""
        return cls.messages(entry).get("execution_error", {}).get("exception_message", "")

    def files(self, entry):
        """(kind, path) of every file that a run shows."""
        shown = [f for out in entry["outputs"].values() for f in out.get("images", [])]
        return [
            (f["type"], self.folder / f["type"] / f["subfolder"] / f["filename"]) for f in shown
        ]

    def said(self):
        """The log so far; the bar of a sampler counts as lines."""
        return self.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")

    def tail(self):
        """The last lines of the server's log."""
        return "\n".join(self.said().splitlines()[-40:])

    def wait_until_said(self, pattern, seconds=RUN_SECONDS):
        """Until a line of the log matches `pattern`."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said()):
            assert time.monotonic() < end, f"no {pattern} in {seconds} s:\n{self.tail()}"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def start_server(comfy_root, comfy_python, comfy_environment, tmp_path_factory):
    """`with start_server() as server`: a ComfyUI with fresh folders and only this pack.

    All folders are its own, custom_nodes too: a copy linked in the checkout is not loaded.
    """

    @contextlib.contextmanager
    def start():
        folder = _fresh_folders(tmp_path_factory.mktemp("comfy"))
        port = _free_port()
        command = [
            *(comfy_python, comfy_root / "main.py", "--cpu", "--listen", "127.0.0.1"),
            *("--port", port, "--disable-api-nodes", "--base-directory", folder),
            *("--database-url", f"sqlite:///{folder}/comfy.db"),
        ]
        server = Server(url=f"http://127.0.0.1:{port}", folder=folder, log=folder / "server.log")
        with server.log.open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=comfy_environment,
                cwd=comfy_root,
            )
            server.pid = process.pid
            try:
                _wait_until_up(server, process)
                yield server
            finally:
                _stop(process)

    return start


@pytest.fixture(scope="session")
def server(start_server):
    """The ComfyUI that all tests of a session share; its first page shows no tutorial."""
    with start_server() as server:
        server.post("/api/settings", {"Comfy.TutorialCompleted": True})
        yield server


@pytest.fixture(scope="session")
def reduced():
    """The module that makes small files in the names of public ones."""
    place = Path(__file__).with_name("reduced.py")
    spec = importlib.util.spec_from_file_location("reduced_files", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def files(server, reduced, reduced_vae):
    """The server's models folder, with random files in the names of public ones."""
    from full_size import write_files

    models = server.folder / "models"
    write_files(models, reduced, lambda folder: reduced_vae(folder, "wan"))
    return models


@pytest.fixture(scope="session")
def reduced_vae(comfy_root, comfy_python, comfy_environment):
    """`reduced_vae(folder, name)` writes a VAE of `reduced_vaes.py`."""

    def write(folder, name):
        script = Path(__file__).with_name("reduced_vaes.py")
        command = [comfy_python, script, comfy_root, folder, name]
        subprocess.run([str(part) for part in command], check=True, env=comfy_environment)

    return write


@pytest.fixture
def face_model(server):
    """MediaPipe's model in the server's models folder, for one test."""
    shared = Path(os.environ.get("JOVA_SHARED", PACK.parent / "shared"))
    source = shared / "data" / "face_landmarker.task"
    if not source.is_file():
        pytest.skip("the face model is not beside the repository")
    target = server.folder / "models" / "mediapipe" / source.name
    target.parent.mkdir()
    shutil.copy(source, target)
    yield
    shutil.rmtree(target.parent)


def _fresh_folders(folder):
    for name in ("user", "input", "output", "temp", "custom_nodes", "models/diffusion_models"):
        (folder / name).mkdir(parents=True)
    (folder / "custom_nodes" / "ComfyUI-JoVA").symlink_to(PACK)
    (folder / "models" / "diffusion_models" / "junk.safetensors").write_bytes(b"not a model" * 99)
    (folder / "models" / "diffusion_models" / "old.ckpt").write_bytes(b"\x80\x02}q")
    return folder


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_until_up(server, process):
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.get("/system_stats")
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"ComfyUI did not start:\n{server.tail()}")


def _stop(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(30)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the server's last words, and where the picture of the page lies."""
    report = yield
    used = getattr(item, "funcargs", {})
    if report.failed and "server" in used:
        report.sections.append(("ComfyUI's log", used["server"].tail()))
    if report.failed and "page" in used:
        picture = used["server"].folder / f"{re.sub('[^a-z0-9]+', '_', item.name)}.png"
        # The browser may be what failed.
        with contextlib.suppress(Exception):
            used["page"].screenshot(path=picture, timeout=20_000)
            report.sections.append(("the page", str(picture)))
    return report
