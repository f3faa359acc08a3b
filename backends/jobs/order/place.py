"""From a request to a job in the store: an existing job with the same key, else the model, the price, the approval.

Same request = same job: see `order` for the key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from backends.catalog.availability import availability
from backends.catalog.choice import Choice
from backends.catalog.choose import choose
from backends.catalog.price import Estimate, money
from backends.edit.request import build_finish
from backends.errors import A_PERSON, VideoError
from backends.facts import MediaFacts
from backends.jobs import admin, archive, audit, records
from backends.jobs.context import Context
from backends.jobs.files import sharing
from backends.jobs.files.names import stem_of
from backends.jobs.files.sharing import BlobGone
from backends.jobs.lanes import balancing
from backends.jobs.lanes.gates import MAX_PAUSE_S, Breaker
from backends.jobs.money import ledger, other_folders
from backends.jobs.order import chain, legal, lora_files, made_of
from backends.jobs.order.cut import Cut, cut_job, going_on, promise_of_film, upscaled
from backends.jobs.order.entries import Keep, Resolved, check_there
from backends.jobs.order.likeness import note_of_like
from backends.jobs.order.order import Again, Order
from backends.jobs.principals import Who, who_is
from backends.jobs.records import NewJob
from backends.jobs.store.database import Transaction
from backends.jobs.store.filesystems import check_paid
from backends.jobs.store.stored_job import StoredJob
from backends.media_name import MediaName
from backends.plain import one_line, quoted
from backends.provider.protocol import ACCOUNT, Access
from backends.provider.registry import registered
from backends.request import VideoRequest

PREVIS = "PREVIS is in it: clips that no generative model made"
"""The note on a film that contains previsualisations."""

TRIES = 5
"""How often the inputs are copied again when a refused call has removed the same bytes."""


@dataclass(frozen=True)
class Quote:
    """What placing an order would do. key: equal for the same job. job: the id of an existing job for this request
    (repeating it costs nothing). estimate: for what would be made; None for an existing job. promise: what its clip
    will be, or is, as far as known."""

    key: str
    model: str
    job: str | None = None
    state: str = ""
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()
    promise: MediaFacts | None = None


@dataclass(frozen=True)
class Placed:
    """The job of an order. replayed: it existed already. way_out: what the user can do to get a better model. notes:
    what of the order has no effect on an existing job."""

    job: StoredJob
    replayed: bool
    way_out: str = ""
    notes: tuple[str, ...] = ()


class Orders:
    """Places orders for one client and principal."""

    def __init__(self, context: Context, client: str, principal: Who | str) -> None:
        self.context = context
        self.client = client
        self.who = who_is(principal)
        self.principal = self.who.name

    def is_there(self, order: Order) -> bool:
        """Whether the order is a job already."""
        inputs = self._resolved(order, "hash")
        return self._same(order, inputs, order.digest(inputs)) is not None

    def quote(self, order: Order) -> Quote:
        """What `place` would choose and its highest cost, or the existing job. Starts nothing."""
        order.check()
        order = self.with_part(order)
        inputs = self._resolved(order, "hash")
        digest = order.digest(inputs)
        same = self._same(order, inputs, digest)
        key = order.key(digest)
        if same is not None:
            return Quote(key, same.model, same.id, same.state, promise=self._promise_of(same))
        if isinstance(order, Cut):
            job = self._film(order, inputs)
            free, promise = Estimate.free(job.typical_s), promise_of_film(job)
            return Quote(key, job.prepared.model, estimate=free, notes=tuple(job.notes), promise=promise)
        choice, _ = self._choose(order, inputs)
        notes = (*inputs.notes, *choice.notes, *self._like(order, inputs, choice))
        return Quote(key, choice.row.id, estimate=choice.estimate, notes=notes, promise=_promise(choice))

    def _promise_of(self, job: StoredJob) -> MediaFacts | None:
        """What the clip of an existing job is, or will be."""
        try:
            return self.context.inputs.clips.promise(job.id, self.who.sees)
        except VideoError:  # it has failed, or its file is gone: reported when it is used
            return None

    def place(self, order: Order) -> Placed:
        """The order's job, put into the store unless it exists. Money is reserved in the same transaction.

        What was copied for a refused order is removed again.
        """
        order.check()
        if _names_a_part(order):
            self.quote(order)  # report what cannot be made before a part of the clip is cut out
            order = self.with_part(order, start=True)
        for last in (False,) * (TRIES - 1) + (True,):
            inputs = self._resolved(order)
            try:
                return self._place(order, inputs)
            except BlobGone:  # see `check_there`: the file is there to be copied again
                self.context.inputs.forget(inputs)
                if last:
                    raise VideoError(
                        "storage", "the copies of the inputs keep disappearing: repeat the call", retryable=True
                    ) from None
            except BaseException:
                self.context.inputs.forget(inputs)
                raise
        raise AssertionError("the last try returns or raises")

    def _resolved(self, order: Order, keep: Keep = "copy") -> Resolved:
        """The order's inputs, and the revision of the model that it names."""
        row = None if isinstance(order, Cut) else self.context.catalog.find(order.request.model)
        now = made_of.revision(self.context.env, row.provider, row.id) if row else ""
        if isinstance(order, Again):
            made_of.check_same(now, order.of.prepared_record["wire"], order.of.model, order.of.id)
        return replace(order.resolve(self.context.inputs, self.who.sees, keep), made_of=now)

    def _place(self, order: Order, inputs: Resolved) -> Placed:
        digest = order.digest(inputs)
        same = self._same(order, inputs, digest)
        if same is not None:
            return Placed(same, replayed=True, notes=_label_notes(order, same))
        if isinstance(order, Cut):
            job, replayed = self._insert(order, [self._film(order, inputs)], inputs, durable=False)
            return Placed(job, replayed)
        choice, steps = self._choose(order, inputs)
        if not order.confirmed:
            self._ask_consent(choice)
        jobs = self._jobs(order, inputs, digest, choice, steps)
        job, replayed = self._insert(order, jobs, inputs, durable=choice.estimate.usd_high != 0)
        return Placed(job, replayed, choice.next, _label_notes(order, job) if replayed else ())

    def place_film(self, cut: Cut) -> Placed:
        """Place a film; where a model is named to enlarge it, also that model's paid job, which waits for the free
        film."""
        model = cut.finish.upscaling_model
        if model is None:
            return self.place(cut)
        film, larger = self._upscaled(cut, model)
        self._check_spend(self._of_film(larger, self.quote(film)))  # a refusal starts nothing
        return self.place(_from_clip(larger, self.place(film).job.id))

    def quote_film(self, cut: Cut) -> Quote:
        """What `place_film` would choose and its highest cost: for a film that a model enlarges, that model's price.
        Starts nothing."""
        if cut.finish.upscaling_model is None:
            return self.quote(cut)
        film, larger = self._upscaled(cut, cut.finish.upscaling_model)
        return self.quote(self._of_film(larger, self.quote(film)))

    def _upscaled(self, cut: Cut, model: str) -> tuple[Cut, Order]:
        row = self.context.catalog.find(model)
        return upscaled(cut, model, smoother=row is not None and any(mode.fps_times for mode in row.modes))

    def _of_film(self, larger: Order, film: Quote) -> Order:
        """The order that enlarges a film. film: the film's job, or what the film will be."""
        if film.job is not None:
            return _from_clip(larger, film.job)
        if film.promise is None:
            raise VideoError(
                "asset",
                f"what {larger.request.model} would cost is known when the clips are: save them, give their paths",
            )
        return replace(_from_clip(larger, f"film {film.key}"), promised={"source_clip": film.promise})

    def _check_spend(self, order: Order) -> None:
        """Every refusal that `place` would make because of the price, before anything that it needs is started."""
        order.check()
        inputs = order.resolve(self.context.inputs, self.who.sees, "hash")
        if self._same(order, inputs, order.digest(inputs)) is not None:
            return
        choice, _ = self._choose(order, inputs)
        if not order.confirmed:
            self._ask_consent(choice)
        self._check_limits(choice)

    def _check_limits(self, choice: Choice) -> None:
        high = _micro(choice.estimate.usd_high)
        ledger.check_limits(self.context.store, choice.row.provider, high, principal=self.principal)

    def with_part(self, order: Order, *, start: bool = False) -> Order:
        """For a clip named with #t=FROM,TO: the order of a film of that part, a free job of its own that exists
        already, is started now, or (for a quote) is promised."""
        if not _names_a_part(order):
            return order
        cut = Cut.of(build_finish(clips=[order.request.source_clip]), client=order.client)
        if start:
            return _from_clip(order, self.place(cut).job.id)
        quote = self.quote(cut)
        if quote.job is not None:
            return _from_clip(order, quote.job)
        if quote.promise is None:
            raise VideoError("asset", "clip: a part of it can be taken when it is known: save it, and give its path")
        return replace(order, promised={**order.promised, "source_clip": quote.promise})

    def _film(self, order: Cut, inputs: Resolved) -> NewJob:
        heard = self.context.sandbox.heard_until
        job = cut_job(order, inputs, self.principal, self.client, heard, going_on(self.context.store, inputs))
        parents = [entry.get("from_job") or entry.get("job") for entry in inputs.entries.values()]
        ids = [parent for parent in parents if parent]
        sketches = self.context.store.rows(
            f"SELECT 1 FROM jobs WHERE engine = 'previs' AND id IN ({', '.join('?' * len(ids))})", tuple(ids)
        )
        return replace(job, notes=(*job.notes, PREVIS)) if sketches else job

    def _insert(
        self, order: Order, jobs: Sequence[NewJob], inputs: Resolved, *, durable: bool
    ) -> tuple[StoredJob, bool]:
        """The first job with the others as its steps, and whether it existed already."""

        shared = sharing.share(self.context.store, self.context.artifacts, sharing.inputs_of(inputs.entries))

        def write(tx: Transaction) -> tuple[StoredJob, bool]:
            check_there(inputs.entries)
            sharing.check(tx, shared)
            job, replayed = records.insert(tx, jobs[0], steps=jobs[1:])
            if not replayed:
                for what in ("approval", "start") if order.confirmed else ("start",):
                    self._audit(tx, what, job)
            return job, replayed

        return self.context.store.write(write, durable=durable)

    def _audit(self, tx: Transaction, what: audit.What, job: StoredJob) -> None:
        place = " ".join(dict.fromkeys(word for word in (self.who.place, job.client) if word))
        audit.add(
            tx, what, who=self.principal, job=job.id, amount=job.est_high, place=place, detail=f"{job.model} {job.task}"
        )

    def _same(self, order: Order, inputs: Resolved, digest: str) -> StoredJob | None:
        """The existing job of the order with this digest. Where an input is a job's clip, the order may have been
        placed before that clip was made: then its digest holds the clip's name."""
        digests = [digest]
        named = {
            place: text for place, text in inputs.hashes.items() if "from_job" not in inputs.entries.get(place, {})
        }
        if len(named) < len(inputs.hashes):
            digests.append(order.digest(replace(inputs, hashes=named)))
        refused: VideoError | None = None
        for digest in digests:
            key = order.key(digest)
            try:
                archive.bring_back_same(self.context.store, self.principal, key)
                found = records.find_same(
                    self.context.store, self.principal, key, digest, given=key.startswith("given ")
                )
            except VideoError as error:
                refused = refused or error
                continue
            if found is not None:
                return found
        if refused is not None:
            raise refused
        return None

    def _choose(self, order: Order, inputs: Resolved) -> tuple[Choice, Sequence[chain.Step]]:
        """The model, and the steps when no model does it in one go."""
        limits = ledger.spending_limits(self.context.store)

        def pick(request: VideoRequest, facts: chain.Facts, budget: Decimal | None, per_job: Decimal | None) -> Choice:
            return choose(
                request,
                self.context.catalog,
                facts,
                availability(self.context.env),
                prefer=order.terms.prefer,
                where=order.terms.where,
                allow_providers=limits.allow_providers,
                max_cost_usd=budget,
                per_job_usd=per_job,
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
        """The job with the same request under another name for the model. A given key or another take means a new
        job."""
        if order.terms.request_key or order.terms.take > 1 or choice.estimate.basis == "free":
            return ()

        def keys_as(models: Collection[str]) -> list[str]:
            return order.keys_as(models, inputs)

        note = note_of_like(self.context.store, self.principal, choice.row, order.request.model, keys_as)
        return (note,) if note else ()

    def _ask_consent(self, choice: Choice) -> None:
        above = ledger.spending_limits(self.context.store).confirm_above
        high = choice.estimate.usd_high
        if above is None or high == 0 or (high is not None and high <= above):
            return
        self._check_limits(choice)  # no approval is asked for what a spending limit refuses anyway
        raise VideoError(
            "consent",
            f"{choice.row.id} costs {choice.estimate.text} for this, and the user must approve what costs more than "
            f"{money(above)} (confirm_above_usd); {A_PERSON}",
        )

    def _jobs(
        self, order: Order, inputs: Resolved, digest: str, choice: Choice, steps: Sequence[chain.Step]
    ) -> list[NewJob]:
        """The job itself first, then its steps."""
        row, cost = choice.row, choice.estimate
        key = order.key(digest)
        like = self._like(order, inputs, choice)
        notes = tuple(dict.fromkeys((*inputs.notes, *choice.checked.notes, *choice.notes, *like)))
        whole = NewJob(
            id=records.new_job_id(),
            request=order.as_written,
            prepared=legal.prepare(choice.checked),
            inputs=inputs.entries,
            needs=inputs.needs,
            digest=digest,
            request_key=key,
            key_given=key.startswith("given "),
            principal=self.principal,
            client=order.client or self.client,
            take=order.terms.take,
            label=order.terms.label,
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
        now = inputs.made_of or made_of.revision(self.context.env, row.provider, row.id)
        jobs = [replace(job, prepared=lora_files.put(job.prepared, inputs.loras)) for job in jobs]
        own = [now if job.provider == row.provider else "" for job in jobs]  # joining is done by the editor
        return [replace(job, prepared=made_of.put(job.prepared, of)) for job, of in zip(jobs, own, strict=True)]

    def _server(self, job: NewJob) -> Access:
        """Which server: of several, one that is not paused, and among those the one with the fewest open jobs."""
        source_job = balancing.source_of(job.inputs)
        if (account := balancing.choose(self.context, job.provider, job.prepared.model, source_job)) is not None:
            return account
        servers = self.context.accesses(job.provider, job.prepared.model)
        if len(servers) < 2:
            return servers[0] if servers else self.context.access(job.provider)
        store, waiting = self.context.store, admin.open_by_lane(self.context.store)
        return min(servers, key=lambda one: (Breaker(store, one.lane).open_for()[0] > 0, waiting.get(one.lane, 0)))

    def _on_lane(self, job: NewJob, *, paid: bool) -> NewJob:
        if paid and (lost := check_paid(self.context.settings.home)):
            job = replace(job, notes=(*job.notes, lost))
        access = self._server(job)
        closed_for, why = Breaker(self.context.store, access.lane).open_for()
        if closed_for > 0:
            text = f"{job.provider} is paused for {closed_for:.0f} s more: {one_line(why, 500)}"
            if closed_for <= MAX_PAUSE_S:  # the stop after a bill above its estimate stays: it protects a limit
                lifts = f"reelwright jobs resume {job.provider}"
                text += f". When the cause is gone, the user can end the pause at once: {lifts}"
            raise VideoError("provider", text, retryable=True, retry_after_s=closed_for)
        if paid:
            settings, shared = self.context.settings, self.context.store.shared
            other_folders.record(settings.home, access.lane, settings.env, shared)
        if access.account:
            job = replace(job, prepared=replace(job.prepared, wire={**job.prepared.wire, ACCOUNT: access.account}))
        return job.on(access.lane, access.base_url)


def _names_a_part(order: Order) -> bool:
    source = None if isinstance(order, Cut | Again) else order.request.source_clip
    return source is not None and "source_clip" not in order.promised and MediaName.parse(source).is_part


def _from_clip(order: Order, job: str) -> Order:
    return replace(order, request=order.request.model_copy(update={"source_clip": job}))


def _label_notes(order: Order, job: StoredJob) -> tuple[str, ...]:
    """Where the job existed already, its label stays, and with it the clip's file name."""
    label = order.terms.label
    if not label or label == job.label:
        return ()
    stem = stem_of(job.label) or job.id[:12]
    kept = f"kept as {stem}_take{job.take:02d}.mp4"
    return (f"the label {quoted(label)} has no effect: the job existed already, {kept}",)


def _promise(choice: Choice) -> MediaFacts | None:
    """What the chosen model will deliver."""
    checked = choice.checked
    if not checked.width or not checked.height:
        return None
    request = checked.request
    audio = bool(request.audio)
    return MediaFacts(
        "clip", "video/mp4", checked.width, checked.height, 0, request.duration_s, request.fps, audio=audio
    )


def _micro(usd: Decimal | None) -> int | None:
    return None if usd is None else ledger.to_micro(usd)
