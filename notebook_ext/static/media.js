// How a clip reaches the page: the Jupyter server's own file (with ranges), else chunks through the kernel, else a proxy.
import { blobUrl } from "./core.js";

const CHUNK = 1 << 20; // bytes a message
const AHEAD = 4; // chunks that are asked for before the first has come
const LARGEST = 200 << 20; // bytes that are carried through the kernel; above that a small proxy is

/** A URL that a <video> plays: of the job's whole clip, or of its proxy where the whole is too large to carry. */
export async function clipUrl(host, job_id) {
  const { body: clip } = await host.act("clip", { job_id });
  const served = await serverFile(clip);
  if (served) return served;
  if (clip.size > LARGEST) {
    const proxy = await host.act("proxy", { job_id });
    return blobUrl(proxy.buffers, "video/mp4");
  }
  const parts = [];
  const wanted = Math.ceil(clip.size / CHUNK);
  let next = 0;
  const fetchSome = async () => {
    while (next < wanted) {
      const number = next++;
      const { buffers } = await host.act("chunk", { job_id, offset: number * CHUNK, size: CHUNK });
      parts[number] = buffers[0];
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, fetchSome));
  return blobUrl(parts, clip.mime);
}

/** The clip's address at the Jupyter server, "" where it serves no such file. The server's root is not known to the
 * kernel, so the path is tried from the notebook's folder upwards; a file of another size is another file. */
async function serverFile(clip) {
  const config = document.getElementById("jupyter-config-data");
  if (!config || !clip.paths?.length) return "";
  const base = JSON.parse(config.textContent).baseUrl ?? "/";
  for (const path of clip.paths) {
    const url = `${base}files/${path.split("/").map(encodeURIComponent).join("/")}?v=${clip.version}`;
    try {
      const head = await fetch(url, { method: "HEAD" });
      if (head.ok && Number(head.headers.get("content-length")) === clip.size) return url;
    } catch {
      return "";
    }
  }
  return "";
}
