"""ComfyUI's own HTTP and WebSocket, as measured on 0.3.64 and 0.33.0.

POST /prompt -> 200 {prompt_id, number, node_errors} | 400 {error, node_errors} | 500 text
GET /queue, /history[/ID], /object_info[/CLASS], /system_stats, /view;  POST /queue, /interrupt, /upload/image
newer: GET /api/jobs/ID, POST /api/jobs/ID/cancel (knob `jobs_api`)

A run's nodes are acted, not computed: its clip is the fake's. As on the real server the history is written after
`execution_success` and before the last `executing` (knob `late_s` between them), an identical graph gives the same file
again, a queued run that is deleted leaves no trace, and everything but the files is gone after a restart.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.comfyui_check import Rejected, checked_graph
from tests.fakes.comfyui_files import Files
from tests.fakes.comfyui_socket import Socket, handshake
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

NODES = json.loads((Path(__file__).parent / "comfyui_nodes.json").read_text("utf-8"))
PICTURE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
    "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHz/wAARCAAJABADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
    "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
    "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
    "4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC"
    "AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
    "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq"
    "8vP09fb3+Pn6/9oADAMBAAIRAxEAPwCOiiivOPWP/9k="
)


@dataclass
class Run:
    """A prompt in the queue or under way. number: its place; the smallest is next."""

    number: float
    id: str
    graph: dict[str, Any]
    extra: dict[str, Any]
    client: str
    outputs: list[str]
    stopped: bool = False
    cached: list[str] = field(default_factory=list)


class ComfyUI(Files):
    """Knobs: node_s (seconds a node takes), steps (progress messages of a node), late_s, jobs_api, max_upload (bytes),
    fail (class whose node raises) and fail_words, gifs (files are listed under `gifs`), silent (no file is listed),
    strict_words (a missing class is told as `missing_node_type`), models ({input: [file names]} that loaders have),
    lacks (classes that are not installed), paid (classes that are API nodes), drop_after (messages, then a socket is
    cut, once), token (wanted as Authorization), version, preview (pictures are sent)."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.pending: list[Run] = []
        self.running: Run | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.cache: dict[str, dict[str, Any]] = {}
        self.sockets: dict[str, Socket] = {}
        self.number = 0
        self.folder = Path(config["state"])
        self.woken = asyncio.Event()
        self.engine: asyncio.Task[None] | None = None
        self.files = self._kept("output.txt")
        self.inputs = self._kept("input.txt")
        super().__init__(config)

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {
            "node_s": 0.0, "steps": 3, "late_s": 0.0, "jobs_api": True, "max_upload": 100 << 20, "fail": "",
            "fail_words": "it broke at /home/somebody/ComfyUI/nodes.py", "gifs": False, "silent": False,
            "strict_words": True, "models": {}, "lacks": [], "paid": [], "drop_after": 0, "token": "",
            "version": "0.33.0", "preview": True,
        }  # fmt: skip

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("socket", "GET", "/ws", self.socket),
            ("submit", "POST", "/prompt", self.submit),
            ("queue", "GET", "/queue", self.queue),
            ("delete", "POST", "/queue", self.delete),
            ("interrupt", "POST", "/interrupt", self.interrupt),
            ("history", "GET", "/history/{name}", self.one),
            ("histories", "GET", "/history", self.whole),
            ("cancel", "POST", "/api/jobs/{name}/cancel", self.cancel),
            ("job", "GET", "/api/jobs/{name}", self.job),
            ("upload", "POST", "/upload/image", self.upload),
            ("media", "GET", "/view", self.view),
            ("info", "GET", "/object_info/{kind}", self.info),
            ("infos", "GET", "/object_info", self.infos),
            ("stats", "GET", "/system_stats", self.stats),
        ]

    async def answer(self, request: Request) -> Reply:
        if self.engine is None:
            self.engine = asyncio.create_task(self._work())
        token = self.knobs["token"]
        if token and request.path != "/_control" and request.headers.get("authorization") != token:
            return Reply(401, {"content-type": "text/html"}, b"<html>401 Authorization Required</html>")
        return await super().answer(request)

    # what is there

    def classes(self) -> dict[str, Any]:
        """The node classes, with the model files that the loaders have."""
        found: dict[str, Any] = {}
        for name, told in NODES.items():
            if name in self.knobs["lacks"]:
                continue
            copied = json.loads(json.dumps(told))
            for group in copied["input"].values():
                for key, spec in group.items():
                    if key in self.knobs["models"]:
                        spec[0] = list(self.knobs["models"][key])
            copied["api_node"] = name in self.knobs["paid"]
            found[name] = copied
        return found

    def info(self, request: Request, outcome: Outcome, kind: str) -> Reply:
        told = self.classes().get(kind)
        return Reply.of({kind: told} if told else {})

    def infos(self, request: Request, outcome: Outcome) -> Reply:
        return Reply.of(self.classes())

    def stats(self, request: Request, outcome: Outcome) -> Reply:
        system = {"os": "posix", "comfyui_version": self.knobs["version"], "argv": ["/home/somebody/ComfyUI/main.py"]}
        return Reply.of({"system": system, "devices": [{"name": "cpu", "type": "cpu"}]})

    # the queue

    def submit(self, request: Request, outcome: Outcome) -> Reply:
        body = request.json()
        if not isinstance(body, dict) or "nodes" in (body.get("prompt") or {}):
            return Reply(
                500, {"content-type": "text/plain; charset=utf-8"}, b"500 Internal Server Error\n\nServer got it"
            )
        if "number" in body:  # two equal ones end the real server's worker thread
            self._count("numbered")
        try:
            name = body.get("prompt_id") or str(uuid.uuid4())
            graph = body["prompt"]
            outputs, errors = checked_graph(graph, self.classes(), self.inputs, self.knobs["strict_words"])
        except Rejected as refusal:
            return Reply.of(refusal.reply, 400)
        except (KeyError, TypeError):
            return Reply.of({"error": {"type": "no_prompt", "message": "No prompt provided", "details": ""}}, 400)
        self.number += 1
        place = -self.number if body.get("front") else self.number
        if any(run.id == name for run in (*self.pending, *([self.running] if self.running else []))):
            self._count("twice")
        client = body.get("client_id", "")
        run = Run(place, name, graph, {**body.get("extra_data", {}), "client_id": client}, client, outputs)
        self.pending.append(run)
        self._count("accepted")
        self._wake()
        return Reply.of({"prompt_id": name, "number": place, "node_errors": errors})

    def _wake(self) -> None:
        self.woken.set()
        self.woken = asyncio.Event()
        self._broadcast()

    def _told(self, run: Run) -> list[Any]:
        return [run.number, run.id, run.graph, run.extra, run.outputs]

    def queue(self, request: Request, outcome: Outcome) -> Reply:
        heap = sorted(self.pending, key=lambda run: -run.number)  # a heap: in no order that one may count on
        running = [self._told(self.running)] if self.running else []
        return Reply.of({"queue_running": running, "queue_pending": [self._told(run) for run in heap]})

    def delete(self, request: Request, outcome: Outcome) -> Reply:
        body = request.json()
        gone = set(body.get("delete", []))
        self.pending = [run for run in self.pending if run.id not in gone and not body.get("clear")]
        self._broadcast()
        return Reply(200)

    def interrupt(self, request: Request, outcome: Outcome) -> Reply:
        name = (request.json() or {}).get("prompt_id")
        if name is None:
            self._count("blind_interrupts")
        if self.running and name in (None, self.running.id):
            self.running.stopped = True
        return Reply(200)

    def cancel(self, request: Request, outcome: Outcome, name: str) -> Reply:
        if not self.knobs["jobs_api"]:
            return Reply(404, {"content-type": "text/plain"}, b"404: Not Found")
        waiting = any(run.id == name for run in self.pending)
        self.pending = [run for run in self.pending if run.id != name]
        runs = self.running is not None and self.running.id == name
        if self.running is not None and runs:
            self.running.stopped = True
        if not waiting and not runs and name not in self.history:
            return Reply.of({"error": "Job not found"}, 404)
        return Reply.of({"cancelled": waiting or runs})

    def job(self, request: Request, outcome: Outcome, name: str) -> Reply:
        if not self.knobs["jobs_api"] or name not in self.history:
            return Reply.of({"error": "Job not found"}, 404)
        word = {"success": "completed", "error": "failed"}[self.history[name]["status"]["status_str"]]
        return Reply.of({"id": name, "status": word, "outputs": self.history[name]["outputs"]})

    def one(self, request: Request, outcome: Outcome, name: str) -> Reply:
        return Reply.of({name: self.history[name]} if name in self.history else {})

    def whole(self, request: Request, outcome: Outcome) -> Reply:
        return Reply.of(self.history)

    # the engine: one run at a time

    async def _work(self) -> None:
        while True:
            while not self.pending:
                await self.woken.wait()
            self.pending.sort(key=lambda run: run.number)
            self.running = run = self.pending.pop(0)
            self._count("ran")
            try:
                await self._run(run)
            except Exception as error:  # a broken fake must be seen
                print(f"fake comfyui: {type(error).__name__}: {error}", flush=True)
                self._count("broken")
                self.running = None

    async def _run(self, run: Run) -> None:
        begun = time.time()
        messages: list[list[Any]] = [["execution_start", {"prompt_id": run.id, "timestamp": int(begun * 1000)}]]
        self._send(run, "execution_start", {"prompt_id": run.id})
        known = {node: self._signature(run.graph, node) for node in run.graph}
        run.cached = [node for node in run.graph if known[node] in self.cache]
        self._send(run, "execution_cached", {"nodes": run.cached, "prompt_id": run.id})
        messages.append(["execution_cached", {"nodes": run.cached, "prompt_id": run.id}])
        outputs = {node: self.cache[known[node]] for node in run.cached if self.cache[known[node]]}
        ended = "success"
        done: dict[str, Any] = {}
        for node in self._order(run.graph, run.outputs):
            if node in run.cached:
                continue
            if not await self._act(run, node, done):
                messages.append(
                    ["execution_interrupted", {"prompt_id": run.id, "node_id": node, "executed": list(done)}]
                )
                self._send(run, "execution_interrupted", {"prompt_id": run.id, "node_id": node})
                ended = "error"
                break
            if run.graph[node]["class_type"] == self.knobs["fail"]:
                error = {
                    "prompt_id": run.id, "node_id": node, "node_type": self.knobs["fail"], "executed": list(done),
                    "exception_message": self.knobs["fail_words"], "exception_type": "RuntimeError",
                    "traceback": ['  File "/home/somebody/ComfyUI/execution.py", line 1'], "current_inputs": {},
                }  # fmt: skip
                messages.append(["execution_error", error])
                self._send(run, "execution_error", error)
                ended = "error"
                break
            made = self._output(run, node)
            self.cache[known[node]] = made
            if made:
                outputs[node] = made
                self._send(run, "executed", {"node": node, "output": made, "prompt_id": run.id})
        if ended == "success":
            messages.append(["execution_success", {"prompt_id": run.id, "timestamp": int(time.time() * 1000)}])
            self._send(run, "execution_success", {"prompt_id": run.id})
        await asyncio.sleep(self.knobs["late_s"])
        status = {"status_str": ended, "completed": ended == "success", "messages": messages}
        self.history[run.id] = {"prompt": self._told(run), "outputs": outputs, "status": status, "meta": {}}
        self.running = None
        self._broadcast()
        self._send(run, "executing", {"node": None, "prompt_id": run.id})

    async def _act(self, run: Run, node: str, done: dict[str, Any]) -> bool:
        """A node takes its time; False when it was interrupted."""
        self._send(run, "executing", {"node": node, "display_node": node, "prompt_id": run.id})
        steps = self.knobs["steps"]
        for step in range(steps):
            if run.stopped:
                return False
            state = {"value": step + 1, "max": steps, "state": "running", "node_id": node, "prompt_id": run.id}
            self._send(run, "progress", {"value": step + 1, "max": steps, "prompt_id": run.id, "node": node})
            self._send(run, "progress_state", {"prompt_id": run.id, "nodes": {**done, node: state}})
            if self.knobs["preview"] and run.extra.get("preview_method"):
                self._picture(run, node)
            await asyncio.sleep(self.knobs["node_s"] / steps)
        if run.stopped:
            return False
        done[node] = {"value": 1, "max": 1, "state": "finished", "node_id": node, "prompt_id": run.id}
        return True

    def _order(self, graph: dict[str, Any], outputs: list[str]) -> list[str]:
        """Every node that an output needs, its sources first."""
        order: list[str] = []

        def visit(node: str) -> None:
            if node in order:
                return
            for value in graph[node]["inputs"].values():
                if isinstance(value, list) and value and value[0] in graph:
                    visit(value[0])
            order.append(node)

        for node in outputs:
            visit(node)
        return order

    def _signature(self, graph: dict[str, Any], node: str) -> str:
        """What a node's result depends on."""
        parts: dict[str, Any] = {"class": graph[node]["class_type"]}
        for key, value in graph[node]["inputs"].items():
            parts[key] = self._signature(graph, value[0]) if isinstance(value, list) and value else value
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _output(self, run: Run, node: str) -> dict[str, Any]:
        """What a node that saves reports; {} for any other."""
        prefix = run.graph[node]["inputs"].get("filename_prefix")
        if prefix is None or self.knobs["silent"]:
            return {}
        below, _, stem = str(prefix).rpartition("/")
        number = 1
        while (name := f"{below}/{stem}_{number:05}_.mp4") in self.files:
            number += 1
        self.files.add(name)
        self._keep("output.txt", name)
        file = {"filename": f"{stem}_{number:05}_.mp4", "subfolder": below, "type": "output"}
        if self.knobs["gifs"]:
            whole = f"/home/somebody/ComfyUI/output/{name}"
            return {"gifs": [{**file, "format": "video/h264-mp4", "frame_rate": 24.0, "fullpath": whole}]}
        return {"images": [file], "animated": [True]}

    # the socket

    def socket(self, request: Request, outcome: Outcome) -> Reply:
        name = request.query.get("clientId") or uuid.uuid4().hex

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            socket = Socket(writer)
            self.sockets[name] = socket  # the same name takes the stream over
            self._count("sockets")
            socket.send_json("status", {"status": {"exec_info": {"queue_remaining": self._left()}}, "sid": name})
            if self.running is not None and self.running.client == name:
                socket.send_json("executing", {"node": next(iter(self.running.graph))})  # without a prompt_id
            try:
                await socket.listen(reader)
            finally:
                if self.sockets.get(name) is socket:
                    del self.sockets[name]

        return handshake(request, take)

    def _left(self) -> int:
        return len(self.pending) + (self.running is not None)

    def _broadcast(self) -> None:
        for socket in list(self.sockets.values()):
            socket.send_json("status", {"status": {"exec_info": {"queue_remaining": self._left()}}})

    def _send(self, run: Run, word: str, data: dict[str, Any]) -> None:
        if (socket := self.sockets.get(run.client)) is not None:
            socket.send_json(word, data)
            if self.knobs["drop_after"] and socket.sent >= self.knobs["drop_after"]:
                self.knobs["drop_after"] = 0
                self._count("dropped")
                socket.cut()

    def _picture(self, run: Run, node: str) -> None:
        if (socket := self.sockets.get(run.client)) is None:
            return
        if socket.flags.get("supports_preview_metadata"):
            told = json.dumps({"node_id": node, "prompt_id": run.id, "image_type": "image/jpeg"}).encode()
            socket.send(2, struct.pack(">II", 4, len(told)) + told + PICTURE)
        else:
            socket.send(2, struct.pack(">II", 1, 1) + PICTURE)

    # for tests

    def do_jobs(self) -> list[dict[str, Any]]:
        """Every run in the history: its id, graph and how it ended."""
        return [
            {"id": name, "graph": entry["prompt"][2], "status": entry["status"]["status_str"]}
            for name, entry in self.history.items()
        ]

    def do_delete_files(self) -> int:
        """Every output file is gone from the disk, and the cache does not know it."""
        gone = len(self.files)
        self.files.clear()
        return gone

    def do_drop_sockets(self) -> int:
        for socket in list(self.sockets.values()):
            with suppress(OSError):
                socket.cut()
        return len(self.sockets)

    def do_credentials(self) -> list[str]:
        return sorted({entry["headers"].get("authorization", "") for entry in self.log})


SERVICE = ComfyUI
