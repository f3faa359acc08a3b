"""What a /v1/videos server says went wrong: OpenAI's error body, a proxy's, or FastAPI's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backends.errors import ErrorKind
from backends.provider.answer import Answer, at, listed, table, text
from backends.provider.outcome import Reported

BY_CODE: Mapping[str, ErrorKind] = {
    "insufficient_quota": "balance",
    "billing_not_active": "balance",
    "insufficient_balance": "balance",
    "billing_hard_limit_reached": "quota",
    "billing_soft_limit_reached": "quota",
    "budget_exceeded": "quota",
    "quota_exceeded": "quota",
    "moderation_blocked": "moderation_input",
    "content_policy_violation": "moderation_input",
    "model_not_found": "unsupported",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "too_many_requests": "rate_limited",
    "concurrency_limit_exceeded": "concurrency",
}
"""A body's `code` or `type`, exactly, at any status: OpenAI's (platform.openai.com, Error codes), litellm's
budget_exceeded and what other servers of the route say. What speaks of money stands first and wins: OpenAI's 429 for
an empty account is no limit that passes."""
LIMITS: frozenset[ErrorKind] = frozenset({"rate_limited", "concurrency"})

NO_MONEY = re.compile(
    r"exceeded your current quota|check your (plan and )?billing|account is not active", re.IGNORECASE
)
"""OpenAI's own sentences for an account that cannot pay, which servers pass on without its code."""
MODERATION = re.compile(r"moderat|safety|content[_ ]policy", re.IGNORECASE)
RETIRED = re.compile(r"no longer available|deprecated|shut ?down|retired|sunset", re.IGNORECASE)
NO_MODEL = re.compile(r"model_not_found|model .*(not exist|not found)", re.IGNORECASE)
QUOTA = re.compile(r"quota|billing|balance|credit|budget", re.IGNORECASE)
RATE = re.compile(r"rate[_ ]limit|too many requests", re.IGNORECASE)
CONCURRENCY = re.compile(r"concurren", re.IGNORECASE)


def reported_by(answer: Answer) -> Reported:
    """{"error": {message, type, param, code}}, {"error": text} or {"detail": text | [{loc, msg}]}."""
    error = at(answer.json, "error")
    detail = at(answer.json, "detail")
    code = text(at(error, "code")) or text(at(error, "type"))
    if table(error):
        message = text(at(error, "message"))
    elif listed(detail):
        message = "; ".join(_finding(one) for one in listed(detail)[:5])
    else:
        message = text(error) or text(detail) or text(at(detail, "message"))
    return Reported(message, code, _kind(answer.status, (text(at(error, "code")), text(at(error, "type"))), message))


def _finding(one: object) -> str:
    where = ".".join(text(part) for part in listed(at(one, "loc")) if part != "body")
    return f"{where}: {text(at(one, 'msg'))}" if where else text(at(one, "msg"))


def _kind(status: int, codes: tuple[str, ...], message: str) -> ErrorKind | None:
    """The kind where the body says more than the status: exact codes first, then sentences, then words. A 429 is only
    limiting when it says so."""
    exact = _exact(codes)
    if exact is not None and exact not in LIMITS:
        return exact
    if NO_MONEY.search(message) and status < 500:
        return "balance"
    if exact is not None:
        return exact
    said = " ".join((*codes, message))
    if status == 429:
        if QUOTA.search(said) and not RATE.search(said):
            return "balance" if re.search("balance|credit", said, re.IGNORECASE) else "quota"
        return "concurrency" if CONCURRENCY.search(said) else "rate_limited" if RATE.search(said) else None
    if status in (400, 403, 422) and MODERATION.search(said):
        return "moderation_input"
    if status in (400, 403, 404, 410) and RETIRED.search(said):
        return "model_retired"
    return "unsupported" if status in (400, 404) and NO_MODEL.search(said) else None


def _exact(codes: tuple[str, ...]) -> ErrorKind | None:
    """What one of the codes means; that of the two which stands first in the table."""
    said = {code.lower() for code in codes}
    return next((kind for code, kind in BY_CODE.items() if code in said), None)


def failed_kind(code: str, message: str) -> ErrorKind:
    """Of a job that was taken and then failed."""
    exact = _exact((code,))
    if exact in ("balance", "quota"):
        return exact
    return "moderation_output" if MODERATION.search(f"{code} {message}") else "provider"
