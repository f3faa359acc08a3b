// A view's host: what Python sets can be read, what the view asks is recorded, a clip is a blob of a served file.
import * as stage from "./stage.js";
export * from "./stage.js";

let state = {}, heard = [], away = null;

export async function mount(url, name, values) {
  state = values;
  heard = [];
  const el = document.createElement("div");
  el.className = `rw rw-${name}`;
  document.getElementById("stage").append(el);
  const view = (await import(url))[name];
  away = view({
    el,
    get: (key) => structuredClone(state[key]),
    on(key, fn) {
      const entry = { key, fn };
      heard.push(entry);
      return () => { heard = heard.filter((other) => other !== entry); };
    },
    act: (action, body, buffers = []) => new Promise((resolve, reject) =>
      stage.record(action, body, buffers, (ok, answer, bytes) =>
        ok ? resolve({ body: answer, buffers: bytes }) : reject(new Error(answer)))),
    media: (job_id) => stage.clip(job_id),
    free: (address) => URL.revokeObjectURL(address),
  });
  if (typeof away !== "function") throw new Error(`${name} returned no function that takes it away`);
}
export function set(key, value) {
  state[key] = value;
  for (const { key: of, fn } of [...heard]) if (of === key) fn();
}
export function unmount() {
  away();
  document.getElementById("stage").replaceChildren();
}
export const kept = () => heard.map(({ key }) => `host.on: ${key}`);
