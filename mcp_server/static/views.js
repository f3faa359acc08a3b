// How results are shown. Everything from outside is set as text, never as markup.
const STATES = {
	waiting: "Waiting for its inputs", queued: "Queued", submitting: "Being sent", running: "Running",
	downloading: "Downloading", finishing: "Finishing", succeeded: "Done", failed: "Failed",
	cancelled: "Cancelled", uncertain: "Uncertain",
};
const SOUND = { native: "with sound", tts: "synthetic voice", added: "with added sound", silent: "silent track", none: "no sound" };
const AT_ONCE = 2 << 20; // bytes of a clip that is fetched without a click
const LEAST_S = 2; // seconds between two checks of a job, at least

const place = document.getElementById("view");
let given = {}; // the arguments of the call that made this page
let stopView = () => {}; // ends the timers and listeners of the view on show

const put = (id) => (text) => { const el = document.getElementById(id); if (el.textContent !== text) el.textContent = text; };
const tell = put("status"), speak = put("spoken"); // for everyone, and for screen readers only
const isOpen = (state) => !["succeeded", "failed", "cancelled", "uncertain"].includes(state);
const starter = () => /^(\w+_(video|clip|keyframes))$/.exec(context.toolInfo?.tool?.name ?? "")?.[0] ?? "the tool that made it";
const usd = (amount) => (amount == null ? "price unknown" : amount ? "$" + amount.toFixed(4).replace(/0{1,2}$/, "") : "$0");

// A name that may appear in a message to the chat.
const named = (text) => /^[\w./@:+-]{1,80}$/.exec(text ?? "")?.[0];

function h(what, props = {}, ...children) {
	const [tag, ...names] = what.split(".");
	const el = document.createElement(tag);
	if (names.length) el.className = names.join(" ");
	for (const [name, value] of Object.entries(props)) {
		if (name in el) el[name] = value;
		else el.setAttribute(name, value);
	}
	el.append(...children.filter((child) => child != null && child !== ""));
	return el;
}

function button(label, work, props = {}) {
	const el = h("button", { type: "button", ...props }, label);
	el.onclick = async () => {
		if (el.ariaBusy) return;
		el.ariaBusy = "true"; // not disabled: a disabled button loses the focus
		try {
			await work();
		} catch (error) {
			tell(error.message);
		}
		el.ariaBusy = null;
	};
	return el;
}

function show(...children) {
	stopView();
	stopView = () => {};
	place.replaceChildren(...children.filter(Boolean));
}

const chip = (state) => h("span.chip", { "data-state": state }, STATES[state] ?? state);
const previs = (row) => (row.engine === "previs" || row.model === "animatic"
	? h("span.chip", { title: "No generative model made this" }, "PREVIS") : null);

// What a job has cost, else its highest price.
function cost({ state, cost_usd, est_cost_usd, cost_basis }) {
	if (!isOpen(state) && cost_usd != null) {
		if (!cost_usd && est_cost_usd === 0) return "free";
		const paid = !cost_usd && state !== "succeeded" ? "not charged" : `${usd(cost_usd)} ${cost_basis ? `(${cost_basis})` : "paid"}`;
		return `${paid}, estimated ${usd(est_cost_usd)}`;
	}
	return est_cost_usd === 0 ? "free" : est_cost_usd == null ? "price unknown" : `at most ${usd(est_cost_usd)}`;
}

// Agreement to an amount. The page starts nothing: it sends a message to the chat, with the typed amount.
// words(amount): the message; free: no amount is needed; hint: what is known about the price.
function agreement(label, words, { free = false, hint = "" } = {}) {
	const amount = h("input", { type: "text", inputMode: "decimal", autocomplete: "off", ariaLabel: "At most, US dollars" });
	const sent = h("p.sent", {}, "");
	const typed = () => (free ? 0 : /^\d{1,6}([.,]\d{1,6})?$/.test(amount.value.trim()) ? Number(amount.value.trim().replace(",", ".")) : null);
	const draw = () => {
		const text = typed() == null ? "" : words(typed());
		sent.textContent = text && `Goes to the chat: ${text}`;
		sent.hidden = !text;
	};
	amount.oninput = draw;
	const send = button(label, async () => {
		if (typed() == null) {
			amount.focus();
			return tell("Type the most that it may cost, in US dollars, such as 0.40");
		}
		await say(words(typed()));
		tell("Sent to the chat. It is started there, within your spending limits.");
	});
	const el = h("div.ask", { role: "group", ariaLabel: label },
		h("div.row", {}, free ? h("span.grow", {}, "Free") : h("label.grow", {}, "It may cost at most $ ", amount), send),
		hint ? h("p.dim", {}, hint) : null, sent);
	draw();
	return { el, draw };
}

// A job, followed until it ends.
function showJob(first) {
	const head = h("div.row"), prompt = h("p"), bar = h("progress", { max: 1, ariaLabel: "Progress" }), now = h("p.dim");
	const trouble = h("p.trouble", { hidden: true }), stage = h("div"), facts = h("p.dim"), file = h("p");
	const notes = h("details", { hidden: true }, h("summary", {}, "Notes"), h("ul"));
	const actions = h("div.row"), form = h("div", { hidden: true });
	let job = first, timer = 0, left = false, failures = 0, staged = "";

	const sure = h("span.row", { hidden: true }, "Stop this job?");
	const asking = (on) => { stop.hidden = on; sure.hidden = !on; (on ? sure.lastChild : stop).focus(); };
	const stop = button("Stop…", () => asking(true));
	sure.append(
		button("Yes, stop it", async () => {
			const told = await call("cancel_job", { job_id: job.job_id });
			asking(false);
			tell((told.notes ?? []).join(" ") || "Cancelling was requested.");
			await look();
		}),
		button("No", () => asking(false)),
	);
	const another = button("Another take…", () => {
		form.hidden = !form.hidden;
		another.ariaExpanded = String(!form.hidden);
		if (form.hidden) return;
		const seedless = given.seed == null ? "" : ", without seed";
		const free = job.est_cost_usd === 0;
		form.replaceChildren(agreement("Ask for another take", (amount) =>
			`Make another take of ${named(job.job_id)}: ${starter()} with the same arguments${seedless}, take=${(job.take ?? 1) + 1}, `
			+ `max_cost_usd=${amount}.${free ? "" : ` I agree to at most $${amount}.`}`,
		{ free, hint: free ? "" : `This one: ${cost(job)}.` }).el);
		form.querySelector("input, button").focus();
	}, { ariaExpanded: "false" });
	actions.append(stop, sure, another);

	function draw() {
		const open = isOpen(job.state);
		head.replaceChildren(...[chip(job.state), previs(job), h("span.grow", {}, job.model), h("strong", {}, cost(job))].filter(Boolean));
		prompt.textContent = job.prompt ?? "";
		bar.hidden = !open;
		if (job.progress > 0) bar.value = job.progress; else bar.removeAttribute("value");
		now.hidden = !open;
		now.textContent = [
			job.progress > 0 ? `${Math.round(job.progress * 100)} %` : "", job.phase,
			job.queue_position ? `place ${job.queue_position} in the queue` : "",
			job.eta_s ? `about ${Math.round(job.eta_s)} s left` : "",
		].filter(Boolean).join(", ");
		trouble.hidden = !job.error && job.state !== "uncertain";
		trouble.textContent = job.error
			? `${job.error.message}\n${{ no: "Not charged.", yes: "It was charged.", unknown: "Whether it was charged is not known." }[job.error.charged] ?? ""}`
			: "A paid request may have been taken. Only you can decide, at a terminal: reelwright jobs resolve " + job.job_id;
		facts.textContent = [
			job.duration_s ? `${job.duration_s} s` : "", job.width ? `${job.width}×${job.height}` : "",
			job.fps ? `${job.fps} fps` : "", SOUND[job.audio], job.seed == null ? "" : `seed ${job.seed}`,
		].filter(Boolean).join(", ");
		file.replaceChildren(...(job.file ? ["File: ", h("code", {}, job.file)] : []));
		notes.hidden = !job.notes?.length;
		notes.lastChild.replaceChildren(...(job.notes ?? []).map((note) => h("li", {}, note)));
		const had = document.activeElement;
		stop.hidden = !open || !sure.hidden || !host.serverTools;
		if (!open) sure.hidden = true;
		another.hidden = open || job.state === "uncertain";
		if (actions.contains(had) && had.closest("[hidden]")) [...actions.children].find((one) => !one.hidden)?.focus();
		const quarter = Math.floor((job.progress ?? 0) * 4) * 25;
		speak(job.state === "running" && quarter ? `${quarter} % done` : STATES[job.state]);
		fill();
	}

	// The clip, once there is one: small ones at once, larger ones on a click, very large ones not at all.
	async function fill() {
		if (staged === job.state || isOpen(job.state)) return;
		staged = job.state;
		if (job.state !== "succeeded" || !host.serverResources) return;
		const uri = `video://jobs/${job.job_id}`;
		const [poster, about] = await Promise.all([
			read(`${uri}/poster`).then(({ blob, mimeType }) => `data:${mimeType};base64,${blob}`, () => ""),
			read(`${uri}/clip`).then(({ text }) => JSON.parse(text), () => ({})),
		]);
		if (left) return;
		const alt = job.prompt || job.task || "The clip";
		if (poster) stage.replaceChildren(h("img", { src: poster, alt }));
		if (!about.parts) return about.bytes && stage.append(h("p.dim", {}, `Too large to play here (${megabytes(about.bytes)}): open the file.`));
		const fetched = async () => {
			tell("Fetching the clip…");
			const parts = [];
			for (let part = 0; part < about.parts; part++) parts.push((await read(`${uri}/clip/${part}`)).blob);
			if (left) return;
			const src = `data:${about.mime};base64,${parts.join("")}`; // each part but the last is whole in base64
			if (!about.mime.startsWith("video/")) return stage.replaceChildren(h("img", { src, alt }));
			const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
			const video = h("video", { controls: true, loop: true, muted: true, playsInline: true, autoplay: !calm, poster, src, ariaLabel: alt });
			video.onerror = () => { stage.replaceChildren(h("p.dim", {}, "This browser cannot play it: open the file.")); };
			stage.replaceChildren(video);
			tell("");
		};
		if (about.bytes <= AT_ONCE) return fetched().catch(({ message }) => tell(message));
		const play = button(`Play here (${megabytes(about.bytes)})`, async () => { await fetched(); play.remove(); });
		stage.after(play);
	}

	async function look() {
		clearTimeout(timer);
		if (left) return;
		try {
			const uri = `video://jobs/${job.job_id}`;
			job = await (host.serverResources ? read(uri).then(({ text }) => JSON.parse(text)).catch(() => call("get_job", { job_id: job.job_id })) : call("get_job", { job_id: job.job_id }));
			failures = 0;
		} catch (error) {
			if (!failures++) tell(`Cannot follow it now: ${error.message}`);
		}
		if (left) return;
		if (!failures) draw();
		if (isOpen(job.state)) timer = setTimeout(look, Math.max(LEAST_S, job.poll_after_s ?? 0) * 1000 * 2 ** Math.min(failures, 5));
	}

	const seen = () => { if (!document.hidden && isOpen(job.state)) look(); else clearTimeout(timer); };
	document.addEventListener("visibilitychange", seen);
	show(h("section.card", { ariaLabel: "Job" }, head, prompt, bar, now, trouble, stage, facts, file, actions, form, notes));
	stopView = () => {
		left = true;
		clearTimeout(timer);
		document.removeEventListener("visibilitychange", seen);
	};
	draw();
	look();
}

const megabytes = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MB`;

// The models that can do a request, with their prices.
function showEstimate({ fits, misfits = 0, why = {}, next }) {
	const count = given.count ?? 1;
	const name = `estimate${Math.random()}`;
	let chosen = null;
	const span = ({ cost_low_usd: low, cost_high_usd: high }) =>
		(high == null ? "unknown" : high === 0 ? "free" : low == null || low === high ? usd(high) : `${usd(low)} to ${usd(high)}`);
	const asking = h("div");
	const choose = (row) => {
		chosen = row;
		asking.replaceChildren(agreement("Ask for this clip", (amount) =>
			`Make it with ${chosen.model}, max_cost_usd=${amount}.${amount ? ` I agree to at most $${amount}${count > 1 ? " for each clip" : ""}.` : ""}`,
		{ free: row.cost_high_usd === 0, hint: row.cost_high_usd === 0 ? "" : `${row.model}: ${span(row)}${count > 1 ? ` for ${count} clips` : ""}.` }).el);
	};
	const line = (row) => {
		const able = row.available !== false;
		const pick = able && named(row.model) ? h("input", { type: "radio", name, ariaLabel: `Choose ${row.model}`, onchange: () => choose(row) }) : null;
		const cells = [
			["Price", span(row)], ["Clip", [row.duration_s ? `${row.duration_s} s` : "", row.resolution, row.aspect_ratio].filter(Boolean).join(", ")],
			["Time", row.typical_s ? `about ${Math.round(row.typical_s)} s` : ""], ["Price list", row.price_date ?? ""],
			["Note", [able ? "" : row.why_not ?? "not available here", ...(row.notes ?? [])].filter(Boolean).join("; ")],
		];
		return h("tr", {}, h("th", { scope: "row" }, h("label", {}, pick, row.model)),
			...cells.map(([label, text]) => h(label === "Price" ? "td.price" : "td", { "data-name": label }, text)));
	};
	const names = ["Model", "Price", "Clip", "Time", "Price list", "Note"];
	const table = h("table", {}, h("caption.heard", {}, "Models that can make this, best first"),
		h("thead", {}, h("tr", {}, ...names.map((label) => h("th", { scope: "col" }, label)))), h("tbody", {}, ...fits.map(line)));
	const reasons = Object.entries(why).map(([reason, number]) => `${reason} ${number}`).join(", ");
	show(h("h2", {}, count > 1 ? `Price of ${count} clips` : "Price of this clip"), fits.length ? table : h("p", {}, "No model can do exactly this."),
		asking, h("p.dim", {}, [`Nothing was started. ${misfits} other models do not fit${reasons ? ` (${reasons})` : ""}.`, fits.length ? "" : next].filter(Boolean).join(" ")));
}

// All jobs, newest first, and the money.
function showJobs(page, older = []) {
	const { jobs, spend = {}, cursor } = page;
	const held = spend.today_reserved_usd ?? 0, today = spend.today_usd ?? 0;
	const rows = [...older, ...jobs];
	const again = async (more) => showJobs(await call("list_jobs", { ...given, ...more }), more.cursor ? rows : []);
	const line = (row) => h("li.row", {}, chip(row.state), previs(row),
		h("span.grow", {}, [row.label, row.model, row.prompt].filter(Boolean).join(" · ")),
		isOpen(row.state) && row.progress ? h("span.dim", {}, `${Math.round(row.progress * 100)} %`) : null,
		row.cost_usd == null ? null : h("span", {}, row.cost_usd ? usd(row.cost_usd) : row.state === "succeeded" ? "free" : "not charged"),
		button("Open", () => {
			showJob(row);
			place.prepend(h("div.row", {}, button("All jobs", () => { showJobs(page, older); place.querySelector("button")?.focus(); })));
			place.querySelector("button").focus();
		}, { ariaLabel: `Open ${row.label || row.prompt || row.model}, ${STATES[row.state] ?? row.state}` }));
	show(h("section.board", { ariaLabel: "Jobs" },
		h("div.row", {}, h("strong.grow", {}, `Today ${usd(today)}${spend.per_day_wall_usd == null ? "" : ` of ${usd(spend.per_day_wall_usd)}`}`
			+ (held ? `, of it ${usd(held)} reserved` : "")), h("span.dim", {}, `all days ${usd(spend.total_usd ?? 0)}`),
		host.serverTools ? button("Refresh", () => again({})) : null),
		...(spend.limits_changed ?? []).map((sentence) => h("p.dim", {}, sentence)),
		rows.length ? h("ul", { role: "list" }, ...rows.map(line)) : h("p", {}, "No jobs yet"),
		cursor && host.serverTools ? h("div", {}, button("Older jobs", () => again({ cursor }))) : null));
	tell("");
}

// A call that was refused; where only an amount is missing, the user can agree to one.
function showRefusal(result) {
	const { kind, nearest, next } = result.structuredContent ?? {};
	const model = named(nearest?.model);
	const needs = kind === "needs_budget" && Number(nearest?.max_cost_usd) > 0;
	const name = named(next?.tool) ?? starter();
	show(h("p.trouble", {}, textOf(result) || "It was refused."), needs
		? agreement("Ask for it", (amount) => `Call ${name} again with the same arguments, ${model ? `model=${model}, ` : ""}`
			+ `max_cost_usd=${amount}. I agree to at most $${amount}.`,
		{ hint: `${model ?? "It"} needs ${usd(Number(nearest.max_cost_usd))}. Nothing was started, nothing was spent.` }).el : null);
}

function showText(result) {
	const pictures = (result.content ?? []).filter((part) => part.type === "image");
	show(...pictures.map(({ data, mimeType }) => h("img", { src: `data:${mimeType};base64,${data}`, alt: "" })), h("p", { style: "white-space: pre-line" }, textOf(result)));
}

heard["ui/notifications/tool-input"] = (params) => {
	given = params.arguments ?? {};
	if (!place.childElementCount) tell("Requested…");
};
heard["ui/notifications/tool-cancelled"] = () => { tell("The call was stopped. A job that it started goes on: list_jobs shows it."); };
heard["ui/resource-teardown"] = () => { show(); };
heard["ui/notifications/tool-result"] = (result) => {
	const told = result.structuredContent ?? {};
	tell("");
	if (result.isError) showRefusal(result);
	else if (told.fits) showEstimate(told);
	else if (told.jobs && told.spend) showJobs(told);
	else if (told.job_id && told.model) showJob(told);
	else showText(result);
};

connect().catch(({ message }) => tell(`This page cannot reach its host: ${message}`));
