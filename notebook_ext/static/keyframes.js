// The keyframe picker: the page sends times; Python keeps the picks.
import { setUp, blobUrl, flow, h } from "./core.js";

export function keyframes(host) {
	const { all, status, say, fail, data, live, button, copyCode, keptNote } = setUp(host);
	const cards = new Map(), { clips, note, text } = data(), ask = (...what) => host.act(...what).catch(fail);
	const list = h("ol.rw-picks"), line = h("div.rw-times"), picture = h("img"), when = h("span.rw-dim");
	let drawn, asking;
	const clip = h("select", { ariaLabel: "Clip", hidden: clips.length < 2, onchange: () => choose() },
		...clips.map(({ label }) => h("option", {}, label)));
	const slide = h("input", { type: "range", ariaLabel: "Frame", oninput: () => show() });
	const go = (to) => { slide.value = to; return show(); };
	const now = () => clips[clip.selectedIndex];
	const place = () => ({ source: clip.selectedIndex, t: Math.round(slide.value / now().fps * 1000) / 1000, last: slide.value === slide.max });
	const scrub = h("div.rw-scrub", { hidden: !clips.length }, picture, slide, flow(clip,
		button("‹", () => go(+slide.value - 1), { ariaLabel: "One frame back" }),
		button("›", () => go(+slide.value + 1), { ariaLabel: "One frame on" }),
		button("Last frame", () => go(slide.max)),
		button("Pick", () => host.act("pick", place()), { className: "rw-button rw-main" }), when));

	function choose() {
		slide.max = now().frames - 1;
		go(0);
	}
	async function show() { // the latest place wins
		const { t, last } = place(), words = last ? "last frame" : `${t.toFixed(2)} s`;
		when.textContent = slide.ariaValueText = picture.alt = `frame ${+slide.value + 1} of ${now().frames}, ${words}`;
		if (asking) return;
		asking = true;
		while (drawn !== (drawn = JSON.stringify(place()))) {
			const found = await ask("show", JSON.parse(drawn));
			if (found) put(picture, found);
		}
		asking = false;
	}
	function put(img, { buffers }) {
		host.free(img.src);
		img.src = blobUrl(buffers);
	}

	function make({ key }) {
		const set = (at_s = at.value === "" ? null : +at.value) => ask("set", { key, at_s, prompt: prompt.value });
		const img = h("img"), label = h("span"), prompt = h("input", { placeholder: "from here on", onchange: () => set() });
		const at = h("input", { type: "number", min: 0, step: 0.01, style: "width: 5em", onchange: () => set() });
		const mark = h("input", { type: "range", step: 0.01, onchange: () => set(+mark.value) });
		const acts = [["‹", "move", { key, by: -1 }], ["›", "move", { key, by: 1 }], ["×", "drop", { key }]]
			.map(([sign, ...what]) => button(sign, () => host.act(...what)));
		ask("thumb", { key }).then((found) => found && cards.has(key) && put(img, found));
		return { el: h("li", {}, img, label, flow(h("label", {}, "at", at, "s"), ...acts), prompt), img, label, prompt, at, mark, acts };
	}
	function draw() {
		const { frames, seconds, fits, verdict } = data(), focused = document.activeElement;
		const held = Math.max(...[list, line].map(({ children }) => [...children].findIndex((el) => el.contains(focused))));
		for (const [key, { img }] of cards) if (!frames.some((frame) => frame.key === key)) {
			host.free(img.src);
			cards.delete(key);
		}
		for (const frame of frames) if (!cards.has(frame.key)) cards.set(frame.key, make(frame));
		const shown = frames.map(({ key }) => cards.get(key));
		list.replaceChildren(...shown.map(({ el }) => el));
		line.replaceChildren(...shown.map(({ mark }) => mark));
		shown.forEach(({ img, label, mark, at, prompt, acts }, i) => {
			const frame = frames[i], n = `frame ${i + 1}`;
			label.textContent = img.alt = `${i + 1}. ${frame.label}`;
			Object.assign(mark, { max: seconds, value: frame.even, ariaLabel: `Time of ${n}` });
			Object.assign(at, { value: frame.at_s ?? "", placeholder: frame.even, ariaLabel: `Seconds of ${n}` });
			Object.assign(prompt, { value: frame.prompt, ariaLabel: `Prompt from ${n} on` });
			acts.forEach((one, j) => { one.ariaLabel = `${["Earlier", "Later", "Remove"][j]}: ${n}`; });
		});
		if (held >= 0) (focused.isConnected ? focused : shown[Math.min(held, shown.length - 1)]?.acts[2] ?? slide).focus();
		status.className = fits || !frames.length ? "rw-status" : "rw-error";
		say(verdict);
	}
	host.el.append(h(`div.rw-${note}`, { role: "note" }, text), keptNote(), scrub, line, list,
		flow(button("Clear", () => host.act("clear")), copyCode()), status);
	all(() => host.el.querySelectorAll("img").forEach(({ src }) => host.free(src)));
	if (clips.length) choose();
	live(draw);
	return all.undo;
}
