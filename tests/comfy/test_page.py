"""The page of a running ComfyUI in headless Chromium: what an artist sees who presses Run."""

import base64
import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
RUN_MS = 300_000
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LOAD = """async (url) => {
  await app.loadGraphData(await (await fetch(url)).json());
  await new Promise((done) => setTimeout(done, 500));
  return (await app.graphToPrompt()).output;
}"""
RUN = """() => new Promise((done) => {
  const over = (kind) => (event) => done([kind, event.detail?.exception_message ?? ""]);
  for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
    app.api.addEventListener(kind, over(kind), { once: true });
  app.queuePrompt(0);
})"""
VIDEO = """async () => {
  for (let i = 0; i < 100; i++) {
    const video = document.querySelector("video");
    if (video && video.readyState >= 2) {
      await video.play();
      return { seconds: video.duration, width: video.videoWidth, error: video.error };
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return null;
}"""
DROP = """async ([data, name, type]) => {
  app.graph.clear();
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  await app.handleFile(new File([bytes], name, { type }));
  await new Promise((done) => setTimeout(done, 800));
  return app.graph.nodes.map((node) => node.type).sort();
}"""


@pytest.fixture(scope="module")
def page(server, tmp_path_factory):
    """A page with an empty profile; `page.ours` collects console errors from this pack's files."""
    api = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium found")
    with api.sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            headless=True,
            viewport={"width": 1800, "height": 1000},
            args=list(FLAGS),
        )
        opened = context.pages[0]
        opened.set_default_timeout(RUN_MS)
        opened.ours = []

        def note(message):
            said = f"{message.text} {message.location}"
            if message.type == "error" and "jova" in said.lower():
                opened.ours.append(said)

        opened.on("console", note)
        opened.on("pageerror", lambda error: opened.ours.append(str(error)))
        opened.goto(server.url)
        opened.wait_for_function("() => window.app && window.app.extensionManager")
        opened.wait_for_timeout(2500)
        yield opened
        context.close()


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_a_template_loads_runs_and_plays(page, server, path):
    assert not list((server.folder / "input").rglob("*.png")), "the input folder is empty"
    before = len(page.ours)
    graph = page.evaluate(LOAD, f"/api/workflow_templates/ComfyUI-JoVA/{path.stem}.json")
    twin = ROOT / "tests" / "workflows" / f"{path.stem}.api.json"
    assert graph == json.loads(twin.read_text(encoding="utf-8"))
    missing = "() => app.graph.nodes.filter((node) => node.has_errors).map((node) => node.type)"
    assert page.evaluate(missing) == []
    assert page.evaluate(RUN) == ["execution_success", ""]
    shown = page.evaluate(VIDEO)
    assert shown is not None, "no video plays in the node"
    assert abs(shown["seconds"] - 2.0625) < 0.02
    assert shown["width"] == 384
    assert page.ours[before:] == []


def test_the_templates_dialog_has_our_category(page):
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text("ComfyUI-JoVA").first.wait_for(timeout=20_000)
    page.keyboard.press("Escape")


def test_the_length_planner_follows_what_is_typed(page):
    lines = page.evaluate(
        """async () => {
          app.graph.clear();
          const node = LiteGraph.createNode("JoVALength");
          app.graph.add(node);
          const seconds = node.widgets.find((widget) => widget.name === "seconds");
          const read = async (value) => {
            seconds.value = value;
            seconds.callback?.(value);
            await new Promise((done) => setTimeout(done, 800));
            return document.querySelector(".jova-length-plan").firstChild.textContent;
          };
          return [await read(2), await read(4)];
        }"""
    )
    assert "33 frames" in lines[0]
    assert "65 audio latents" in lines[0]
    assert "65 frames" in lines[1]


def test_prompt_remarks_stand_in_the_node(page):
    page.evaluate(LOAD, "/api/workflow_templates/ComfyUI-JoVA/text_to_talking_video.json")
    page.evaluate(
        """() => {
          const node = app.graph.nodes.find((found) => found.type === "JoVAPrompt");
          node.widgets.find((widget) => widget.name === "transcript").value = "hello zebra";
        }"""
    )
    assert page.evaluate(RUN)[0] == "execution_success"
    said = "() => [...document.querySelectorAll('.jova-node-text')].map((e) => e.textContent)"
    assert any("'zebra'" in text for text in page.evaluate(said))


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
    assert page.evaluate(RUN)[0] == "execution_success"
    file = sorted((server.folder / "output").glob(f"drop{recipe}*"))[-1]
    data = base64.b64encode(file.read_bytes()).decode()
    assert page.evaluate(DROP, [data, file.name, kind]) == kinds


def test_help_pages_open_with_their_picture(page):
    for name in ("JoVASampler", "JoVALength"):
        answer = page.evaluate(
            f"async () => (await fetch('/extensions/ComfyUI-JoVA/docs/{name}.md')).status"
        )
        assert answer == 200
    assert page.ours == []
