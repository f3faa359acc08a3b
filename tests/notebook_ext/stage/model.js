// An anywidget model and its front end: loads a module as anywidget 0.11 does, and records what it sends and sets.
import * as stage from "./stage.js";
export * from "./stage.js";

let state = {}, heard = [], written = [], ending = null, cleanups = [], deaf = false, dead = false, signs = 0;

const emit = (name, ...args) => { for (const entry of [...heard]) if (entry.name === name) entry.fn(...args); };

const model = {
  get: (name) => state[name],
  set: (name, value) => { written.push(name); state[name] = value; },
  save_changes() {},
  on: (name, fn) => { heard.push({ name, fn }); },
  off: (name, fn) => {
    heard = heard.filter((entry) => !((name == null || entry.name === name) && (fn == null || entry.fn === fn)));
  },
  send(content, callbacks, buffers = []) {
    const sent = structuredClone(content);
    if (dead) throw new Error("Cannot send"); // as the widget manager's comm does
    if (deaf) return; // what was sent gets lost
    emit("msg:custom", { v: 1, kind: "heard", rid: sent.rid }, []);
    stage.record(sent.action, sent, buffers, (ok, body, bytes) =>
      emit("msg:custom", { v: 1, kind: "answer", rid: sent.rid, ok, ...(ok ? { body } : { error: body }) }, bytes));
  },
};

export async function mount(url, name, values) {
  state = values;
  heard = [];
  written = [];
  cleanups = [];
  ending = new AbortController();
  const el = document.createElement("div");
  document.getElementById("stage").append(el);
  let widget = (await import(url)).default;
  if (typeof widget === "function") widget = await widget();
  const { signal } = ending;
  signs = setInterval(() => { // as Python does while it is at work
    for (const { settle, body } of stage.acts)
      if (settle && !deaf) emit("msg:custom", { v: 1, kind: "heard", rid: body.rid }, []);
  }, 4000);
  cleanups.push(await widget.initialize?.({ model, signal, experimental: {} }));
  cleanups.push(await widget.render?.({ model, el, signal, experimental: {} }));
}
export function set(key, value) {
  state[key] = value;
  emit(`change:${key}`, model, value, {});
  emit("change", model, {});
}
export function listen(on) { deaf = !on; }
export function die() { dead = true; }
export const receive = (content, buffers) => emit("msg:custom", content, stage.views(buffers));
export const wrote = () => written;
export async function unmount() {
  ending.abort();
  clearInterval(signs);
  for (const away of cleanups.reverse()) if (typeof away === "function") await away();
  document.getElementById("stage").replaceChildren();
}
export const kept = () => heard.map(({ name }) => `model.on: ${name}`);
