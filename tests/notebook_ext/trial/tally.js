// The smallest view with something of everything: it draws, asks, plays and cleans up (or not, when told).
import { h } from "./core.js";

export function tally(host) {
  const button = h("button", { textContent: "Count" });
  const status = h("p", { role: "status" });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const draw = () => { status.textContent = `${host.get("data").name}: ${host.get("data").count}`; };
  const resize = () => { host.el.dataset.width = innerWidth; };
  let frame = 0, url = null;
  const turn = () => { host.el.dataset.turning = "yes"; frame = requestAnimationFrame(turn); };
  button.addEventListener("click", async () => {
    try {
      const { body, buffers } = await host.act("count", { by: 1 }, [new Uint8Array([1, 2, 3])]);
      status.textContent = `answered ${body.count}, ${buffers[0]?.getUint8(1)}`;
    } catch (error) {
      status.textContent = error.message;
    }
  });
  const off = host.on("data", draw);
  window.addEventListener("resize", resize);
  if (!still) turn();
  if (host.get("data").job) host.media(host.get("data").job).then((found) => {
    url = found;
    host.el.append(h("video", { src: url, muted: true, controls: true }));
  });
  host.el.append(button, status);
  draw();
  resize();
  return () => {
    if (host.get("data").leaks) return;
    off();
    window.removeEventListener("resize", resize);
    cancelAnimationFrame(frame);
    if (url) host.free(url);
  };
}
