// JoVA Length shows in the node, while you type, which clip a length in seconds becomes.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { chain } from "./lib/chain.js";
import { describe, ratesQuery, secondsForFrames } from "./lib/planner.js";

// Pixels: height for three lines of text and the field, width for two lines as a rule.
const HEIGHT = 90;
const WIDTH = 330;

// The views of the JoVA Length nodes in the graph, and the nodes to redraw.
const views = new Map();
const due = new Set();
// Frames typed while the rates were on their way, by node.
const typed = new Map();
// Answers of the server by query: { rates }, { error }, or {} while waiting.
const answers = new Map();

function ratesFor(choice) {
  const query = ratesQuery(choice);
  if (!answers.has(query)) {
    const waiting = {};
    answers.set(query, waiting);
    ask(query).then((answer) => {
      // Not if the answers were cleared meanwhile.
      if (answers.get(query) !== waiting) return;
      answers.set(query, answer);
      refreshAll();
    });
  }
  return answers.get(query);
}

async function ask(query) {
  try {
    const reply = await api.fetchApi(`/jova/rates?${query}`);
    if (reply.ok) return { rates: await reply.json() };
    const { error } = await reply.json().catch(() => ({}));
    return { error: error ?? `The server has no rates (status ${reply.status}); restart ComfyUI.` };
  } catch (error) {
    return { error: `Reading the rates failed (${error.message}); reload the page.` };
  }
}

function askAgain() {
  answers.clear();
  refreshAll();
}

function refreshAll() {
  for (const node of views.keys()) refresh(node);
}

/** Draws at most once per animation frame. */
function refresh(node) {
  if (!views.has(node)) return;
  if (due.size === 0) requestAnimationFrame(drawDue);
  due.add(node);
}

function drawDue() {
  const nodes = [...due];
  due.clear();
  for (const node of nodes) {
    const plan = describe(node, ratesFor);
    if (plan.rates && typed.has(node)) {
      const frames = typed.get(node);
      typed.delete(node);
      setFrames(node, frames);
    } else {
      views.get(node)?.show(plan);
    }
  }
}

function secondsWidget(node) {
  return node.widgets?.find((widget) => widget.name === "seconds");
}

function setFrames(node, frames) {
  const widget = secondsWidget(node);
  const { rates } = describe(node, ratesFor);
  if (!rates && Number.isFinite(frames)) typed.set(node, frames);
  if (widget && rates && Number.isFinite(frames)) {
    const seconds = secondsForFrames(rates, frames, widget.options);
    // The two calls around it make this one undo step.
    app.canvas?.emitBeforeChange?.();
    widget.value = seconds;
    widget.callback?.(seconds, app.canvas, node);
    app.canvas?.emitAfterChange?.();
    node.setDirtyCanvas?.(true, true);
  }
  refresh(node);
}

/** A line of text and a number field that calls `onFrames`. */
function makeView(onFrames) {
  const line = document.createElement("div");
  line.style.cssText = "flex:1;overflow:auto;line-height:1.35";
  const field = document.createElement("input");
  Object.assign(field, { type: "number", min: "1" });
  field.style.cssText =
    "width:6em;margin-left:.6em;padding:1px 4px;border:1px solid var(--border-color,#4e4e4e);" +
    "border-radius:4px;background:var(--comfy-input-bg,#222);color:inherit;font:inherit";
  const label = document.createElement("label");
  label.append("frames", field);
  const root = document.createElement("div");
  root.className = "jova-length-plan";
  root.style.cssText =
    "display:flex;flex-direction:column;gap:4px;box-sizing:border-box;padding:2px 6px;" +
    "font:12px sans-serif;color:var(--input-text,#ddd)";
  root.append(line, label);
  // The page calls this on a click beside the widget; only the field can have the focus.
  root.blur = () => field.blur();
  // Keep the typed number until the user is done.
  let typing = false;
  field.addEventListener("input", () => (typing = true));
  for (const event of ["change", "blur"]) {
    field.addEventListener(event, () => {
      if (typing) onFrames(field.valueAsNumber);
      typing = false;
    });
  }
  return {
    root,
    show({ text, hint = "", frames, rates }) {
      line.textContent = text;
      root.title = hint;
      label.hidden = !rates;
      if (!rates || typing) return;
      field.step = String(rates.temporal_ratio);
      field.value = frames === undefined ? "" : String(frames);
    },
  };
}

function addPlanner(node) {
  const seconds = secondsWidget(node);
  if (!seconds) return;
  // The page would round to one decimal; legal lengths need more.
  Object.assign(seconds.options, { round: 0, precision: 2 });
  const view = makeView((frames) => setFrames(node, frames));
  const widget = node.addDOMWidget("length_plan", "jova_length_plan", view.root, {
    serialize: false,
    getMinHeight: () => HEIGHT,
    getMaxHeight: () => HEIGHT,
    margin: 6,
  });
  // The option above keeps it out of the prompt, this out of the saved workflow.
  widget.serialize = false;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height)]);

  const again = () => refresh(node);
  chain(seconds, "callback", again);
  chain(node, "onConnectionsChange", again);
  chain(node, "onConfigure", again);
  chain(node, "onAdded", () => {
    views.set(node, view);
    refresh(node);
  });
  chain(node, "onRemoved", () => {
    views.delete(node);
    due.delete(node);
    typed.delete(node);
    view.root.remove();
  });
}

app.registerExtension({
  name: "JoVA.LengthPlanner",
  setup() {
    api.addEventListener("graphChanged", refreshAll);
    api.addEventListener("reconnected", askAgain);
  },
  nodeCreated(node) {
    if (node.comfyClass === "JoVALength") addPlanner(node);
    if (node.comfyClass !== "JoVALoadModel") return;
    for (const widget of node.widgets ?? []) chain(widget, "callback", refreshAll);
  },
  afterConfigureGraph: refreshAll,
  refreshComboInNodes: askAgain,
});
