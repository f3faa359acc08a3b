// How a clip reaches the page: the server's own file, else chunks through the kernel, else a proxy.
import { blobUrl } from "./core.js";

const CHUNK = 2 << 20; // bytes a message, two at once
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
			parts[at] = new Blob((await host.act("chunk", { job_id, offset: at * CHUNK, size: CHUNK })).buffers);
	};
	await Promise.all([some(), some()]);
	return blobUrl(parts, clip.mime);
}

// The kernel does not know the server's root, so paths are tried from the notebook's folder upwards. Another size means
// another file.
async function serverFile(clip) {
	const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? null);
	for (const path of config && clip.paths || []) {
		const url = `${config.baseUrl ?? "/"}files/${path.split("/").map(encodeURIComponent).join("/")}?v=${clip.version}`;
		const head = await fetch(url, { method: "HEAD" }).catch(() => null);
		if (head?.ok && +head.headers.get("content-length") === clip.size) return url;
	}
	return "";
}
