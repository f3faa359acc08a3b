// Camera: a slider for each move, a live preview over the still, and the free engine's own clip of it.
import { setUp, blobUrl, flow, h, still, unload } from "./core.js";

export function camera(host) {
	const { all, status, say, fail, data, button, copy, insist, keptNote } = setUp(host);
	const { rows, ratio, seconds, control, text } = data(), last = seconds - 1 / 24;
	let { crop } = data(), playing = 0, began, queued, sent, previs, clip, picture;

	const input = (type, ariaLabel, min, max, step, value, placeholder = "") =>
		h("input", { type, ariaLabel, min, max, step, value: value ?? "", placeholder });
	const lines = rows.map(({ name, least, value, from, to }) => h("div.camera-line", { oninput: changed },
		h("span", {}, name), input("range", name, least, 1, 0.05, value), h("span"),
		h("span", {}, input("number", `${name} from, seconds`, 0, seconds, 0.1, from, 0), " – ",
			input("number", `${name} to, seconds`, 0, seconds, 0.1, to, seconds), " s")));
	const set = () => lines.map((line) => [...line.querySelectorAll("input")].map(({ value }) => value ? +value : null));
	const scrub = input("range", "Time", 0, Math.round(last * 24), 1, 0);
	const img = h("img", { alt: "Preview" });
	const video = h("video", { controls: true, loop: true, muted: true, playsInline: true, autoplay: !still(), hidden: true });
	const code = h("code.rw-grow", {}, text);

	const ease = (u) => ((u = Math.min(Math.max(u, 0), 1)), u * u * (3 - 2 * u));
	function draw() { // the engine's homography (backends/animatic/lens.py) for a plane that faces the camera
		const t = scrub.value / 24, look = { pan: 0, tilt: 0, roll: 0 };
		set().forEach(([value, from, to], i) => {
			const end = Math.min(to || last, last), u = (t - from) / (end - from);
			const fade = from || end < last ? ease(2 * (t - from)) * ease(2 * (end - t)) : 1;
			for (const [name, unit, middle, waves] of rows[i].shares)
				look[name] = (look[name] ?? 0) + value * unit * (waves
					? fade * waves.reduce((sum, [hz, phase, size]) => sum + size * Math.sin(hz * t + phase), 0)
					: (Math.min(Math.max(u, 0), 1) + ease(u)) / 2 - middle);
		});
		img.style.transform = `scale(${0.75 ** look.zoom}) perspective(107.5cqmax) translateZ(107.5cqmax) rotate(${look.roll}deg)
			rotateX(${look.tilt}deg) rotateY(${look.pan}deg) translate3d(${look.truck}cqw, ${look.crane}cqh, ${-107.5 * 0.75 ** look.dolly}cqmax)
			rotateY(${look.orbit}deg) scale(${crop[0]}) translate(${crop[1]}%, ${crop[2]}%)`;
		scrub.ariaValueText = `${t.toFixed(1)} s`;
	}
	function words() {
		lines.forEach(({ children: [, range, said, times] }, i) => {
			said.textContent = +range.value ? `${rows[i].ways[+(range.value > 0)]} ${Math.abs(range.value)}` : "";
			range.ariaValueText = said.textContent || "none";
			times.hidden = !+range.value;
		});
	}
	async function send() { // one at a time, so that the last is never overtaken
		if (queued) return;
		queued = true;
		await sent;
		queued = false;
		sent = host.act("moves", { rows: set() }).then(({ body }) => {
			({ crop } = body); // of the whole path, as the engine would crop it
			code.textContent = body.text;
			say(body.note);
			draw();
		}).catch(fail);
	}
	function live() {
		previs = null;
		video.hidden = true;
		unload(video);
		host.free(clip);
	}
	function changed() {
		live();
		words();
		send();
		if (still()) scrub.value = scrub.max, draw();
		else if (!playing) turn();
	}
	function tick(now) {
		scrub.value = ((now / 1000 - began) % seconds) * 24;
		draw();
		playing = requestAnimationFrame(tick);
	}
	function turn() {
		live();
		cancelAnimationFrame(playing);
		playing = playing ? 0 : requestAnimationFrame(tick);
		began = performance.now() / 1000 - scrub.value / 24;
		play.textContent = playing ? "Pause" : "Play";
	}
	const play = button("Play", turn, { hidden: still() });
	const render = button("Render previs · free", async () => {
		if (playing) turn();
		live();
		const mine = previs = {}, asked = set();
		let now = { text: "" };
		while (!now.done) {
			now = (await host.act("previs", { rows: asked, seen: now.text })).body;
			if (mine !== previs) return;
			say(now.text);
		}
		const url = await host.media(now.job_id);
		if (mine !== previs) return host.free(url);
		clip = video.src = url;
		video.hidden = false;
	}, { className: "rw-button rw-main" });
	const reset = button("Clear", () => {
		for (const field of host.el.querySelectorAll("input")) field.value = field.type === "range" ? 0 : "";
		changed();
	});

	scrub.className = "rw-grow";
	scrub.oninput = () => { if (playing) turn(); live(); draw(); };
	host.el.append(control && h("p.rw-dim", {}, control), keptNote(),
		h("div.camera-stage", { style: `aspect-ratio: ${ratio}; max-width: ${400 * ratio}px` }, img, h("span", {}, "approximation"), video),
		flow(play, scrub, render), ...lines, flow(code, button("Copy", () => copy(code.textContent)), reset), status);
	all(() => { cancelAnimationFrame(playing); live(); host.free(picture); });
	insist(() => host.act("picture").then(({ buffers }) => { img.src = picture = blobUrl(buffers); }));
	words();
	draw();
	return all.undo;
}
