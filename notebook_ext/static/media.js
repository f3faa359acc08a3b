// How a clip reaches the page: the server's own file, else chunks through the kernel, else a proxy.
import { blobUrl } from "./core.js";

const CHUNK = 1 << 20; // bytes a message
const AHEAD = 4; // chunks at a time
const LARGEST = 200 << 20; // bytes that the kernel carries

// A URL that a <video> plays. clip: its place, where that is known.
export async function clipUrl(host, job_id, clip) {
	clip ??= (await host.act("clip", { job_id })).body;
	const served = await serverFile(clip);
	if (served) return served;
	if (clip.size > LARGEST) return blobUrl((await host.act("proxy", { job_id })).buffers, "video/mp4");
	const parts = [];
	let next = 0;
	const some = async () => {
		for (let at; (at = next++) * CHUNK < clip.size;)
			[parts[at]] = (await host.act("chunk", { job_id, offset: at * CHUNK, size: CHUNK })).buffers;
	};
	await Promise.all(Array.from({ length: AHEAD }, some));
	return blobUrl(parts, clip.mime);
}

// The kernel does not know the server's root, so paths are tried from the notebook's folder upwards. Another size means
// another file.
async function serverFile(clip) {
	const config = document.getElementById("jupyter-config-data");
	if (!config || !clip.paths?.length) return "";
	const base = JSON.parse(config.textContent).baseUrl ?? "/";
	for (const path of clip.paths) {
		const url = `${base}files/${path.split("/").map(encodeURIComponent).join("/")}?v=${clip.version}`;
		const head = await fetch(url, { method: "HEAD" }).catch(() => null);
		if (head?.ok && +head.headers.get("content-length") === clip.size) return url;
	}
	return "";
}
