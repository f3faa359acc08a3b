// Compare: takes that play in step, side by side or under a wipe, with their costs and prompts.
import { setUp, flow, h, unload } from "./core.js";

export function compare(host) {
	const { all, status, say, fail, data, live, button, copyCode, keptNote } = setUp(host), { takes } = data();
	const fps = Math.max(...takes.map((take) => take.fps));
	let at = 0, rolling = null, gone = false;

	const sides = takes.map(({ name }, index) => {
		const video = h("video", { muted: true, playsInline: true, ariaLabel: name, onloadedmetadata: ready, onended });
		video.onerror = () => say(`This page cannot play ${name}.`);
		const words = h("div"), pick = button(`Pick ${name}`, () => host.act("pick", { index }));
		return { video, words, pick, el: h("figure", {}, video, h("figcaption", {}, words, pick)) };
	});
	const loaded = () => sides.map(({ video }) => video).filter((video) => video.readyState);
	const lead = () => loaded().reduce((a, b) => (b.duration > a.duration ? b : a));
	const last = (video) => video.duration - 0.5 / fps;

	const range = (ariaLabel, oninput, props) => h("input", { type: "range", ariaLabel, oninput, ...props });
	const scrub = range("Frame", () => seek(+scrub.value), { max: 0, className: "rw-grow" });
	const wipe = range(`Wipe, % of ${takes[0].name}`, () => stage.style.setProperty("--at", wipe.value / 100), { hidden: true });
	const box = (label, checked) => h("label", {}, h("input", { type: "checkbox", checked, onchange: follow }), label);
	const loop = box("Loop", false), mute = box("Mute", true), time = h("span");
	const speed = h("select", { ariaLabel: "Speed", onchange: follow }, ...[1, 0.5, 0.25, 2].map((value) => h("option", { value }, `${value}×`)));
	const stage = h("div.compare-stage", { tabIndex: 0, role: "group", ariaLabel: "Takes: Space plays, arrows step, Home, End" }, ...sides.map(({ el }) => el), wipe);
	const play = button("Play", toggle);
	const wiped = button("Wipe", () => {
		wiped.ariaPressed = stage.classList.toggle("compare-wiped");
		wipe.hidden = !wipe.hidden;
	}, { ariaPressed: false, hidden: takes.length !== 2 });

	function tell(frame) {
		scrub.value = at = Math.min(Math.max(frame, 0), +scrub.max);
		time.textContent = scrub.ariaValueText = `${(at / fps).toFixed(2)} s, frame ${at}`;
	}
	function seek(frame) { // to the middle of a frame, where no rounding shows its neighbour
		tell(frame);
		for (const video of loaded()) video.currentTime = Math.min((at + 0.5) / fps, last(video));
	}
	function ready() {
		scrub.max = Math.round(lead().duration * fps) - 1;
		seek(at);
	}
	function toggle() {
		rolling = rolling || !loaded().length ? null : {};
		play.textContent = rolling ? "Pause" : "Play";
		if (rolling) {
			if (at >= +scrub.max) seek(0);
			run(rolling);
		} else {
			for (const video of loaded()) video.pause();
			seek(at); // all on the same frame
		}
	}
	function onended({ target }) {
		if (!rolling || target !== lead()) return;
		tell(+scrub.max);
		toggle();
	}
	function run(mine) {
		const video = lead(), tick = () => {
			if (mine !== rolling) return;
			tell(Math.floor(lead().currentTime * fps));
			run(mine);
		};
		follow();
		if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(tick);
		else requestAnimationFrame(tick);
	}
	function follow() { // a clip that is off by half a frame runs faster or slower; far off, it jumps
		for (const video of loaded()) {
			const first = lead(), now = first.currentTime, off = video.currentTime - now;
			video.muted = mute.firstChild.checked;
			video.loop = video === first && loop.firstChild.checked;
			video.playbackRate = speed.value * (Math.abs(off) * fps < 0.5 ? 1 : off > 0 ? 0.8 : 1.25);
			if (!rolling || (video !== first && now > last(video))) continue;
			if (Math.abs(off) > 0.3 && !video.seeking) video.currentTime = now;
			if (video.paused) video.play().catch(() => {}); // paused meanwhile
		}
	}
	async function load(video, key) {
		const url = await host.media(key);
		if (gone) return host.free(url);
		all(() => host.free(url));
		video.src = url;
	}
	function draw() {
		const { takes, picked } = data();
		takes.forEach(({ key, title, facts, prompt, done }, i) => {
			const side = sides[i];
			side.pick.ariaPressed = picked === i;
			side.words.replaceChildren(h("strong", {}, title), h("div.rw-dim", {}, facts),
				h("p.rw-prompt", {}, ...prompt.map(([mark, text]) => h(mark || "span", {}, text))));
			if (done) side.asked ??= load(side.video, key).catch(fail);
		});
	}

	host.el.append(keptNote(), flow(play, scrub, time, speed, loop, mute, wiped), stage,
		flow(button("Clear", () => host.act("clear")), copyCode()), status);
	host.el.onkeydown = (event) => {
		const { key, target } = event, to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: +scrub.max }[key];
		if (key === " " && (target === stage || target.type === "range")) toggle();
		else if (target === stage && to != null) seek(to);
		else return;
		event.preventDefault();
	};
	all(() => {
		gone = true;
		rolling = null;
		for (const { video } of sides) unload(video);
	});
	live(draw);
	return all.undo;
}
