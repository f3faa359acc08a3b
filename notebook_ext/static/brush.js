// The motion brush. Shapes are strokes in widths of the still, so that a mask can be drawn at any size.
import { blobUrl, button, h, statusLine, undoing } from "./core.js";

const BRUSH_BYTES = 8 << 20; // larger messages get lost without a word
const BRUSH_REACH = 0.1; // how far intensity 1 goes, and how long its arrow is
const brushFit = (value, high) => Math.max(0, Math.min(high, value));

// A step of a shape: a given mask, an outline (without size), or a stroke that paints or erases.
function brushStamp(c, { mask, points, size, erase }, ink) {
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
  for (const op of ops) brushStamp(c, op, "#fff");
  return c;
}
// For the eye: in the region's colour, hatched by its number.
function brushLook({ id, ops }, width, tall) {
  const c = brushShape(ops, width, tall);
  c.colour = ["#eee", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2"][id % 8];
  c.save();
  Object.assign(c, { globalCompositeOperation: "source-in", fillStyle: c.colour }).fillRect(0, 0, 1, tall);
  Object.assign(c, { globalCompositeOperation: "source-atop", strokeStyle: "#0008", lineWidth: 18, lineCap: "butt" }).rotate(id * Math.PI / 4);
  c.setLineDash([0.004, id % 8 < 4 ? 0.01 : 0.02]);
  c.stroke(new Path2D("M-9,0H9"));
  c.restore();
  return c;
}
// White on black, as wide as the still, or half, a quarter ... of that to stay below `most` bytes.
async function brushPng(ops, width, tall, most) {
  const c = brushShape(ops, width, tall);
  Object.assign(c, { globalCompositeOperation: "destination-over", fillStyle: "#000" }).fillRect(0, 0, 1, tall);
  const blob = await new Promise((done) => c.canvas.toBlob(done));
  if (blob?.size <= most) return blob.arrayBuffer();
  if (width < 99) throw new Error("the mask is too large");
  return brushPng(ops, width >> 1, tall, most);
}

export function brush(host) {
  const { columns, tall, width, note, text, help, most } = host.get("data"), by = `${Math.random()}`;
  const all = undoing(), status = statusLine(), looks = new WeakMap();
  let regions = [], picked = 0, steps, step = 0, sent, told = {}, sending; // a region is never changed, only replaced
  let tool = "Paint", size = 0.08, at, press, outline = [], aim, url;
  const now = () => regions[picked], words = ({ id, ops }) => ops.length ? told[id] ?? "…" : "empty";
  const blank = () => ({ id: Math.max(0, ...regions.map(({ id }) => id)) + 1, ops: [], direction: [1, 0], intensity: 0.5, static: false });
  const edit = (what) => change(regions.map((r) => r === now() ? { ...r, ...what } : r), picked);
  const add = (op) => edit({ ops: [...now().ops, op] }), use = (name) => cancel(tool = name);
  const resize = (to) => choose(regions, picked, size = Math.max(0.002, brushFit(to, 0.4)));
  const close = () => outline[2] && add({ points: outline });

  const acts = {
    Paint: use, Erase: use, Outline: use, Aim: use,
    New: () => regions.length < most ? change([...regions, blank()], most) : status.say(`At most ${most} regions`),
    Delete: () => change(regions.filter((r) => r !== now()), picked), Freeze: () => edit({ static: !now().static }),
    Undo: () => turn(-1), Redo: () => turn(1), Clear: () => change([], 0),
  };
  const buttons = Object.keys(acts).map((name) => button(name, () => acts[name](name)));
  const slider = (max, work) => h("input", { type: "range", min: 0, max, step: 0.01, onchange: ({ target }) => work(+target.value) });
  const sizes = slider(0.4, resize), force = slider(1, (intensity) => edit({ intensity }));
  const list = h("select", { ariaLabel: "Region", onchange: () => choose(regions, list.selectedIndex) });
  const view = h("canvas", { tabIndex: 0, role: "application", ariaLabel: "Picture to paint on", "aria-description": help });
  view.width = width * devicePixelRatio;
  view.height = view.width * tall;
  view.style.maxWidth = `min(${width}px, ${80 / tall}vh)`;
  host.el.append(h(`div.rw-${note}`, { role: "note" }, text), h("div.rw-row", {}, ...buttons),
    h("div.rw-row", {}, list, h("label", {}, "Size", sizes), h("label", {}, "Intensity", force)), view, status.el, h("div.rw-dim", {}, help));

  function change(next, pick) {
    steps.splice(++step, Infinity, [next.length ? next : [blank()], pick]);
    turn(0);
  }
  function turn(by) {
    outline = [];
    if (steps[step + by]) choose(...steps[step += by]);
    sync();
  }
  function point(x, y) { // where the region is to go
    const far = Math.hypot(x, y), direction = far < 1e-3 ? now().direction : [x / far, y / far];
    aim = { aimed: true, static: false, intensity: Math.min(1, far / BRUSH_REACH), direction };
  }
  // A press, by pointer or by space.
  function begin() {
    if (tool === "Outline") outline.push(at);
    else press = { from: at, points: tool !== "Aim" && [at], size, erase: tool === "Erase" };
    draw();
  }
  function move(x, y) {
    at = [brushFit(x, 1), brushFit(y, tall)];
    if (press?.points) press.points.push(at);
    else if (press) point(at[0] - press.from[0], at[1] - press.from[1]);
  }
  function end() {
    const done = press, aimed = aim;
    press = aim = null;
    if (done?.points) add(done);
    else if (aimed) edit(aimed);
  }
  function cancel() {
    press = aim = null;
    outline = [];
    looks.delete(now().ops);
    choose(regions, picked);
  }
  const follow = ({ offsetX, offsetY }) => move(offsetX / view.clientWidth, offsetY / view.clientWidth);
  Object.assign(view, {
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
    onpointerup: (event) => event.isPrimary && end(),
    onpointercancel: cancel,
    onpointerleave: () => draw(at = null),
    ondblclick: close,
    onblur: end,
    onkeyup: ({ key }) => key === " " && end(),
    onkeydown(event) {
      const { key, shiftKey, repeat } = event, { direction, intensity, aimed } = now();
      const dx = (key === "ArrowRight") - (key === "ArrowLeft"), dy = (key === "ArrowDown") - (key === "ArrowUp");
      const name = Object.keys(acts).find((one) => one === key || one[0] === key.toUpperCase());
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      at ??= [0.5, tall / 2];
      if ((dx || dy) && shiftKey) {
        const far = aimed && !now().static ? intensity * BRUSH_REACH : 0;
        point(direction[0] * far + dx / 100, direction[1] * far + dy / 100);
        end();
      } else if (dx || dy) draw(move(at[0] + dx * size / 2, at[1] + dy * size / 2));
      else if (key === " ") repeat || begin();
      else if ("+=-".includes(key)) resize(size * (key === "-" ? 0.8 : 1.25));
      else if ("[]".includes(key)) choose(regions, picked + (key === "]" ? 1 : -1));
      else if (key === "Enter") close();
      else if (key === "Escape") cancel();
      else if (name) acts[name](name);
      else return;
      event.preventDefault();
    },
  });

  function choose(next, pick) {
    regions = next;
    picked = brushFit(pick, next.length - 1);
    for (const one of buttons) if (acts[one.textContent] === use) one.ariaPressed = one.textContent === tool;
    buttons[6].ariaPressed = now().static;
    force.value = now().intensity;
    sizes.value = size;
    list.replaceChildren(...regions.map((r, i) => h("option", { selected: i === picked }, `${i + 1} ${words(r)}`)));
    status.say(`Region ${picked + 1} of ${regions.length}: ${words(now())}`);
    draw();
  }
  function draw() {
    const c = view.getContext("2d"), s = view.width, dot = s / view.clientWidth; // pixels: in a width, in one of CSS
    view.width = s; // clears it
    for (const r of regions) {
      if (!looks.has(r.ops)) looks.set(r.ops, brushLook(r, s, tall));
      const look = looks.get(r.ops);
      if (r === now() && press?.points) brushStamp(look, press, look.colour);
      c.globalAlpha = r === now() ? 0.7 : 0.4;
      c.drawImage(look.canvas, 0, 0);
    }
    Object.assign(c, { globalAlpha: 1, strokeStyle: "#fff", fillStyle: "#fff", lineWidth: 3, lineCap: "round", shadowColor: "#000", shadowBlur: 5, font: "bold 14px sans-serif" });
    regions.forEach((r, i) => {
      const { points = [] } = r.ops[0] ?? {}, { direction: [x, y], intensity, static: fixed } = r === now() && aim || r;
      if (!points[0]) return;
      c.setTransform(dot, 0, 0, dot, ...[0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis] * s / points.length, 0)));
      c.fillText(fixed ? `${i + 1} ■` : i + 1, -18 * x - 4, -18 * y + 5);
      c.rotate(Math.atan2(y, x));
      if (!fixed) c.stroke(new Path2D(`M0,0H${intensity * BRUSH_REACH * s / dot}m-9,-6l9,6l-9,6`));
    });
    c.setTransform(s, 0, 0, s, 0, 0);
    c.lineWidth = 3 * dot / s;
    if (outline[0]) c.stroke(new Path2D(`M${[...outline, at ?? outline[0]].join("L")}`));
    c.beginPath();
    if (at) c.arc(...at, /P|E/.test(tool) ? size / 2 : 4 * dot / s, 0, 7);
    c.stroke();
  }

  // Python is brought to the latest state, one message after the other.
  const sync = () => { sending ??= busy(send).then(() => { sending = null; }); };
  async function busy(work) {
    host.el.ariaBusy = true;
    await work().catch((error) => status.say(`Not done: ${error.message}`));
    host.el.ariaBusy = false;
  }
  async function send() {
    while (sent !== regions) {
      const next = regions, buffers = [], list = [];
      for (const { ops, aimed, ...one } of next.filter((r) => r.ops.length)) {
        if (!ops[1] && !ops[0].size && !ops[0].mask) one.polygon = ops[0].points;
        else if (!sent.some((r) => r.ops === ops)) one.mask = buffers.push(await brushPng(ops, columns, tall, BRUSH_BYTES / next.length)) - 1;
        list.push(one);
      }
      told = (await host.act("regions", { by, regions: list }, buffers)).body.told;
      sent = next;
      choose(regions, picked);
    }
  }
  async function load() {
    const { body, buffers } = await host.act("open"), found = [];
    url ??= blobUrl([buffers[0]]);
    view.style.background = `url(${url}) 0 / 100% 100%`;
    for (const { points, mask, ...one } of body.regions)
      found.push({ ...one, aimed: true, ops: [{ points, mask: mask && await createImageBitmap(new Blob([buffers[mask]])) }] });
    regions = [];
    steps = [[sent = found.length ? found : [blank()], 0]];
    told = body.told;
    turn(step = 0);
  }
  steps = [[sent = regions = [blank()], 0]];
  const look = () => host.get("data").by === by || busy(load);
  all(host.on("data", look));
  all(() => host.free(url));
  look();
  return all.undo;
}
