"""What became of a call to a paid service, as the one right VideoError.

For the one paid POST: not sent (nothing charged, may be tried again), refused (nothing charged), or nobody knows.
For free questions (status, list, cancel, upload): worth asking again, or a clear no.
Nothing here knows an HTTP library, so that back ends over a vendor's SDK use it too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.errors import Charged, ErrorKind, VideoError
from backends.provider import border

TEXT_MAX = 300
"""Characters of a service's own words that go into an error: they are data, not instructions."""
SAID_MAX = 200
"""The same of an answer that leaves unclear what became of a paid POST."""

UNCLEAR_4XX = frozenset({408, 425, 499})
"""Refusals that a gateway may send after it has passed the request on."""

BY_STATUS: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "auth",
    402: "balance",
    403: "auth",
    404: "unsupported",
    405: "unsupported",
    409: "conflict",
    410: "model_retired",
    413: "asset",
    415: "asset",
    422: "invalid_request",
    451: "moderation_input",
}

NEXT_STEP: Mapping[ErrorKind, str] = {
    "invalid_request": "change what it names and repeat the call",
    "unsupported": "list_models shows the models",
    "model_retired": "list_models shows the models",
    "balance": "top the account up, then repeat the call",
    "quota": "wait until the quota is renewed, or raise it at the provider",
    "moderation_input": "change the prompt or the image",
    "moderation_output": "change the prompt or the image",
    "asset": "give another file",
    "conflict": "repeat the call with another request_key",
    "rate_limited": "it is tried again by itself",
    "concurrency": "it is tried again by itself",
}


CHARGED_WORDS: Mapping[Charged, str] = {
    "no": "it is not charged",
    "yes": "it is charged",
    "unknown": "it may be charged",
}


@dataclass(frozen=True)
class Reported:
    """What a service's own error body says.

    kind: None = by the HTTP status. A 429 is retried only when kind is "rate_limited" or "concurrency": that is the
    service's documented, uncharged limiting; any other 429 (quota, balance, unknown) is a plain refusal.
    charged: for failures that the service says it bills, or does not.
    """

    message: str = ""
    code: str = ""
    kind: ErrorKind | None = None
    charged: Charged | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Service:
    """A service. name: in words ("fal"). key: the variable that holds its key. secrets: what no text may hold."""

    name: str
    key: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def clean(self, text: object, limit: int = TEXT_MAX) -> str:
        """A service's words for an error: one line, bounded, without control characters and keys."""
        said = border.line(str(text)[: limit * 8], limit * 8)
        for secret in self.secrets:
            if len(secret) >= 6:
                said = said.replace(secret, "***")
        return border.line(said, limit)

    def not_sent(self, why: str) -> VideoError:
        """No connection: the request never left."""
        text = f"{self.name} cannot be reached ({self.clean(why, 120)}); nothing was sent"
        return VideoError("network", text, retryable=True)

    def unknown(self, why: str, status: int | None = None, said: str = "") -> VideoError:
        """A paid request that went out, and no answer says what became of it. said: the service's own words in its
        unclear answer: whoever decides has nothing else to go by."""
        quoted = self.clean(said, SAID_MAX)
        words = f"{self.clean(why, 160)}{f'; it said: {quoted!r}' if quoted else ''}"
        text = f"{self.name} may or may not have accepted the job ({words}); it must not be sent again"
        return VideoError("submit_unknown", text, charged="unknown", http_status=status)

    def taken(self, name: str, what: str, status: int, said: str) -> str:
        """The id of a job that was just taken, as it is; `unknown` when the answer has none that can be kept.
        what: "a task id". said: the whole answer's text."""
        if not name:
            raise self.unknown(f"an answer without {what}", status, said)
        if not border.is_id(name):
            raise self.unknown(f"an id that cannot be looked up: {self.clean(name, 100)!r}", status)
        return name

    def paid_answer(self, status: int, reported: Reported) -> VideoError:
        """The error for a paid POST that was answered with anything but 2xx."""
        if 400 <= status < 500 and status not in UNCLEAR_4XX:
            return self.refused(status, reported)
        return self.unknown(f"HTTP {status}", status, reported.message)

    def refused(self, status: int, reported: Reported, about: Charged | None = None) -> VideoError:
        """A documented, uncharged refusal of a paid POST, or (about: what is known of the job's charge) of a free
        question about a job that was taken."""
        kind = reported.kind or ("quota" if status == 429 else BY_STATUS.get(status, "invalid_request"))
        step = NEXT_STEP.get(kind, "") or (f"check {self.key}" if kind == "auth" else "try again later")
        if about in ("yes", "unknown") and kind != "auth":
            step = self._look_first()  # the job is paid for, or may be: "repeat the call" would buy another
        words = " ".join(part for part in (str(status), self.clean(reported.code, 60)) if part)
        return VideoError(
            kind,
            f"{self.name} refused ({words}): {self.clean(reported.message) or 'without a reason'}; {step}",
            retryable=kind in ("rate_limited", "concurrency"),
            charged=about or reported.charged or "no",
            provider_code=self.clean(reported.code, 60) or None,
            http_status=status,
            retry_after_s=reported.retry_after_s,
        )

    def free_answer(self, status: int, reported: Reported, charged: Charged) -> VideoError:
        """The error for a free question that was answered with anything but 2xx.

        charged: what is known of the job that the question is about.
        """
        words, code = self.clean(reported.message), self.clean(reported.code, 60) or None
        wait = border.seconds(reported.retry_after_s, border.POLL_WAIT_MAX_S)
        if reported.kind in ("rate_limited", "concurrency") or status == 429:
            text = f"{self.name} wants fewer requests ({status}): {words}"
            kind: ErrorKind = reported.kind if reported.kind == "concurrency" else "rate_limited"
            return VideoError(
                kind, text, retryable=True, charged=charged, provider_code=code, http_status=status,
                retry_after_s=wait,
            )  # fmt: skip
        if status in (404, 410):
            text = f"{self.name} does not know it ({status}): {words}"
            return VideoError("not_found", text, charged=charged, provider_code=code, http_status=status)
        if 400 <= status < 500 and status not in UNCLEAR_4XX:
            return self.refused(status, reported, charged)
        text = f"{self.name} failed to answer ({status}): {words}"
        return VideoError(
            "provider", text, retryable=True, charged=charged, provider_code=code, http_status=status,
            retry_after_s=wait,
        )  # fmt: skip

    def unanswered(self, kind: ErrorKind, why: str, charged: Charged) -> VideoError:
        """A free question that got no answer (kind "network" or "timeout"), or none that can be read ("provider")."""
        text = f"{self.name} did not answer ({self.clean(why, 120)})"
        return VideoError(kind, text, retryable=True, charged=charged)

    def failed(
        self, reported: Reported, *, charged: Charged, retryable: bool = False, http_status: int | None = None
    ) -> VideoError:
        """A job that the service took and then failed. charged: "no" on the service's own documented word alone; the
        sentence and the field say the same, and nobody changes either of them afterwards."""
        kind = reported.kind or "provider"
        code = self.clean(reported.code, 60)
        billed = reported.charged or charged
        step = NEXT_STEP.get(kind, "") or ("repeat the call" if billed == "no" else self._look_first())
        why = self.clean(reported.message) or "without a reason"
        said = f"{self.name} reports a failure{f' ({code})' if code else ''}: {why}"
        return VideoError(
            kind,
            f"{said}; {CHARGED_WORDS[billed]}; {step}",
            retryable=retryable,
            charged=billed,
            provider_code=code or None,
            http_status=http_status,
        )

    def no_video(self, charged: Charged, why: str = "") -> VideoError:
        """A job that the service calls done, without a clip. why: what is known of the reason."""
        said = f"{self.name} says it has succeeded but gave no video{f' ({why})' if why else ''}"
        step = "repeat the call" if charged == "no" else self._look_first()
        return VideoError("provider", f"{said}; {CHARGED_WORDS[charged]}; {step}", charged=charged)

    def _look_first(self) -> str:
        return f"look at the account at {self.name}, or ask its support, before another take is paid"


def clock_lead_s(headers: Mapping[str, str]) -> float:
    """Seconds by which a service's clock is ahead of this machine's, from its Date header; 0 where it has none."""
    stamp = border.http_date(headers.get("date", ""))
    return 0.0 if stamp is None else stamp - time.time()


def made_at(stamp: float | None, lead_s: float) -> float | None:
    """When a service took a job, by this machine's clock; None where it does not say."""
    return None if stamp is None else stamp - lead_s
