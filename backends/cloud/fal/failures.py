"""fal's words for what went wrong: of a refused submit, of a COMPLETED status, and of a result that is an error.

Sources: fal's error documentation (2026-11): 422 bodies list {loc, msg, type}; infrastructure failures have an
`error_type` or X-Fal-Error-Type; 5xx are not billed, 422 may be. So "not charged" is said of those types alone
(`INFRASTRUCTURE`): a 5xx without one of them may be any gateway's, between here and a clip that is made and paid for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from backends.errors import Charged, ErrorKind, VideoError
from backends.provider.answer import Answer, at, listed, text
from backends.provider.outcome import Reported, Service

BY_TYPE: Mapping[str, ErrorKind] = {
    "content_policy_violation": "moderation_input",
    "nsfw_content": "moderation_output",
    "no_media_generated": "moderation_output",
    "image_too_small": "asset",
    "image_too_large": "asset",
    "image_load_error": "asset",
    "file_download_error": "asset",
    "file_too_large": "asset",
    "face_detection_error": "asset",
    "unsupported_image_format": "asset",
    "unsupported_video_format": "asset",
    "video_duration_too_long": "asset",
    "video_duration_too_short": "asset",
    "generation_timeout": "timeout",
    "request_timeout": "timeout",
    "startup_timeout": "timeout",
    "internal_server_error": "provider",
    "internal_error": "provider",
    "downstream_service_error": "provider",
    "downstream_service_unavailable": "provider",
    "runner_disconnected": "provider",
    "runner_connection_refused": "provider",
    "runner_connection_error": "provider",
    "runner_incomplete_response": "provider",
    "runner_scheduling_failure": "provider",
    "client_cancelled": "cancelled",
    "request_cancelled": "cancelled",
}

INFRASTRUCTURE = frozenset(
    {"request_timeout", "startup_timeout", "internal_server_error", "internal_error"}
    | {"runner_disconnected", "runner_connection_refused", "runner_connection_error", "runner_incomplete_response"}
    | {"runner_scheduling_failure"}
)
"""Failures of fal's own machines, which answer 5xx and are not billed (fal's documentation, Errors)."""
MONEY = re.compile(r"balance|billing|credit|quota", re.IGNORECASE)


def _first(answer: Answer) -> tuple[str, str]:
    """(type, message) from any of fal's forms."""
    detail = at(answer.json, "detail")
    kind = text(at(answer.json, "error_type")) or answer.headers.get("x-fal-error-type", "")
    if not listed(detail):
        return kind, text(detail) or text(at(answer.json, "error")) or text(at(answer.json, "message"))
    said = [
        f"{'.'.join(text(part) for part in listed(at(item, 'loc')) if part != 'body')}: {text(at(item, 'msg'))}"
        for item in listed(detail)
    ]
    return text(at(detail, 0, "type")) or kind, "; ".join(part.removeprefix(": ") for part in said)


def reported(answer: Answer) -> Reported:
    """A refused request: by its type, else by its words. fal's 429 is its rate or concurrency limit, and uncharged,
    unless it speaks of money."""
    kind, message = _first(answer)
    if known := BY_TYPE.get(kind):
        return Reported(message, kind, known)
    if MONEY.search(message):
        return Reported(message, kind, "quota" if answer.status == 429 else "balance")
    if answer.status == 429:
        return Reported(message, kind, "concurrency" if "concurren" in message.lower() else "rate_limited")
    return Reported(message, kind)


def in_status(service: Service, answer: Answer) -> VideoError | None:
    """Why a COMPLETED request failed; None when its status names no error."""
    error, kind = text(at(answer.json, "error")), text(at(answer.json, "error_type"))
    if not error and not kind:
        return None
    return _failure(service, kind, error or kind, retryable=None)


def in_result(service: Service, answer: Answer) -> VideoError | None:
    """Why the result is no clip; None for a 2xx that is none. A 5xx without one of fal's own types says nothing of
    the request, whatever its text: it is raised, so that the result is requested again."""
    kind, message = _first(answer)
    if answer.ok:
        return None if at(answer.json, "detail") is None else _failure(service, kind, message, retryable=None)
    if (answer.status >= 500 and kind not in BY_TYPE) or (answer.status == 404 and not kind):
        raise service.free_answer(answer.status, Reported(message or answer.text, kind), "unknown")
    flag = answer.headers.get("x-fal-retryable", "").lower()
    return _failure(service, kind, message, retryable=flag == "true" if flag else None, status=answer.status)


def _failure(
    service: Service, kind: str, message: str, *, retryable: bool | None, status: int | None = None
) -> VideoError:
    """status: of the result, where it is not 2xx. A 4xx is the model's refusal, whatever type it gives."""
    known = BY_TYPE.get(kind)
    refused = status is not None and status < 500
    again = known in ("provider", "timeout") if retryable is None else retryable
    charged: Charged = "no" if kind in INFRASTRUCTURE and not refused else "unknown"
    if refused and known in (None, "provider"):
        known = "invalid_request"
    return service.failed(Reported(message, kind, known), charged=charged, retryable=again, http_status=status)
