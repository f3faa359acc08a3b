// What every view draws with: elements, words for money and time, and a host that outlives no view.

/** An element: h("button.rw-main", {onclick, ariaLabel, title}, "text" | node | null ...). Text is never markup. */
export function h(what, props = {}, ...children) {
  const [tag, ...names] = what.split(".");
  const el = document.createElement(tag);
  if (names.length) el.className = names.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (name in el) el[name] = value;
    else el.setAttribute(name, value);
  }
  el.append(...children.filter((child) => child != null));
  return el;
}

/** A button with a word on it; a click while its work is under way does nothing, a failure is told by `tell`. */
export function button(label, work, tell = () => {}, props = {}) {
  const el = h("button.rw-button", { type: "button", ...props }, label);
  el.addEventListener("click", async () => {
    if (el.getAttribute("aria-busy") === "true") return;
    el.setAttribute("aria-busy", "true"); // not disabled: a disabled button loses the focus
    try {
      await work();
    } catch (error) {
      tell(error.message);
    } finally {
      el.removeAttribute("aria-busy");
    }
  });
  return el;
}

/** $0, $0.40, $1.25, $0.0042; "price unknown" for null. */
export function usd(amount) {
  if (amount == null) return "price unknown";
  if (amount === 0) return "$0";
  return "$" + amount.toFixed(4).replace(/0{1,2}$/, "");
}

/** 7 s, 1:05, 1:02:03, 3 days */
export function clock(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s >= 172800) return `${Math.floor(s / 86400)} days`;
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export const STATES = {
  waiting: "Waiting for its inputs", queued: "Queued", submitting: "Being sent", running: "Running",
  downloading: "Downloading", finishing: "Finishing", succeeded: "Done", failed: "Failed",
  cancelled: "Cancelled", uncertain: "Uncertain: a person must decide",
};
export const isOpen = (state) => !["succeeded", "failed", "cancelled", "uncertain"].includes(state);

/** The state in words and colour. */
export const chip = (state) => h("span.rw-chip", { "data-state": state }, STATES[state] ?? state);

/** A polite line for screen readers and eyes; the same words are said once. */
export function statusLine() {
  const el = h("div.rw-status", { role: "status" });
  return { el, say: (text) => { if (el.textContent !== text) el.textContent = text; } };
}

/** Keys that are typed in a view are its own: no shortcut of the notebook fires. */
export function ownKeys(el) {
  for (const name of ["keydown", "keyup", "keypress"]) el.addEventListener(name, (event) => event.stopPropagation());
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A view's things to take away again: const all = undoing(); all(() => ...); all.undo(). */
export function undoing() {
  const steps = [];
  const all = (step) => { if (step) steps.push(step); };
  all.listen = (target, name, work, options) => {
    target.addEventListener(name, work, options);
    steps.push(() => target.removeEventListener(name, work, options));
  };
  all.every = (ms, work) => { const id = setInterval(work, ms); steps.push(() => clearInterval(id)); };
  all.undo = () => { while (steps.length) steps.pop()(); };
  return all;
}

/** Bytes as a blob URL; give it to host.free when done. */
export const blobUrl = (buffers, type) => URL.createObjectURL(new Blob(buffers, { type }));
