// js/node_text.js on a page of fakes: what a run says stands in the node and nowhere else.
import assert from "node:assert/strict";
import { test } from "node:test";

import { installPage } from "./page.mjs";

const page = installPage(() => ({ ok: true, json: async () => ({}) }));
const { sentences } = await import("../../js/node_text.js");

function makeNode(comfyClass) {
  const node = {
    comfyClass,
    size: [200, 100],
    widgets: [],
    executed: 0,
    onExecuted: () => (node.executed += 1),
    computeSize: () => [220, 250],
    setSize: (size) => (node.size = size),
    addDOMWidget(name, type, element, options) {
      const widget = { name, type, element, options };
      node.widgets.push(widget);
      return widget;
    },
  };
  page.extension.nodeCreated(node);
  return node;
}

test("the text of a run is shown, replaced by the next one and kept out of files", () => {
  const node = makeNode("JoVAPrompt");
  node.onExecuted({ text: ["<Transcript>: hello"] });
  node.onExecuted({ text: ["one", "two"] });
  assert.equal(node.executed, 2);
  assert.equal(node.widgets.length, 1);
  const [widget] = node.widgets;
  assert.equal(widget.element.textContent, "one\ntwo");
  assert.equal(widget.options.serialize, false);
  assert.equal(widget.serialize, false);
  assert.deepEqual(node.size, [220, 250]);
  node.onRemoved();
  assert.ok(widget.element.removed);
});

test("a node without words, and nodes of others, get no widget", () => {
  const quiet = makeNode("JoVASaveVideo");
  quiet.onExecuted({ images: [] });
  assert.equal(quiet.widgets.length, 0);
  const other = makeNode("KSampler");
  other.onExecuted({ text: ["words"] });
  assert.equal(other.widgets.length, 0);
});

test("text comes as a list, as one string or not at all", () => {
  assert.equal(sentences({ text: "a" }), "a");
  assert.equal(sentences({ text: ["a", "b"] }), "a\nb");
  assert.equal(sentences(undefined), "");
});
