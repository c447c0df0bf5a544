/** What JoVA Length shows: whose rates count, and what a length becomes. Knows no page. */

import { Timeline, toNumber } from "./timeline.js";

/** The bundled JoVA-mini's rates, as `/jova/rates` gives them. */
export const MINI_RATES = Object.freeze({
  fps: "16",
  sample_rate: 16000,
  audio_rate: "125/4",
  temporal_ratio: 4,
  max_seconds: 20,
});

const LOADER = "JoVALoadModel";
// Numbers of the page's graph: the id that a subgraph's inputs have in links, and modes of nodes.
const SUBGRAPH_INPUTS = -10;
const MUTED = 2;
const BYPASSED = 4;

/** The timeline of an answer of `/jova/rates`; RangeError if a rate is none. */
export function timelineOf(rates) {
  return new Timeline({
    fps: rates.fps,
    sampleRate: rates.sample_rate,
    audioRate: rates.audio_rate,
    temporalRatio: rates.temporal_ratio,
  });
}

/** Query of `/jova/rates` for a checkpoint and a preset; also the key that answers are kept by. */
export function ratesQuery({ checkpoint, preset }) {
  return `checkpoint=${encodeURIComponent(checkpoint)}&preset=${encodeURIComponent(preset)}`;
}

/**
 * What feeds the node's input `model`: { unlinked: true }, { loader, hosts } or {} if no loader of
 * ours is found. `hosts` are the subgraph nodes around the loader, outermost first.
 */
export function findLoader(node) {
  const seen = new Set();
  let place = behindInput(slot(node, "model"), node.graph, hostsOf(node));
  if (!place) return { unlinked: true };
  while (place?.node && !seen.has(place.node)) {
    const { node: found, hosts } = place;
    seen.add(found);
    if (found.mode === MUTED) return {};
    if (kind(found) === LOADER) return found.mode === BYPASSED ? {} : { loader: found, hosts };
    place = behindNode(place);
  }
  return {};
}

/**
 * The value of a node's widget, also where a link replaces it: by the widget of a subgraph node
 * around it, or by the first widget of a primitive. undefined if only a run can tell.
 */
export function widgetValue(node, name, hosts = hostsOf(node)) {
  const input = slot(node, name);
  if (input?.link == null) return node.widgets?.find((widget) => widget.name === name)?.value;
  const link = node.graph.getLink(input.link);
  if (!link) return undefined;
  if (Number(link.origin_id) === SUBGRAPH_INPUTS) {
    const host = hosts.at(-1);
    const outer = host?.inputs[link.origin_slot]?.name;
    return outer === undefined ? undefined : widgetValue(host, outer, hosts.slice(0, -1));
  }
  const origin = node.graph.getNodeById(link.origin_id);
  return kind(origin)?.startsWith("Primitive") ? origin.widgets?.[0]?.value : undefined;
}

/**
 * What `seconds` becomes: { frames, seconds, videoLatents, audioLatents }. RangeError with a
 * sentence if the model cannot make that length.
 */
export function plan(rates, seconds) {
  const line = timelineOf(rates);
  if (seconds > rates.max_seconds) {
    throw new RangeError(
      `A clip of ${seconds} s is too long; this model makes up to ${rates.max_seconds} s.`,
    );
  }
  const frames = line.legalFrames(seconds);
  return {
    frames,
    seconds: toNumber(line.seconds(frames)),
    videoLatents: line.videoLatents(frames),
    audioLatents: line.audioLatents(frames),
  };
}

/** What `plan` made as "2.06 s · 33 frames · …", after "2 s becomes " if that was typed. */
export function planText(made, typed) {
  const rounded = made.seconds.toFixed(2);
  const before = typed.toFixed(2) === rounded ? "" : `${shorten(typed)} s becomes `;
  const parts = [
    `${rounded} s`,
    count(made.frames, "frame"),
    count(made.videoLatents, "video latent"),
    count(made.audioLatents, "audio latent"),
  ];
  return before + parts.join(" · ");
}

/** The rates as a hint: "16 pictures/s, 31.25 audio latents/s, 16000 Hz". */
export function ratesText(rates) {
  const line = timelineOf(rates);
  const [fps, audio] = [line.fps, line.audioRate].map((rate) => shorten(toNumber(rate)));
  return `${fps} pictures/s, ${audio} audio latents/s, ${rates.sample_rate} Hz`;
}

/** Seconds, within { min, max }, that make the legal clip nearest to a wanted frame count. */
export function secondsForFrames(rates, frames, { min = 0, max = Infinity } = {}) {
  const line = timelineOf(rates);
  const wanted = Math.max(1, Math.round(frames));
  const legal = line.legalFrames(line.seconds(wanted));
  return Math.min(Math.max(toNumber(line.seconds(legal)), min), max, rates.max_seconds);
}

/**
 * What the planner shows for a node: { text }, with { rates } where a number of frames may be typed
 * and with { frames, hint } where the length can be made. `ratesFor({ checkpoint, preset })` gives
 * { rates }, { error }, or {} while the server is being asked.
 */
export function describe(node, ratesFor) {
  const follows = followText(node);
  if (follows) return { text: follows };
  const seconds = widgetValue(node, "seconds");
  if (seconds === undefined) return { text: "Length comes from the node linked to seconds." };
  const { rates, before = "", text } = ratesOf(node, ratesFor);
  if (!rates) return { text };
  const own = slot(node, "seconds")?.link == null ? { rates } : {};
  try {
    const made = plan(rates, Number(seconds));
    const line = before + planText(made, Number(seconds));
    return { ...own, text: line, frames: made.frames, hint: ratesText(rates) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ...own, text: error.message };
  }
}

/** The rates that count for a node, or the sentence to show instead. */
function ratesOf(node, ratesFor) {
  const { unlinked, loader, hosts } = findLoader(node);
  if (unlinked) return { rates: MINI_RATES, before: "JoVA-mini: " };
  if (!loader) return { text: "No Load JoVA Model feeds the model input, so no rates are known." };
  const checkpoint = widgetValue(loader, "checkpoint", hosts);
  const preset = widgetValue(loader, "preset", hosts) ?? "from the file";
  if (checkpoint === undefined) {
    return { text: "Another node chooses the checkpoint; its rates are known when it has run." };
  }
  const { rates, error } = ratesFor({ checkpoint, preset });
  return { rates, text: error ?? `Reading the rates of ${checkpoint} …` };
}

/** Why the length is not the planner's to say, or "" if it is; a film counts before a sound. */
function followText(node) {
  const linked = ["film", "audio"].find((name) => slot(node, name)?.link != null);
  return linked ? `Length follows the ${linked === "film" ? "film" : "sound"}.` : "";
}

function slot(node, name) {
  return node.inputs?.find((input) => input.name === name);
}

function kind(node) {
  return node?.comfyClass ?? node?.type;
}

/** Where an input's link begins, subgraphs opened; undefined if nothing is linked to it. */
function behindInput(input, graph, hosts) {
  return input?.link == null ? undefined : behindLink(graph.getLink(input.link), graph, hosts);
}

function behindLink(link, graph, hosts) {
  if (!link) return undefined;
  if (Number(link.origin_id) === SUBGRAPH_INPUTS) {
    const host = hosts.at(-1);
    return host && behindInput(host.inputs[link.origin_slot], host.graph, hosts.slice(0, -1));
  }
  return opened({ node: graph.getNodeById(link.origin_id), index: link.origin_slot, hosts });
}

/** A place as it is, or the place inside a subgraph that its output comes from. */
function opened(place) {
  const { node, index, hosts } = place;
  if (!node?.subgraph || node.mode === MUTED || node.mode === BYPASSED) return place;
  const link = node.subgraph.getLink(node.subgraph.outputs?.[index]?.linkIds?.[0]);
  return behindLink(link, node.subgraph, [...hosts, node]);
}

/** One step up from a node that hands a model on: through its inputs, or to where it points. */
function behindNode({ node, index, hosts }) {
  if (node.isVirtualNode && !node.inputs?.length) {
    const source = node.resolveVirtualOutput?.(index);
    if (!source) return behindLink(node.getInputLink?.(index), node.graph, hosts);
    return opened({ node: source.node, index: source.slot, hosts: hostsOf(source.node) });
  }
  const takes = ({ type }) =>
    String(type).split(",").includes("MODEL") || (node.isVirtualNode && type === "*");
  const input = node.inputs?.find((one) => one.link != null && takes(one));
  return behindInput(input, node.graph, hosts);
}

/** The subgraph nodes around a node, outermost first; of several copies of a subgraph the first. */
function hostsOf(node) {
  const root = node.graph?.rootGraph ?? node.graph;
  const graphs = [root, ...(root?.subgraphs?.values() ?? [])];
  const hosts = [];
  let inside = node.graph;
  while (inside && inside !== root && hosts.length < graphs.length) {
    const nodes = graphs.flatMap((graph) => graph.nodes ?? []);
    const around = nodes.find(({ subgraph }) => subgraph === inside);
    if (around) hosts.unshift(around);
    inside = around?.graph;
  }
  return hosts;
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** At most three decimals, without zeros at the end. */
function shorten(number) {
  return String(Number(number.toFixed(3)));
}
