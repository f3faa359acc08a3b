// All jobs of the store: who started each, its state and cost, filters, the money spent; a sweep as a grid.
import { STATES, blobUrl, button, chip, clock, h, isOpen, statusLine, undoing, usd } from "./core.js";
import { card } from "./card.js";

const boardState = (row) => (isOpen(row.state) ? "In work" : STATES[row.state]);

/** data: rows (newest first), spend, jobs (of the opened card), grid (null, or a sweep's columns and cost). */
export function board(host) {
  const all = undoing();
  const { el: status, say } = statusLine();
  const lines = new Map(); // job id -> its line's parts
  const posters = new Map(); // job id -> blob URL
  let opened = null; // the undo of the open card
  let openId = "";

  const choice = (ariaLabel, all) => h("select", { ariaLabel }, h("option", { value: "" }, all));
  const state = choice("State", "All states");
  const who = choice("Started by", "Anyone");
  const label = choice("Label", "Any label");
  const words = h("input", { type: "search", placeholder: "model or prompt", ariaLabel: "Model or prompt" });
  const filters = h("div.rw-row", { role: "search" }, state, who, label, words);
  const money = h("div.rw-row");
  const list = h("div.rw-list", { role: "list" });
  const place = h("div.rw.rw-card.rw-inner", { hidden: true });
  for (const field of [state, who, label, words]) all.listen(field, "input", () => draw());

  const open = (id) => host.act(openId === id ? "shut" : "open", { ...(openId !== id && { job_id: id }) });
  const matches = (row) =>
    [[state, boardState(row)], [who, row.client], [label, row.label]].every(([select, value]) => !select.value || select.value === value) &&
    `${row.model} ${row.prompt} ${row.label}`.toLowerCase().includes(words.value.toLowerCase());

  function choices(select, values) {
    const have = [...select.options].map((option) => option.value);
    for (const value of new Set(values)) if (value && !have.includes(value)) select.append(h("option", { value }, value));
  }

  function line(row) {
    const parts = {
      chip: h("span"), what: h("span.rw-grow"), who: h("span.rw-dim"), cost: h("span"), age: h("span.rw-dim"), bar: h("progress", { max: 1 }),
      picture: h("img", { alt: "", hidden: true }),
    };
    parts.open = button("Open", () => open(row.job_id), say);
    const grid = host.get("data").grid;
    parts.el = h(grid ? "div.rw-cell" : "div.rw-line", { role: "listitem" }, parts.picture,
      h("div.rw-row", {}, parts.chip, parts.what, parts.who, parts.cost, parts.age, parts.open), parts.bar);
    return parts;
  }

  async function picture(row, parts) {
    if (!row.has_poster || posters.has(row.job_id)) return;
    posters.set(row.job_id, "");
    const { buffers } = await host.act("poster", { job_id: row.job_id });
    if (!buffers.length || !posters.has(row.job_id)) return;
    const url = blobUrl(buffers, "image/jpeg");
    posters.set(row.job_id, url);
    parts.picture.src = url;
    parts.picture.hidden = false;
  }
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) picture(target.rwRow, target.rwParts).catch(() => {});
  });
  all(() => near.disconnect());

  function draw() {
    const { rows = [], spend = {}, jobs = [], grid, note } = host.get("data");
    choices(state, rows.map(boardState));
    choices(who, rows.map((row) => row.client));
    choices(label, rows.map((row) => row.label));
    filters.hidden = !!grid;
    const wall = (amount) => (amount == null ? "no wall" : `of ${usd(amount)}`);
    money.replaceChildren(
      h("b.rw-grow", {}, grid ? grid.cost : `${rows.length} jobs`),
      h("span", {}, `today ${usd(spend.today_usd ?? 0)} ${wall(spend.per_day_wall_usd)}`),
      h("span.rw-dim", {}, `held ${usd(spend.reserved_usd ?? 0)}, in all ${usd(spend.total_usd ?? 0)}, a job ${wall(spend.per_job_wall_usd)}`),
    );
    if (grid) list.style.setProperty("--columns", grid.columns);
    list.classList.toggle("rw-grid", !!grid);
    const now = Date.now() / 1000;
    const wanted = [];
    for (const row of rows) {
      if (!lines.has(row.job_id)) lines.set(row.job_id, line(row));
      const parts = lines.get(row.job_id);
      parts.chip.replaceChildren(chip(row.state), row.engine === "previs" ? " PREVIS" : "");
      parts.what.textContent = grid ? `${row.model}${row.seed == null ? "" : `, seed ${row.seed}`}` : [row.label, row.model, row.prompt].filter(Boolean).join(" · ");
      parts.who.textContent = grid ? "" : row.client;
      parts.cost.textContent = row.cost_usd != null && !isOpen(row.state) ? (row.cost_usd ? usd(row.cost_usd) : "free") : `est. ${usd(row.est_cost_usd)}`;
      parts.age.textContent = grid ? "" : `${clock(now - row.at)} ago`;
      parts.bar.hidden = !isOpen(row.state);
      if (row.progress > 0) parts.bar.value = row.progress; else parts.bar.removeAttribute("value");
      parts.open.ariaLabel = `${openId === row.job_id ? "Close" : "Open"} ${row.label || row.model}, ${row.state}`;
      parts.open.textContent = openId === row.job_id ? "Close" : "Open";
      parts.open.ariaExpanded = String(openId === row.job_id);
      Object.assign(parts.el, { rwRow: row, rwParts: parts });
      if (matches(row) || grid) wanted.push(parts.el);
      if (row.has_poster && !posters.has(row.job_id)) near.observe(parts.el);
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
      if (id) {
        opened = card({ ...host, el: place });
      }
      draw();
    }
  }

  all(host.on("data", draw));
  all.every(10_000, draw); // ages
  host.el.append(money, filters, list, status);
  draw();
  all(() => { opened?.(); for (const url of posters.values()) host.free(url); posters.clear(); });
  return all.undo;
}
