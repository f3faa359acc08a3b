"""What each tool does: arguments in, one call of the Studio, text and structured content out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast

from anyio import create_task_group, sleep, to_thread
from mcp_types import CallToolResult, ImageContent, InputRequiredResult, TextContent

from backends import plain
from backends.errors import VideoError
from backends.verbs import finish_of, request_of, terms_of
from mcp_server import text, waits
from mcp_server.consent import User, approve_enlarging, approve_spending
from mcp_server.session_memory import Shown

if TYPE_CHECKING:
    from backends.jobs.views import Job, Ticket
    from backends.studio import Inspection, Studio


LOOK_NOTE_S = 5
"""Seconds between two progress notes while a clip is inspected."""


class Reporter(Protocol):
    """Reports the progress of a wait to the caller: 0..total and a sentence. Silent when the caller didn't ask for
    it."""

    async def __call__(self, progress: float, total: float | None = None, message: str | None = None) -> None: ...


@dataclass(frozen=True)
class Call:
    """One tool call, its arguments checked and completed. user: the one who may approve a price. shown: what the
    session was already shown of its jobs. apps: the client shows pages, so the caller may be one."""

    tool: str
    studio: Studio
    given: Mapping[str, object]
    report: Reporter
    user: User
    shown: Shown
    apps: bool = False

    def words(self, name: str) -> str | None:
        return cast("str | None", self.given.get(name))

    def whole(self, name: str) -> int:
        return cast(int, self.given[name])


Answer = CallToolResult | InputRequiredResult
Handler = Callable[[Call], Awaitable[Answer]]
Wanted = TypeVar("Wanted")
"""The request of a clip, or of a film."""


async def list_models(call: Call) -> CallToolResult:
    found = await to_thread.run_sync(
        partial(
            call.studio.models,
            task=call.words("task"),
            query=call.words("query"),
            include_retired=cast(bool, call.given["include_retired"]),
            limit=call.whole("limit"),
        )
    )
    return answer(text.models_text(found), found)


async def estimate_cost(call: Call) -> CallToolResult:
    found = await to_thread.run_sync(
        partial(
            call.studio.estimate,
            request_of(call.tool, call.given),
            terms_of(call.given),
            count=call.whole("count"),
            limit=call.whole("limit"),
        )
    )
    return _priced(json.dumps(found))


@lru_cache(maxsize=64)
def _priced(found: str) -> CallToolResult:
    """An estimate as text and structured content. Kept as long as the Studio keeps estimates: agents ask for the same
    price again and again, and wording it costs more than computing it."""
    offers = json.loads(found)
    return answer(text.estimate_text(offers), offers)


async def start(call: Call) -> Answer:
    """The starting tools that use a model. Never waits for the clip; only for the user, where their approval is
    needed."""
    request, terms = request_of(call.tool, call.given), terms_of(call.given)
    submit = partial(call.studio.submit, terms=terms, client=call.user.client)
    return await _started(call, request, submit, partial(approve_spending, call.user, call.studio, request, terms))


async def finish_clip(call: Call) -> Answer:
    """A film, from clips that exist or are still to be made. Where a model costs money, the user's approval may be
    needed."""
    film, terms = finish_of(call.given), terms_of(call.given)
    submit = partial(call.studio.finish_clip, terms=terms, client=call.user.client)
    return await _started(call, film, submit, partial(approve_enlarging, call.user, call.studio, film, terms))


async def _started(
    call: Call,
    wanted: Wanted,
    submit: Callable[..., Ticket],
    approve: Callable[[VideoError], Awaitable[Wanted | InputRequiredResult]],
) -> Answer:
    """The ticket of the wanted job; where its price needs the user's approval, after they have given it."""
    try:
        ticket = await to_thread.run_sync(submit, wanted)
    except VideoError as refusal:
        if refusal.kind != "consent":
            raise
        agreed = await approve(refusal)
        if isinstance(agreed, InputRequiredResult):
            return agreed
        ticket = await to_thread.run_sync(partial(submit, confirmed=True), agreed)
    call.shown.tell_notes(ticket.job_id, ticket.notes)
    return answer(text.ticket_text(ticket), text.plain(ticket))


async def inspect_clip(call: Call) -> CallToolResult:
    """Text and one picture, and no structured content: some hosts would then drop the picture."""
    from base64 import b64encode

    look = partial(call.studio.inspect, cast(str, call.given["clip"]), call.whole("frames"), call.words("against"))
    seen = await noting(call.report, look)
    words = TextContent(text=plain.lines(f"{seen.text}\ncontact sheet: {plain.one_line(str(seen.sheet))}"))
    picture = ImageContent(data=b64encode(seen.jpeg).decode(), mime_type="image/jpeg")
    return CallToolResult(content=[words, picture])


async def noting(report: Reporter, look: Callable[[], Inspection], every_s: float = LOOK_NOTE_S) -> Inspection:
    """Run the inspection in a thread, with a progress note now and then so that no host takes it for hung. The progress
    is not known, so only seconds are reported."""
    found: list[Inspection | Exception] = []  # a failure leaves the task group by itself, not as a group
    async with create_task_group() as watching:
        watching.start_soon(_say_so, report, every_s)
        found.append(await to_thread.run_sync(_outcome, look))
        watching.cancel_scope.cancel()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


async def _say_so(report: Reporter, every_s: float) -> None:
    seconds = 0.0
    while True:
        await sleep(every_s)
        seconds += every_s
        await report(seconds, None, f"looking at the clip, {seconds:g} s so far")


def _outcome(look: Callable[[], Inspection]) -> Inspection | Exception:
    try:
        return look()
    except Exception as error:
        return error


async def get_job(call: Call) -> CallToolResult:
    job = await to_thread.run_sync(call.studio.get, cast(str, call.given["job_id"]))
    if not call.apps:  # what a page has requested was not shown to the model
        call.shown.tell(job, in_full=True)
    return answer(text.job_text(job), text.plain(job))


async def wait_for_job(call: Call) -> CallToolResult:
    """A bounded wait for running jobs. Ending it ends no job: the Studio only reads.

    until="any" waits for news: a job whose end this session already knows doesn't end the wait.
    """
    given = cast("Sequence[str]", call.given["job_ids"])
    job_ids = list(dict.fromkeys(job_id.removeprefix("video://jobs/") for job_id in given))
    until = cast('Literal["all", "any"]', call.given["until"])
    known: dict[str, Job] = {}
    if until == "any":
        known = await to_thread.run_sync(_known, call, job_ids)
    awaited = [job_id for job_id in job_ids if job_id not in known]
    if awaited:
        waited = await call.studio.wait(
            awaited,
            until=until,
            timeout_s=float(cast(float, call.given["timeout_s"])),
            on_change=Watch(call.report, len(awaited)).changed,
        )
        known |= {job.job_id: job for job in waited}
    return answer(*waits.report([known[job_id] for job_id in job_ids], call.shown))


def _known(call: Call, job_ids: Sequence[str]) -> dict[str, Job]:
    """Those of several jobs whose end the session was shown in full."""
    if len(job_ids) == 1:
        return {}
    jobs = [call.studio.get(job_id) for job_id in job_ids]
    return {job.job_id: job for job in jobs if call.shown.knows(job)}


class Watch:
    """Job changes as one rising progress figure: by the protocol every note must be above the last."""

    def __init__(self, report: Reporter, jobs: int) -> None:
        self._report = report
        self._jobs = jobs
        self._done: dict[str, float] = {}
        self._told = 0.0

    async def changed(self, job: Job) -> None:
        self._done[job.job_id] = job.progress
        share = sum(self._done.values()) / self._jobs
        self._told = max(share, self._told + 1e-6)
        words = f"{job.job_id} {job.state} {job.progress:.0%}{f', {plain.said(job.phase)}' if job.phase else ''}"
        await self._report(self._told, 1.0, plain.one_line(words))


async def list_jobs(call: Call) -> CallToolResult:
    page = await to_thread.run_sync(
        partial(
            call.studio.list,
            state=call.words("state"),
            label=call.words("label"),
            limit=call.whole("limit"),
            cursor=call.words("cursor"),
        )
    )
    structured = text.plain(page) | {"jobs": [text.plain_row(row) for row in page.jobs]}
    return answer(text.page_text(page), structured)


async def cancel_job(call: Call) -> CallToolResult:
    from backends.studio import CANCEL_S

    stop = partial(call.studio.cancel, cast(str, call.given["job_id"]), wait_s=CANCEL_S)
    job = await to_thread.run_sync(stop)
    return answer(text.stopped_text(job), text.stopped(job))


HANDLERS: Mapping[str, Handler] = {
    "list_models": list_models,
    "estimate_cost": estimate_cost,
    "generate_video": start,
    "image_to_video": start,
    "interpolate_keyframes": start,
    "extend_clip": start,
    "finish_clip": finish_clip,
    "inspect_clip": inspect_clip,
    "get_job": get_job,
    "wait_for_job": wait_for_job,
    "list_jobs": list_jobs,
    "cancel_job": cancel_job,
}


def answer(words: str, structured: Mapping[str, object]) -> CallToolResult:
    """The same result twice, each complete: for hosts that show text and for those that show structured content."""
    cleaned = cast("dict[str, object]", plain.cleaned(structured))
    return CallToolResult(content=[TextContent(text=plain.lines(words))], structured_content=cleaned)
