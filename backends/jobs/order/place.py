"""From a request to a job in the store: which job it already is, else the model, the price, the leave to spend.

Same request = same job: the key is the given request_key, or is made from the request as asked (inputs by hash, before
`auto` chooses) and the take.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, Self

from backends.catalog.availability import availability
from backends.catalog.choose import Choice, Prefer, choose
from backends.catalog.price import Estimate, money
from backends.catalog.rules.tags import check_tags
from backends.errors import A_PERSON, VideoError
from backends.jobs import admin, records
from backends.jobs.context import Context
from backends.jobs.files.names import stem_of
from backends.jobs.lanes.gates import MAX_PAUSE_S, Breaker
from backends.jobs.money import ledger, other_folders
from backends.jobs.order import chain, legal, lora_files
from backends.jobs.order.inputs import BlobGone, Inputs, Keep, Resolved, check_there
from backends.jobs.order.likeness import note_of_like
from backends.jobs.records import NewJob
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.filesystems import check_paid, why_lost
from backends.plain import one_line, quoted, trouble
from backends.provider.protocol import Access
from backends.provider.registry import registered
from backends.request import VideoRequest

Where = Literal["any", "local"]

TRIES = 5
"""How often the inputs are copied anew when a refused call has taken the same bytes away."""


@dataclass(frozen=True)
class Order:
    """A request and how it is to be treated. take: which attempt at it (1, 2, 3 ...). request_key: the caller's own
    name for the job. label: for people and the bill. confirmed: the person has agreed to the price. client: who asks,
    where one process asks for several ("" = the client that `Orders` was made for)."""

    request: VideoRequest
    prefer: Prefer = "quality"
    where: Where = "any"
    take: int = 1
    request_key: str | None = None
    label: str = ""
    confirmed: bool = False
    client: str = ""

    def check(self) -> None:
        check_tags(self.request)
        if not 1 <= self.take <= 99:
            raise VideoError("invalid_request", f"take is 1 to 99, not {self.take}: it numbers attempts at one request")
        if len(self.label) > 80:
            raise VideoError("invalid_request", "label is longer than 80 characters")
        for name, text in (("label", self.label), ("request_key", self.request_key or "")):
            if why := trouble(text):
                raise VideoError("invalid_request", f"{name} is one line of plain text: it holds {why}")

    @property
    def asked(self) -> VideoRequest:
        """The request as it is kept in the job's row."""
        return self.request

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        """Its media, checked, and kept as `keep` says."""
        return inputs.resolve(self.request, principal, keep)

    def digest(self, inputs: Resolved) -> str:
        return hashlib.sha256(f"{self.request.digest(inputs.hashes)} {self.prefer} {self.where}".encode()).hexdigest()

    def key(self, digest: str) -> str:
        return f"given {self.request_key} {self.take}" if self.request_key else f"made {digest} {self.take}"


@dataclass(frozen=True)
class Again(Order):
    """Another take of a job that is there: by the model that made it, from the copies of its inputs (the files may be
    gone). It is the same job as the original call with that take. of: the job's row."""

    of: Row = field(default_factory=dict[str, Any])

    @classmethod
    def take_of(cls, row: Row, take: int, max_cost_usd: Decimal | None) -> Self:
        request = VideoRequest.model_validate_json(row["request"])
        changes = {"model": row["model"], "max_cost_usd": max_cost_usd}
        return cls(request.model_copy(update=changes), take=take, label=row["label"], of=row)

    @property
    def asked(self) -> VideoRequest:
        kept = VideoRequest.model_validate_json(self.of["request"])
        return kept.model_copy(update={"max_cost_usd": self.request.max_cost_usd})

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        wire = json.loads(self.of["prepared"])["wire"]
        loras = inputs.same_loras(self.request, wire, self.of["id"])
        return replace(inputs.again(json.loads(self.of["inputs"]), principal, keep), loras=loras)

    def digest(self, inputs: Resolved) -> str:
        return str(self.of["digest"])

    def key(self, digest: str) -> str:
        return f"{str(self.of['request_key']).rpartition(' ')[0]} {self.take}"


@dataclass(frozen=True)
class Quote:
    """What placing an order would do. key: the same for the same job. job: the id of the one that it already is
    (asking again costs nothing). estimate: of what would be made; None for a job that is there already."""

    key: str
    model: str
    job: str | None = None
    state: str = ""
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """The job of an order. replayed: it was there already. way_out: what a person may do to get a better one. notes:
    what of the order had no effect on a job that was there."""

    row: Row
    replayed: bool
    way_out: str = ""
    notes: tuple[str, ...] = ()


class Orders:
    """Places orders for one client and principal."""

    def __init__(self, context: Context, client: str, principal: str) -> None:
        self.context = context
        self.client = client
        self.principal = principal

    def is_there(self, order: Order) -> bool:
        """Whether the order is a job already."""
        return self._same(order, order.resolve(self.context.inputs, self.principal, "hash")) is not None

    def quote(self, order: Order) -> Quote:
        """What `place` would choose and what that may cost, or the job that is there already. Starts nothing."""
        order.check()
        inputs = order.resolve(self.context.inputs, self.principal, "hash")
        same = self._same(order, inputs)
        key = order.key(order.digest(inputs))
        if same is not None:
            return Quote(key, same["model"], same["id"], same["state"])
        choice, _ = self._choose(order, inputs)
        notes = (*inputs.notes, *choice.notes, *self._like(order, inputs, choice))
        return Quote(key, choice.row.id, estimate=choice.estimate, notes=notes)

    def place(self, order: Order) -> Placed:
        """The order's job, put into the store unless it is there. Money is reserved in the same transaction.

        What was copied for an order that is refused is taken away again.
        """
        order.check()
        for last in (False,) * (TRIES - 1) + (True,):
            inputs = order.resolve(self.context.inputs, self.principal)
            try:
                return self._place(order, inputs)
            except BlobGone:  # see `check_there`: the file is there to be copied again
                self.context.inputs.forget(inputs)
                if last:
                    raise VideoError(
                        "storage", "the copies of the inputs vanish again and again: repeat the call", retryable=True
                    ) from None
            except BaseException:
                self.context.inputs.forget(inputs)
                raise
        raise AssertionError("the last try returns or raises")

    def _place(self, order: Order, inputs: Resolved) -> Placed:
        same = self._same(order, inputs)
        if same is not None:
            return Placed(same, replayed=True, notes=_label_notes(order, same))
        choice, steps = self._choose(order, inputs)
        if not order.confirmed:
            self._ask_consent(choice)
        jobs = self._jobs(order, inputs, choice, steps)

        def write(tx: Transaction) -> tuple[Row, bool]:
            check_there(inputs.entries)
            return records.insert(tx, jobs[0], steps=jobs[1:])

        row, replayed = self.context.store.write(write, durable=choice.estimate.usd_high != 0)
        return Placed(row, replayed, choice.next, _label_notes(order, row) if replayed else ())

    def _same(self, order: Order, inputs: Resolved) -> Row | None:
        digest = order.digest(inputs)
        key = order.key(digest)
        given = key.startswith("given ")
        return records.find_same(self.context.store, self.principal, key, digest, given=given)

    def _choose(self, order: Order, inputs: Resolved) -> tuple[Choice, Sequence[chain.Step]]:
        """The model, and the steps when no model does it in one go."""
        limits = ledger.walls(self.context.store)

        def pick(request: VideoRequest, facts: chain.Facts, budget: Decimal | None, wall: Decimal | None) -> Choice:
            return choose(
                request,
                self.context.catalog,
                facts,
                availability(self.context.env),
                prefer=order.prefer,
                where=order.where,
                allow_providers=limits.allow_providers,
                max_cost_usd=budget,
                per_job_usd=wall,
                allow_unknown_price=limits.allow_unknown_price,
            )

        request = order.request
        try:
            return pick(request, inputs.facts, request.max_cost_usd, limits.per_job), ()
        except VideoError as error:
            if request.task != "extend" or error.kind not in ("unsupported", "invalid_request"):
                raise
            return chain.plan(request, inputs, pick, limits.per_job, error)

    def _like(self, order: Order, inputs: Resolved, choice: Choice) -> tuple[str, ...]:
        """The job that asked the same by another name for the model. A given key or another take means a new job."""
        if order.request_key or order.take > 1 or choice.estimate.basis == "free":
            return ()

        def key_of(name: str) -> str:
            other = replace(order, request=order.request.model_copy(update={"model": name}))
            return other.key(other.digest(inputs))

        note = note_of_like(self.context.store, self.principal, choice.row, order.request.model, key_of)
        return (note,) if note else ()

    def _ask_consent(self, choice: Choice) -> None:
        above = ledger.walls(self.context.store).confirm_above
        high = choice.estimate.usd_high
        if above is None or high == 0 or (high is not None and high <= above):
            return
        # Nobody is asked for leave to spend what a wall would refuse all the same.
        ledger.check_walls(self.context.store, choice.row.provider, _micro(high))
        raise VideoError(
            "consent",
            f"{choice.row.id} costs {choice.estimate.text} for this, and the person wants to be asked above "
            f"{money(above)} (confirm_above_usd); {A_PERSON}",
        )

    def _jobs(self, order: Order, inputs: Resolved, choice: Choice, steps: Sequence[chain.Step]) -> list[NewJob]:
        """The job itself first, then the jobs that are its steps."""
        row, cost = choice.row, choice.estimate
        digest = order.digest(inputs)
        key = order.key(digest)
        like = self._like(order, inputs, choice)
        notes = tuple(dict.fromkeys((*inputs.notes, *choice.checked.notes, *choice.notes, *like)))
        whole = NewJob(
            id=records.new_job_id(),
            request=order.asked,
            prepared=legal.prepare(choice.checked),
            inputs=inputs.entries,
            needs=inputs.needs,
            digest=digest,
            request_key=key,
            key_given=key.startswith("given "),
            principal=self.principal,
            client=order.client or self.client,
            take=order.take,
            label=order.label,
            engine=row.engine,
            provider=row.provider,
            kind=registered(row.provider).kind,
            lane="",
            base_url="",
            est_low=_micro(cost.usd_low),
            est_high=_micro(cost.usd_high),
            typical_s=cost.typical_s,
            notes=notes,
        )
        whole = self._on_lane(whole, paid=cost.usd_high != 0)
        jobs = chain.jobs(whole, steps) if steps else [whole]
        return [replace(job, prepared=lora_files.put(job.prepared, inputs.loras)) for job in jobs]

    def _server(self, job: NewJob) -> Access:
        """Who is asked: of several servers one that is not paused, and of those the one with the fewest open jobs."""
        servers = self.context.accesses(job.provider, job.prepared.model)
        if len(servers) < 2:
            return servers[0] if servers else self.context.access(job.provider)
        store, waiting = self.context.store, admin.open_by_lane(self.context.store)
        return min(servers, key=lambda one: (Breaker(store, one.lane).open_for()[0] > 0, waiting.get(one.lane, 0)))

    def _on_lane(self, job: NewJob, *, paid: bool) -> NewJob:
        if paid:
            check_paid(self.context.settings.home)
            if lost := why_lost(self.context.settings.home):
                job = replace(job, notes=(*job.notes, lost))
        access = self._server(job)
        closed_for, why = Breaker(self.context.store, access.lane).open_for()
        if closed_for > 0:
            text = f"{job.provider} is paused for {closed_for:.0f} s more: {one_line(why, 500)}"
            if closed_for <= MAX_PAUSE_S:  # not the stop after a bill above its estimate: that guards a spending limit
                lifts = f"reelwright jobs resume {job.provider}"
                text += f". When the cause is gone, a person can lift the pause at once: {lifts}"
            raise VideoError("provider", text, retryable=True, retry_after_s=closed_for)
        if paid:
            other_folders.record(self.context.settings.home, access.lane, self.context.settings.env)
        return job.on(access.lane, access.base_url)


def _label_notes(order: Order, row: Row) -> tuple[str, ...]:
    """Where the job was there already, its label stays, and with it the clip's file name."""
    if not order.label or order.label == row["label"]:
        return ()
    stem = stem_of(row["label"]) or row["id"][:12]
    kept = f"kept as {stem}_take{row['take']:02d}.mp4"
    return (f"the label {quoted(order.label)} was not taken: the job was there already, {kept}",)


def _micro(usd: Decimal | None) -> int | None:
    return None if usd is None else ledger.to_micro(usd)
