// Counts what a view could leave behind in its page. Runs before any other script; `watching()` is what is there now.
(() => {
  const listeners = [];
  const urls = new Set(), frames = new Set(), timers = new Set(), observers = new Map(), players = new Set();
  const outlives = (t) =>
    t === window || t === document || t === document.documentElement || t === document.body || t instanceof MediaQueryList;
  const named = (t) =>
    t === window ? "window" : t === document ? "document" : t instanceof MediaQueryList ? t.media : t.localName;
  // Only what the page's own modules do: Playwright, too, listens and observes in here.
  const ours = () => new Error().stack.includes(location.origin);
  const captured = (options) => !!(options === true || options?.capture);
  const forget = (entry) => {
    const at = listeners.indexOf(entry);
    if (at >= 0) listeners.splice(at, 1);
  };

  const { addEventListener, removeEventListener } = EventTarget.prototype;
  EventTarget.prototype.addEventListener = function (type, fn, options) {
    const target = this ?? window, capture = captured(options);
    addEventListener.call(target, type, fn, options);
    if (!fn || options?.signal?.aborted || !outlives(target) || !ours()) return;
    if (listeners.some((l) => l.target === target && l.type === type && l.fn === fn && l.capture === capture)) return;
    const entry = { target, type, fn, capture };
    listeners.push(entry);
    if (options?.once) addEventListener.call(target, type, () => forget(entry), { once: true, capture });
    if (options?.signal) addEventListener.call(options.signal, "abort", () => forget(entry), { once: true });
  };
  EventTarget.prototype.removeEventListener = function (type, fn, options) {
    const target = this ?? window, capture = captured(options);
    removeEventListener.call(target, type, fn, options);
    listeners
      .filter((l) => l.target === target && l.type === type && l.fn === fn && l.capture === capture)
      .forEach(forget);
  };

  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (blob) => {
    const url = createObjectURL.call(URL, blob);
    urls.add(url);
    return url;
  };
  URL.revokeObjectURL = (url) => {
    urls.delete(url);
    revokeObjectURL.call(URL, url);
  };

  const once = (start, stop, live) => [
    (fn, ...rest) => {
      const id = start(typeof fn === "function" ? (...args) => (live.delete(id), fn(...args)) : fn, ...rest);
      if (ours()) live.add(id);
      return id;
    },
    (id) => (live.delete(id), stop(id)),
  ];
  const native = {};
  for (const name of ["requestAnimationFrame", "cancelAnimationFrame", "setTimeout", "clearTimeout", "setInterval",
    "clearInterval"]) native[name] = window[name].bind(window);
  [window.requestAnimationFrame, window.cancelAnimationFrame] =
    once(native.requestAnimationFrame, native.cancelAnimationFrame, frames);
  [window.setTimeout, window.clearTimeout] = once(native.setTimeout, native.clearTimeout, timers);
  window.setInterval = (...args) => {
    const id = native.setInterval(...args);
    if (ours()) timers.add(id);
    return id;
  };
  window.clearInterval = window.clearTimeout;  // one list of ids in the platform too

  for (const name of ["ResizeObserver", "IntersectionObserver", "MutationObserver"]) {
    window[name] = class extends window[name] {
      observe(...args) {
        if (ours()) observers.set(this, name);
        super.observe(...args);
      }
      disconnect() {
        observers.delete(this);
        super.disconnect();
      }
    };
  }

  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    players.add(this);
    return play.call(this);
  };

  // One line a thing. Two frames pass first, so that an animation which only ends by itself is over.
  window.watching = () => new Promise((resolve) => {
    native.requestAnimationFrame(() => native.requestAnimationFrame(() => resolve([
      ...listeners.map((l) => `listener: ${named(l.target)} ${l.type}`),
      ...[...urls].map((url) => `blob URL: ${url}`),
      ...[...frames].map((id) => `animation frame: ${id}`),
      ...[...timers].map((id) => `timer: ${id}`),
      ...[...observers.values()].map((name) => `observer: ${name}`),
      ...[...players].filter((p) => !p.paused).map((p) => `playing: ${p.localName}`),
    ].sort())));
  });
})();
