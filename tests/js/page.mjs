// As much of ComfyUI's page as an extension of ours touches; import it before the extension.
import { register } from "node:module";

const hooks = `
export async function resolve(specifier, context, next) {
  const found = /\\/scripts\\/(app|api)\\.js$/.exec(specifier);
  if (!found) return next(specifier, context);
  const source = "export const " + found[1] + " = globalThis.page." + found[1] + ";";
  return { url: "data:text/javascript," + encodeURIComponent(source), shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

class Element {
  constructor(tag) {
    this.tag = tag;
    this.style = {};
    this.children = [];
    this.listeners = {};
    this.value = "";
    this.removed = false;
  }
  get valueAsNumber() {
    return this.value === "" ? NaN : Number(this.value);
  }
  append(...children) {
    this.children.push(...children);
  }
  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }
  fire(name) {
    for (const listener of this.listeners[name] ?? []) listener({ target: this });
  }
  remove() {
    this.removed = true;
  }
  blur() {
    this.fire("blur");
  }
}

/** Installs the page; `reply(path)` is what its server answers: { ok, json }. */
export function installPage(reply) {
  const frames = [];
  const page = {
    asked: [],
    frames,
    listeners: {},
    extension: undefined,
    app: {
      canvas: {
        emitBeforeChange: () => page.changes.push("before"),
        emitAfterChange: () => page.changes.push("after"),
      },
      registerExtension: (extension) => (page.extension = extension),
    },
    changes: [],
    api: {
      addEventListener: (name, listener) => (page.listeners[name] = listener),
      fetchApi: async (path) => {
        page.asked.push(path);
        return reply(path);
      },
    },
    /** Lets promises settle and animation frames pass until nothing is left. */
    async settle() {
      for (let turn = 0; turn < 20; turn += 1) {
        for (const frame of frames.splice(0)) frame();
        await new Promise((done) => setImmediate(done));
      }
    },
  };
  globalThis.page = page;
  globalThis.document = { createElement: (tag) => new Element(tag) };
  globalThis.requestAnimationFrame = (frame) => frames.push(frame);
  return page;
}
