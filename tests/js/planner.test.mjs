// What JoVA Length shows, on plain objects shaped like the page's graph.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  describe,
  findLoader,
  MINI_RATES,
  plan,
  planText,
  ratesQuery,
  ratesText,
  secondsForFrames,
  timelineOf,
  widgetValue,
} from "../../js/lib/planner.js";

const FILM = {
  fps: "24000/1001",
  sample_rate: 44100,
  audio_rate: "11025/256",
  temporal_ratio: 4,
  max_seconds: 10,
};
const SUBGRAPH_INPUTS = -10;
const never = () => assert.fail("the server is asked without need");

/** A graph: nodes by id, links as [id, origin, its slot]; each node learns its graph. */
function makeGraph(nodes, links, root) {
  const graph = { nodes: Object.values(nodes), subgraphs: new Map() };
  graph.rootGraph = root ?? graph;
  graph.getNodeById = (id) => nodes[id] ?? null;
  graph.getLink = (id) => {
    const found = links.find(([one]) => one === id);
    return found && { origin_id: found[1], origin_slot: found[2] };
  };
  for (const node of graph.nodes) node.graph = graph;
  return graph;
}

function length({ model = null, seconds = null, audio = null, film = null, value = 2 } = {}) {
  return {
    comfyClass: "JoVALength",
    inputs: [
      { name: "model", type: "MODEL", link: model },
      { name: "audio", type: "AUDIO", link: audio },
      { name: "film", type: "IMAGE", link: film },
      { name: "seconds", type: "FLOAT", link: seconds, widget: { name: "seconds" } },
    ],
    widgets: [{ name: "seconds", value }],
  };
}

function loader(checkpoint = "full.safetensors", more = {}) {
  return {
    comfyClass: "JoVALoadModel",
    inputs: [{ name: "checkpoint", type: "COMBO", link: null }],
    widgets: [
      { name: "checkpoint", value: checkpoint },
      { name: "preset", value: "from the file" },
    ],
    ...more,
  };
}

function patch(link, more = {}) {
  return {
    comfyClass: "LoraLoaderModelOnly",
    inputs: [
      { name: "clip", type: "CLIP", link: 99 },
      { name: "model", type: "MODEL", link },
    ],
    ...more,
  };
}

test("a length that is legal stands as it is, another says what it becomes", () => {
  assert.equal(
    planText(plan(MINI_RATES, 2.0625), 2.0625),
    "2.06 s · 33 frames · 9 video latents · 65 audio latents",
  );
  assert.match(planText(plan(MINI_RATES, 2.06), 2.06), /^2\.06 s · 33 frames/);
  assert.match(planText(plan(MINI_RATES, 2), 2), /^2 s becomes 2\.06 s · 33 frames/);
  assert.match(planText(plan(MINI_RATES, 2.3125), 2.3125), /^2\.31 s · 37 frames/);
  assert.match(planText(plan(MINI_RATES, 2.1254), 2.1254), /^2\.125 s becomes 2\.06 s/);
  assert.equal(
    planText(plan(MINI_RATES, 0.1), 0.1),
    "0.1 s becomes 0.06 s · 1 frame · 1 video latent · 2 audio latents",
  );
});

test("impossible lengths get the sentences of Python", () => {
  assert.throws(() => plan(FILM, 10.5), {
    message: "A clip of 10.5 s is too long; give at most 10 s.",
  });
  assert.throws(() => plan(FILM, 0), /Got a clip length of 0 s; give a length above 0 s\./);
});

test("a frame count gives seconds that make it, the nearest legal one, within the limits", () => {
  for (const rates of [MINI_RATES, FILM]) {
    const line = timelineOf(rates);
    for (let frames = 1; frames < 150; frames += 1) {
      const near = line.legalFrames(line.seconds(frames));
      const seconds = secondsForFrames(rates, frames);
      assert.equal(plan(rates, seconds).frames, near);
      assert.ok(Math.abs(near - frames) <= 2);
    }
  }
  assert.equal(secondsForFrames(MINI_RATES, 34), 2.0625);
  assert.equal(secondsForFrames(MINI_RATES, 35), 37 / 16);
  assert.equal(secondsForFrames(MINI_RATES, -7, { min: 0.1, max: 20 }), 0.1);
  assert.equal(secondsForFrames(MINI_RATES, 1e9, { min: 0.1, max: 30 }), 20);
  assert.equal(plan(MINI_RATES, 20).frames, 321);
  assert.equal(secondsForFrames(MINI_RATES, 321), 20);
});

test("rates as a hint and a query", () => {
  assert.equal(ratesText(MINI_RATES), "16 fps, 31.25 audio latents/s, 16000 Hz");
  assert.equal(ratesText(FILM), "23.976 fps, 43.066 audio latents/s, 44100 Hz");
  assert.equal(
    ratesQuery({ checkpoint: "a b/ü&.safetensors", preset: "from the file" }),
    "checkpoint=a%20b%2F%C3%BC%26.safetensors&preset=from%20the%20file",
  );
});

test("without a model the mini's rates count", () => {
  const node = length();
  makeGraph({ 1: node }, []);
  assert.deepEqual(describe(node, never), {
    text: "JoVA-mini: 2 s becomes 2.06 s · 33 frames · 9 video latents · 65 audio latents",
    frames: 33,
    hint: "16 fps, 31.25 audio latents/s, 16000 Hz",
    rates: MINI_RATES,
  });
});

test("a node that is in no graph yet is no trouble", () => {
  assert.match(describe(length(), never).text, /^JoVA-mini/);
});

test("the loader is found through patches, reroutes and bypassed nodes", () => {
  const node = length({ model: 1 });
  const found = loader();
  const reroute = { type: "Reroute", isVirtualNode: true, inputs: [{ type: "*", link: 3 }] };
  const nodes = { 5: node, 4: patch(2), 3: reroute, 2: patch(4, { mode: 4 }), 1: found };
  makeGraph(nodes, [
    [1, 4, 0],
    [2, 3, 0],
    [3, 2, 0],
    [4, 1, 0],
  ]);
  assert.equal(findLoader(node).loader, found);
  const asked = [];
  const shown = describe(node, (choice) => {
    asked.push(choice);
    return { rates: FILM };
  });
  assert.deepEqual(asked, [{ checkpoint: "full.safetensors", preset: "from the file" }]);
  assert.match(shown.text, /^2 s becomes 2\.04 s · 49 frames · 13 video latents · 89 audio/);
});

test("a virtual node without inputs points to its source", () => {
  const node = length({ model: 1 });
  const found = loader();
  const get = { type: "GetNode", isVirtualNode: true, inputs: [] };
  makeGraph({ 3: node, 2: get, 1: found }, [
    [1, 2, 0],
    [2, 1, 0],
  ]);
  get.getInputLink = () => node.graph.getLink(2);
  assert.equal(findLoader(node).loader, found);
  get.resolveVirtualOutput = () => ({ node: found, slot: 0 });
  assert.equal(findLoader(node).loader, found);
  // One that points to itself ends the search.
  get.resolveVirtualOutput = () => ({ node: get, slot: 0 });
  assert.deepEqual(findLoader(node), {});
});

test("a muted node, another loader or a circle is no loader of ours", () => {
  for (const nodes of [
    { 2: length({ model: 1 }), 1: loader("x", { mode: 2 }) },
    { 2: length({ model: 1 }), 1: loader("x", { mode: 4 }) },
    { 2: length({ model: 1 }), 1: { comfyClass: "UNETLoader", inputs: [], widgets: [] } },
    { 2: length({ model: 1 }), 1: patch(null) },
    { 2: length({ model: 1 }), 1: patch(1) },
    { 2: length({ model: 1 }), 1: patch(1, { mode: 2 }) },
    { 2: length({ model: 1 }) },
  ]) {
    makeGraph(nodes, [[1, 1, 0]]);
    assert.deepEqual(findLoader(nodes[2]), {});
    assert.match(describe(nodes[2], never).text, /^The rates are unknown before a run/);
  }
});

/** The root holds a loader and a subgraph node; inside stands what `makeInside` returns. */
function nest(makeInside, { linkOutside = 1 } = {}) {
  const found = loader();
  const host = {
    type: "uuid",
    isVirtualNode: true,
    inputs: [
      { name: "model", type: "MODEL", link: linkOutside },
      { name: "seconds_2", type: "FLOAT", link: null, widget: { name: "seconds_2" } },
    ],
    widgets: [{ name: "seconds_2", value: 3 }],
  };
  const root = makeGraph({ 1: found, 2: host }, [[1, 1, 0]]);
  const [nodes, links] = makeInside();
  host.subgraph = makeGraph(nodes, links, root);
  root.subgraphs.set("uuid", host.subgraph);
  return { found, host, root };
}

test("a planner in a subgraph looks outside", () => {
  const node = length({ model: 7 });
  const { found } = nest(() => [{ 1: node }, [[7, SUBGRAPH_INPUTS, 0]]]);
  assert.equal(findLoader(node).loader, found);
});

test("a subgraph's model input that nothing feeds counts as not connected", () => {
  const node = length({ model: 7 });
  nest(() => [{ 1: node }, [[7, SUBGRAPH_INPUTS, 0]]], { linkOutside: null });
  assert.deepEqual(findLoader(node), { unlinked: true });
});

test("seconds that stand on the subgraph node are read there and not written", () => {
  const node = length({ model: 7, seconds: 8 });
  nest(() => [
    { 1: node },
    [
      [7, SUBGRAPH_INPUTS, 0],
      [8, SUBGRAPH_INPUTS, 1],
    ],
  ]);
  assert.equal(widgetValue(node, "seconds"), 3);
  const shown = describe(node, () => ({ rates: MINI_RATES }));
  assert.match(shown.text, /^3 s becomes 3\.06 s/);
  assert.equal(shown.rates, undefined);
});

test("a loader inside a subgraph is found, with the checkpoint its host shows", () => {
  const inside = loader("inner.safetensors");
  inside.inputs[0].link = 5;
  const host = {
    type: "uuid",
    isVirtualNode: true,
    inputs: [{ name: "checkpoint", type: "COMBO", link: null, widget: { name: "checkpoint" } }],
    widgets: [{ name: "checkpoint", value: "outer.safetensors" }],
  };
  const node = length({ model: 1 });
  const root = makeGraph({ 1: host, 2: node }, [[1, 1, 0]]);
  const links = [
    [5, SUBGRAPH_INPUTS, 0],
    [6, 1, 0],
  ];
  host.subgraph = makeGraph({ 1: inside }, links, root);
  host.subgraph.outputs = [{ linkIds: [6] }];
  root.subgraphs.set("uuid", host.subgraph);
  const { loader: found, hosts } = findLoader(node);
  assert.equal(found, inside);
  assert.deepEqual(hosts, [host]);
  const asked = [];
  describe(node, (choice) => asked.push(choice.checkpoint) && {});
  assert.deepEqual(asked, ["outer.safetensors"]);
});

test("a primitive's value counts, that of another node is not known before a run", () => {
  const node = length({ model: 1, seconds: 2 });
  const primitive = { type: "PrimitiveNode", widgets: [{ name: "value", value: 4 }] };
  const nodes = { 3: node, 2: primitive, 1: loader() };
  const links = [
    [1, 1, 0],
    [2, 2, 0],
  ];
  makeGraph(nodes, links);
  assert.equal(widgetValue(node, "seconds"), 4);
  primitive.type = "SomeMaths";
  assert.equal(describe(node, never).text, "The length comes from the node linked to seconds.");
  node.inputs[3].link = null;
  nodes[1].inputs[0].link = 2;
  assert.match(describe(node, never).text, /: another node chooses the checkpoint/);
});

test("given audio or video leads", () => {
  for (const [links, text] of [
    [{ audio: 1 }, "The length follows the audio."],
    [{ film: 1 }, "The length follows the video."],
    [{ audio: 1, film: 2 }, "The length follows the video."],
  ]) {
    const node = length(links);
    makeGraph({ 1: node }, []);
    assert.deepEqual(describe(node, never), { text });
  }
});

test("shows the server's sentence and a wait, and keeps the field for a length too long", () => {
  const node = length({ model: 1, value: 12 });
  makeGraph({ 2: node, 1: loader() }, [[1, 1, 0]]);
  const error = "This file carries no JoVA config; choose its preset.";
  assert.deepEqual(describe(node, () => ({ error })), { text: error });
  const waiting = { text: "Reading the rates of full.safetensors …" };
  assert.deepEqual(describe(node, () => ({})), waiting);
  assert.deepEqual(describe(node, () => ({ rates: FILM })), {
    text: "A clip of 12 s is too long; give at most 10 s.",
    rates: FILM,
  });
  const wrong = { ...FILM, fps: "fast" };
  assert.match(describe(node, () => ({ rates: wrong })).text, /^Got the rate "fast"/);
});
