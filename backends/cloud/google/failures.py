"""What Google says went wrong: the error body of its APIs, an interaction's errors, a long-running operation's error.

Sources: google.rpc.Status and its details (cloud.google.com/apis/design/errors); Vertex AI's "Veo response codes" and
"Error code 429" pages; Gemini API billing FAQ (a request that fails with 400 or 500 is not charged). Read 2026-11-22.
"""

from __future__ import annotations

import re

from backends.errors import ErrorKind
from backends.provider import border
from backends.provider.answer import Answer, at, listed, number, table, text
from backends.provider.outcome import Reported

MODERATION = re.compile(
    r"responsible ai|sensitive words|usage guidelines|safety|prohibited|content polic|usage polic|\bblocked\b|moderat",
    re.IGNORECASE,
)
RETIRED = re.compile(r"no longer available|deprecated|retired|sunset|shut ?down|discontinued", re.IGNORECASE)
BILLING = re.compile(r"billing|prepa(y|id)|credits?\b|BILLING_DISABLED", re.IGNORECASE)
PER_DAY = re.compile(r"per[_ ]?day|daily|per[_ ]?month|monthly|spend", re.IGNORECASE)
AT_ONCE = re.compile(r"concurren", re.IGNORECASE)
RATE = re.compile(
    r"per[_ ]?minute|per[_ ]?second|rate[_ ]limit|too many requests|try again later|online_prediction_requests",
    re.IGNORECASE,
)
"""Vertex's requests-a-minute quota of a model is called online_prediction_requests_per_base_model."""
BAD_KEY = re.compile(r"API_KEY_INVALID|API key (not valid|expired)", re.IGNORECASE)
BAD_MEDIA = re.compile(r"mime ?type|unable to process input (image|video)|could not (decode|read)", re.IGNORECASE)
INTERNAL = frozenset({"4", "13", "14"})
"""google.rpc codes of failures that are not the request's: DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE."""


def reported_by(answer: Answer) -> Reported:
    """{"error": {"code", "status", "message", "details": [...]}}, alone or in a list of one."""
    body = listed(answer.json)[0] if listed(answer.json) else answer.json
    error = at(body, "error")
    message = text(at(error, "message")) or text(error) or text(at(body, "message"))
    code = text(at(error, "status")) or text(at(error, "code"))
    wait: float | None = None
    hints = [code, message]
    for detail in listed(at(error, "details")):
        reason = text(at(detail, "reason"))
        code = reason or code
        hints.append(reason)
        for violation in listed(at(detail, "violations")):
            hints += [text(at(violation, key)) for key in ("quotaId", "quotaMetric", "subject", "description")]
        if (delay := number(text(at(detail, "retryDelay")).removesuffix("s"))) is not None:
            wait = border.seconds(delay, border.REFUSED_WAIT_MAX_S)
    return Reported(message, code, _kind(answer.status, " ".join(filter(None, hints)), wait), retry_after_s=wait)


def _kind(status: int, said: str, wait: float | None) -> ErrorKind | None:
    """The kind where the words say more than the status. A 429 is only limiting when it says so."""
    if status == 429:
        return _limit(said, wait)
    if status in (400, 401, 403) and BAD_KEY.search(said):
        return "auth"
    if status in (400, 404, 410) and RETIRED.search(said):
        return "model_retired"
    if status in (400, 403) and BILLING.search(said):
        return "balance"
    if status in (400, 403, 422) and MODERATION.search(said):
        return "moderation_input"
    return "asset" if status == 400 and BAD_MEDIA.search(said) else None


def _limit(said: str, wait: float | None) -> ErrorKind:
    if PER_DAY.search(said):
        return "quota"
    if AT_ONCE.search(said):
        return "concurrency"
    if RATE.search(said):
        return "rate_limited"
    if BILLING.search(said):
        return "balance"
    return "rate_limited" if wait is not None else "quota"


def said_of_failure(errors: object) -> tuple[Reported, bool]:
    """(what is said, whether the same request may succeed later) of work that was taken and then failed.

    errors: one google.rpc.Status, or a list of them.
    """
    found = [table(error) for error in listed(errors)] or [table(errors)]
    message = "; ".join(words for error in found[:5] if (words := text(error.get("message"))))
    code = text(found[0].get("code")) if found else ""
    hints = f"{code} {message}"
    if MODERATION.search(hints):
        return Reported(message, code, "moderation_output"), False
    return Reported(message, code, "provider"), code in INTERNAL or not code or "internal" in hints.lower()
