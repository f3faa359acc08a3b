"""What Runway says went wrong: the body of a refusal, and the failure code of a task.

Sources: docs.dev.runwayml.com, HTTP Errors and Handle Task Failures, read 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from backends.errors import Charged, ErrorKind, VideoError
from backends.provider.answer import Answer, at, listed, text
from backends.provider.outcome import Reported, Service

BY_WORDS: tuple[tuple[str, ErrorKind], ...] = (
    (r"\bcredits?\b", "balance"),
    (r"\bmoderat|\bsafety\b|content policy", "moderation_input"),
    (r"no longer available|deprecated|retired|sunset", "model_retired"),
    (r"\basset\b|data uri|media type|content-type", "asset"),
)
"""What a 400's text speaks of; the body has no codes."""

LIMIT_WORDS: tuple[tuple[str, ErrorKind], ...] = (
    (r"daily|per day|\bday\b|month|\bcredits?\b|spend", "quota"),
    (r"concurren", "concurrency"),
    (r"too many requests|\brate\b", "rate_limited"),
)
"""What a 429's text speaks of. Runway documents it as "too many requests ... may retry", and answers so too when the
day's generations are used up, which no retry helps."""

BY_CODE: tuple[tuple[str, ErrorKind, bool], ...] = (
    ("SAFETY.OUTPUT", "moderation_output", False),
    ("SAFETY", "moderation_input", False),
    ("INPUT_PREPROCESSING.SAFETY", "moderation_input", False),
    ("INPUT_PREPROCESSING", "provider", True),
    ("INTERNAL", "provider", True),
    ("THIRD_PARTY", "provider", True),
    ("ASSET", "asset", False),
)
"""Failure code's beginning -> (kind, whether the same request may succeed later)."""


def reported_by(answer: Answer) -> Reported:
    """{"error": text, "issues": [{"message", "path"}]}."""
    said = [text(at(answer.json, "error")) or text(at(answer.json, "message"))]
    for issue in listed(at(answer.json, "issues"))[:5]:
        where = ".".join(text(part) for part in listed(at(issue, "path")))
        said.append(f"{where}: {text(at(issue, 'message'))}" if where else text(at(issue, "message")))
    message = "; ".join(part for part in said if part)
    kind: ErrorKind | None = None
    if answer.status in (400, 422):
        kind = _spoken_of(message, BY_WORDS)
    elif answer.status == 429:
        kind = _spoken_of(message, LIMIT_WORDS) or ("rate_limited" if answer.retry_after_s is not None else "quota")
    return Reported(message, kind=kind)


def _spoken_of(message: str, words: Sequence[tuple[str, ErrorKind]]) -> ErrorKind | None:
    for pattern, kind in words:
        if re.search(pattern, message, re.IGNORECASE):
            return kind
    return None


def failed_task(service: Service, task: Mapping[str, object], cost: Decimal | None) -> VideoError:
    """The error of a FAILED task; what it cost in the end says whether it is billed."""
    code = text(task.get("failureCode"))
    plain: tuple[str, ErrorKind, bool] = ("", "provider", False)
    _, kind, again = next((entry for entry in BY_CODE if code.startswith(entry[0])), plain)
    return service.failed(Reported(text(task.get("failure")), code, kind), charged=charged_by(cost), retryable=again)


def charged_by(cost: Decimal | None) -> Charged:
    """What a task's `cost.credits` says: of an ended task it is what was taken from the account (API reference,
    Get task detail). A figure below 0 says nothing."""
    return "unknown" if cost is None or cost < 0 else "yes" if cost > 0 else "no"
