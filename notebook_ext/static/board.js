// All jobs of the store and the money spent; a sweep as a grid.
import { STATES, setUp, chip, clock, cost, drawStar, flow, h, isOpen, played, posterUrl, setBar, usd } from "./core.js";
import { card } from "./card.js";

const cut = (text) => (text.length > 80 ? text.slice(0, 79).replace(/\s+\S*$/, "") + "…" : text);
const boardState = (row) => (isOpen(row.state) ? "In work" : STATES[row.state]);

// data: rows (newest first), spend, jobs (of the opened card), grid (null, or a sweep's columns and cost).
export function board(host) {
	const { all, status, say, fail, data, live, button, starButton } = setUp(host);
	const lines = new Map(); // job id -> its line's parts
	const posters = new Map(); // job id -> which picture it is, and its blob URL
	let opened, openId = "";

	const choice = (ariaLabel, all) => h("select", { ariaLabel }, h("option", { value: "" }, all)),
		state = choice("State", "All states"),
		who = choice("Started by", "Anyone"),
		label = choice("Label", "Any label"),
		words = h("input", { type: "search", placeholder: "model, prompt or note", ariaLabel: "Model, prompt or note" }),
		order = h("select", { ariaLabel: "Sort" }, ...["Newest first", "Most expensive first", "By model", "Starred first"].map((word) => h("option", {}, word))),
		filters = h("div.rw-row", { role: "search" }, state, who, label, order, words),
		money = h("div.rw-row"),
		list = h("div.rw-list", { role: "list" }),
		place = h("div.rw.rw-card.rw-inner", { role: "listitem", hidden: true }),
		picks = [[state, boardState], [who, (row) => row.client], [label, (row) => row.label]];
	filters.oninput = draw;

	const open = (id) => openId === id ? host.act("shut") : host.act("open", { job_id: id });
	const matches = (row) =>
		picks.every(([{ value }, of]) => !value || value === of(row)) &&
		`${row.model} ${row.prompt} ${row.label} ${row.note}`.toLowerCase().includes(words.value.toLowerCase());

	function line(row) {
		const parts = {
			chip: h("span"), what: h("span.rw-grow"), who: h("span.rw-dim"), cost: h("span"), age: h("span.rw-dim"), bar: h("progress", { max: 1 }),
			picture: h("img", { alt: "", hidden: true }),
		};
		parts.open = button("Open", () => open(row.job_id));
		parts.star = starButton((star) => host.act("mark", { job_id: row.job_id, star }));
		const { grid } = data();
		parts.el = h(grid ? "div" : "div.rw-line", { role: "listitem" }, parts.picture,
			flow(parts.chip, parts.what, parts.who, parts.cost, parts.age, parts.star, parts.open), parts.bar);
		parts.el.rw = { id: row.job_id, picture: parts.picture, of: "" };
		if (grid) {
			parts.el.onpointerenter = parts.open.onfocus = () => preview(row.job_id, parts);
			parts.el.onpointerleave = parts.open.onblur = () => rest();
		}
		return parts;
	}

	let rest = () => {}; // ends the preview of a grid's cell
	function preview(job_id, { picture }) {
		rest();
		if (data().rows.find((row) => row.job_id === job_id)?.state !== "succeeded") return;
		const video = h("video", { loop: true, muted: true, playsInline: true, ariaLabel: "Preview" });
		picture.before(video);
		const away = played(video, () => host.media(job_id), host, fail);
		picture.hidden = true;
		rest = () => {
			away();
			video.remove();
			picture.hidden = !picture.src;
			rest = () => {};
		};
	}
	all(() => rest());

	const near = new IntersectionObserver((seen) => seen.forEach(async ({ isIntersecting, target: { rw: { id, picture, of } } }) => {
		const had = posters.get(id);
		if (!isIntersecting || !of || had?.of === of) return;
		const mine = { of, url: had?.url };
		posters.set(id, mine);
		const url = await posterUrl(host, id);
		if (!url || posters.get(id) !== mine) return host.free(url);
		host.free(mine.url);
		picture.src = mine.url = url;
		picture.hidden = false;
	}));
	all(() => near.disconnect());

	function draw() {
		const { rows = [], spend = {}, jobs = [], grid, note } = data();
		for (const [select, of] of picks) {
			const have = [...select.options].map((o) => o.value);
			for (const value of new Set(rows.map(of))) if (value && !have.includes(value)) select.append(h("option", { value }, value));
		}
		filters.hidden = !!grid;
		const seen = rows.filter(matches).length;
		const limit = (most, words = "at most") => most == null ? "no limit" : `${words} ${usd(most)}`;
		money.replaceChildren(
			h("b.rw-grow", {}, grid ? grid.cost : `${seen < rows.length ? `${seen} of ` : ""}${rows.length} job${rows.length === 1 ? "" : "s"}`),
			h("span", {}, `today ${usd(spend.today_usd)} ${limit(spend.per_day_wall_usd, "of")}`),
			h("span.rw-dim", {}, `${usd(spend.reserved_usd)} held, ${usd(spend.total_usd)} in all; ${limit(spend.per_job_wall_usd)} a job`),
			h("span", {}, (spend.limits_changed ?? []).join("; ")),
		);
		if (grid) list.style.setProperty("--columns", grid.columns);
		list.classList.toggle("rw-grid", !!grid);
		const now = Date.now() / 1000, wanted = [];
		const worth = ({ picked, star }) => 2 * !!picked + !!star;
		const price = (row) => row.cost_usd ?? row.est_cost_usd ?? 0;
		const by = [() => 0, (a, b) => price(b) - price(a), (a, b) => a.model.localeCompare(b.model), (a, b) => worth(b) - worth(a)][order.selectedIndex];
		for (const row of grid ? rows : rows.toSorted(by)) {
			if (!lines.has(row.job_id)) lines.set(row.job_id, line(row));
			const parts = lines.get(row.job_id);
			parts.chip.replaceChildren(chip(row.state), row.engine === "previs" ? " PREVIS" : "");
			parts.what.textContent = (row.picked ? "✓ " : "") + (grid ? `${row.model}${row.seed == null ? "" : `, seed ${row.seed}`}${row.take > 1 ? `, take ${row.take}` : ""}` : [row.label, row.account ? `${row.model} (${row.account})` : row.model, cut(row.prompt), row.note].filter(Boolean).join(" · "));
			drawStar(parts.star, row);
			parts.star.ariaLabel = `Star ${row.label || row.model}`;
			parts.who.textContent = grid ? "" : row.client;
			parts.cost.textContent = cost(row);
			parts.age.textContent = grid ? "" : `${clock(now - row.at)} ago`;
			parts.bar.hidden = !isOpen(row.state);
			setBar(parts.bar, row.progress);
			const isIt = openId === row.job_id, word = isIt ? "Close" : "Open";
			Object.assign(parts.open, { ariaLabel: `${word} ${row.label || row.model}, ${row.state}`, textContent: word, ariaExpanded: isIt });
			if (matches(row) || grid) wanted.push(parts.el);
			const of = parts.el.rw.of = row.has_poster ? "clip" : row.preview;
			if (of && posters.get(row.job_id)?.of !== of) { near.unobserve(parts.el); near.observe(parts.el); }
			if (!of && !isOpen(row.state)) parts.picture.hidden = true;
		}
		const at = wanted.indexOf(lines.get(openId)?.el);
		if (at >= 0) wanted.splice(at + 1, 0, place);
		if (wanted.length !== list.childElementCount || wanted.some((el, n) => el !== list.children[n])) {
			const focused = document.activeElement;
			list.replaceChildren(...wanted);
			if (list.contains(focused)) focused.focus();
		}
		say(note || (rows.length && !wanted.length ? "No job matches" : rows.length ? "" : "No jobs yet"));
		const id = jobs[0]?.job_id ?? "";
		if (id !== openId) {
			opened?.();
			opened = null;
			openId = id;
			place.hidden = !id;
			if (id) opened = card({ ...host, el: place });
			draw();
		}
	}

	all.every(10_000, draw);
	host.el.append(money, filters, list, status);
	live(draw);
	all(() => { opened?.(); for (const { url } of posters.values()) host.free(url); posters.clear(); });
	return all.undo;
}
