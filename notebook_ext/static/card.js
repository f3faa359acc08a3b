// The job card: state, progress, money, the playing clip, and the next steps.
import { STATES, setUp, chip, clock, cost, drawStar, flow, h, isOpen, played, posterUrl, setBar } from "./core.js";

// data.jobs: the card's job, and the takes that were started here.
export function card(host) {
	const { all, status, say: tell, fail, data, live, button, copy, starButton } = setUp(host);
	let shown = null; // the id of the job on show
	let since = 0; // when the data came

	const tabs = h("div.rw-row", { role: "group", ariaLabel: "Takes", hidden: true }),
		head = h("div.rw-row"),
		times = h("span.rw-dim"),
		prompt = h("p.rw-prompt"),
		bar = h("progress", { max: 1, ariaLabel: "Progress" }),
		trouble = h("div.rw-error", { hidden: true }),
		stage = h("div.rw-stage"),
		notes = h("details", { hidden: true }, h("summary", {}, "Notes"), h("ul"));

	const jobs = () => data().jobs ?? [], job = () => jobs().find((one) => one.job_id === shown) ?? jobs()[0];
	const ask = (action, more = {}) => host.act(action, { job_id: job().job_id, ...more });
	const look = (id) => { shown = id; draw(); };

	const stopping = new Map(); // job id -> how many notes it had when it was asked to stop
	const cancel = button("Cancel", async () => {
		const { job_id, notes } = job();
		stopping.set(job_id, notes.length);
		tell("Asking to stop it…");
		await ask("cancel").catch((error) => { stopping.delete(job_id); throw error; });
	});
	const again = priced("Next take", (cap) => ask("again", { cap }));
	const seconds = h("input", { type: "number", min: 1, max: 60, value: 4, ariaLabel: "Seconds to add" });
	const words = h("input.rw-grow", { placeholder: "what happens next", ariaLabel: "Prompt of the extension" });
	const longer = priced("Extend", (cap) => ask("extend", { cap, add_s: +seconds.value, prompt: words.value }));
	const form = h("div.rw-row", { hidden: true }, h("label", {}, "Add", seconds, "s"), words, longer.el);
	const unfold = (on) => { form.hidden = !on; extend.ariaExpanded = on; };
	const extend = button("Extend…", async () => {
		unfold(form.hidden);
		if (!form.hidden) { seconds.focus(); await quoteExtension(); }
	}, { ariaExpanded: "false" });
	const quoteExtension = async () => {
		longer.price(null);
		const { body } = await ask("extend_quote", { add_s: +seconds.value, prompt: words.value });
		longer.price(body);
	};
	form.onchange = () => quoteExtension().catch(fail);
	const code = button("Copy code", () => copy(job().code));
	const keep = h("a.rw-button", { hidden: true }, "Download");
	const star = starButton((on) => ask("mark", { star: on }));
	const note = h("input.rw-grow", { maxLength: 500, placeholder: "your note", ariaLabel: "Your note", onchange: () => ask("mark", { note: note.value }).catch(fail) });
	const actions = flow(cancel, again.el, extend, code, keep, star, note);

	// A button that shows its price, and starts nothing more expensive.
	function priced(label, work) {
		let told = null;
		const el = button(label, async () => {
			if (told?.usd == null) return tell(told ? "The price is unknown: start it from a cell" : "The price is not known yet");
			const { body } = await work(told.usd);
			unfold(false);
			look(body.job_id);
		}, { className: "rw-button rw-main" });
		return { el, price: (body) => { told = body; el.textContent = body ? `${label} · ${body.text}` : label; } };
	}

	let staged = ""; // the id of the job whose clip is on the stage
	let url = null, player = null;
	const clearStage = () => { player?.(); player = null; host.free(url); url = null; stage.replaceChildren(); keep.hidden = true; };
	function fillStage(now) {
		const mine = now.state === "succeeded" ? now.job_id : now.preview ? `${now.job_id} ${now.preview}` : "";
		if (staged === mine) return;
		staged = mine;
		if (now.preview) return showPreview(mine);
		clearStage();
		if (!mine) return;
		const video = h("video", { controls: true, loop: true, muted: true, playsInline: true, ariaLabel: now.prompt || now.task });
		video.addEventListener("error", () => video.src && tell(`This page cannot play it: open ${now.file}`));
		stage.append(video);
		player = played(video, async () => {
			if (now.has_poster) posterUrl(host, now.job_id).then((found) => {
				if (found && mine === staged) video.poster = url = found;
				else host.free(found);
			});
			const found = await host.media(now.job_id, now.clip);
			Object.assign(keep, { href: found, hidden: mine !== staged, download: (now.file ?? "clip.mp4").split(/[\\/]/).pop() });
			return found;
		}, host, ({ message }) => mine === staged && tell(`The clip cannot be shown here (${message}): open ${now.file}`));
	}

	// The newest picture of a running job; the one before stays until it is here.
	async function showPreview(mine) {
		const found = await posterUrl(host, job().job_id);
		if (mine !== staged) return host.free(found);
		clearStage();
		if (found) stage.append(h("img", { src: url = found, alt: "What there is so far" }));
	}

	let quoted = "";
	function draw() {
		const list = jobs(), now = job();
		if (!now) return;
		since = performance.now();
		tabs.hidden = list.length < 2;
		host.el.dataset.job = list.map((one) => one.job_id).join(" ");
		if (tabs.childElementCount !== list.length) tabs.replaceChildren(...list.map((one) =>
			button(`${one.task === "extend" ? "extended, " : ""}take ${one.take}`, () => look(one.job_id))));
		list.forEach((one, n) => { tabs.children[n].ariaPressed = one.job_id === now.job_id; });
		const open = isOpen(now.state);
		head.replaceChildren(
			chip(now.state),
			now.engine === "previs" ? h("span.rw-chip", { title: "No generative model made this" }, "PREVIS") : "",
			now.picked ? h("span.rw-chip", {}, "✓ picked") : "",
			h("span.rw-grow.rw-dim", {}, now.model),
			h("span", { title: now.cost_basis }, cost(now)),
			times,
		);
		prompt.textContent = now.prompt;
		prompt.hidden = !now.prompt;
		bar.hidden = !open;
		setBar(bar, now.progress);
		trouble.hidden = !now.trouble;
		trouble.replaceChildren(now.trouble, now.command && flow(h("code.rw-grow", {}, now.command), button("Copy command", () => copy(now.command))));
		drawStar(star, now);
		if (note !== document.activeElement) note.value = now.note ?? "";
		notes.hidden = !now.notes.length;
		notes.lastChild.replaceChildren(...now.notes.map((note) => h("li", {}, note)));
		const focused = actions.contains(document.activeElement) && document.activeElement;
		cancel.hidden = !open || now.notes.length > stopping.get(now.job_id) || ["downloading", "finishing"].includes(now.state);
		again.el.hidden = open || now.state === "uncertain" || now.error?.kind === "moderation_input"; // refused again
		extend.hidden = !now.can_extend;
		if (focused?.hidden) [...actions.children].find((one) => !one.hidden)?.focus();
		const wanted = again.el.hidden ? "" : now.job_id;
		if (wanted !== quoted) {
			quoted = wanted;
			again.price(null);
			if (wanted) ask("again_quote").then(({ body }) => { if (quoted === wanted) again.price(body); }, () => {});
		}
		say(now, open);
		tick();
		fillStage(now);
	}

	function say(now, open) {
		if (!open) return tell(now.state !== "succeeded" ? "" : `Done${now.replayed ? ": it existed already, nothing more was paid" : ""}. ${now.file}`);
		const stop = stopping.get(now.job_id);
		if (stop != null) return tell(now.notes.slice(stop).join(" ") || "Asking to stop it…"); // until it has ended
		const quarter = Math.floor(now.progress * 4) * 25, running = now.state === "running";
		const ahead = now.queue_position ? `, ${now.queue_position} before it` : "";
		const phase = now.phase && !/\d/.test(now.phase) ? `: ${now.phase}` : "";
		tell(running && quarter ? `${quarter} % done` : (running ? "Started" : STATES[now.state] + ahead) + phase);
	}

	function tick() {
		const now = job();
		if (!now) return;
		const open = isOpen(now.state);
		const passed = open ? (performance.now() - since) / 1000 : 0, left = open ? now.eta_s - passed : 0;
		times.textContent = clock(now.elapsed_s + passed) + (left > 0 ? `, about ${clock(left)} left` : "");
	}

	all.every(1000, tick);
	host.el.append(tabs, head, prompt, bar, status, trouble, stage, actions, form, notes);
	live(draw);
	all(() => { staged = null; clearStage(); });
	return all.undo;
}
