// Messages to and from the host: JSON-RPC 2.0 over postMessage, by the MCP Apps extension of 2026-01-26.
const PATIENCE_MS = 60_000;
const waiting = new Map(); // id -> what its answer does
let lastId = 0;
let host = {}; // what the host can do
let context = {}; // its colours, and the call that made this page
const heard = {}; // method -> what the host's notification or request does

const post = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
const notify = (method, params = {}) => post({ method, params });

function ask(method, params = {}) {
	return new Promise((resolve, reject) => {
		const id = ++lastId;
		const late = setTimeout(() => settle({ id, error: { message: `${method}: no answer` } }), PATIENCE_MS);
		waiting.set(id, ({ result, error }) => {
			clearTimeout(late);
			if (error) reject(Error(error.message)); else resolve(result);
		});
		post({ id, method, params });
	});
}

function settle(answer) {
	waiting.get(answer.id)?.(answer);
	waiting.delete(answer.id);
}

addEventListener("message", ({ source, data }) => {
	if (source !== parent || data?.jsonrpc !== "2.0") return;
	const { id, method, params } = data;
	if (!method) return settle(data);
	const work = Object.hasOwn(heard, method) ? heard[method] : null;
	if (id === undefined) return work?.(params ?? {});
	post(work ? { id, result: work(params ?? {}) ?? {} } : { id, error: { code: -32601, message: `no method ${method}` } });
});

// The only tools that this page calls. None of them can spend anything; the server tells the host the same.
const CALLED = ["get_job", "list_jobs", "cancel_job"];

async function call(name, given) {
	if (!CALLED.includes(name) || !host.serverTools) throw Error("This host does not allow pages to do that: ask in the chat.");
	const result = await ask("tools/call", { name, arguments: given });
	if (result.isError) throw Error(textOf(result));
	return result.structuredContent ?? {};
}

async function read(uri) {
	if (!host.serverResources) throw Error("This host does not allow pages to read that.");
	return (await ask("resources/read", { uri })).contents[0];
}

const textOf = ({ content }) => (content ?? []).filter((part) => part.type === "text").map((part) => part.text).join("\n");

// What the user wants, as a message of theirs in the chat, where the model, the host and the spending limits handle it.
async function say(text) {
	const { isError } = await ask("ui/message", { role: "user", content: [{ type: "text", text }] }).catch(() => ({ isError: true })) ?? {};
	if (isError) throw Error("The chat did not accept it: type it there yourself.");
}

heard.ping = () => {};

heard["ui/notifications/host-context-changed"] = (changes) => {
	context = { ...context, ...changes };
	const root = document.documentElement;
	if (["light", "dark"].includes(context.theme)) root.style.colorScheme = context.theme;
	for (const [name, value] of Object.entries(context.styles?.variables ?? {}))
		if (name.startsWith("--") && typeof value === "string") root.style.setProperty(name, value);
};

async function connect() {
	const answer = await ask("ui/initialize", {
		appInfo: { name: "reelwright", version: "1" },
		appCapabilities: { availableDisplayModes: ["inline"] },
		protocolVersion: "2026-01-26",
	});
	host = answer.hostCapabilities ?? {};
	heard["ui/notifications/host-context-changed"](answer.hostContext ?? {});
	notify("ui/notifications/initialized");
	new ResizeObserver(() => notify("ui/notifications/size-changed", {
		width: innerWidth, height: Math.ceil(document.documentElement.getBoundingClientRect().height),
	})).observe(document.documentElement);
}
