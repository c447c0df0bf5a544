"""The pictures of the help pages: each node as the page of a running ComfyUI draws it.

python main.py --cpu                             # in ComfyUI's folder, with this pack
python tools/node_pictures.py http://127.0.0.1:8188 [NODE …]      # default: all nodes
"""

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
MARGIN, TITLE = 14, 30  # px round a node; the height of its title, which lies above its place
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
# Puts a node alone on the canvas, at scale 1; returns where it is seen.
SHOW = """async ([name, margin, title]) => {
  app.graph.clear();
  const node = LiteGraph.createNode(name), canvas = app.canvas;
  app.graph.add(node);
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, 280), height]);
  node.pos = [0, 0];
  canvas.deselectAll?.();
  canvas.ds.scale = 1;
  canvas.ds.offset = [400, 300];
  canvas.setDirty(true, true);
  await new Promise((done) => setTimeout(done, 700));
  const box = canvas.canvas.getBoundingClientRect(), badge = 12;
  return {
    x: box.left + 400 - margin,
    y: box.top + 300 - title - margin - badge,
    width: node.size[0] + 2 * margin,
    height: node.size[1] + title + 2 * margin + badge,
  };
}"""


def take(page: Page, name: str) -> None:
    """Save the picture of one node."""
    clip = page.evaluate(SHOW, [name, MARGIN, TITLE])
    page.screenshot(path=ROOT / "js" / "docs" / f"{name}.png", clip=clip)


def main() -> None:
    """Take the pictures of the named nodes, or of all."""
    url, *names = sys.argv[1:]
    schema = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1600, "height": 1300})
        page.goto(url)
        page.wait_for_function("() => window.app?.graph && window.LiteGraph", timeout=120_000)
        page.wait_for_timeout(6000)
        page.keyboard.press("Escape")  # what a first start shows
        page.wait_for_timeout(1500)
        for name in names or schema:
            take(page, name)
        browser.close()


if __name__ == "__main__":
    main()
