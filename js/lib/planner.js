/** The text in JoVA Length: the rates of its checkpoint and the length of the clip. No DOM here. */

import { Timeline, toNumber } from "./timeline.js";

/** The bundled JoVA-mini's rates, in the form of `/jova/rates`. */
export const MINI_RATES = Object.freeze({
  fps: "16",
  sample_rate: 16000,
  audio_rate: "125/4",
  temporal_ratio: 4,
  max_seconds: 20,
});

const LOADER = "JoVALoadModel";
// Constants of the page's graph: the id of a subgraph's inputs in links, and node modes.
const SUBGRAPH_INPUTS = -10;
const MUTED = 2;
const BYPASSED = 4;

/** The timeline of an answer of `/jova/rates`; RangeError for an invalid rate. */
export function timelineOf(rates) {
  return new Timeline({
    fps: rates.fps,
    sampleRate: rates.sample_rate,
    audioRate: rates.audio_rate,
    temporalRatio: rates.temporal_ratio,
  });
}

/** Query of `/jova/rates` for a checkpoint and a preset; also the key of its cached answer. */
export function ratesQuery({ checkpoint, preset }) {
  return `checkpoint=${encodeURIComponent(checkpoint)}&preset=${encodeURIComponent(preset)}`;
}

/**
 * The loader behind the node's input `model`: { unlinked: true }, { loader, hosts }, or {} without
 * a loader of ours. `hosts` are the subgraph nodes around the loader, outermost first.
 */
export function findLoader(node) {
  const seen = new Set();
  let place = behindInput(slot(node, "model"), node.graph, hostsOf(node));
  if (!place) return { unlinked: true };
  while (place?.node && !seen.has(place.node)) {
    const { node: source, hosts } = place;
    seen.add(source);
    if (source.mode === MUTED) return {};
    if (kind(source) === LOADER) return source.mode === BYPASSED ? {} : { loader: source, hosts };
    place = behindNode(place);
  }
  return {};
}

/**
 * The value of a node's widget, also if it is linked to a widget of the surrounding subgraph node
 * or to a primitive. undefined if only a run can determine it.
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
 * The nearest clip: { frames, seconds, videoLatents, audioLatents }. RangeError with a sentence for
 * an impossible length.
 */
export function plan(rates, seconds) {
  const timeline = timelineOf(rates);
  if (seconds > rates.max_seconds) {
    throw new RangeError(
      `A clip of ${seconds} s is too long; give at most ${rates.max_seconds} s.`,
    );
  }
  const frames = timeline.legalFrames(seconds);
  return {
    frames,
    seconds: toNumber(timeline.seconds(frames)),
    videoLatents: timeline.videoLatents(frames),
    audioLatents: timeline.audioLatents(frames),
  };
}

/** A plan as "2.06 s · 33 frames · …", after "2 s becomes " if the typed length differs. */
export function planText(planned, typed) {
  const rounded = planned.seconds.toFixed(2);
  const before = typed.toFixed(2) === rounded ? "" : `${shorten(typed)} s becomes `;
  const parts = [
    `${rounded} s`,
    count(planned.frames, "frame"),
    count(planned.videoLatents, "video latent"),
    count(planned.audioLatents, "audio latent"),
  ];
  return before + parts.join(" · ");
}

/** The rates as a hint: "16 fps, 31.25 audio latents/s, 16000 Hz". */
export function ratesText(rates) {
  const timeline = timelineOf(rates);
  const [fps, audio] = [timeline.fps, timeline.audioRate].map((rate) => shorten(toNumber(rate)));
  return `${fps} fps, ${audio} audio latents/s, ${rates.sample_rate} Hz`;
}

/** Seconds, within { min, max }, of the legal clip nearest to a wanted frame count. */
export function secondsForFrames(rates, frames, { min = 0, max = Infinity } = {}) {
  const timeline = timelineOf(rates);
  const wanted = Math.max(1, Math.round(frames));
  const legal = timeline.legalFrames(timeline.seconds(wanted));
  return Math.min(Math.max(toNumber(timeline.seconds(legal)), min), max, rates.max_seconds);
}

/**
 * The planner's view of a node: { text }, with { rates } if a frame count may be typed and with
 * { frames, hint } for a possible length. `ratesFor({ checkpoint, preset })` gives { rates },
 * { error }, or {} while waiting for the server.
 */
export function describe(node, ratesFor) {
  const follows = followText(node);
  if (follows) return { text: follows };
  const seconds = widgetValue(node, "seconds");
  if (seconds === undefined) return { text: "The length comes from the node linked to seconds." };
  const { rates, before = "", text } = ratesOf(node, ratesFor);
  if (!rates) return { text };
  const own = slot(node, "seconds")?.link == null ? { rates } : {};
  try {
    const planned = plan(rates, Number(seconds));
    const length = before + planText(planned, Number(seconds));
    return { ...own, text: length, frames: planned.frames, hint: ratesText(rates) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ...own, text: error.message };
  }
}

/** The rates for a node, or a sentence to show instead. */
function ratesOf(node, ratesFor) {
  const { unlinked, loader, hosts } = findLoader(node);
  if (unlinked) return { rates: MINI_RATES, before: "JoVA-mini: " };
  if (!loader) return { text: "The rates are unknown before a run: no Load JoVA Model behind model." };
  const checkpoint = widgetValue(loader, "checkpoint", hosts);
  const preset = widgetValue(loader, "preset", hosts) ?? "from the file";
  if (checkpoint === undefined) {
    return { text: "The rates are unknown before a run: another node chooses the checkpoint." };
  }
  const { rates, error } = ratesFor({ checkpoint, preset });
  return { rates, text: error ?? `Reading the rates of ${checkpoint} …` };
}

/** A sentence if the length follows given media, else ""; video takes precedence over audio. */
function followText(node) {
  const linked = ["film", "audio"].find((name) => slot(node, name)?.link != null);
  return linked ? `The length follows the ${linked === "film" ? "video" : "audio"}.` : "";
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

/** The place itself, or the source of its output inside a subgraph. */
function opened(place) {
  const { node, index, hosts } = place;
  if (!node?.subgraph || node.mode === MUTED || node.mode === BYPASSED) return place;
  const link = node.subgraph.getLink(node.subgraph.outputs?.[index]?.linkIds?.[0]);
  return behindLink(link, node.subgraph, [...hosts, node]);
}

/** One step up from a node that passes a model on. */
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
