"""OpenAIBackend: the RemoteBackend over any server of OpenAI's Videos API, through the `openai` SDK, retries off.

The SDK brings authentication, multipart encoding and its HTTP library (httpx2). Its `videos` methods are deprecated
and know only Sora's sizes and seconds, so that requests go through its general `post`, `get` and `delete`.
There is no idempotency key: an unclear POST is looked up in the list of jobs. On no server's word is that list
complete, so that one without a match never says that the job was not taken; only where the row says that a repeat
costs nothing (`repeat`) may it be sent again on that word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode, urljoin

import httpx2
import openai

from backends.cloud.openai.failures import failed_kind, reported_by
from backends.cloud.openai.settings import ADDRESS, BASE_URL, KEY
from backends.cloud.openai.wire import Dialect, other_prompt, proves, videos_body, wanted
from backends.errors import Charged, VideoError
from backends.provider import border
from backends.provider.answer import Answer, at, listed, number, share, table, text
from backends.provider.calls import Calls
from backends.provider.outcome import Reported, Service, clock_lead_s, made_at
from backends.provider.placing import filled, marked
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Done,
    Handle,
    JsonObject,
    Listing,
    Prepared,
    Ref,
    RemoteBackend,
    RemoteFile,
    RemoteState,
    Sighting,
    Status,
)
from backends.provider.sending import Takes, data_uri, sendable
from backends.provider.timing import Timing
from backends.provider.transport import httpx2_library, same_origin
from backends.request import VideoRequest

STATES: Mapping[str, RemoteState] = {
    "queued": "queued",
    "pending": "queued",
    "in_progress": "running",
    "processing": "running",
    "running": "running",
    "cancelling": "running",
    "completed": "succeeded",
    "succeeded": "succeeded",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "deleted": "cancelled",
}
"""OpenAI's four words, and what compatible servers say besides."""
ENDED: frozenset[RemoteState] = frozenset({"succeeded", "failed", "cancelled"})

TAKES = Takes(image_bytes=20 << 20, clip_bytes=200 << 20)
UPLOAD_BYTES_PER_S = 2e6
LIST_PAGES, LIST_LIMIT, SHOWN = 10, 100, 50
FREE = "the catalogue's row: a repeat costs nothing there"
SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "video/webm": ".webm"}


class OpenAIBackend(RemoteBackend):
    """One account (or none) at one address."""

    submit_dedupe: Literal["key", "lookup", "none"] = "lookup"

    def __init__(self, key: str, base_url: str, timing: Timing | None = None) -> None:
        name = "OpenAI" if base_url == BASE_URL else "the /v1/videos server"
        service = Service(name, KEY, (key,) if key else ())
        self._key, self._base = key, base_url.rstrip("/")
        self._calls = Calls(service, self._base, self._reported, httpx2_library(), timing, address=ADDRESS)
        self._paid = _sdk(key, self._base, self._calls.paid_client)
        self._free = _sdk(key, self._base, self._calls.free_client)

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        Dialect.read(prepared.wire, prepared.model)
        body, endpoint = videos_body(request, prepared, parent)
        return replace(prepared, request=request, body=body, endpoint=endpoint)

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        raise VideoError("unsupported", "files go with the request itself: nothing is uploaded before it")

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        dialect = Dialect.read(prepared.wire, prepared.model)
        body, files = await self._filled(prepared, dialect)
        options = self._options(dialect)
        # Like the SDK, `videos` is always a form; what only names a clip of the server's own goes as JSON.
        if dialect.encoding == "multipart" and (files or prepared.endpoint == "videos"):
            options["headers"]["Content-Type"] = "multipart/form-data"
        # Where a repeat costs nothing a large file may take its time; else a look-up must be able to trust the clock.
        extra_s = sum(len(file[1][1]) for file in files) / UPLOAD_BYTES_PER_S if dialect.repeat else 0.0
        answer = await self._calls.paid(
            lambda: self._paid.post(
                f"/{prepared.endpoint}",
                cast_to=httpx2.Response,
                body=body,
                files=files or None,
                options=_typed(options),
            ),
            extra_s,
        )
        job = self._calls.service.taken(text(at(answer.json, "id")), "a job id", answer.status, answer.text)
        return Handle(job, dialect.to_json())

    async def _filled(self, prepared: Prepared, dialect: Dialect) -> tuple[JsonObject, list[FilePart]]:
        """The body without its files, and the files as parts; those that lie deeper, or in JSON, as data: URIs."""
        body: JsonObject = {}
        files: list[FilePart] = []
        for name, value in prepared.body.items():
            if dialect.encoding == "multipart" and (places := _parts(value)):
                for place in places:
                    data, mime = await sendable(prepared, prepared.assets[place], TAKES)
                    filename = f"{prepared.assets[place].sha256[:16]}{SUFFIX.get(mime, '.mp4')}"
                    files.append((name, (filename, data, mime)))
            else:
                body[name] = value
        uris = {place: await data_uri(prepared, prepared.assets[place], TAKES) for place in marked(body)}
        return table(filled(body, uris.__getitem__)), files

    async def status(self, handle: Handle, spool: Path) -> Status:
        dialect = Dialect.read(handle.data)
        answer = await self._ask("GET", handle)
        job = table(answer.json)
        word = text(job.get("status"))
        state = STATES.get(word.lower(), "unknown")
        files: tuple[RemoteFile, ...] = ()
        error = None
        if state == "failed" or (state == "succeeded" and job.get("error")):
            state, error = "failed", self._failed(job, dialect)
        elif state == "succeeded":
            files = self._files(handle, job, dialect)
            if not files:
                state, error = "failed", self._calls.service.no_video("no" if dialect.repeat else "yes", word)
        return Status(
            state,
            self._calls.service.clean(word, 60),
            progress=_progress(job.get("progress")) if state == "running" and dialect.progress == "percent" else None,
            files=files,
            error=error,
            retry_after_s=answer.retry_after_s,
        )

    def _files(self, handle: Handle, job: Mapping[str, object], dialect: Dialect) -> tuple[RemoteFile, ...]:
        if dialect.result:
            named = text(at(job, *dialect.result.split(".")))
            try:
                url = urljoin(f"{self._base}/", named)
            except ValueError:
                return ()
            return (RemoteFile(url=url, authorised=same_origin(url, self._base)),) if named else ()
        content = f"{self._base}/videos/{quote(handle.remote_id, safe='')}/content"
        files = [RemoteFile(url=f"{content}?{urlencode({**dialect.query, 'variant': 'video'})}", authorised=True)]
        for variant in dialect.variants:
            url = f"{content}?{urlencode({**dialect.query, 'variant': variant})}"
            files.append(RemoteFile(url=url, mime="image/webp", authorised=True, role="extra"))
        return tuple(files)

    def _failed(self, job: Mapping[str, object], dialect: Dialect) -> VideoError:
        error = job.get("error")
        code, message = text(at(error, "code")), text(at(error, "message")) or text(error)
        reported = Reported(message, code, failed_kind(code, message))
        charged: Charged = "no" if dialect.repeat else "unknown"
        return self._calls.service.failed(reported, charged=charged, retryable=reported.kind == "provider")

    async def cancel(self, handle: Handle) -> Cancelled:
        """DELETE throws a finished job's clip away and, on most servers, only forgets a running one: it is sent where
        the row says that it stops the work, and only to a job that has not ended."""
        dialect = Dialect.read(handle.data)
        if dialect.cancel == "none":
            return Cancelled("unsupported", "no" if dialect.repeat else "yes")
        state = STATES.get(text(at((await self._ask("GET", handle)).json, "status")).lower(), "unknown")
        if state in ENDED:
            return Cancelled("unsupported", "unknown", f"it has {state} already; what it made is kept")
        answer = await self._ask("DELETE", handle, accept=frozenset({404, 409}))
        return Cancelled("requested" if answer.status == 409 else "stopped", "no" if dialect.repeat else "unknown")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """The listed jobs that were made since then with this prompt, size, length and model, and the newest of all.

        Conservative: a job of that time that may be this one (its prompt is not shown, or a proxy shows another size,
        length or model) is neither taken for it nor ruled out: VideoError("unsupported"), so that the user looks;
        unless a repeat costs nothing.
        """
        dialect = Dialect.read(prepared.wire, prepared.model)
        known = wanted(prepared)
        matches: list[Sighting] = []
        doubtful = 0
        try:
            jobs, shown, lead = await self._listed(dialect, since)
        except VideoError as error:
            if dialect.repeat and not error.retryable:
                return Listing(complete=FREE)
            raise
        for job in jobs:
            name = text(job.get("id"))
            if other_prompt(known, job):
                continue
            if proves(known, job) and border.is_id(name):
                matches.append(_sighting(job, dialect, lead))
            else:
                doubtful += 1
        if matches or not doubtful or dialect.repeat:
            newest = tuple(_sighting(job, dialect, lead) for job in shown[:SHOWN])
            return Listing(tuple(matches), newest, FREE if dialect.repeat else "")
        raise VideoError(
            "unsupported",
            f"{self._calls.service.name} lists {doubtful} job(s) of that time that may be this one, but shows too "
            "little to tell: look there",
            charged="unknown",
        )

    async def _listed(
        self, dialect: Dialect, since: float
    ) -> tuple[list[dict[str, object]], list[dict[str, object]], float]:
        """(jobs made since then by the server's own clock, the newest jobs that were seen, the lead of that clock).

        Both in order, the first oldest first and the second newest first, whatever order the server lists them in.
        """
        jobs: list[dict[str, object]] = []
        seen: dict[str, dict[str, object]] = {}
        after = ""
        lead = 0.0
        for page_number in range(LIST_PAGES):
            query = {"limit": str(LIST_LIMIT), "order": "desc", **({"after": after} if after else {})}
            options = self._options(dialect, query)
            answer = await self._calls.free(
                lambda sent=options: self._free.get("/videos", cast_to=httpx2.Response, options=_typed(sent)),
                charged="unknown",
            )
            lead = clock_lead_s(answer.headers) if not page_number else lead
            begin = since + lead - 2.0  # both clocks tell whole seconds
            page = [table(job) for job in listed(at(answer.json, "data"))]
            ages = [number(job.get("created_at")) or begin for job in page]
            jobs += [job for job, made in zip(page, ages, strict=True) if made >= begin]
            seen |= {name: job for job in page if border.is_id(name := text(job.get("id")))}
            more = at(answer.json, "has_more")
            whole = more is False or (more is None and len(page) < LIST_LIMIT) or not page
            past = len(page) > 1 and ages[0] > ages[-1] and ages[-1] < begin  # newest first, and old by now
            after = text(page[-1].get("id")) if page else ""
            if whole or past or not after:
                newest = sorted(seen.values(), key=_made, reverse=True)
                return sorted(jobs, key=_made), newest, lead
        raise VideoError("unsupported", "the list of jobs since then is too long to go through", charged="unknown")

    async def account(self) -> dict[str, str]:
        """The models that the server names; it has no endpoint for money."""
        options = self._options(Dialect())
        answer = await self._calls.free(
            lambda: self._free.get("/models", cast_to=httpx2.Response, options=_typed(options)), charged="no"
        )
        names = [text(at(model, "id")) for model in listed(at(answer.json, "data"))]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        return {"models": self._calls.service.clean(", ".join(filter(None, names[:10])) + more) or "none"}

    def media_headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._key}"} if self._key else {}

    async def aclose(self) -> None:
        await self._calls.aclose()

    def _options(self, dialect: Dialect, query: Mapping[str, str] = {}) -> dict[str, Any]:
        headers: dict[str, object] = {} if self._key else {"Authorization": openai.Omit()}
        return {"headers": headers, "params": {**dialect.query, **query}}

    async def _ask(
        self, verb: Literal["GET", "DELETE"], handle: Handle, accept: frozenset[int] = frozenset()
    ) -> Answer:
        path = f"/videos/{quote(handle.remote_id, safe='')}"
        ask = self._free.get if verb == "GET" else self._free.delete
        options = self._options(Dialect.read(handle.data))
        return await self._calls.free(
            lambda: ask(path, cast_to=httpx2.Response, options=_typed(options)),
            charged="unknown",
            accept=accept,
        )

    def _reported(self, answer: Answer) -> Reported:
        reported = reported_by(answer)
        if self._base == BASE_URL and answer.status in (404, 410):
            return replace(reported, kind="model_retired")  # OpenAI has shut its Videos API down
        if answer.status in (404, 405) and not self._base.endswith("/v1"):
            return replace(reported, message=f"{reported.message or 'not found'} ({ADDRESS} should end in /v1)")
        return reported


FilePart = tuple[str, tuple[str, bytes, str]]


def _typed(options: dict[str, Any]) -> Any:
    """The SDK's RequestOptions is a private type."""
    return options


def _sdk(key: str, base_url: str, http: httpx2.AsyncClient) -> openai.AsyncOpenAI:
    # Without a key every request leaves the header out (`_options`); the SDK wants some text all the same.
    return openai.AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0, timeout=http.timeout, http_client=http
    )


def _parts(value: object) -> list[str]:
    """The places that a field of the form is made of, when it is nothing but marks."""
    places = [text(table(mark).get("asset")) for mark in (listed(value) or [value])]
    return places if all(places) else []


def _progress(value: object) -> float | None:
    """0..1 from a percentage (whole numbers: 1 is 1 %) or, as some proxies say it, from a share such as 0.4."""
    if isinstance(value, int) and not isinstance(value, bool):
        return share(f"{value}%") if -1000 <= value <= 1000 else None
    return share(value)


def _made(job: Mapping[str, object]) -> float:
    return number(job.get("created_at")) or 0.0


def _sighting(job: Mapping[str, object], dialect: Dialect, lead: float) -> Sighting:
    return Sighting(Handle(text(job.get("id")), dialect.to_json()), made_at(number(job.get("created_at")), lead))
