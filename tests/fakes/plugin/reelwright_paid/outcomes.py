"""What became of a call, as a VideoError: not sent, refused, or nobody knows.

Not sent (no connection): nothing was charged, try again. Refused with a status that the service documents: nothing
was charged. Anything else after sending a paid request (time-out, reset, 5xx, an unreadable answer): unknown.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx

from backends.errors import Charged, ErrorKind, VideoError

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)

REFUSALS: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "auth",
    402: "balance",
    403: "auth",
    404: "invalid_request",
    409: "conflict",
    410: "model_retired",
    422: "invalid_request",
    429: "rate_limited",
}
"""Statuses that the service documents as uncharged refusals."""

BY_CODE: dict[str, ErrorKind] = {
    "moderation": "moderation_input",
    "moderation_output": "moderation_output",
    "asset": "asset",
    "concurrency": "concurrency",
    "quota": "quota",
    "insufficient_balance": "balance",
    "model_not_found": "unsupported",
    "model_retired": "model_retired",
}
"""The service's codes that say more than its status."""

NEXT_STEP: dict[ErrorKind, str] = {
    "auth": "check PAID_API_KEY",
    "balance": "top the account up, then repeat the call",
    "quota": "wait until the quota is renewed, or raise it at the provider",
    "moderation_input": "change the prompt or the picture",
    "moderation_output": "change the prompt or the picture",
    "asset": "repeat the call: the input is uploaded again",
    "unsupported": "list_models shows the models",
    "model_retired": "list_models shows the models",
    "invalid_request": "change what it names and repeat the call",
    "conflict": "repeat the call with another request_key",
    "rate_limited": "it is tried again by itself",
    "concurrency": "it is tried again by itself",
}


def told(response: httpx.Response) -> tuple[str, str]:
    """(code, message) of an error's JSON; ("", the bounded text) when it is none. Service text is data: bounded."""
    try:
        body = response.json()
    except ValueError:
        return "", response.text[:200]
    error: Any = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", response.text[:200]
    fields = cast("dict[str, Any]", error)
    return str(fields.get("code", ""))[:60], str(fields.get("message", ""))[:200]


def retry_after(response: httpx.Response) -> float | None:
    """Retry-After in seconds, from either of its forms; None when there is none that can be read."""
    text = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def clock_lead_s(response: httpx.Response) -> float:
    """Seconds by which the service's clock is ahead of this machine's; 0 where it does not tell the time."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp() - time.time()
    except ValueError:
        return 0.0


def refused(response: httpx.Response, *, charged: Charged = "no") -> VideoError:
    """A documented refusal."""
    code, message = told(response)
    kind = BY_CODE.get(code) or REFUSALS.get(response.status_code, "provider")
    retryable = kind in ("rate_limited", "concurrency")
    step = NEXT_STEP.get(kind, "try again later")
    return VideoError(
        kind,
        f"the paid service refused ({response.status_code} {code}): {message}; {step}",
        retryable=retryable,
        charged=charged,
        provider_code=code or None,
        http_status=response.status_code,
        retry_after_s=retry_after(response),
    )


def not_sent(error: httpx.HTTPError) -> VideoError:
    text = f"the paid service cannot be reached ({type(error).__name__}: {str(error)[:120]}); nothing was sent"
    return VideoError("network", text, retryable=True)


def submit_unknown(why: str, status: int | None = None) -> VideoError:
    """After a paid request was sent, and no answer says what became of it."""
    text = f"the paid service may or may not have taken the job ({why}); it must be looked up, not sent again"
    return VideoError("submit_unknown", text, charged="unknown", http_status=status)


def unanswered(error: httpx.HTTPError, charged: Charged) -> VideoError:
    """A free call that got no answer: ask again. charged: what is known of the job that it is about."""
    why = type(error).__name__
    if isinstance(error, NOT_SENT):
        text = f"the paid service cannot be reached ({why})"
        return VideoError("network", text, retryable=True, charged=charged)
    kind: ErrorKind = "timeout" if isinstance(error, httpx.TimeoutException) else "network"
    return VideoError(kind, f"the paid service did not answer ({why})", retryable=True, charged=charged)


def unhelpful(response: httpx.Response, charged: Charged) -> VideoError:
    """A free call answered with an error. charged: what is known of the job that it is about."""
    if response.status_code == 404:
        code, message = told(response)
        text = f"the paid service does not know it: {message}"
        return VideoError("not_found", text, charged=charged, provider_code=code or None)
    if response.status_code in REFUSALS:
        return refused(response, charged=charged)
    text = f"the paid service failed to answer ({response.status_code})"
    wait = retry_after(response)
    return VideoError("provider", text, retryable=True, charged=charged, retry_after_s=wait)
