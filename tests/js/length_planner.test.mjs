// js/length_planner.js on a page of fakes: what it shows, asks, writes, keeps out and lets go.
import assert from "node:assert/strict";
import { test } from "node:test";

import { installPage } from "./page.mjs";

const RATES = {
  fps: "24",
  sample_rate: 16000,
  audio_rate: "125/4",
  temporal_ratio: 4,
  max_seconds: 20,
};
let answer = () => ({ ok: true, json: async () => RATES });
const page = installPage((path) => answer(path));
await import("../../js/length_planner.js");
const { extension } = page;
extension.setup();

function makeGraph() {
  const nodes = {};
  const graph = { nodes: [], subgraphs: new Map(), links: {} };
  graph.rootGraph = graph;
  graph.getNodeById = (id) => nodes[id] ?? null;
  graph.getLink = (id) => graph.links[id];
  graph.add = (id, node) => {
    nodes[id] = node;
    graph.nodes.push(node);
    node.graph = graph;
    node.onAdded?.(graph);
  };
  return graph;
}

/** A node as the page makes it: its widget rounds to one decimal, as the page does by itself. */
function makeLength(seconds = 2) {
  const widget = { name: "seconds", value: seconds, options: { min: 0.1, max: 20, round: 0.1 } };
  widget.callback = function (value) {
    const { round } = this.options;
    this.value = round ? Number((Math.round(value / round) * round).toFixed(1)) : value;
  };
  const node = {
    comfyClass: "JoVALength",
    size: [210, 100],
    calls: [],
    inputs: ["model", "audio", "film", "seconds"].map((name) => ({ name, link: null })),
    widgets: [widget],
    computeSize: () => [220, 180],
    setSize: (size) => (node.size = size),
    setDirtyCanvas: () => node.calls.push("dirty"),
    onConnectionsChange: () => node.calls.push("own onConnectionsChange"),
    onRemoved: () => node.calls.push("own onRemoved"),
    addDOMWidget: (name, type, element, options) => {
      const made = { name, type, element, options };
      node.widgets.push(made);
      return made;
    },
  };
  extension.nodeCreated(node);
  return node;
}

function makeLoader(checkpoint) {
  const loader = {
    comfyClass: "JoVALoadModel",
    inputs: [],
    widgets: [
      { name: "checkpoint", value: checkpoint, callback: () => loader.calls.push("own callback") },
      { name: "preset", value: "from the file" },
    ],
    calls: [],
  };
  extension.nodeCreated(loader);
  return loader;
}

function look(node) {
  const [line, label] = node.widgets[1].element.children;
  return { text: line.textContent, label, field: label.children[1] };
}

function link(graph, node, id) {
  graph.links[1] = { origin_id: id, origin_slot: 0 };
  node.inputs[0].link = 1;
  node.onConnectionsChange();
}

/** Types into the frames field and leaves it. */
function type(field, text) {
  field.value = text;
  field.fire("input");
  field.fire("change");
  field.blur();
}

test("nothing is asked, drawn or added for other nodes", async () => {
  extension.nodeCreated({ comfyClass: "KSampler", widgets: [] });
  extension.afterConfigureGraph();
  page.listeners.graphChanged();
  assert.equal(page.frames.length, 0);
  assert.deepEqual(page.asked, []);
});

test("the text follows the seconds, once per animation frame", async () => {
  const node = makeLength();
  makeGraph().add(1, node);
  await page.settle();
  assert.match(look(node).text, /^JoVA-mini: 2 s becomes 2\.06 s · 33 frames/);
  assert.equal(look(node).field.value, "33");
  assert.equal(look(node).field.step, "4");
  const [seconds] = node.widgets;
  for (const value of [2.5, 3, 3.0625]) seconds.callback(value);
  assert.equal(page.frames.length, 1);
  await page.settle();
  assert.equal(
    look(node).text,
    "JoVA-mini: 3.06 s · 49 frames · 13 video latents · 96 audio latents",
  );
  seconds.value = 1;
  node.onConfigure();
  await page.settle();
  assert.match(look(node).text, /1 s becomes 1\.06 s · 17 frames/);
  node.onRemoved();
});

test("typed frames set the seconds to the nearest legal count, in one undo", async () => {
  const node = makeLength();
  makeGraph().add(1, node);
  await page.settle();
  page.changes.length = 0;
  const { field } = look(node);
  type(field, "50");
  await page.settle();
  assert.equal(node.widgets[0].value, 49 / 16);
  assert.equal(field.value, "49");
  assert.deepEqual(page.changes, ["before", "after"]);
  assert.ok(node.calls.includes("dirty"));
  type(field, "1");
  await page.settle();
  assert.equal(node.widgets[0].value, 0.1);
  assert.equal(field.value, "1");
  type(field, "");
  await page.settle();
  assert.equal(field.value, "1");
  type(field, "100000");
  await page.settle();
  assert.equal(node.widgets[0].value, 20);
  assert.equal(field.value, "321");
  node.onRemoved();
});

test("half-typed frames stay while the graph changes; a click beside ends it", async () => {
  const node = makeLength();
  makeGraph().add(1, node);
  await page.settle();
  const { field } = look(node);
  field.value = "4";
  field.fire("input");
  page.listeners.graphChanged();
  await page.settle();
  assert.equal(field.value, "4");
  assert.equal(node.widgets[0].value, 2);
  node.widgets[1].element.blur();
  await page.settle();
  assert.equal(field.value, "5");
  assert.equal(node.widgets[0].value, 5 / 16);
  node.onRemoved();
});

test("rates come from the loader's checkpoint, asked once for each", async () => {
  const graph = makeGraph();
  const node = makeLength();
  const loader = makeLoader("a.safetensors");
  graph.add(1, loader);
  graph.add(2, node);
  await page.settle();
  page.asked.length = 0;
  link(graph, node, 1);
  await page.settle();
  assert.deepEqual(page.asked, ["/jova/rates?checkpoint=a.safetensors&preset=from%20the%20file"]);
  assert.match(look(node).text, /^2 s becomes 2\.04 s · 49 frames/);
  assert.equal(node.widgets[1].element.title, "24 fps, 31.25 audio latents/s, 16000 Hz");
  assert.ok(node.calls.includes("own onConnectionsChange"));

  answer = () => ({ ok: false, json: async () => ({ error: "This is no JoVA." }) });
  loader.widgets[0].value = "b.safetensors";
  loader.widgets[0].callback("b.safetensors");
  await page.settle();
  assert.deepEqual(loader.calls, ["own callback"]);
  assert.equal(look(node).text, "This is no JoVA.");
  assert.equal(look(node).label.hidden, true);

  loader.widgets[0].value = "a.safetensors";
  page.listeners.graphChanged();
  await page.settle();
  assert.match(look(node).text, /49 frames/);
  assert.equal(page.asked.length, 2);

  answer = () => ({ ok: false, status: 404, json: async () => JSON.parse("<html>") });
  extension.refreshComboInNodes();
  await page.settle();
  assert.equal(look(node).text, "The server has no rates (status 404); restart ComfyUI.");

  answer = () => Promise.reject(new Error("Failed to fetch"));
  extension.refreshComboInNodes();
  await page.settle();
  assert.match(look(node).text, /^Reading the rates failed \(Failed to fetch\)/);

  answer = () => ({ ok: true, json: async () => RATES });
  page.listeners.reconnected();
  await page.settle();
  assert.match(look(node).text, /49 frames/);
  node.onRemoved();
});

test("an answer to a question that was forgotten does not count", async () => {
  const graph = makeGraph();
  const node = makeLength();
  graph.add(1, makeLoader("slow.safetensors"));
  graph.add(2, node);
  const waiting = [];
  answer = () => new Promise((done) => waiting.push(done));
  link(graph, node, 1);
  await page.settle();
  assert.equal(look(node).text, "Reading the rates of slow.safetensors …");
  extension.refreshComboInNodes();
  await page.settle();
  waiting[1]({ ok: true, json: async () => RATES });
  await page.settle();
  waiting[0]({ ok: false, json: async () => ({ error: "old" }) });
  await page.settle();
  assert.match(look(node).text, /49 frames/);
  node.onRemoved();
});

test("the widget is in no prompt and no saved workflow, and makes room for itself", () => {
  const node = makeLength();
  const [seconds, widget] = node.widgets;
  assert.equal(widget.options.serialize, false);
  assert.equal(widget.serialize, false);
  assert.ok(widget.options.getMinHeight() > 0);
  assert.deepEqual(node.size, [330, 180]);
  assert.equal(seconds.options.round, 0);
});

test("a removed node is let go, and one that comes back is drawn again", async () => {
  const node = makeLength();
  const graph = makeGraph();
  graph.add(1, node);
  node.onRemoved();
  assert.ok(node.calls.includes("own onRemoved"));
  assert.ok(node.widgets[1].element.removed);
  await page.settle();
  assert.equal(look(node).text, undefined);
  page.listeners.graphChanged();
  assert.equal(page.frames.length, 0);
  graph.add(1, node);
  await page.settle();
  assert.match(look(node).text, /33 frames/);
  node.onRemoved();
});

test("frames typed while the rates are on their way are kept", async () => {
  answer = () => ({ ok: true, json: async () => RATES });
  const [graph, node] = [makeGraph(), makeLength()];
  graph.add(1, makeLoader("own.safetensors"));
  graph.add(2, node);
  link(graph, node, 1);
  await page.settle();
  let arrive;
  answer = () => new Promise((done) => (arrive = done));
  page.listeners.reconnected();
  type(look(node).field, "97");
  await page.settle();
  assert.match(look(node).text, /^Reading the rates/);
  arrive({ ok: true, json: async () => RATES });
  await page.settle();
  assert.match(look(node).text, / 97 frames/);
  assert.equal(node.widgets[0].value, 97 / 24);
  node.onRemoved();
});
