"""Studio: the one object that both front ends hold. What a tool, a cell or a command can do is a method here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, Unpack

import anyio
from anyio import to_thread

from backends.catalog.availability import availability
from backends.catalog.views import compact
from backends.edit.request import FinishRequest
from backends.errors import Next, VideoError
from backends.facts import MediaFacts
from backends.jobs import archive, cancelling, fetching, shown
from backends.jobs.context import Context
from backends.jobs.detail import Detail, detail_of
from backends.jobs.inspection import look
from backends.jobs.lanes import lanes
from backends.jobs.money import ledger, limits
from backends.jobs.money.cancel_terms import in_general, is_billing_known
from backends.jobs.order.cut import EDITOR, Cut
from backends.jobs.order.next_model import next_model
from backends.jobs.order.offers import Estimator, Market, in_steps
from backends.jobs.order.order import Again, Order
from backends.jobs.order.place import Orders, Quote
from backends.jobs.origin import Origin, origin_of
from backends.jobs.principals import OWNER, Who, who_is
from backends.jobs.run.launch import Launcher
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import SETTLED, Job, JobPage, Spend, Ticket
from backends.media_name import MediaName
from backends.request import TASKS, VideoRequest
from backends.settings import Settings, load_settings
from backends.terms import Named, Terms, build_terms

__all__ = ["Inspection", "Quote", "Studio"]

WAIT_LOOK_S = 0.025
"""How often a waiting client looks whether the store has changed: a look costs about 10 us."""

ENSURE_EVERY_S = 1.0
CANCEL_S = 5.0
"""For so long whoever cancels a job should wait for the provider's answer."""


@dataclass(frozen=True)
class Inspection:
    """What a look at a clip or still gave: facts and measures in words and numbers, and one picture."""

    text: str
    sheet: Path
    jpeg: bytes
    facts: Mapping[str, Any]


class Studio:
    """Open with `Studio.open()`; usable as a context manager.

    Every method may raise VideoError; none blocks for longer than the work it names. Thread-safe.
    """

    def __init__(
        self,
        context: Context,
        client: str,
        principal: Who | str,
        launcher: Launcher | None = None,
        prices: Estimator | None = None,
    ) -> None:
        self.context = context
        self.client = client
        self.who = who_is(principal, client)
        self.launcher = launcher or Launcher(context)
        self.orders = Orders(context, client, self.who)
        self.estimator = prices or Estimator()

    @classmethod
    def open(cls, settings: Settings | None = None, *, client: str = "mcp", principal: str = OWNER) -> Self:
        """client: who asks, shown in the job. principal: whose jobs these are; those of others are invisible, but for
        the owner of the store ("local"), who sees all."""
        return cls(Context.open(settings or load_settings()), client, principal)

    def on_behalf(self, who: Who) -> Studio:
        """The same store for somebody else. People other than the owner name no files of this machine but those of
        folders that are shared (REELWRIGHT_INPUT_ROOTS). It lives as long as this one; only this one is closed."""
        context = self.context if who.name == OWNER else self._of_people
        return Studio(context, self.client, who, self.launcher, self.estimator)

    @cached_property
    def _of_people(self) -> Context:
        return replace(self.context, settings=self.context.settings.for_people())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def drain(self) -> None:
        """With an inline worker: stay until no paid job is open. Else nothing: detached workers go on by themselves."""
        self.launcher.drain()

    def close(self) -> None:
        """Close the store. Detached workers go on; an inline one is stopped (its paid jobs are adopted by the next)."""
        self.launcher.close()
        self.context.close()

    # what there is and what it costs

    def models(
        self, task: str | None = None, query: str | None = None, include_retired: bool = False, limit: int = 20
    ) -> dict[str, Any]:
        """Compact rows of the models that match, and how many more there are."""
        if task is not None and task not in TASKS:
            raise VideoError("invalid_request", f"task {task[:40]!r} is unknown: the tasks are {', '.join(TASKS)}")
        found = self.context.catalog.search(task, query, include_retired, 10_000)
        why = availability(self.context.env)
        reasons = [(row, why(row)) for row in found]
        reasons.sort(key=lambda one: one[1] is not None)  # stable: those that can be used come first
        listed: dict[str, Any] = {
            "models": [compact(row, str(reason) if reason else None) for row, reason in reasons[:limit]],
            "more": max(0, len(found) - limit),
        }
        if left_out := self.context.catalog.left_out:
            listed["left_out"] = left_out
        return listed

    def estimate(
        self,
        request: VideoRequest,
        terms: Terms | None = None,
        *,
        count: int = 1,
        limit: int = 5,
        **named: Unpack[Named],
    ) -> dict[str, Any]:
        """The models that can do exactly this for at most its max_cost_usd, ranked, with their prices. Spends nothing,
        starts nothing.

        VideoError, as `submit` would raise it, when no model can; so for a named model that cannot.
        """
        order = self.orders.with_part(Order(request, build_terms(terms, **named)))
        request = order.request
        inputs = order.resolve(self.context.inputs, self.who.sees, "look")
        allowed = ledger.spending_limits(self.context.store)
        market = Market(
            self.context.catalog,
            self.context.env,
            allowed.allow_providers,
            allowed.per_job,
            allowed.allow_unknown_price,
        )
        try:
            return self.estimator.estimate(request, inputs.facts, market, count, limit, order.terms)
        except VideoError as error:
            if request.task != "extend" or error.kind not in ("unsupported", "invalid_request"):
                raise
            quote = self.orders.quote(Order(request, order.terms))  # in steps; else it says what stands in the way
            if quote.estimate is None:
                raise
            return in_steps(request, quote.model, quote.estimate, quote.notes, count)

    # making

    def submit(
        self,
        request: VideoRequest,
        terms: Terms | None = None,
        *,
        confirmed: bool = False,
        client: str = "",
        **named: Unpack[Named],
    ) -> Ticket:
        """Put a job into the store and make sure that a worker runs; returns the job's ticket at once.

        The same request (or request_key) with the same take is the same job: nothing is ever paid twice by asking
        twice. terms: as a whole, or each as a keyword. confirmed: the user has agreed to the price, where
        `confirm_above_usd` wants that. client: who asks, where one server serves several.
        """
        placed = self.orders.place(Order(request, build_terms(terms, **named), confirmed, client))
        return self._ticket(placed.job, replayed=placed.replayed, way_out=placed.way_out, notes=placed.notes)

    def finish_clip(
        self,
        finish: FinishRequest,
        terms: Terms | None = None,
        *,
        confirmed: bool = False,
        client: str = "",
        **named: Unpack[Named],
    ) -> Ticket:
        """Put a film of clips and images into the store (see `backends.edit.request`) and see to its worker; its
        ticket, at once. Free, unless a model is named that makes it larger. Clips may be jobs that are not finished
        yet: the film waits for them, and fails, unpaid, when one of them does. The same request with the same take is
        the same job. confirmed: the user has agreed to that model's price."""
        cut = Cut.of(finish, build_terms(terms, **named), confirmed=confirmed, client=client)
        placed = self.orders.place_film(cut)
        return self._ticket(placed.job, replayed=placed.replayed, notes=placed.notes)

    def quote_finish(
        self,
        finish: FinishRequest,
        terms: Terms | None = None,
        *,
        promised: Mapping[str, MediaFacts] | None = None,
        **named: Unpack[Named],
    ) -> Quote:
        """What `finish_clip` would make and what that may cost, or the job that is there already. Starts nothing.
        promised: what clips will be that are not even ordered yet, by place ("clips[0]")."""
        cut = Cut.of(finish, build_terms(terms, **named))
        return self.orders.quote_film(replace(cut, promised=promised or {}))

    def quote(
        self,
        request: VideoRequest,
        terms: Terms | None = None,
        *,
        promised: Mapping[str, MediaFacts] | None = None,
        **named: Unpack[Named],
    ) -> Quote:
        """What `submit` would choose and what that may cost, or the job that is there already. Starts nothing.
        promised: what inputs will be that are not even ordered yet, by place."""
        return self.orders.quote(Order(request, build_terms(terms, **named), promised=promised or {}))

    def again(self, job_id: str, *, max_cost_usd: Decimal | None = None, confirmed: bool = False) -> Ticket:
        """Another take of a job, by the model that made it: the first take that is not there yet.

        max_cost_usd: refuse above this; None = the spending limits alone.
        """
        order = self._next_take(job_id, max_cost_usd)
        placed = self.orders.place(replace(order, confirmed=confirmed))
        return self._ticket(placed.job, replayed=placed.replayed, way_out=placed.way_out)

    def quote_again(self, job_id: str) -> tuple[int, Quote]:
        """The number of the take that `again` would make, and what it may cost. Starts nothing."""
        order = self._next_take(job_id, None)
        return order.terms.take, self.orders.quote(order)

    def _next_take(self, job_id: str, max_cost_usd: Decimal | None) -> Order:
        job = self._stored(job_id)
        for take in range(job.take + 1, 100):
            order = (Cut if job.model == EDITOR else Again).take_of(job, take, max_cost_usd)
            if not self.orders.is_there(order):
                return order
        raise VideoError("invalid_request", f"job {job.id} has 99 takes: change the request")

    def _ticket(self, job: StoredJob, *, replayed: bool, way_out: str = "", notes: Sequence[str] = ()) -> Ticket:
        trouble = self._drive(job)
        call = f'wait_for_job(job_ids=["{job.id}"])'
        if job.state in SETTLED:
            call = f'get_job(job_id="{job.id}")'
        return Ticket(
            job_id=job.id,
            state=job.state,
            model=job.model,
            est_cost_usd=ledger.to_float(job.est_high),
            replayed=replayed,
            poll_after_s=shown.poll_after(job),
            notes=[*notes, *job.notes, *([trouble] if trouble else [])],
            next=f"{call}; {way_out}" if way_out else call,
        )

    def _drive(self, job: StoredJob) -> str:
        """See to it that an open job's lane is driven; why it is not, in words."""
        if job.state in SETTLED:
            return ""
        for need in job.needs if job.state == "waiting" else ():
            needed = self.context.store.row("SELECT * FROM jobs WHERE id = ?", (need,))
            if needed is not None and (trouble := self._drive(StoredJob.of(needed))):
                return trouble
        return self.launcher.ensure(job.lane)

    # watching

    def _stored(self, job_id: str) -> StoredJob:
        job = archive.stored_job(self.context.store, job_id.removeprefix("video://jobs/"), self.who.sees)
        if job is None:
            raise VideoError("not_found", f"there is no job {job_id[:80]!r}", next=Next("list_jobs"))
        return job

    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        job = self._stored(job_id)
        return self._job(job, trouble=self._drive(job), bring=True)

    def _job(self, stored: StoredJob, *, trouble: str = "", timed_out: bool = False, bring: bool = False) -> Job:
        """bring: fetch its files where they are not here."""
        offer = next_model(self.context, stored)
        why = fetching.bring_job(self.context, stored) if bring else ""
        job = shown.to_job(self.context.store, stored, trouble=trouble, timed_out=timed_out, offer=offer)
        job = fetching.here(self.context, stored, job, why)
        if job.poster is None and (so_far := self._so_far(stored)) is not None:
            return job.model_copy(update={"poster": str(so_far)})
        return job

    def _so_far(self, job: StoredJob) -> Path | None:
        """The picture that a job shows of itself while it runs, where its service gives one."""
        if job.state != "running":
            return None
        picture = self.context.artifacts.preview(job.id)
        return picture if picture.exists() else None

    def list(
        self, state: str | None = None, label: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> JobPage:
        """Jobs newest first, and what has been spent. state: a job state, or "open"."""
        page = shown.page(self.context.store, self.who.sees, state=state, label=label, limit=limit, cursor=cursor)
        for lane in lanes.undriven_open(self.context.store):
            self.launcher.ensure(lane["key"])
        return page.model_copy(update={"spend": self._with_changes(page.spend)})

    def archived(
        self, state: str | None = None, label: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> JobPage:
        """Archived jobs newest first, and what has been spent. Naming one of them anywhere brings it back."""
        store = self.context.store
        page = archive.page(store, self.who.sees, state=state, label=label, limit=limit, cursor=cursor)
        return page.model_copy(update={"spend": self._with_changes(page.spend)})

    def recent(self, limit: int = 50) -> list[Job]:
        """The newest jobs in full, newest first, by whatever client."""
        jobs = shown.newest(self.context.store, self.who.sees, limit=limit)
        return [self._job(job, trouble=self._drive(job)) for job in jobs]

    def detail(self, job_id: str) -> Detail:
        """The request as it was given, and the times and facts of how the job was made."""
        job = self._stored(job_id)
        fetching.bring_job(self.context, job)
        detail = detail_of(job, self.context.artifacts.places)
        return detail if detail.poster is not None else replace(detail, poster=self._so_far(job))

    def spend(self) -> Spend:
        """Money so far, the spending limits, and how those have changed within a day."""
        return self._with_changes(shown.spend(self.context.store, self.who.sees))

    def _with_changes(self, spend: Spend) -> Spend:
        return spend.model_copy(update={"limits_changed": limits.recent(self.context.store, principal=self.who.name)})

    def version(self) -> int:
        """A number that changes with every change of the store, by whatever process."""
        return self.context.store.version()

    async def wait(
        self,
        job_ids: Sequence[str],
        *,
        until: Literal["all", "any"] = "all",
        timeout_s: float = 25.0,
        on_change: Callable[[Job], Awaitable[None]] | None = None,
    ) -> list[Job]:
        """The jobs, once all (or any) of them are settled or the time is over (`timed_out`). Cancels nothing.

        on_change: awaited with each job whose state, phase or progress has moved.
        """
        if not job_ids:
            raise VideoError("invalid_request", "job_ids is empty: give the ids that the starting calls returned")
        ids = [self._stored(job_id).id for job_id in dict.fromkeys(job_ids)]
        deadline = time.monotonic() + timeout_s
        store, version, ensured = self.context.store, -1, 0.0
        trouble: dict[str, str] = {}
        seen: dict[str, tuple[object, ...]] = {}
        while True:
            now = time.monotonic()
            if now - ensured >= ENSURE_EVERY_S:
                current = await to_thread.run_sync(self._drive_all, ids)
                if current != trouble:
                    trouble, version = current, -1
                ensured = time.monotonic()
            if (current := store.version()) != version:
                version = current
                jobs = [self._stored(job_id) for job_id in ids]
                done = [job.state in SETTLED for job in jobs]
                if on_change is not None:
                    await self._tell(jobs, trouble, seen, on_change)
                if any(done) if until == "any" else all(done):
                    return await to_thread.run_sync(self._here, jobs)
            if time.monotonic() >= deadline:
                return [self._late(self._stored(job_id), trouble) for job_id in ids]
            await anyio.sleep(min(WAIT_LOOK_S, max(0.0, deadline - time.monotonic())))

    def _drive_all(self, ids: Sequence[str]) -> dict[str, str]:
        return {job_id: self._drive(self._stored(job_id)) for job_id in ids}

    def _here(self, jobs: Sequence[StoredJob]) -> list[Job]:
        return [self._job(job, bring=True) for job in jobs]

    def _late(self, job: StoredJob, trouble: Mapping[str, str]) -> Job:
        return self._job(job, trouble=trouble.get(job.id, ""), timed_out=job.state not in SETTLED)

    async def _tell(
        self,
        jobs: Sequence[StoredJob],
        trouble: Mapping[str, str],
        reported: dict[str, tuple[object, ...]],
        on_change: Callable[[Job], Awaitable[None]],
    ) -> None:
        for job in jobs:
            why = trouble.get(job.id, "")
            now = (job.state, job.phase, job.progress, job.queue_position, why)
            if reported.get(job.id) != now:
                reported[job.id] = now
                await on_change(self._job(job, trouble=why))

    def cancel(self, job_id: str, *, wait_s: float = 0.0) -> Job:
        """Stop a job: at once and unpaid while it is queued, else as far as the provider can. Repeatable.

        wait_s: how long to wait for the provider's answer on whether billing stops (CANCEL_S is enough where it answers
        at all); without one the notes say what this provider does in general.
        """
        job = self._stored(job_id).id
        cancelling.cancel(self.context.store, job, self.client)
        found = self._wait_for_billing(job, wait_s)
        words = in_general(self._stored(job)) if found.state not in SETTLED else ""
        if not words or is_billing_known(found.state, found.notes):
            return found
        return found.model_copy(update={"notes": [*found.notes, words]})

    def _wait_for_billing(self, job: str, wait_s: float) -> Job:
        """The job once its end or its driver's note says what is billed; else as it is after wait_s."""
        deadline, seen = time.monotonic() + wait_s, -1
        found = self.get(job)
        while found.state not in SETTLED and time.monotonic() < deadline:
            if (version := self.version()) != seen:
                seen = version
                found = self.get(job)
                if is_billing_known(found.state, found.notes):
                    break
            time.sleep(WAIT_LOOK_S)
        return found

    # looking

    def seconds_of(self, clip: str) -> float | None:
        """How long a clip is, in seconds; None when that is not known yet. VideoError when it may not be used."""
        request = VideoRequest(task="extend", source_clip=clip)
        facts = self.context.inputs.resolve(request, self.who.sees, "look").facts.get("source_clip")
        return facts.duration_s if facts else None

    def inspect(self, clip: str, frames: int = 8, against: str | None = None) -> Inspection:
        """Facts, measures and one contact sheet of a clip; of an image, the image with a coordinate grid.

        against: another clip, which is measured too and compared with it.
        """
        if not 1 <= frames <= 32:
            raise VideoError("invalid_request", f"frames is 1 to 32, not {frames}")
        name = MediaName.parse(clip)
        other = None if against is None else MediaName.parse(against)
        if name.kind == "url" or (other is not None and other.kind == "url"):
            raise VideoError(
                "asset", "inspect_clip looks at local files and jobs: save the clip first and give its path"
            )
        found = look(self.context, name, self.who.sees, frames, other)
        return Inspection(found.text, found.sheet, found.sheet.read_bytes(), found.facts)

    def provenance(self, clip: str) -> Origin:
        """What a file or a job's clip claims of its origin (C2PA), and whether it still is what was signed."""
        return origin_of(self.context, MediaName.parse(clip), self.who.sees)
