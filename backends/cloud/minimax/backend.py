"""MiniMax's own API: the Hailuo line (v1) and H3 (v2), one key.

v1 answers errors with HTTP 200 and a `base_resp` whose status_code is not 0; a finished v1 task names a file that is
asked for once more; a finished v2 task holds the address itself. Inputs go inside the request as data: URIs.
There is no idempotency key and no list: on nobody's word may an unclear submit be taken for one that was not taken.
MiniMax's documentation is silent on what a failed or blocked task costs: none is called uncharged.
There is no cancel: v2's DELETE would remove a finished clip's record, so it is never sent.
Sources: MiniMax's API documentation, MiniMax-AI/MiniMax-MCP (2026-05), public clients of the v2 protocol (2026-09).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.errors import ErrorKind, VideoError
from backends.provider.answer import Answer, at, number, table, text
from backends.provider.outcome import Reported
from backends.provider.placing import (
    asset_mark,
    named,
    plain_body,
    wire_text,
)
from backends.provider.protocol import (
    Handle,
    JsonObject,
    Prepared,
    RemoteFile,
    RemoteState,
    Status,
)
from backends.provider.rest import Rest, RestBackend
from backends.provider.sending import Takes
from backends.provider.timing import Timing
from backends.request import VideoRequest

PAID_S = 300.0
"""For one POST: it may carry 60 MB of inputs, and no look-up waits for its end."""
MAX_INPUTS = 60_000_000
"""Characters of all inputs in one request; MiniMax takes 64 MB."""
TAKES = Takes(images=frozenset({"image/jpeg", "image/png", "image/webp"}), image_bytes=10 << 20, clip_bytes=40 << 20)

STATES: Mapping[str, RemoteState] = {
    "Queueing": "queued",
    "Preparing": "queued",
    "Processing": "running",
    "Success": "succeeded",
    "Fail": "failed",
    "queued": "queued",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "cancelled",
}

KINDS: Mapping[int, ErrorKind] = {
    1002: "rate_limited",
    1004: "auth",
    1008: "balance",
    1026: "moderation_input",
    1027: "moderation_output",
    1039: "rate_limited",
    1042: "invalid_request",
    2013: "invalid_request",
    2038: "auth",
    2049: "auth",
    2056: "quota",
}
"""MiniMax's codes for what it has surely refused; the others (1000, 1001, 1024, 1033 ...) are faults of its own."""


class MiniMaxBackend(RestBackend):
    """One MiniMax account."""

    rest = Rest(
        provider="minimax",
        name="MiniMax",
        key="MINIMAX_API_KEY",
        url="https://api.minimax.io",
        task="v2/query/video_generation/{id}",
        id=("task_id",),
        states=STATES,
        takes=TAKES,
    )

    def timing(self, env: Mapping[str, str]) -> Timing:
        return Timing(paid_s=PAID_S, read_s=120.0)

    def body(self, request: VideoRequest, prepared: Prepared, inputs: Mapping[str, tuple[str, ...]]) -> JsonObject:
        if wire_text(prepared, "endpoint").startswith("v2/"):
            return _content_blocks(plain_body(prepared), prepared, inputs)
        return super().body(request, prepared, inputs)

    def check(self, inputs: Mapping[str, str]) -> None:
        if sum(map(len, inputs.values())) > MAX_INPUTS:
            raise VideoError("asset", "the inputs are larger than MiniMax's 64 MB a request: give smaller files")

    def refusal(self, answer: Answer) -> Reported | None:
        said = reported(answer)
        return said if _is_error(said) else None

    def reported(self, answer: Answer) -> Reported:
        return reported(answer)

    def handle(self, name: str, prepared: Prepared, answer: Answer) -> Handle:
        return Handle(name, {"endpoint": prepared.endpoint})

    async def status(self, handle: Handle, spool: Path) -> Status:
        endpoint = text(handle.data.get("endpoint"))
        if endpoint.startswith("v2/"):
            return await self._second_line(handle)
        try:
            return await self._first_line(handle.remote_id)
        except VideoError as error:
            if endpoint or error.kind != "not_found":
                raise
            return await self._second_line(handle)  # bound by the user, by its id alone

    async def _first_line(self, name: str) -> Status:
        params = {"task_id": name}
        answer = await self.channel.ask("GET", "v1/query/video_generation", charged="unknown", params=params)
        word = text(at(answer.json, "status"))
        state = STATES.get(word, "unknown")
        said = reported(answer)
        if state == "failed" or said.kind in ("moderation_input", "moderation_output"):
            return Status("failed", self.service.clean(word, 60), error=self._failure(said))
        self._check(answer, said)
        if state != "succeeded":
            return Status(state, self.service.clean(word, 60))
        if not (file := text(at(answer.json, "file_id"))):
            return self._empty(word)
        found = await self.channel.ask("GET", "v1/files/retrieve", charged="yes", params={"file_id": file})
        self._check(found, reported(found))
        return self._done(word, text(at(found.json, "file", "download_url")))

    async def _second_line(self, handle: Handle) -> Status:
        answer = await self.channel.ask("GET", self.task(handle), charged="unknown")
        task = table(at(answer.json, "task")) or table(answer.json)
        word = text(task.get("status"))
        if not word:
            self._check(answer, reported(answer))
        state = STATES.get(word, "unknown")
        if state == "failed":
            code, message = text(at(task, "error", "code")), text(at(task, "error", "message"))
            return Status(state, word, error=self._failure(Reported(message or word, code, _kind(code))))
        if state == "succeeded":
            return self._done(word, text(at(task, "content", "url")) or text(at(task, "content", "video_url")))
        return Status(state, self.service.clean(word, 60))

    def _check(self, answer: Answer, said: Reported) -> None:
        """A code in the answer to a question: the same as its HTTP status would be (2013 = it knows no such id)."""
        if _is_error(said):
            status = {"rate_limited": 429, "auth": 401, "invalid_request": 404}.get(said.kind or "", 500)
            raise self.service.free_answer(status, said, "unknown")

    def _failure(self, said: Reported) -> VideoError:
        moderated = said.kind in ("moderation_input", "moderation_output")
        return self.service.failed(said, charged="unknown", retryable=not moderated)

    def _done(self, word: str, url: str) -> Status:
        if not url:
            return self._empty(word)
        return Status("succeeded", word, files=(RemoteFile(url=url, authorised=self.channel.own(url)),))

    def _empty(self, word: str) -> Status:
        return Status("failed", self.service.clean(word, 60), error=self.service.no_video("unknown"))


def _content_blocks(body: JsonObject, prepared: Prepared, inputs: Mapping[str, tuple[str, ...]]) -> JsonObject:
    """H3's body: the prompt and every input are blocks of content[]; an input's role is the name of its field."""
    blocks: list[JsonObject] = []
    if prompt := text(body.pop(named(prepared, "prompt"), None)):
        blocks.append({"type": "text", "text": prompt})
    for ours, places in inputs.items():
        kind = "video_url" if ours == "reference_clips" else "image_url"
        role = named(prepared, ours)
        blocks += [{"type": kind, "role": role, kind: {"url": asset_mark(place)}} for place in places]
    return {**body, "content": blocks}


def _is_error(said: Reported) -> bool:
    return said.code not in ("", "0")


def _kind(code: str) -> ErrorKind | None:
    found = number(code)
    return None if found is None else KINDS.get(int(found))


def reported(answer: Answer) -> Reported:
    """v1's base_resp, or v2's {error: {code, message}}."""
    code, message = text(at(answer.json, "base_resp", "status_code")), text(at(answer.json, "base_resp", "status_msg"))
    if not code or code == "0":
        code, message = text(at(answer.json, "error", "code")), text(at(answer.json, "error", "message")) or message
    return Reported(message, code, _kind(code))
