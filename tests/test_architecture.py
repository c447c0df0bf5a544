"""The architecture is enforced, not described: import order, sizes, silence on import, lint."""

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "jova_core"
FILES = sorted(CORE.rglob("*.py"))
IDS = [str(path.relative_to(CORE)) for path in FILES]
NODES = ROOT / "nodes"
NODE_FILES = sorted(NODES.rglob("*.py"))
NODE_IDS = [str(path.relative_to(ROOT)) for path in NODE_FILES]

# A file imports from lower ranks and from its own package only.
ORDER = [
    *("errors", "fields", "config", "presets", "timeline", "latents"),
    *("prompt", "prompt_text", "vocabulary"),
    *("files", "processes", "chart", "codecs", "saved"),
    *(
        "kernels",
        "model",
        "planning",
        "flow",
        "media",
        "mouth",
        "given",
        "tasks",
        "compositing",
        "pipeline",
        "cached",
        "decoding",
        "sync",
        "training",
    ),
    *("mini", "commands", "bench", "__main__"),
]
# What a newcomer reads to have read JoVA; code lines only, docstrings and comments not counted.
READING_PATH = [
    *("config.py", "timeline.py", "latents.py", "prompt.py", "kernels/reference.py"),
    *("model/block.py", "model/joint.py", "model/jova.py", "model/layers.py"),
    *("model/patches.py", "model/rope.py"),
    *("flow/cache.py", "flow/guidance.py", "flow/path.py", "flow/schedule.py", "flow/solvers.py"),
    "model/streams.py",
    "pipeline.py",
]
MAX_READING_PATH = 1200
# Where the mini may be named: its own wing and what drives or measures it.
MINI_PLACES = ("mini", "commands", "bench")
HEAVY = {"mediapipe", "soundfile", "imageio_ffmpeg", "PIL", "scipy", "numba"}
COMFY = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server", "nodes"}
MAX_LINES, MAX_FUNCTION, MAX_TRAINING_LOOP = 400, 50, 120


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _layer(path):
    """The rank that a file belongs to: its package in jova_core, or its own name there."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def _imports(path):
    """Names of our own layers and of outside packages that a file imports, anywhere in it."""
    ours, outside = set(), set()
    package = path.relative_to(CORE).parts[:-1]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            outside.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(package) + 1, f"{path} imports from outside jova_core"
            base = package[: len(package) + 1 - node.level]
            parts = [*base, *(node.module.split(".") if node.module else [])]
            # `from .. import name` at the top names layers, or the version.
            ours |= {parts[0]} if parts else {a.name for a in node.names} - {"__version__"}
    return ours, outside


def _functions(path):
    """Functions and methods of a file with the names of their classes; not those inside others."""

    def walk(node, names):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (*names, child.name), child
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, (*names, child.name))

    return list(walk(_tree(path), ()))


def test_every_layer_has_a_rank():
    assert {_layer(path) for path in FILES} - {"__init__"} <= set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_point_down(path):
    own = _layer(path)
    ours, _ = _imports(path)
    if own == "__init__":
        return  # the package's front page may show anything; its cost is tested below
    rank = ORDER.index(own)
    upward = {name for name in ours - {own} if name not in ORDER or ORDER.index(name) >= rank}
    assert not upward, f"{own} comes before {sorted(upward)} in the order {ORDER}"


def test_layers_that_never_meet():
    for layer, never in {
        "kernels": set(ORDER) - {"kernels"},
        "flow": {"model"},
        "codecs": {"model", "flow"},
        "media": {"model", "flow", "codecs"},
        "mouth": {"model", "flow", "codecs", "media"},
    }.items():
        used = {n for path in FILES if _layer(path) == layer for n in _imports(path)[0]}
        assert not used & never, f"{layer} imports {sorted(used & never)}"


def _code_lines(path):
    """Lines of a file that hold code: no blank ones, comments or docstrings."""
    source, tree = path.read_text(encoding="utf-8"), _tree(path)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    strings = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
    ]
    left_out = {n for string in strings for n in range(string.lineno, string.end_lineno + 1)}
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in left_out
        for number, line in enumerate(source.splitlines(), 1)
    )


def test_the_reading_path_is_short():
    lines = {name: _code_lines(CORE / name) for name in READING_PATH}
    assert sum(lines.values()) <= MAX_READING_PATH, lines


def _names(path):
    """Every name that a file defines or uses."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield from (node.name, node.asname or "")


@pytest.mark.parametrize("path", [*FILES, *NODE_FILES], ids=[*IDS, *NODE_IDS])
def test_only_the_mini_knows_the_mini(path):
    mini = NODES / "_comfy" / "mini.py"
    if path == mini or (path in FILES and _layer(path) in MINI_PLACES):
        return
    assert not [name for name in _names(path) if "Mini" in name]
    if path in NODE_FILES:
        modules = {n.module or "" for n in ast.walk(_tree(path)) if isinstance(n, ast.ImportFrom)}
        assert not [name for name in modules if name.startswith("jova_core.mini")]


@pytest.mark.parametrize("path", NODE_FILES, ids=NODE_IDS)
def test_nodes_are_a_schema_and_the_adapter_does_the_rest(path):
    """Nodes import `_comfy` and ComfyUI's schema; only `_comfy` imports the core and ComfyUI."""
    inside = path.parent != NODES
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            core = (node.module or "").startswith("jova_core")
            assert inside or not core, f"{path.name} imports the core; go through _comfy"
        elif isinstance(node, ast.ImportFrom) and not inside:
            allowed = {"typing", "comfy_api.latest", "collections.abc"}
            assert node.module in allowed, f"{path.name} imports {node.module}"
        elif isinstance(node, ast.Import) and not inside:
            raise AssertionError(f"{path.name} imports {node.names[0].name}")


def test_each_node_file_has_one_adapter_file():
    nodes = {path.stem for path in NODE_FILES if path.parent == NODES} - {"__init__"}
    adapters = {path.stem for path in NODE_FILES if path.parent != NODES}
    assert nodes <= adapters, sorted(nodes - adapters)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_the_core_knows_no_comfyui_and_imports_itself_relatively(path):
    _, outside = _imports(path)
    assert not outside & (COMFY | {"jova_core"})


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_files_and_functions_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    for names, node in _functions(path):
        loop = _layer(path) in ("training", "mini") and names[-1].lstrip("_").startswith("train")
        length = node.end_lineno - node.lineno + 1
        limit = MAX_TRAINING_LOOP if loop else MAX_FUNCTION
        assert length <= limit, f"{'.'.join(names)} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_public_functions_are_annotated_and_documented(path):
    tree = _tree(path)
    assert ast.get_docstring(tree) or not tree.body, "the file has no docstring"
    for names, node in _functions(path):
        # A module's forward is documented by its class.
        if any(name.startswith("_") for name in names) or names[-1] == "forward":
            continue
        where = ".".join(names)
        assert ast.get_docstring(node), f"{where} has no docstring"
        assert node.returns is not None, f"{where} does not say what it returns"
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        assert not bare, f"{where} does not annotate {bare}"


def _python(code):
    """Run code in a fresh interpreter from the repository; its last line of output as JSON."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "importing must be silent"
    lines = done.stdout.splitlines()
    assert len(lines) == 1, f"importing must be silent, it said {lines[:-1]}"
    return json.loads(lines[-1])


def test_importing_is_cheap_and_silent():
    report = _python(
        """
import json, logging, sys, time
import torch
handlers, before, touched = list(logging.root.handlers), set(sys.modules), []
WATCHED = ("os.mkdir", "os.remove", "os.rename", "shutil.", "socket.", "subprocess.", "tempfile.")

def watch(event, args):
    source = str(args[0]).endswith((".py", ".pyc", ".so")) if args else False
    if event.startswith(WATCHED) or (event == "open" and not source):
        touched.append([event, str(args[:1])])

sys.addaudithook(watch)
started = time.perf_counter()
import jova_core
seconds = time.perf_counter() - started
print(json.dumps({
    "seconds": seconds,
    "touched": touched,
    "handlers": logging.root.handlers != handlers,
    "cuda": torch.cuda.is_initialized(),
    "version": jova_core.__version__,
}))
"""
    )
    assert report["seconds"] <= 0.5
    assert report["touched"] == []
    assert not report["handlers"]
    assert not report["cuda"]
    assert report["version"]


def test_no_module_imports_a_heavy_package_or_touches_a_file():
    """Every module of jova_core is importable alone; mediapipe and others wait until used."""
    report = _python(
        f"""
import importlib, json, pkgutil, sys
import torch, numpy, safetensors.torch
HEAVY, before, written, first = {HEAVY!r}, set(sys.modules), [], {{}}

def watch(event, args):
    writes = event == "open" and any(flag in str(args[1]) for flag in "wax+")
    if writes or event.startswith(("os.mkdir", "os.remove", "os.rename", "socket.connect")):
        written.append([event, str(args[:2])])

sys.addaudithook(watch)
import jova_core
for found in pkgutil.walk_packages(jova_core.__path__, "jova_core."):
    if not found.name.rsplit(".", 1)[-1].startswith("triton_"):  # dispatch loads those
        importlib.import_module(found.name)
    for name in HEAVY & (set(sys.modules) - before) - set(first):
        first[name] = found.name
print(json.dumps({{"heavy": first, "written": written, "cuda": torch.cuda.is_initialized()}}))
"""
    )
    assert report == {"heavy": {}, "written": [], "cuda": False}


def test_the_root_imports_nothing_outside_comfyui():
    """pytest and other tools import it too; tests/nodes loads it as ComfyUI does."""
    spec = importlib.util.spec_from_file_location("root_of_the_pack", ROOT / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.WEB_DIRECTORY == "./js"
    assert not hasattr(module, "comfy_entrypoint")
    assert not hasattr(module, "NODE_CLASS_MAPPINGS")


@pytest.mark.parametrize("name", ["run", "test"])
def test_the_ci_script_takes_its_commands_from_the_readme(name):
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    block = subprocess.run(
        [script, "--show", name], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert ".venv/bin/pip install" in block
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"<!-- command: {name} -->\n```bash\n{block}```" in readme


def _ruff():
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.exists() else shutil.which("ruff")


@pytest.mark.skipif(_ruff() is None, reason="ruff is not installed")
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff_is_content(command):
    done = subprocess.run(
        # pip leaves a copy of the package in build/, which only git knows to ignore.
        [_ruff(), *command, "--no-cache", "--extend-exclude", "build", "."],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
