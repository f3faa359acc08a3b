"""After a model has failed a job without a charge: a sentence that offers the next model that can do exactly the
same."""

from __future__ import annotations

from backends.catalog.availability import availability
from backends.catalog.choose import next_after
from backends.catalog.ranking import rank
from backends.errors import ErrorKind
from backends.jobs.context import Context
from backends.jobs.money import ledger
from backends.jobs.store import codec
from backends.jobs.store.stored_job import StoredJob

ANOTHER_MAY: frozenset[ErrorKind] = frozenset(
    {
        "invalid_request",
        "unsupported",
        "auth",
        "quota",
        "balance",
        "rate_limited",
        "concurrency",
        "moderation_input",
        "moderation_output",
        "model_retired",
        "provider",
        "timeout",
    }
)
"""Failures that are due to the model or its service: another model may succeed."""


def next_model(context: Context, job: StoredJob) -> str:
    """The sentence that offers the next model for a failed job, "" where there is none. Starts nothing."""
    if job.state != "failed" or job.engine != "generative" or job.error is None:
        return ""
    error, failed = job.error, context.catalog.find(job.model)
    if error.charged != "no" or error.kind not in ANOTHER_MAY or failed is None:
        return ""
    facts = {place: codec.facts_from_json(entry["facts"]) for place, entry in job.inputs.items() if entry.get("facts")}
    allowed = ledger.spending_limits(context.store)
    limits = [limit for limit in (job.request.max_cost_usd, allowed.per_job) if limit is not None]
    ranking = rank(
        job.request,
        context.catalog,
        facts,
        availability(context.env),
        # a request that must stay on this machine is not offered to a service
        where="local" if failed.where == "local" else "any",
        allow_providers=allowed.allow_providers,
    )
    return next_after(failed, ranking, min(limits, default=None))[1]
