// The motion brush. Shapes are strokes in widths of the still, so that a mask can be drawn at any size.
import { setUp, blobUrl, flow, h } from "./core.js";

const MOST_SENT = 6 << 20; // bytes
const BRUSH_STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const brushFit = (value, high) => Math.max(0, Math.min(high, value));

function brushStamp(c, { mask, points, size, erase }, ink = "#fff") {
	const path = new Path2D(`M${points.join("L")}h1e-5`); // a path of no length is not drawn
	Object.assign(c, { fillStyle: ink, strokeStyle: ink, lineWidth: size, lineCap: "round", lineJoin: "round" });
	c.globalCompositeOperation = erase ? "destination-out" : "source-over";
	if (mask) c.drawImage(mask, 0, 0, 1, c.canvas.height / c.canvas.width);
	else if (size) c.stroke(path);
	else c.fill(path, "evenodd");
}
function brushShape(ops, width, tall) {
	const c = h("canvas", { width, height: Math.round(width * tall) }).getContext("2d");
	c.scale(width, width);
	for (const op of ops) brushStamp(c, op);
	return c;
}
function brushLook({ id, ops }, width, tall) {
	const c = brushShape(ops, width, tall), fillStyle = `hsl(${id * 137} 90% ${45 + id % 3 * 15}%)`;
	Object.assign(c, { globalCompositeOperation: "source-in", fillStyle }).fillRect(0, 0, 1, tall);
	Object.assign(c, { globalCompositeOperation: "source-atop", strokeStyle: "#0008", lineWidth: 18, lineCap: "butt" }).rotate(id * 0.8);
	c.setLineDash([0.004, 0.008 + id % 2 * 0.008]);
	c.stroke(new Path2D("M-9,0H9"));
	return c.canvas;
}
// White on black, as wide as the still or half, a quarter ... as wide, to stay below `most` bytes.
async function brushPng(ops, width, tall, most) {
	const c = brushShape(ops, width, tall);
	Object.assign(c, { globalCompositeOperation: "destination-over", fillStyle: "#000" }).fillRect(0, 0, 1, tall);
	const blob = await new Promise((done) => c.canvas.toBlob(done));
	return blob?.size <= most || width < 9 ? blob.arrayBuffer() : brushPng(ops, width >> 1, tall, most);
}

export function brush(host) {
	const { all, status, say, data, live, button, copyCode, insist, keptNote } = setUp(host);
	const { columns, tall, width, note, text, help, most, fresh } = data(), by = `${Math.random()}`;
	let regions = [], picked = 0, steps, step = 0, sent, told = {}, sending; // a region is never changed, only replaced
	let tool = "Paint", size = 0.08, zoom = 1, looks, at, press, outline = [], aim, url;
	const blank = () => ({ ...fresh, id: 1 + Math.max(0, ...regions.map(({ id }) => id)), ops: [] });
	const now = () => regions[picked], words = ({ id, ops }) => ops.length ? told[id] ?? "…" : "empty";
	const edit = (what) => change(regions.map((r) => r === now() ? { ...r, ...what } : r), picked);
	const add = (op) => edit({ ops: [...now().ops, op] }), close = () => outline[2] && add({ points: outline });
	const use = (name) => cancel(tool = name), resize = (to) => choose(regions, picked, size = brushFit(to, 0.4) || 0.01);
	const acts = {
		Paint: use, Erase: use, Outline: use, Box: use, Magic: use, Aim: use,
		New: () => regions.length < most ? change([...regions, blank()], most) : say(`At most ${most} regions`),
		Delete: () => change(regions.filter((r) => r !== now()), picked), Freeze: () => edit({ static: !now().static }),
		Undo: () => turn(-1), Redo: () => turn(1), Clear: () => change([], 0),
	};
	const buttons = Object.keys(acts).map((name) => button(name, () => acts[name](name)));
	const named = (name) => buttons[Object.keys(acts).indexOf(name)];
	const slider = (max, work, min = 0) => h("input", { type: "range", min, max, step: 0.01, onchange: ({ target }) => work(+target.value) });
	const sizes = slider(0.4, resize), force = slider(1, (intensity) => edit({ intensity })), zooms = slider(8, (to) => scale(to), 1);
	const numbers = [sizes, force, zooms].map(() => h("span"));
	const file = h("input", { type: "file", accept: "image/*", onchange: () => busy(loadMask) });
	const loadMask = async () => {
		if (file.files[0].size > MOST_SENT) throw new Error("a mask file is at most 6 MB");
		const { body, buffers } = await host.act("mask", {}, [await file.files[0].arrayBuffer()]);
		file.value = "";
		add({ mask: await createImageBitmap(new Blob(buffers)), points: [body.middle] });
	};
	async function saveMask() {
		const href = blobUrl([await brushPng(now().ops, columns, tall, Infinity)], "image/png");
		h("a", { href, download: `mask-${picked + 1}.png` }).click();
		host.free(href);
	}
	const list = h("select", { ariaLabel: "Region", onchange: () => choose(regions, list.selectedIndex) });

	function change(next, pick) {
		steps.splice(++step, Infinity, [next.length ? next : [blank()], pick]);
		turn(0);
	}
	function turn(by) {
		outline = [];
		if (steps[step + by]) choose(...steps[step += by]);
		sync();
	}
	function point(x, y) { // where the region goes: a tenth of the width is intensity 1
		const far = Math.hypot(x, y), direction = far < 1e-3 ? now().direction : [x / far, y / far];
		aim = { aimed: true, static: false, intensity: Math.min(1, far * 10), direction };
	}
	const corners = ([x, y], [right, low]) => [[x, y], [right, y], [right, low], [x, low]];
	function begin() {
		if (!url) return;
		if (tool === "Outline") outline.push(at);
		else if (tool === "Magic") busy(async () => add({ points: (await host.act("outline", { at })).body.outline }));
		else press = { from: at, box: tool === "Box", points: /P|E/.test(tool) && [at], size, erase: tool === "Erase" };
		draw();
	}
	function move(x, y) {
		at = [brushFit(x, 1), brushFit(y, tall)];
		if (press?.points) press.points.push(at);
		else if (press && !press.box) point(at[0] - press.from[0], at[1] - press.from[1]);
	}
	function end() {
		const [stroke, aimed] = [press, aim];
		press = aim = null;
		if (stroke?.box) Math.abs((at[0] - stroke.from[0]) * (at[1] - stroke.from[1])) > 1e-5 ? add({ points: corners(stroke.from, at) }) : draw();
		else if (stroke?.points) add(stroke);
		else if (aimed) edit(aimed);
	}
	function cancel() {
		press = aim = null;
		outline = [];
		choose(regions, picked);
	}
	const follow = ({ offsetX, offsetY }) => move(offsetX / view.clientWidth, offsetY / view.clientWidth);
	const view = h("canvas", {
		tabIndex: 0, role: "application", ariaLabel: "Picture to paint on", "aria-description": help,
		onpointerdown(event) {
			if (event.button || !event.isPrimary) return;
			view.setPointerCapture(event.pointerId);
			follow(event);
			begin();
		},
		onpointermove(event) {
			if (event.isPrimary) (event.getCoalescedEvents?.() ?? [event]).forEach(follow);
			draw();
		},
		onpointerup: ({ isPrimary }) => isPrimary && end(),
		onpointercancel: cancel, ondblclick: close, onblur: end,
		onpointerleave: () => draw(at = null),
		onkeyup: ({ key }) => key === " " && end(),
		onkeydown(event) {
			const { key } = event, [dx, dy] = BRUSH_STEPS[key] ?? [], { direction: [x, y], intensity, aimed, static: fixed } = now();
			const name = Object.keys(acts).find((one) => one === key || one[0] === key.toUpperCase());
			if (event.ctrlKey || event.metaKey || event.altKey) return;
			at ??= [0.5, tall / 2];
			if (dx != null && event.shiftKey) {
				const far = aimed && !fixed ? intensity / 10 : 0;
				point(x * far + dx / 100, y * far + dy / 100);
				end();
			} else if (dx != null) {
				draw(move(at[0] + dx * size / 2, at[1] + dy * size / 2));
				centre();
			} else if ("<>".includes(key)) scale(zoom * (key === "<" ? 0.8 : 1.25));
			else if (key === " ") event.repeat || begin();
			else if ("+=-".includes(key)) resize(size * (key === "-" ? 0.8 : 1.25));
			else if ("[]".includes(key)) choose(regions, picked + (key === "]" ? 1 : -1));
			else if (key === "Enter") close();
			else if (key === "Escape") cancel();
			else if (name) acts[name](name);
			else return;
			event.preventDefault();
		},
	});
	const pane = h("div.brush-pane", {}, view);
	function scale(to) {
		at ??= [(pane.scrollLeft + pane.clientWidth / 2) / view.clientWidth, (pane.scrollTop + pane.clientHeight / 2) / view.clientWidth];
		zoom = Math.max(1, brushFit(to, 8));
		Object.assign(view.style, { width: `${zoom * 100}%`, maxWidth: `calc(${zoom} * min(${width}px, ${65 / tall}vh))` });
		view.width = Math.min(4096, width * devicePixelRatio * zoom);
		view.height = Math.round(view.width * tall);
		looks = new WeakMap();
		if (steps) choose(regions, picked);
		centre();
	}
	const centre = () => pane.scrollTo(at[0] * view.clientWidth - pane.clientWidth / 2, at[1] * view.clientWidth - pane.clientHeight / 2);
	host.el.style.maxWidth = `${Math.max(960, width) + 24}px`;
	host.el.append(h(`div.rw-${note}`, { role: "note" }, text), keptNote(), flow(...buttons),
		flow(list, h("label", {}, "Size", sizes, numbers[0]), h("label", {}, "Intensity", force, numbers[1]), h("label", {}, "Zoom", zooms, numbers[2])),
		flow(button("Load mask…", () => file.click()), button("Save mask", saveMask), copyCode()), pane, status, h("div.rw-dim", {}, help));

	function choose(next, pick) {
		regions = next;
		picked = brushFit(pick, next.length - 1);
		buttons.forEach((one, i) => { if (i < 6) one.ariaPressed = one.textContent === tool; });
		named("Freeze").ariaPressed = now().static;
		named("Undo").ariaDisabled = !step;
		named("Redo").ariaDisabled = !steps[step + 1];
		[sizes, force, zooms].forEach((one, i) => {
			one.value = [size, now().intensity, zoom][i];
			numbers[i].textContent = one.ariaValueText = [`${Math.round(size * 100)} %`, `${(now().intensity * 10).toFixed(1)} %`, `${zoom.toFixed(1)} x`][i];
		});
		list.replaceChildren(...regions.map((r, i) => h("option", { selected: i === picked }, `${i + 1} ${words(r)}`)));
		say(`Region ${picked + 1} of ${regions.length}: ${words(now())}`);
		draw();
	}
	function draw() {
		const c = view.getContext("2d"), s = view.width, dot = s / view.clientWidth; // pixels: in a width, in one of CSS
		view.width = s; // clears it
		for (const r of regions) {
			if (!looks.has(r.ops)) looks.set(r.ops, brushLook(r, s, tall));
			c.globalAlpha = r === now() ? 0.7 : 0.4;
			c.drawImage(looks.get(r.ops), 0, 0);
		}
		c.scale(s, s);
		if (press?.points) brushStamp(c, { ...press, erase: false }, press.erase ? "#000" : "#fff");
		Object.assign(c, { globalAlpha: 1, strokeStyle: "#fff", fillStyle: "#fff", lineWidth: 3 * dot / s, lineCap: "round", shadowColor: "#000", shadowBlur: 5 });
		const rim = press?.box ? [...corners(press.from, at), press.from] : outline[0] && [...outline, at ?? outline[0]];
		if (rim) c.stroke(new Path2D(`M${rim.join("L")}`));
		c.beginPath();
		if (at) c.arc(...at, /P|E/.test(tool) ? size / 2 : 4 * dot / s, 0, 7);
		c.stroke();
		Object.assign(c, { lineWidth: 3, font: "bold 14px sans-serif" });
		regions.forEach((r, i) => {
			const { points = [] } = r.ops[0] ?? {}, { direction: [x, y], intensity, static: fixed } = r === now() && aim || r;
			if (!points[0]) return;
			c.setTransform(dot, 0, 0, dot, ...[0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis] * s / points.length, 0)));
			c.fillText(fixed ? `${i + 1} ■` : i + 1, -18 * x - 4, -18 * y + 5);
			c.rotate(Math.atan2(y, x));
			if (!fixed) c.stroke(new Path2D(`M0,0H${intensity / 10 * s / dot}m-9,-6l9,6l-9,6`));
		});
	}

	// Python gets the latest state, one message after the other.
	const sync = () => { sending ??= busy(send).then(() => sending = null); };
	async function busy(work) {
		host.el.ariaBusy = true;
		await work().catch((error) => say(`Not done: ${error.message}`));
		host.el.ariaBusy = false;
	}
	async function send() {
		while (sent !== regions) {
			const next = regions, buffers = [], list = [];
			for (const { ops, aimed, ...one } of next.filter((r) => r.ops.length)) {
				if (!ops[1] && !ops[0].size && !ops[0].mask) one.polygon = ops[0].points;
				else if (!sent.some((r) => r.ops === ops)) one.mask = buffers.push(await brushPng(ops, columns, tall, MOST_SENT / next.length)) - 1;
				list.push(one);
			}
			told = (await host.act("regions", { by, regions: list }, buffers)).body.told;
			sent = next;
			choose(regions, picked);
		}
	}
	async function load() {
		host.el.ariaBusy = true;
		const { body, buffers } = await host.act("open").finally(() => host.el.ariaBusy = false), found = [];
		url ??= blobUrl([buffers[0]]);
		view.style.background = `gray url(${url}) 0 / 100% 100%`;
		for (const { points, mask, ...one } of body.regions)
			found.push({ ...one, aimed: true, ops: [{ points, mask: mask && await createImageBitmap(new Blob([buffers[mask]])) }] });
		regions = [];
		steps = [[sent = found.length ? found : [blank()], 0]];
		told = body.told;
		turn(step = 0);
	}
	scale(1);
	at = null;
	steps = [[sent = [blank()], 0]];
	choose(sent, 0);
	all(() => host.free(url));
	live(() => data().by === by || insist(load));
	return all.undo;
}
