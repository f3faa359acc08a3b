"""What a /v1/videos server says went wrong: OpenAI's error body, a proxy's, or FastAPI's."""

from __future__ import annotations

import re

from backends.cloud.http import Answer
from backends.cloud.http_json import at, listed, table, text
from backends.cloud.http_outcome import Told
from backends.errors import ErrorKind

MODERATION = re.compile(r"moderat|safety|content[_ ]policy", re.IGNORECASE)
RETIRED = re.compile(r"no longer available|deprecated|shut ?down|retired|sunset", re.IGNORECASE)
NO_MODEL = re.compile(r"model_not_found|model .*(not exist|not found)", re.IGNORECASE)
QUOTA = re.compile(r"insufficient_quota|quota|billing|balance|credit|budget", re.IGNORECASE)
RATE = re.compile(r"rate[_ ]limit|too many requests", re.IGNORECASE)
CONCURRENCY = re.compile(r"concurren", re.IGNORECASE)


def told_by(answer: Answer) -> Told:
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
    return Told(message, code, _kind(answer.status, f"{code} {text(at(error, 'type'))} {message}"))


def _finding(one: object) -> str:
    where = ".".join(text(part) for part in listed(at(one, "loc")) if part != "body")
    return f"{where}: {text(at(one, 'msg'))}" if where else text(at(one, "msg"))


def _kind(status: int, said: str) -> ErrorKind | None:
    """The kind where the words say more than the status; a 429 is only limiting when it says so."""
    if status == 429:
        if QUOTA.search(said) and not RATE.search(said):
            return "balance" if re.search("balance|credit|insufficient_quota", said, re.IGNORECASE) else "quota"
        return "concurrency" if CONCURRENCY.search(said) else "rate_limited" if RATE.search(said) else None
    if status in (400, 403, 422) and MODERATION.search(said):
        return "moderation_input"
    if status in (400, 403, 404, 410) and RETIRED.search(said):
        return "model_retired"
    return "unsupported" if status in (400, 404) and NO_MODEL.search(said) else None


def failed_kind(code: str, message: str) -> ErrorKind:
    """Of a job that was taken and then failed."""
    return "moderation_output" if MODERATION.search(f"{code} {message}") else "provider"
