"""One ComfyUI server: a filled workflow is posted under an id of our own, and its history says what became of it.

The id is made from the job's, so it is known before the POST and the run can be found whatever is killed. Truth is
`/history`, then `/queue`; the WebSocket only shows progress. A run that is in neither is lost: the server keeps both in
memory, and was restarted. Nothing here costs money, so that it may be requested again.
Never sent: `number` (two equal ones end the server's own worker), an interrupt without an id (it stops whoever runs).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote

import anyio

from backends.comfyui import binding as bindings
from backends.comfyui import outputs, words
from backends.comfyui.fill import fill, with_names
from backends.comfyui.graph import Graph
from backends.comfyui.nodes import Nodes, check_graph, strange
from backends.comfyui.servers import AUTHORIZATION, data_folder, server_at
from backends.comfyui.watch import Seen, Watch
from backends.errors import VideoError
from backends.provider.answer import at, listed, number, table, text
from backends.provider.channel import Channel
from backends.provider.protocol import (
    MADE_OF,
    PREVIEW,
    Asset,
    Cancelled,
    Handle,
    Listing,
    Prepared,
    Ref,
    Sighting,
    Status,
)
from backends.provider.sending import Takes, sendable
from backends.request import VideoRequest

if TYPE_CHECKING:
    from backends.provider.channel import Answer

NAMES = uuid.UUID("7c1c6a52-3a0c-4b0e-9d2d-6b0c39f1c1de")
FOLDER = "reelwright"
"""Below the server's `input` and `output`: what comes from us and what is made for us."""

RUNNING_S, QUEUED_S, AWAY_S = 0.1, 0.5, 3.0
"""When to ask again: of a run, of one that waits, and where the server did not answer."""

MISSED = 5
"""How often a run that is nowhere is looked for at once: it is on its way from the queue to the history."""

TAKES = Takes(image_bytes=64 << 20, clip_bytes=2 << 30)
SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/webm": "webm",
    "video/quicktime": "mov",
}
"""Endings that a loader of the server knows; others are MP4s."""


def prompt_id(job_key: str) -> str:
    """The server's id of a job: the same for the same job, whoever asks."""
    return str(uuid.uuid5(NAMES, job_key))


class ComfyBackend:
    """submit_dedupe "lookup": an unclear POST is looked for under our own id."""

    submit_dedupe: Literal["key", "lookup", "none"] = "lookup"

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        self.env = env
        self.server = server_at(env, base_url)
        secret = self.server.authorization
        self.service = words.Server("ComfyUI", AUTHORIZATION, tuple(secret.split()[-1:]))
        self.channel = Channel(self.service, base_url, lambda: self.server.headers, words.reported)
        whose = f"{data_folder(env)} {base_url} {os.uname().nodename}"
        self.client_id = hashlib.sha256(whose.encode()).hexdigest()[:32]
        self.watch = Watch(self.server, self.client_id)
        self.nodes = Nodes(self.channel)
        self._stopped: set[str] = set()

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        """The filled graph, ready but for the names of uploads. Reads the workflow's two files, and masks.

        VideoError("invalid_request") where the workflow is not the one that the job was accepted with.
        """
        binding = bindings.load(bindings.file_of(self.env, prepared.model.partition("/")[2]))
        if binding.revision != text(prepared.wire.get(MADE_OF) or binding.revision):
            changed = f"the workflow {binding.name} has been changed since this job was requested, and nothing was sent"
            raise VideoError("invalid_request", f"{changed}: make the whole call again")
        filling = fill(binding, request, replace(prepared, request=request))
        body: dict[str, Any] = {
            "graph": filling.graph,
            "media": filling.media,
            "outputs": list(binding.outputs),
            "seed": filling.seed,
            "sha256": binding.sha256,
            "packages": dict(binding.packages),
        }
        return replace(prepared, request=request, body=body, uploads=tuple(filling.media), notes=tuple(filling.notes))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        """Into the server's input folder; the name is the one that it answers with."""
        data, mime = await sendable(prepared, asset, TAKES)
        edge = secrets.token_hex(16)
        name = f"{hashlib.sha256(data).hexdigest()[:24]}.{SUFFIXES.get(mime, 'mp4')}"
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in (("type", "input"), ("subfolder", FOLDER), ("overwrite", "true"))
        ]
        head = f'Content-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: {mime}\r\n\r\n'
        content = "".join(parts).encode() + f"--{edge}\r\n{head}".encode() + data + f"\r\n--{edge}--\r\n".encode()
        answer = await self.channel.exchange(
            "POST",
            self.channel.url("upload/image"),
            charged="no",
            content=content,
            headers={**self.server.headers, "content-type": f"multipart/form-data; boundary={edge}"},
            upload=True,
        )
        if answer.status == 413:
            most = "start it with a larger --max-upload-size, or give a smaller file"
            told = f"{asset.place} has {len(data) / 1e6:.1f} MB, more than this ComfyUI takes: {most}"
            raise VideoError("asset", told, http_status=413)
        given = text(at(answer.json, "name"))
        if not answer.ok or not given:
            raise strange(self.channel, answer.status, answer.text)
        below = text(at(answer.json, "subfolder"))
        return Ref(f"{below}/{given}" if below else given)

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle:
        """Looks first whether the server has every node; then the one POST."""
        body = prepared.body
        graph = with_names(body, {place: ref.value for place, ref in refs.items()}, f"{FOLDER}/{job_key}")
        known = await self.nodes.of(cast("Graph", graph))
        check_graph(cast("Graph", graph), known, cast("Mapping[str, str]", body.get("packages") or {}))
        sent: dict[str, Any] = {"prompt": graph, "client_id": self.client_id, "prompt_id": prompt_id(job_key)}
        sent["extra_data"] = {"preview_method": "auto"}
        self.watch.run(prompt_id(job_key))
        answer = await self.channel.post_paid("prompt", sent)
        if problems := words.node_errors(answer.json, cast("Graph", graph)):
            await self._drop(prompt_id(job_key))
            text_ = f"ComfyUI would leave a part of the workflow out: {'; '.join(problems)}"
            raise VideoError("invalid_request", self.service.clean(text_, 1000))
        given = self.service.taken(text(at(answer.json, "prompt_id")), "a prompt_id", answer.status, answer.text)
        data = {"nodes": len(graph), "outputs": body.get("outputs"), "seed": body.get("seed"), "sha256": body["sha256"]}
        return Handle(given, {**data, "version": await self.nodes.version()})

    async def status(self, handle: Handle, spool: Path) -> Status:
        name = handle.remote_id
        seen = self.watch.run(name)
        for _ in range(MISSED):
            if (entry := await self._history(name)) is not None:
                return await self._ended(handle, entry)
            if (ahead := await self._ahead(name)) is not None:
                await self._show(seen, spool)
                return self._open(handle, seen, ahead)
            if name in self._stopped:
                return Status("cancelled", "stopped", error=VideoError("cancelled", "stopped before it began"))
            await anyio.sleep(0.05)
        gone = "ComfyUI no longer knows the job (it was restarted): it is lost, and cost nothing; repeat the call"
        return Status("failed", "lost", error=VideoError("provider", gone))

    def _open(self, handle: Handle, seen: Seen, ahead: int) -> Status:
        if ahead >= 0:
            return Status("queued", "waiting in ComfyUI", queue_position=ahead, retry_after_s=QUEUED_S)
        nodes = number(handle.data.get("nodes")) or 1
        steps = f", {seen.steps}" if seen.steps else ""
        phase = f"node {seen.node}{steps}" if seen.node else "running"
        return Status("running", phase, progress=seen.share(int(nodes)), retry_after_s=RUNNING_S)

    async def _show(self, seen: Seen, spool: Path) -> None:
        """The newest preview beside what is to come; who shows the job looks there."""
        if not seen.preview:
            return
        picture, seen.preview = seen.preview, b""

        def write() -> None:
            spool.mkdir(parents=True, exist_ok=True)
            part = spool / f".{PREVIEW}"
            part.write_bytes(picture)
            part.replace(spool / PREVIEW)

        await anyio.to_thread.run_sync(write)

    async def _history(self, name: str) -> object | None:
        answer = await self._ask(f"history/{quote(name, safe='')}")
        return table(answer.json).get(name)

    async def _ahead(self, name: str) -> int | None:
        """How many runs are before one that waits; -1 when it runs, None when it does neither."""
        answer = await self._ask("queue")
        running = [text(at(one, 1)) for one in listed(at(answer.json, "queue_running"))]
        if name in running:
            return -1
        waiting = sorted(
            (number(at(one, 0)) or 0.0, text(at(one, 1))) for one in listed(at(answer.json, "queue_pending"))
        )
        places = [place for place, (_, one) in enumerate(waiting) if one == name]
        return places[0] + len(running) if places else None

    async def _ask(self, path: str) -> Answer:
        """A free request; one without an answer is soon repeated: the server is the user's own."""
        try:
            answer = await self.channel.ask("GET", path, charged="no")
        except VideoError as error:
            if error.retryable:
                error.retry_after_s = AWAY_S
            raise
        if not isinstance(answer.json, dict):
            raise strange(self.channel, answer.status, answer.text)
        return answer

    async def _ended(self, handle: Handle, entry: object) -> Status:
        status, name = at(entry, "status"), handle.remote_id
        if text(at(status, "status_str")) == "error" or words.was_interrupted(status):
            self.watch.forget(name)
            if words.was_interrupted(status):
                error = VideoError("cancelled", "stopped on the server before it was done")
                return Status("cancelled", "interrupted", error=error)
            text_ = f"ComfyUI reports a failure: {words.failure(status, self.service)}; nothing was charged"
            return Status("failed", "error", error=VideoError("provider", text_))
        chosen = [text(node) for node in listed(handle.data.get("outputs"))]
        found = outputs.clips(at(entry, "outputs"), str(self.channel.base), chosen)
        if not found:
            text_ = "ComfyUI says that it has succeeded but left no clip: the workflow saves none"
            return Status("failed", "success", error=VideoError("provider", text_))
        if not await self._is_there(cast(str, found[0].url)):
            text_ = "ComfyUI's clip is gone from its output folder (the run was cached, and its file deleted)"
            return Status("failed", "success", error=VideoError("provider", f"{text_}: ask for another take"))
        self.watch.forget(name)
        version = text(handle.data.get("version")) or "of unknown version"
        made = f"made by ComfyUI {version}, workflow {text(handle.data.get('sha256'))[:12]}"
        seed = number(handle.data.get("seed"))
        return Status("succeeded", "success", files=found, seed=None if seed is None else int(seed), notes=(made,))

    async def _is_there(self, url: str) -> bool:
        answer = await self.channel.exchange("HEAD", url, charged="no", headers=self.server.headers)
        return answer.status != 404

    async def cancel(self, handle: Handle) -> Cancelled:
        """A run that waits is gone at once; one under way stops at its next step, or finishes first."""
        name = handle.remote_id
        if await self._history(name) is not None:
            return Cancelled("requested", "no", "ComfyUI has ended it already")
        waited = await self._ahead(name)
        await self._drop(name)
        self._stopped.add(name)
        after = await self._ahead(name)
        if after is None and await self._history(name) is None:
            return Cancelled("stopped", "no", "taken out of ComfyUI's queue" if waited not in (None, -1) else "stopped")
        return Cancelled("requested", "no", "ComfyUI stops it at its next step")

    async def _drop(self, name: str) -> None:
        """By its id only; servers before 0.24 know no other way than the two that follow."""
        path = f"api/jobs/{quote(name, safe='')}/cancel"
        answer = await self.channel.ask("POST", path, charged="no", body={}, accept=frozenset({404, 405}))
        if not answer.ok:
            await self.channel.ask("POST", "queue", charged="no", body={"delete": [name]})
            await self.channel.ask("POST", "interrupt", charged="no", body={"prompt_id": name})

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """Its own queue and history, which hold every run until the server is restarted."""
        name = prompt_id(job_key)
        ahead = await self._ahead(name)
        if ahead is not None or await self._history(name) is not None:
            body = prepared.body
            data = {"nodes": len(table(body.get("graph"))), "outputs": body.get("outputs"), "seed": body.get("seed")}
            found = Handle(name, {**data, "sha256": body.get("sha256"), "version": await self.nodes.version()})
            return Listing((Sighting(found),))
        return Listing(complete="ComfyUI's own queue and history, which do not hold it")

    async def account(self) -> dict[str, str]:
        """What the server is; it has no accounts."""
        return {"version": await self.nodes.version()}

    def media_headers(self) -> Mapping[str, str]:
        return self.server.headers

    async def aclose(self) -> None:
        await self.watch.aclose()
        await self.channel.aclose()
