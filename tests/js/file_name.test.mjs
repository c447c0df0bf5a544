// js/file_name.js on a page of fakes: core's replacements reach the names of our files only.
import assert from "node:assert/strict";
import { test } from "node:test";

import { installPage } from "./page.mjs";

const page = installPage(() => ({ ok: true, json: async () => ({}) }));
await import("../../js/file_name.js");

function widgetOf(comfyClass, name) {
  const widget = { name, value: "%date:yyyy%/clip" };
  page.extension.nodeCreated({ comfyClass, widgets: [widget] });
  return widget;
}

test("the page's own replacements are made in the graph at hand", () => {
  const widget = widgetOf("JoVASaveVideo", "filename_prefix");
  page.app.graph = { nodes: [] };
  globalThis.comfyAPI = {
    utils: {
      applyTextReplacements: (graph, text) =>
        graph === page.app.graph ? text.replace("%date:yyyy%", "2026") : "another graph",
    },
  };
  assert.equal(widget.serializeValue(), "2026/clip");
  assert.equal(widget.value, "%date:yyyy%/clip");
});

test("a page without them sends the name as it is", () => {
  const widget = widgetOf("JoVASaveConditioning", "filename_prefix");
  globalThis.comfyAPI = undefined;
  assert.equal(widget.serializeValue(), "%date:yyyy%/clip");
});

test("other nodes, other widgets and nodes without widgets are left alone", () => {
  assert.equal(widgetOf("KSampler", "filename_prefix").serializeValue, undefined);
  assert.equal(widgetOf("JoVASaveVideo", "recipe").serializeValue, undefined);
  page.extension.nodeCreated({ comfyClass: "JoVASampler" });
});
