"""The page of a running ComfyUI in headless Chromium: what an artist sees who presses Run."""

import base64
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from .. import bundled

ROOT = Path(__file__).parents[2]
FULL_SIZE = ROOT / "workflows" / "full_size.json"
WORKFLOWS = sorted({*FULL_SIZE.parent.glob("*.json")} - {FULL_SIZE})
SCHEMA = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Marks, because they skip before a fixture starts the server.
pytestmark = [
    pytest.mark.skipif(find_spec("playwright") is None, reason="the package playwright is missing"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium in the path"),
]
RUN_MS, CLICK_MS = 300_000, 60_000
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LOAD = """async (url) => {
  await app.loadGraphData(await (await fetch(url)).json());
  await new Promise((done) => setTimeout(done, 500));
  return (await app.graphToPrompt()).output;
}"""
LISTEN = """(limit) => {
  window.jovaFiles = [];
  app.api.addEventListener("executed", (event) => {
    for (const file of event.detail.output?.images ?? []) jovaFiles.push(file.filename);
  });
  window.jovaOver = new Promise((done) => {
    setTimeout(() => done(["no end", `within ${limit} ms`]), limit);
    for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
      app.api.addEventListener(
        kind, (event) => done([kind, event.detail?.exception_message ?? ""]), { once: true });
  });
}"""
# The element that shows what this run wrote; the page may hold older ones.
VIDEO = """async () => {
  const names = window.jovaFiles.map(encodeURIComponent);
  const shows = (video) => names.some((name) => video.currentSrc.includes(name));
  for (let i = 0; i < 300; i++) {
    const video = [...document.querySelectorAll("video")].find(shows);
    if (video && video.readyState >= 2) {
      const { duration: seconds, videoWidth: width, error } = video;
      video.muted = true;
      await video.play();
      for (let j = 0; j < 300 && !video.currentTime; j++)
        await new Promise((done) => setTimeout(done, 100));
      return { seconds, width, error, plays: video.currentTime > 0 };
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return null;
}"""
HELP = """async (kind) => {
  app.graph.clear();
  const node = LiteGraph.createNode(kind);
  app.graph.add(node);
  app.canvas.centerOnNode(node);
  app.canvas.deselectAll();
  app.canvas.select(node);
  app.canvas.onSelectionChange?.(app.canvas.selected_nodes);
}"""
ADD_LENGTH = """() => {
  app.graph.clear();
  const node = LiteGraph.createNode("JoVALength");
  app.graph.add(node);
  app.canvas.centerOnNode(node);
}"""
DROP = """async ([data, name, type]) => {
  app.graph.clear();
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  await app.handleFile(new File([bytes], name, { type }));
  for (let i = 0; i < 300 && app.graph.nodes.length === 0; i++)
    await new Promise((done) => setTimeout(done, 100));
  return app.graph.nodes.map((node) => node.type).sort();
}"""


@pytest.fixture(scope="module")
def page(server, tmp_path_factory):
    """A page with an empty profile; `page.ours` collects console errors from this pack's files."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": 1800, "height": 1000},
            args=list(FLAGS),
        )
        opened = context.pages[0]
        opened.set_default_timeout(CLICK_MS)
        opened.ours = []

        def note(message):
            said = f"{message.text} {message.location}"
            # The page asks for a translation of a node's help before it asks for the help.
            translation = re.search(r"/docs/\w+/\w+\.md", said)
            if message.type == "error" and "jova" in said.lower() and not translation:
                opened.ours.append(said)

        opened.on("console", note)
        opened.on("pageerror", lambda error: opened.ours.append(str(error)))
        opened.goto(server.url)
        opened.wait_for_function("() => window.app && window.app.extensionManager")
        opened.wait_for_timeout(2500)
        yield opened
        context.close()


def run(page):
    """Press Run: how it ended, and what was said."""
    page.evaluate(LISTEN, RUN_MS)
    page.get_by_role("button", name="Run", exact=True).first.click()
    return page.evaluate("() => window.jovaOver")


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_a_template_loads_runs_and_plays(page, server, path, request):
    if path.stem == "mouth_mask":
        request.getfixturevalue("face_model")
    assert not list((server.folder / "input").rglob("*.png")), "the input folder is empty"
    before = len(page.ours)
    graph = page.evaluate(LOAD, f"/api/workflow_templates/ComfyUI-JoVA/{path.stem}.json")
    twin = ROOT / "tests" / "workflows" / f"{path.stem}.api.json"
    assert graph == json.loads(twin.read_text(encoding="utf-8"))
    missing = "() => app.graph.nodes.filter((node) => node.has_errors).map((node) => node.type)"
    assert page.evaluate(missing) == []
    assert run(page) == ["execution_success", ""]
    shown = page.evaluate(VIDEO)
    assert shown is not None, "no video plays in the node"
    assert abs(shown["seconds"] - 2.0625) < 0.02
    assert (shown["width"], shown["error"], shown["plays"]) == (384, None, True)
    assert page.ours[before:] == []


def test_the_full_size_template_opens_and_names_the_files_it_lacks(page):
    before = len(page.ours)
    graph = page.evaluate(LOAD, "/api/workflow_templates/ComfyUI-JoVA/full_size.json")
    twin = ROOT / "tests" / "workflows" / "full_size.api.json"
    assert graph == json.loads(twin.read_text(encoding="utf-8"))
    page.evaluate(LISTEN, RUN_MS)
    page.get_by_role("button", name="Run", exact=True).first.click()
    red = "() => app.graph.nodes.filter((node) => node.has_errors).map((node) => node.type)"
    page.wait_for_function(f"({red})().length > 0")
    assert sorted(page.evaluate(red)) == [
        "JoVALoadCodecs",
        "JoVALoadModel",
        "JoVALoadTextEncoder",
    ]
    # JoVA Length asks for the checkpoint's rates, and shows the sentence that it gets instead.
    assert [said for said in page.ours[before:] if "/jova/rates" not in said] == []
    page.keyboard.press("Escape")


def test_dates_in_a_file_name_are_filled_in_when_it_is_queued(page):
    page.evaluate(LOAD, "/api/workflow_templates/ComfyUI-JoVA/text_to_talking_video.json")
    name = page.evaluate(
        """async () => {
          const node = app.graph.nodes.find((node) => node.type === "JoVASaveVideo");
          node.widgets.find((widget) => widget.name === "filename_prefix").value =
            "%date:yyyy-MM-dd%/clip_%width%";
          const { output } = await app.graphToPrompt();
          return output[node.id].inputs.filename_prefix;
        }"""
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\d/clip_%width%", name)


def test_the_templates_dialog_has_our_category(page):
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text("ComfyUI-JoVA").first.wait_for(timeout=20_000)
    page.keyboard.press("Escape")


def test_the_length_planner_follows_what_is_typed(page):
    page.evaluate(ADD_LENGTH)
    plan = page.locator(".jova-length-plan")
    line = bundled.timeline()
    for seconds in (2, 3):
        frames = line.legal_frames(seconds)
        page.evaluate(
            """(value) => {
              const widgets = app.graph.nodes[0].widgets;
              const seconds = widgets.find((widget) => widget.name === "seconds");
              seconds.value = value;
              seconds.callback?.(value);
            }""",
            seconds,
        )
        plan.get_by_text(f"{frames} frames").wait_for()
        assert f"{line.audio_latents(frames)} audio latents" in plan.text_content()


def test_frames_typed_into_the_length_planner_set_the_seconds(page):
    page.evaluate(ADD_LENGTH)
    plan = page.locator(".jova-length-plan")
    line = bundled.timeline()
    # Another number than the node begins with: typing that one over is no change.
    frames = line.legal_frames(1)
    field = plan.get_by_label("frames")
    field.fill(str(frames))
    field.press("Enter")
    plan.get_by_text(f"{frames} frames").wait_for()
    values = "() => app.graph.nodes[0].widgets.map((widget) => [widget.name, widget.value])"
    assert abs(dict(page.evaluate(values))["seconds"] - line.seconds(frames)) < 0.01


def test_prompt_remarks_stand_in_the_node(page):
    page.evaluate(LOAD, "/api/workflow_templates/ComfyUI-JoVA/text_to_talking_video.json")
    page.evaluate(
        """() => {
          const node = app.graph.nodes.find((found) => found.type === "JoVAPrompt");
          node.widgets.find((widget) => widget.name === "transcript").value = "hello zebrafish";
        }"""
    )
    assert run(page)[0] == "execution_success"
    said = "() => [...document.querySelectorAll('.jova-node-text')].map((e) => e.textContent)"
    assert any("'zebrafish'" in text for text in page.evaluate(said))


@pytest.mark.parametrize(("recipe", "kind"), [("mp4", "video/mp4"), ("webm", "video/webm")])
def test_a_file_dropped_on_the_canvas_brings_the_workflow_back(page, server, recipe, kind):
    page.evaluate(LOAD, "/api/workflow_templates/ComfyUI-JoVA/text_to_talking_video.json")
    page.evaluate(
        """(recipe) => {
          const node = app.graph.nodes.find((found) => found.type === "JoVASaveVideo");
          node.widgets.find((widget) => widget.name === "recipe").value = recipe;
          node.widgets.find((widget) => widget.name === "filename_prefix").value = "drop" + recipe;
        }""",
        recipe,
    )
    kinds = page.evaluate("() => app.graph.nodes.map((node) => node.type).sort()")
    assert run(page)[0] == "execution_success"
    file = sorted((server.folder / "output").glob(f"drop{recipe}*"))[-1]
    data = base64.b64encode(file.read_bytes()).decode()
    assert page.evaluate(DROP, [data, file.name, kind]) == kinds


def test_the_help_of_each_node_opens_with_text_and_picture(page):
    before = len(page.ours)
    for name in SCHEMA:
        page.evaluate(HELP, name)
        page.get_by_role("button", name="Node Info").click()
        sentence = (ROOT / "js" / "docs" / f"{name}.md").read_text(encoding="utf-8").splitlines()[2]
        page.get_by_text(re.sub(r"[*`]", "", sentence)).first.wait_for()
        page.wait_for_function(
            "(name) => [...document.images].some((i) => i.src.includes(name) && i.naturalWidth)",
            arg=f"docs/{name}.png",
        )
    assert page.ours[before:] == []
