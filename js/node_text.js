// Shows text in nodes after a run: remarks on a prompt, a report, a file name.
import { app } from "../../scripts/app.js";
import { chain } from "./lib/chain.js";

// Pixels; longer texts scroll.
const HEIGHT = 110;
const WITH_TEXT = new Set([
  ...["JoVAEncodeDataset", "JoVAMouthMask", "JoVAPrompt", "JoVASaveVideo", "JoVASyncReport"],
  "JoVATask",
  "JoVATrainLoRA",
]);

/** The lines of text in a node's output; "" if there are none. */
export function sentences(output) {
  return [output?.text ?? []].flat().join("\n").trim();
}

function show(node, text) {
  let widget = node.widgets?.find(({ name }) => name === "said");
  if (!text && !widget) return;
  widget ??= addText(node);
  widget.element.textContent = text;
  node.setDirtyCanvas?.(true, true);
}

function addText(node) {
  const root = document.createElement("div");
  root.className = "jova-node-text";
  root.style.cssText =
    "box-sizing:border-box;overflow:auto;padding:4px 6px;font:12px/1.4 monospace;" +
    "white-space:pre-wrap;user-select:text;color:var(--input-text,#ddd);" +
    "background:var(--comfy-input-bg,#222);border-radius:4px";
  const widget = node.addDOMWidget("said", "jova_node_text", root, {
    serialize: false,
    getMinHeight: () => HEIGHT,
    getMaxHeight: () => HEIGHT,
  });
  // The option above keeps it out of the prompt, this out of the saved workflow.
  widget.serialize = false;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  chain(node, "onRemoved", () => root.remove());
  return widget;
}

app.registerExtension({
  name: "JoVA.NodeText",
  nodeCreated(node) {
    if (!WITH_TEXT.has(node.comfyClass)) return;
    chain(node, "onExecuted", (output) => show(node, sentences(output)));
  },
});
