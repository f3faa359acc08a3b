// A host of MCP Apps, as small as the extension's text allows: one sandboxed frame under the policy that it prescribes
// for a page without addresses, the handshake, and what the page asks handed to `serve`, which Python gives.
const POLICY = `default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';
img-src 'self' data:; media-src 'self' data:; connect-src 'none'; frame-src 'none'; object-src 'none'; base-uri 'self'`;
let frame = null, hello = null, first = [];
window.asked = []; // all that the page has sent, oldest first

const post = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");

// greeting: hostCapabilities and hostContext; notes: [method, params] pairs that follow the handshake.
window.openPage = (html, greeting, notes) => {
	hello = { protocolVersion: "2026-01-26", hostInfo: { name: "stage", version: "1" }, ...greeting };
	first = notes;
	window.asked = [];
	frame?.remove();
	document.documentElement.style.colorScheme = greeting.hostContext?.theme ?? "light";
	frame = document.createElement("iframe");
	frame.title = "Reelwright";
	frame.setAttribute("sandbox", "allow-scripts");
	frame.srcdoc = html.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}">`);
	document.body.append(frame);
};
window.note = (method, params) => post({ method, params });
window.request = (method, params) => new Promise((resolve) => { window.answered = resolve; post({ id: "host-1", method, params }); });

addEventListener("message", async ({ source, data }) => {
	if (source !== frame?.contentWindow) return;
	const { id, method, params } = data;
	if (!method) return window.answered(data);
	window.asked.push({ method, params });
	if (method === "ui/notifications/initialized") for (const [name, given] of first) window.note(name, given);
	if (method === "ui/notifications/size-changed") frame.style.height = `${params.height + 2}px`;
	if (id === undefined) return;
	if (method === "ui/initialize") return post({ id, result: hello });
	post({ id, ...await window.serve(method, params) });
});
