// The anywidget adapter: state comes as traits, everything else as custom messages.
import { h, ownKeys, undoing } from "./core.js";
import { clipUrl } from "./media.js";

export function adapter(view, name) {
	return {
		render({ model, el }) {
			const all = undoing();
			const waiting = new Map();
			const hear = (message, buffers) => {
				const asked = message.kind === "answer" && waiting.get(message.rid);
				if (!asked) return;
				waiting.delete(message.rid);
				if (message.ok) asked.resolve({ body: message.body, buffers: buffers ?? [] });
				else asked.reject(new Error(message.error));
			};
			model.on("msg:custom", hear);
			all(() => model.off("msg:custom", hear));
			const place = h(`div.rw.rw-${name}`);
			el.append(place);
			ownKeys(place);
			const host = {
				el: place,
				get: (trait) => model.get(trait),
				on(trait, work) {
					const changed = () => work(model.get(trait));
					model.on(`change:${trait}`, changed);
					return () => model.off(`change:${trait}`, changed);
				},
				act(action, body = {}, buffers = []) {
					return new Promise((resolve, reject) => {
						const rid = `${Math.random()}`; // several views of one model share its messages
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
