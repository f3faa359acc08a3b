"""Replicate: official models by name (models/OWNER/NAME/predictions), whatever their inputs are called in the row.

`Cancel-After` is never set: it would end a paid job by itself. Outputs are deleted an hour after they are made, so the
driver fetches them at once. An unclear submit is looked up in the account's list, by model, time and inputs; Replicate
does not say how soon a prediction is listed, so that on nobody's word a list without a match is complete.
Sources: Replicate's HTTP API reference (2026-11), replicate 1.0.7 for files and progress.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from backends.errors import ErrorKind, VideoError
from backends.provider import border
from backends.provider.answer import Answer, at, listed, number, table, text
from backends.provider.outcome import Reported, clock_lead_s, made_at
from backends.provider.placing import inputs_by_field, marked, place_media, plain_body, wire_text
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Handle,
    Listing,
    Prepared,
    Ref,
    Sighting,
    Status,
)
from backends.provider.protocol import RemoteState as State
from backends.provider.rest import Rest, RestBackend
from backends.provider.sending import Takes, sendable
from backends.request import VideoRequest

TAKES = Takes(image_bytes=20 << 20, clip_bytes=95 << 20)
"""Replicate's files hold 100 MB at most."""
LIST_PAGES, SHOWN = 50, 100

STATES: Mapping[str, State] = {
    "starting": "queued",
    "processing": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "cancelled",
    "aborted": "cancelled",
}

FLAGGED = re.compile(
    r"flagged as sensitive|\bE005\b|nsfw|content polic|safety (filter|system)|moderation", re.IGNORECASE
)
PERCENT = re.compile(r"^\s*(\d{1,3})%\s*\|", re.MULTILINE)
RESETS = re.compile(r"resets? in ~?(\d+(?:\.\d+)?)\s*s")


class ReplicateBackend(RestBackend):
    """One Replicate account."""

    rest = Rest(
        provider="replicate",
        name="Replicate",
        key="REPLICATE_API_TOKEN",
        url="https://api.replicate.com",
        task="v1/predictions/{id}",
        video=("output",),
        states=STATES,
        root="v1/",
        uploads=True,
    )
    submit_dedupe: Literal["key", "lookup", "none"] = "lookup"

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        super().__init__(env, base_url)
        self._since: dict[str, float] = {}

    def reported(self, answer: Answer) -> Reported:
        return reported(answer)

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        inputs = plain_body(prepared)
        uploads = place_media(inputs, prepared, inputs_by_field(request, prepared))
        endpoint = wire_text(prepared, "endpoint") or f"models/{wire_text(prepared, 'model')}/predictions"
        return replace(prepared, request=request, body={"input": inputs}, endpoint=endpoint, uploads=uploads)

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        """Replicate's own files; they can be read by its models only."""
        data, mime = await sendable(prepared, asset, TAKES)
        name = f"{asset.sha256[:16]}.{mime.rpartition('/')[2]}"
        answer = await self.channel.upload("v1/files", data, mime, form=name)
        address = text(at(answer.json, "urls", "get"))
        if not address:
            raise self.service.unanswered("provider", "its files gave no address", "no")
        return Ref(address, _moment(text(at(answer.json, "expires_at"))))

    def reading(self, answer: Answer) -> Status:
        reply = answer.json
        word = text(at(reply, "status"))
        state, shown = STATES.get(word, "unknown"), self.service.clean(word, 60)
        if state == "failed":
            return Status(state, shown, error=self._failure(reply))
        if state == "cancelled":
            unbegun = word == "aborted"
            when = "before it started: it is not charged" if unbegun else "while it ran: what has run is charged"
            billed = "no" if unbegun else "yes"
            # Replicate's documentation, Prediction lifecycle: what is aborted before it starts is not billed.
            error = VideoError("cancelled", f"Replicate stopped it {when}", charged=billed)
            return Status(state, shown, error=error)
        if state != "succeeded":
            return Status(state, shown, progress=_progress(text(at(reply, "logs"))))
        if not (files := self.files(answer)):
            gone = "its data is deleted an hour after it was made" if at(reply, "data_removed") is True else ""
            return Status("failed", word, error=self.service.no_video("yes", gone))
        return Status("succeeded", word, files=files)

    def _failure(self, reply: object) -> VideoError:
        message = text(at(reply, "error"))
        kind: ErrorKind | None = "moderation_output" if FLAGGED.search(message) else None
        return self.service.failed(Reported(message, kind=kind), charged="unknown", retryable=kind is None)

    async def cancel(self, handle: Handle) -> Cancelled:
        """What had not started costs nothing (`aborted`); what had started is charged for (`canceled`)."""
        answer = await self.channel.ask(
            "POST", f"{self.task(handle)}/cancel", charged="unknown", accept=frozenset({409, 422})
        )
        word = text(at(answer.json, "status"))
        if word in ("canceled", "aborted"):
            return Cancelled("stopped", "no" if word == "aborted" else "yes")
        if not answer.ok or word in ("succeeded", "failed"):
            billed = "yes" if word == "succeeded" else "unknown"
            return Cancelled("unsupported", billed, "Replicate had finished it already: a clip is kept")
        return Cancelled("requested", "unknown")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """Predictions of the same model with the same inputs, made since then by Replicate's clock, oldest first; and
        the newest of the account, whatever they are.

        Careful on purpose: one whose inputs are deleted already might be ours, and then nothing is concluded (a later,
        wider look of the same job doesn't mind those from before the first one).
        """
        closest = self._since[job_key] = max(since, self._since.get(job_key, since))
        model = "/".join(prepared.endpoint.split("/")[1:3])
        wanted = table(prepared.body.get("input"))
        found: list[Sighting] = []
        shown: list[Sighting] = []
        path = "v1/predictions"
        for _ in range(LIST_PAGES):
            answer = await self.channel.ask("GET", path, charged="unknown")
            lead = clock_lead_s(answer.headers)
            past = False
            for item in listed(at(answer.json, "results")):
                made, name = _moment(text(at(item, "created_at"))), text(at(item, "id"))
                if border.is_id(name):
                    shown.append(Sighting(Handle(name), made_at(made, lead)))
                past = past or (made is not None and made < since + lead)
                if past or text(at(item, "model")) != model:
                    continue
                if at(item, "data_removed") is True:
                    if made is not None and made < closest + lead:
                        continue
                    text_ = "Replicate has deleted the inputs of what may be this job"
                    raise VideoError("not_found", text_, charged="unknown")
                if _matches(wanted, table(at(item, "input"))):
                    if not border.is_id(name):
                        text_ = "Replicate lists what may be this job under an id that cannot be looked up"
                        raise VideoError("not_found", text_, charged="unknown")
                    found.append(Sighting(Handle(name), made_at(made, lead)))
            path = text(at(answer.json, "next"))
            if past or not path:
                return Listing(tuple(found[::-1]), tuple(shown[:SHOWN]))
        raise VideoError("not_found", f"Replicate lists more than {LIST_PAGES} pages since then", charged="unknown")

    async def account(self) -> dict[str, str]:
        """Whose token it is; Replicate reports no balance."""
        answer = await self.channel.ask("GET", "v1/account", charged="no")
        return {name: self.service.clean(text(at(answer.json, name)), 80) for name in ("type", "username")}


def _matches(wanted: Mapping[str, object], held: Mapping[str, object]) -> bool:
    """Every field with the same value (an upload with any), whatever the service has added: to take another's equal
    job for ours costs nothing, to overlook ours would pay twice."""
    return all(
        name in held and (bool(marked(value)) or _plain(held[name]) == _plain(value)) for name, value in wanted.items()
    )


def _plain(value: object) -> object:
    """5, 5.0 and "5" are one value, and spaces around a text are none."""
    found = number(value)
    return found if found is not None else value.strip() if isinstance(value, str) else value


def _moment(stamp: str) -> float | None:
    """POSIX seconds of an ISO 8601 time."""
    try:
        found = datetime.fromisoformat(stamp)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _progress(logs: str) -> float | None:
    """The last line of a progress bar in the logs, where the model prints one."""
    found = PERCENT.findall(logs)
    return min(100, int(found[-1])) / 100 if found else None


def reported(answer: Answer) -> Reported:
    """{type, title, status, detail}. Its 429 is throttling, uncharged, and says in words when it ends."""
    detail = text(at(answer.json, "detail")) or text(at(answer.json, "title"))
    kind: ErrorKind | None = None
    if answer.status == 429 and "throttled" in detail.lower():
        kind = "rate_limited"
    seconds = RESETS.search(detail)
    wait = float(seconds[1]) if seconds and "retry-after" not in answer.headers else None
    code = text(at(answer.json, "type")).removeprefix("about:blank")  # RFC 9457: "no more than the status says"
    return Reported(detail, code[-60:], kind, retry_after_s=wait)
