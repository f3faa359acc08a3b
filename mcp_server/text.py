"""Results as text: each text contains everything that the structured result beside it contains.

Some hosts show their model only the text, others only the structured content, so neither may depend on the other.
Whatever comes from a provider, an agent or a file is data here: every line leaves through `_lines`, which makes one
line of it, and a label, prompt, phase or error stands in quotes unless it is a single word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from backends.jobs.views import Job, JobPage, JobRow, Spend, Ticket, View, first_words
from backends.plain import one_line, quoted, said

PREVIS = "PREVIS (no generative model)"
"""The first words of every result of the animatic."""

Plain = dict[str, object]

ERROR_MOST = 2000
"""Characters of a job's error."""

OTHERS = ("label", "file")
"""Fields of a row whose text comes from outside."""

FACTS = ("duration_s", "width", "height", "fps", "audio", "seed")
"""Fields of a job that describe its clip."""

HEARD: Mapping[str, str] = {
    "native": "with sound",
    "tts": "with a synthetic voice (tts)",
    "added": "with added sound",
    "silent": "a silent track",
    "none": "no sound",
}
"""A job's audio in words."""

SHOWN_AS = {"label": "label {}", "take": "take {}", "cost_usd": "{}", "created_at": "{}", "file": "file {}"}
"""The order of a job's row in words after its state, task and model; its prompt comes last."""


def plain(view: View) -> Plain:
    """A view as JSON without what is empty or unknown: an absent field means exactly that."""
    return {name: value for name, value in view.model_dump(exclude_none=True).items() if value not in ("", [])}


def plain_row(row: JobRow) -> Plain:
    """A row as JSON without its usual values: rows are read by the dozen."""
    values = row.model_dump(exclude_defaults=True)
    if row.state == "succeeded":
        values.pop("progress", None)
    return values


def stopped(job: Job) -> Plain:
    """A cancelled job as a row, with the notes that say whether billing stops."""
    return plain_row(row_of(job)) | {name: value for name, value in (("notes", job.notes), ("next", job.next)) if value}


def row_of(job: Job) -> JobRow:
    fields = job.model_dump(include=set(JobRow.model_fields))
    return JobRow.model_validate(fields | {"prompt": first_words(job.prompt)})


def ticket_text(ticket: Ticket) -> str:
    """A starting call's answer; its last line is the call to make now."""
    price = "price unknown" if ticket.est_cost_usd is None else "free"
    if ticket.est_cost_usd:
        price = f"at most {dollars(ticket.est_cost_usd)}"
    lead = f"{PREVIS} " if ticket.model == "animatic" else ""
    again = " (replayed: this request was already a job, nothing new was started)" if ticket.replayed else ""
    lines = [
        f"{lead}{ticket.job_id}: {ticket.state}{again}, model {ticket.model}, {price}, "
        f"ask again after {ticket.poll_after_s:g} s",
        *_notes(ticket.notes),
        f"next: {ticket.next or wait_call([ticket.job_id])}",
    ]
    return _lines(lines)


def job_text(job: Job) -> str:
    """A job in full, one subject a line."""
    lead = f"{PREVIS} " if job.engine == "previs" else ""
    head = f"{lead}{job.job_id}: {job.state}"
    if job.timed_out:
        head += " (timed out waiting; the job continues)"
    lines = [
        head,
        _line("progress", _progress(job)),
        f"{job.task} by {job.model} ({job.engine}){_named('account', job.account)}{_named('label', job.label)}, "
        f"take {job.take}",
        _line("prompt", said(job.prompt)),
        _line("clip", _clip_facts(job)),
        _line("requested", _requested(job)),
        _line("file", job.file),
        _line("more files", ", ".join(path for path in job.files if path != job.file)),
        _line("poster", job.poster),
        _line("uri", job.uri),
        _line("cost", _cost(job)),
        _line("made from", ", ".join(job.parents)),
        _error(job),
        *_notes(job.notes),
        f"created {job.created_at}{f' by {job.client}' if job.client else ''}",
        _line("next", job.next),
    ]
    return _lines(lines)


def _named(what: str, name: str) -> str:
    return f", {what} {said(name)}" if name else ""


def page_text(page: JobPage) -> str:
    """Rows, then the money, then how to see more."""
    lines = [job_row_text(row) for row in page.jobs] or ["no jobs"]
    more = [f'older ones: list_jobs(cursor="{page.cursor}")'] if page.cursor else []
    folder = f"files are in {said(page.folder)}" if page.folder else ""
    changed = "".join(f"; {sentence}" for sentence in page.spend.limits_changed)
    return _lines([*lines, folder, f"{money(page.spend)}{changed}", *more])


def money(spend: Spend) -> str:
    """What today has cost and may still cost, as a sum that adds up, then all days, then the user's limits."""
    day = "" if spend.per_day_wall_usd is None else f" of {dollars(spend.per_day_wall_usd)}"
    spent = max(0.0, spend.today_usd - spend.today_reserved_usd)
    totals = (
        f"today (UTC) {dollars(spend.today_usd)}{day}: {dollars(spent)} spent, "
        f"{dollars(spend.today_reserved_usd)} reserved; all days: {dollars(spend.total_usd)} spent, "
        f"{dollars(spend.reserved_usd)} reserved"
    )
    job = spend.per_job_wall_usd
    return totals if job is None else f"{totals}; the user allows {dollars(job)} a job"


def stopped_text(job: Job) -> str:
    return _lines([job_row_text(row_of(job)), *_notes(job.notes), _line("next", job.next)])


def job_row_text(row: JobRow) -> str:
    """A row of list_jobs in words: `job_x: running 35%, extend by acme/one, label dawn, ...`."""
    values = plain_row(row)
    progress = f" {row.progress:.0%}" if "progress" in values else ""
    parts = [f"{row.job_id}: {row.state}{progress}", f"{row.task} by {row.model}" if row.task else row.model]
    for name, form in SHOWN_AS.items():
        if name in values:
            value = dollars(row.cost_usd or 0) if name == "cost_usd" else values[name]
            parts.append(form.format(said(value) if name in OTHERS and isinstance(value, str) else value))
    return ", ".join([*parts, *([f"prompt {said(row.prompt)}"] if row.prompt else [])])


def models_text(found: Mapping[str, object]) -> str:
    """list_models: one model a line."""
    rows = cast("list[Plain]", found.get("models", []))
    more = cast(int, found.get("more", 0))
    lines = [_row_text(row) for row in rows] or ["no model matches: omit query, or pass include_retired=true"]
    left_out = [f"left out: {why}" for why in cast("list[str]", found.get("left_out", []))]
    return _lines([*lines, f"{more} more: raise limit, or narrow by query or task" if more else "", *left_out])


def estimate_text(found: Mapping[str, object]) -> str:
    """estimate_cost: the models that fit, best first, then why others don't."""
    rows = cast("list[Plain]", found.get("fits", []))
    why = cast(Plain, found.get("why", {}))
    lines = [f"{place}. {_row_text(row)}" for place, row in enumerate(rows, 1)] or ["no model can do this request"]
    lines.append(f"{found.get('misfits', 0)} other models don't fit")
    lines += [f"- {reason}: {_words(count)}" for reason, count in why.items()]
    return _lines([*lines, _line("next", cast("str | None", found.get("next")))])


def wait_call(job_ids: Sequence[str]) -> str:
    """The call that waits for these jobs, as an agent writes it."""
    ids = ", ".join(f'"{job_id}"' for job_id in job_ids)
    return f"wait_for_job(job_ids=[{ids}])"


def dollars(amount: float | Decimal) -> str:
    """$0, $0.40, $1.25, $0.0042: at least cents, and no digit lost."""
    if amount == 0:
        return "$0"
    whole, _, cents = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def _lines(lines: Iterable[str]) -> str:
    """The only way out: each line is one line, of visible characters and bounded; empty ones are dropped."""
    return "\n".join(one_line(line) for line in lines if line)


def _line(name: str, value: str | None) -> str:
    return f"{name}: {value}" if value else ""


def _notes(notes: Iterable[str]) -> list[str]:
    return [f"note: {note}" for note in notes]


def _progress(job: Job) -> str:
    parts = [f"{job.progress:.0%}"]
    if job.phase:
        parts.append(said(job.phase))
    if job.queue_position is not None:
        parts.append(f"place {job.queue_position} in the queue")
    if job.eta_s is not None:
        parts.append(f"about {job.eta_s:g} s left")
    if job.poll_after_s:
        parts.append(f"ask again after {job.poll_after_s:g} s")
    return ", ".join(parts)


def _clip_facts(job: Job) -> str:
    facts = [
        f"{job.duration_s:g} s" if job.duration_s is not None else "",
        f"{job.width}x{job.height}" if job.width else "",
        f"{job.fps:g} fps" if job.fps else "",
        HEARD.get(job.audio, "") if job.audio else "",
        f"seed {job.seed}" if job.seed is not None else "",
    ]
    return ", ".join(fact for fact in facts if fact)


def _requested(job: Job) -> str:
    """What was requested where the clip differs, in the words of the clip's facts."""
    if not job.asked:
        return ""
    audio = job.asked.get("audio")
    heard = None if audio is None else "native" if audio else "none"
    return _clip_facts(Job.model_validate(job.model_dump() | dict.fromkeys(FACTS) | job.asked | {"audio": heard}))


def _cost(job: Job) -> str:
    basis = f" ({job.cost_basis})" if job.cost_basis else ""
    estimate = "unknown" if job.est_cost_usd is None else dollars(job.est_cost_usd)
    if job.cost_usd is None:
        return f"not settled{basis}, estimated {estimate}"
    return f"{dollars(job.cost_usd)}{basis}, estimated {estimate}"


def _error(job: Job) -> str:
    if job.error is None:
        return ""
    charged = {"no": "not charged", "yes": "charged", "unknown": "charge unknown"}[job.error.charged]
    again = "may work again unchanged" if job.error.retryable else "will not work unchanged"
    return f"error: {job.error.kind}: {quoted(job.error.message, ERROR_MOST)} ({charged}; {again})"


def _row_text(row: Mapping[str, object]) -> str:
    """`first value: name=value, ...`: any compact row in words."""
    values = iter(row.items())
    first = next(values, ("", ""))[1]
    named = (
        (name, said(value) if name in OTHERS and isinstance(value, str) else _words(value)) for name, value in values
    )
    return f"{first}: " + ", ".join(f"{name}={value}" for name, value in named if value)


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | Mapping):  # dict first: the check for a Mapping is slow
        return "; ".join(f"{name} {_words(item)}" for name, item in cast("Mapping[str, object]", value).items())
    if isinstance(value, list | tuple):
        words = [_words(item) for item in cast("Sequence[object]", value)]
        return ("; " if any(" " in word for word in words) else "/").join(words)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
