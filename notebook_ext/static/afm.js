// The anywidget adapter: a model and an element become the host that every view draws with.
import { ownKeys, undoing } from "./core.js";
import { clipUrl } from "./media.js";

/** An anywidget module for a view. State comes as traits, everything else as custom messages. */
export function adapter(view, name) {
  return {
    render({ model, el }) {
      const all = undoing();
      const waiting = new Map();
      let last = 0;
      const hear = (message, buffers) => {
        const asked = message.kind === "answer" && waiting.get(message.rid);
        if (!asked) return;
        waiting.delete(message.rid);
        if (message.ok) asked.resolve({ body: message.body, buffers: buffers ?? [] });
        else asked.reject(new Error(message.error));
      };
      model.on("msg:custom", hear);
      all(() => model.off("msg:custom", hear));
      all(() => {
        for (const asked of waiting.values()) asked.reject(new Error("the view was closed"));
        waiting.clear();
      });
      const place = document.createElement("div");
      place.className = `rw rw-${name}`;
      el.append(place);
      ownKeys(place);
      const host = {
        el: place,
        get: (trait) => model.get(trait),
        on(trait, work) {
          const changed = () => work(model.get(trait));
          model.on(`change:${trait}`, changed);
          const off = () => model.off(`change:${trait}`, changed);
          all(off);
          return off;
        },
        act(action, body = {}, buffers = []) {
          return new Promise((resolve, reject) => {
            const rid = `${Date.now().toString(36)}-${++last}`; // several views of one model share its messages
            waiting.set(rid, { resolve, reject });
            model.send({ v: 1, kind: "act", rid, action, body }, undefined, buffers);
          });
        },
        media: (job_id) => clipUrl(host, job_id),
        free: (url) => { if (url?.startsWith("blob:")) URL.revokeObjectURL(url); },
      };
      all(view(host));
      all(() => place.remove());
      return all.undo;
    },
  };
}
