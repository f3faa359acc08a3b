// What every view draws with: elements, and words for money and time.

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

// A button that does nothing while its work is under way; a failure is told by `tell`.
export function button(label, work, tell = () => {}, props = {}) {
	const el = h("button.rw-button", { type: "button", ...props }, label);
	el.onclick = async (event) => {
		if (el.ariaBusy) return;
		el.ariaBusy = "true"; // not disabled: a disabled button loses the focus
		try {
			await work(event);
		} catch (error) {
			tell(error.message);
		}
		el.ariaBusy = null;
	};
	return el;
}

// $0, $0.40, $1.25, $0.0042; "price unknown" for null.
export function usd(amount) {
	if (amount == null) return "price unknown";
	return amount && "$" + amount.toFixed(4).replace(/0{1,2}$/, "") || "$0";
}

// What a job has cost, else what it may cost at most.
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

// A polite line: the same words once.
export function statusLine() {
	const el = h("div.rw-status", { role: "status" }), say = (text) => { if (el.textContent !== text) el.textContent = text; };
	return { el, say, fail: ({ message }) => say(message) };
}

// What the view has found again from before, until it is cleared.
export function keptNote(host, all) {
	const el = h("div.rw-dim", { role: "note" });
	const draw = () => { el.textContent = host.get("data").kept ?? ""; el.hidden = !el.textContent; };
	all(host.on("data", draw));
	draw();
	return el;
}

// The view's state as the argument of a call.
export const copyCode = (host, tell) => button("Copy code", async () => copyText((await host.act("code")).body.code, tell), tell);

// Asks until it is answered: a kernel that is busy with a cell answers late.
export const insist = (all, work, say) => work().catch(({ message }) => {
	const id = setTimeout(insist, 3000, all, work, say);
	all(() => clearTimeout(id));
	say(message);
});

export const starButton = (work, tell) => button("☆", ({ target }) => work(target.ariaPressed !== "true"), tell, { ariaLabel: "Star" });
export const drawStar = (el, { star }) => { el.textContent = star ? "★" : "☆"; el.ariaPressed = !!star; };

// No shortcut of the notebook fires for keys that are typed in a view.
export function ownKeys(el) {
	for (const name of ["keydown", "keyup", "keypress"]) el.addEventListener(name, (event) => event.stopPropagation());
}

export function unload(video) {
	video.removeAttribute("src");
	video.load();
}

// A muted clip that is fetched and plays when it is seen, and rests when it is not, or once a person has stopped it.
// Returns what takes it away.
export function played(video, fetched, host, fail) {
	let src, seen, stopped = still(), resting, gone;
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

// What is to be taken away again: const all = undoing(); all(() => ...); all.undo().
export function undoing() {
	const steps = [];
	const all = (step) => { if (step) steps.push(step); };
	all.every = (ms, work) => { const id = setInterval(work, ms); steps.push(() => clearInterval(id)); };
	all.undo = () => { while (steps.length) steps.pop()(); };
	return all;
}

export async function copyText(text, tell) {
	try {
		await navigator.clipboard.writeText(text);
		tell("Copied");
	} catch { // no leave to write there
		tell(text);
	}
}

// Give it to host.free when done.
export const blobUrl = (buffers, type) => URL.createObjectURL(new Blob(buffers, { type }));
