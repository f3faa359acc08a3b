// The anywidget adapter: state comes as traits, everything else as custom messages.
import { h, ownKeys, undoing } from "./core.js";
import { clipUrl } from "./media.js";

// Seconds without an answer until a message is sent again, and until the page says why none comes.
const RESENT_S = 3, GIVEN_UP_S = 10;
const GONE = "The kernel was restarted or has ended: run this cell again.";
const SILENT = "No answer yet. A busy kernel answers when its cell ends; if it was stopped, run this cell again.";

export function adapter(view, name) {
	return {
		render({ model, el }) {
			const all = undoing();
			const waiting = new Map();
			const hear = (message, buffers) => {
				const asked = waiting.get(message.rid);
				if (message.kind === "heard") asked?.alive();
				if (!asked || message.kind !== "answer") return;
				asked.done();
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
						let resent, late;
						const quiet = () => { clearTimeout(resent); clearTimeout(late); };
						const done = () => { quiet(); waiting.delete(rid); };
						const fail = (words) => { done(); reject(new Error(words)); };
						const alive = () => {
							quiet();
							late = setTimeout(() => fail(SILENT), GIVEN_UP_S * 1000);
						};
						const send = () => { // the same rid: done once, however often it arrives
							try {
								model.send({ v: 1, kind: "act", rid, action, body }, undefined, buffers);
							} catch {
								fail(GONE);
							}
						};
						waiting.set(rid, { resolve, reject, alive, done });
						alive();
						resent = setTimeout(send, RESENT_S * 1000);
						send();
					});
				},
				media: (...which) => clipUrl(host, ...which),
				free: (url) => { if (url?.startsWith("blob:")) URL.revokeObjectURL(url); },
			};
			all(() => waiting.forEach(({ done }) => done()));
			all(view(host));
			all(() => place.remove());
			return all.undo;
		},
	};
}
