"""VideoError: the one failure that leaves a back end.

A vendor's exception never does. The text is part of the interface: it says what was wrong, what is legal,
and the next step, because an agent reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from backends import border

ErrorKind = Literal[
    "invalid_request",  # the request can never work as it is; the text lists every problem
    "unsupported",  # the model lacks what was asked
    "auth",  # no credential, or a refused one
    "quota",
    "balance",
    "rate_limited",
    "concurrency",
    "moderation_input",
    "moderation_output",
    "model_retired",
    "asset",  # an input file or URL cannot be used
    "provider",  # the service or the engine failed
    "timeout",
    "network",
    "submit_unknown",  # a paid request may or may not have been taken
    "needs_budget",  # nothing that does exactly this fits the money allowed
    "wall",  # one of the person's own spending walls stands in the way
    "consent",  # above the amount from which the person wants to be asked
    "not_found",
    "conflict",  # the same request key with another request
    "storage",  # the home folder, the disk or the store
    "cancelled",
]
"""What went wrong, in one word. Part of the public interface: values are added, never renamed."""

Charged = Literal["no", "yes", "unknown"]

A_PERSON = "a person can change it at a terminal (reelwright config --help)"
"""How every refusal by one of the person's limits ends. It names no command that lifts the limit: an agent with a
shell would run it."""

ERROR_KINDS: frozenset[str] = frozenset(get_args(ErrorKind))


class VideoError(Exception):
    """A failure with a reason and a remedy.

    kind:      one of `ErrorKind`.
    message:   what was wrong, the legal values, the next step; safe to show a model (no keys, bounded).
    retryable: whether the same request may succeed later without a change.
    charged:   whether the provider has billed, or will: "no", "yes" or "unknown".
    provider_code, http_status: as the provider gave them, for the record.
    retry_after_s: the provider's own waiting time in seconds, where it gave one.
    problems:  every single problem of an illegal request, one sentence each.
    nearest:   the arguments to change to make the request legal (or the call to make instead).
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retryable: bool = False,
        charged: Charged = "no",
        provider_code: str | None = None,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        problems: Sequence[str] = (),
        nearest: Mapping[str, Any] | None = None,
    ) -> None:
        message = border.encodable(message)
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.retryable = retryable
        self.charged: Charged = charged
        self.provider_code = provider_code if provider_code is None else border.encodable(provider_code)
        self.http_status = http_status
        self.retry_after_s = border.seconds(retry_after_s, border.REFUSED_WAIT_MAX_S)
        self.problems = tuple(problems)
        self.nearest: dict[str, Any] = dict(nearest or {})

    def __reduce__(self) -> tuple[Any, ...]:
        return (VideoError.from_json, (self.to_json(),))

    def to_json(self) -> dict[str, Any]:
        """The four public fields, plus the record's own where they are set."""
        record: dict[str, Any] = {
            "kind": self.kind,
            "message": self.message,
            "retryable": self.retryable,
            "charged": self.charged,
        }
        for name in ("provider_code", "http_status", "retry_after_s"):
            if (value := getattr(self, name)) is not None:
                record[name] = value
        if self.problems:
            record["problems"] = list(self.problems)
        if self.nearest:
            record["nearest"] = self.nearest
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> VideoError:
        """The reverse of `to_json`; a kind that this version doesn't know becomes "provider"."""
        known = dict(record)
        kind = known.pop("kind", "provider")
        message = str(known.pop("message", ""))
        return cls(kind if kind in ERROR_KINDS else "provider", message, **known)


class OwnFault(VideoError):
    """This program could not do its part (a library's changed call, a codec that is missing, memory): it says nothing
    of the file or the service. A delivered clip waits for the next working version instead of being given up."""

    def __init__(self, message: str) -> None:
        super().__init__("provider", message, retryable=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (OwnFault, (self.message,))
