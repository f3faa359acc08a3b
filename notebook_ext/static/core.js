// What all views share: elements, and words for money and time.

// An element: h("button.rw-main", {onclick, ariaLabel}, "text" | node | null ...). Text is never markup.
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

export const flow = (...children) => h("div.rw-row", {}, ...children);

// $0, $0.40, $1.25, $0.0042; "price unknown" for null.
export function usd(amount) {
	if (amount == null) return "price unknown";
	return amount && "$" + amount.toFixed(4).replace(/0{1,2}$/, "") || "$0";
}

// What a job has cost, else its highest price.
export function cost({ state, cost_usd, est_cost_usd }) {
	const paid = !isOpen(state) && cost_usd != null;
	if (!(paid ? cost_usd : est_cost_usd) && est_cost_usd === 0) return "free";
	const most = `est. ${usd(est_cost_usd)}`;
	return !paid ? most : usd(cost_usd) + (cost_usd === est_cost_usd ? "" : ` (${most})`);
}

// A bar is determinate where a number is known.
export const setBar = (bar, part) => { if (part > 0) bar.value = part; else bar.removeAttribute("value"); };

// 7 s, 1:05, 1:02:03, 3 days
export function clock(seconds) {
	const s = Math.max(0, Math.round(seconds));
	if (s < 60) return `${s} s`;
	if (s >= 172800) return `${Math.floor(s / 86400)} days`;
	const parts = [s / 3600, s / 60 % 60, s % 60].map((n) => `${Math.floor(n)}`.padStart(2, 0));
	return parts.slice(+(s < 3600)).join(":").replace(/^0/, "");
}

export const STATES = {
	waiting: "Waiting for its inputs", queued: "Queued", submitting: "Being sent", running: "Running",
	downloading: "Downloading", finishing: "Finishing", succeeded: "Done", failed: "Failed",
	cancelled: "Cancelled", uncertain: "Uncertain",
};
export const isOpen = (state) => !["succeeded", "failed", "cancelled", "uncertain"].includes(state);

export const chip = (state) => h("span.rw-chip", { "data-state": state }, STATES[state] ?? state);

// The tools of a view. status: a line for screen readers too; live: draws now and when the data changes.
export function setUp(host) {
	const all = undoing(), status = h("div.rw-status", { role: "status" });
	const say = (text) => { if (status.textContent !== text) status.textContent = text; }; // repeats are not read out
	const fail = ({ message }) => say(message);
	const data = () => host.get("data"), live = (draw) => { all(host.on("data", draw)); draw(); };
	const button = (label, work, props) => h("button.rw-button", { type: "button", ...props, async onclick(event) {
		if (this.ariaBusy) return;
		this.ariaBusy = "true"; // not disabled: a disabled button loses the focus
		await Promise.resolve(event).then(work).catch(fail);
		this.ariaBusy = null;
	} }, label);
	const copy = async (text) => {
		try { await navigator.clipboard.writeText(text); say("Copied"); } catch { say(text); } // not allowed
	};
	// Repeated until it is answered: a kernel that is busy with a cell answers late.
	const insist = (work) => work().catch((error) => {
		const id = setTimeout(insist, 3000, work);
		all(() => clearTimeout(id));
		fail(error);
	});
	// The settings that the view has restored.
	const keptNote = () => {
		const el = h("div.rw-dim", { role: "note" });
		live(() => { el.textContent = data().kept ?? ""; el.hidden = !el.textContent; });
		return el;
	};
	return {
		all, status, say, data, live, button, copy, insist, keptNote, fail,
		copyCode: () => button("Copy code", async () => copy((await host.act("code")).body.code)),
		starButton: (work) => button("☆", ({ target }) => work(target.ariaPressed !== "true"), { ariaLabel: "Star" }),
	};
}

export const drawStar = (el, { star }) => { el.textContent = star ? "★" : "☆"; el.ariaPressed = !!star; };

// Keys typed in a view are not the notebook's.
export function ownKeys(el) {
	for (const name of ["keydown", "keyup", "keypress"]) el.addEventListener(name, (event) => event.stopPropagation());
}

export function unload(video) {
	video.removeAttribute("src");
	video.load();
}

// A muted clip that is fetched and plays while it is in sight, until the user stops it. Returns what removes it.
export function played(video, fetched, host, fail) {
	let src, seen = false, stopped = still(), resting = false, gone = false;
	const play = () => { if (seen && !stopped && !gone) video.play().catch(() => {}); };
	video.onplay = () => { stopped = false; };
	video.onpause = () => { stopped ||= !resting; resting = false; };
	const eye = new IntersectionObserver((changes) => {
		seen = changes.at(-1).isIntersecting;
		if (!seen && !video.paused) { resting = true; video.pause(); }
		if (!seen) return;
		src ??= fetched().then((url) => { if (!gone) video.src = url; return url; });
		src.then(play, (error) => { src = null; fail(error); });
	});
	eye.observe(video);
	return () => {
		gone = true;
		eye.disconnect();
		video.pause();
		unload(video);
		src?.then((url) => host.free(url), () => {});
	};
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Steps to undo later: const all = undoing(); all(() => ...); all.undo().
export function undoing() {
	const steps = [];
	const all = (step) => { if (step) steps.push(step); };
	all.every = (ms, work) => { const id = setInterval(work, ms); steps.push(() => clearInterval(id)); };
	all.undo = () => { while (steps.length) steps.pop()(); };
	return all;
}

// Give it to host.free when done.
export const blobUrl = (buffers, type) => URL.createObjectURL(new Blob(buffers, { type }));

// A job's picture; nothing where there is none.
export const posterUrl = (host, job_id) =>
	host.act("poster", { job_id }).then(({ buffers }) => buffers[0] && blobUrl(buffers), () => {});
