// What both ways to mount share: the acts that the browser asked of Python, and their answers.
export const acts = [];
const clips = {};

export const octets = (b) => new Uint8Array(b.buffer ?? b, b.byteOffset ?? 0, b.byteLength).slice();
export const views = (list) => list.map((text) => new DataView(Uint8Array.fromBase64(text).buffer));

// settle(ok, body, buffers): the way an answer goes back; buffers as DataViews, as from anywidget
export function record(action, body, buffers, settle) {
  acts.push({ action, body: structuredClone(body), buffers: Array.from(buffers ?? [], octets), settle });
}
export function listed() {
  return acts.map(({ action, body, buffers, settle }) =>
    ({ action, body, buffers: buffers.map((b) => b.toBase64()), open: !!settle }));
}
export function settle(index, ok, body, buffers) {
  const act = acts[index];
  const give = act.settle;
  act.settle = null;
  give(ok, body, views(buffers));
}
export function lend(job_id, url) { clips[job_id] = url; }
export async function clip(job_id) {
  if (!(job_id in clips)) throw new Error(`no clip of ${job_id}`);
  return URL.createObjectURL(await (await fetch(clips[job_id])).blob());
}
