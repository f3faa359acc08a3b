"""VideoError: the one failure that leaves a back end.

A vendor's exception never does. The text is part of the interface: it says what was wrong, what is legal,
and the next step, because an agent reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from backends.provider import border

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
    "wall",  # one of the user's spending limits stands in the way
    "consent",  # above the amount from which the user wants to be asked
    "not_found",
    "conflict",  # the same request key with another request
    "storage",  # the data folder, the disk or the store
    "cancelled",
]
"""What went wrong, in one word. Part of the public interface: values are added, never renamed."""

Charged = Literal["no", "yes", "unknown"]

A_PERSON = "the user can change it at a terminal (reelwright config --help)"
"""How every refusal by one of the user's limits ends. It names no command that lifts the limit: an agent with a
shell would run it."""

ERROR_KINDS: frozenset[str] = frozenset(get_args(ErrorKind))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request. field: the argument that it is about, as `VideoRequest` calls it, with
    the place inside it ("frames[0].image"); "" = none alone. text: the sentence, which opens with that name."""

    field: str
    text: str

    def __str__(self) -> str:
        return self.text

    def named(self, names: Mapping[str, str]) -> Problem:
        """The same where the reader calls its field by another name: names holds theirs by ours."""
        own = max((name for name in names if _opens(self.text, name)), key=len, default="")
        text = names[own] + self.text[len(own) :] if own else self.text
        return Problem(names.get(self.field, self.field), text)


def _opens(text: str, name: str) -> bool:
    """Whether a sentence is about that name: it opens with it, as a whole word."""
    return text.startswith(name) and not (text[len(name) :] or " ")[0].isalnum() and text[len(name) :][:1] != "_"


@dataclass(frozen=True)
class Next:
    """The call to make next. tool: its published name; each front end says it in its own words."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])


def listing(lead: str, problems: Sequence[Problem]) -> str:
    """Every problem in words: one in the sentence itself, several in a list. lead: who cannot do it ("" = left out)."""
    if not problems:
        return lead
    if len(problems) == 1:
        return f"{lead}: {problems[0]}." if lead else str(problems[0])
    head = f"{lead}; " if lead else ""
    return "\n- ".join((f"{head}{len(problems)} problems:", *map(str, problems)))


class VideoError(Exception):
    """A failure with a reason and a remedy.

    kind:      one of `ErrorKind`.
    message:   what was wrong, the legal values, the next step; safe to show a model (no keys, bounded).
    retryable: whether the same request may succeed later without a change.
    charged:   whether the provider has billed, or will: "no", "yes" or "unknown".
    provider_code, http_status: as the provider gave them, for the record.
    retry_after_s: the provider's own waiting time in seconds, where it gave one.
    problems:  every single problem of an illegal request, one sentence each.
    nearest:   the arguments to change, as `VideoRequest` calls them and as JSON values of their types (None = leave
               out). They are there only when the whole changed request was accepted.
    cost:      what the nearest one costs, in words ("" = nobody knows, or nothing is changed that costs).
    next:      the call to make instead of this one.
    lead:      the message without its problems and its remedy, so that a front end can tell those in its own words.
               None = the message alone tells it.
    aside:     what follows all that, in whole sentences.
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
        problems: Iterable[Problem | str] = (),
        nearest: Mapping[str, Any] | None = None,
        cost: str = "",
        next: Next | None = None,
        lead: str | None = None,
        aside: str = "",
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
        self.problems = tuple(one if isinstance(one, Problem) else Problem("", one) for one in problems)
        self.nearest: dict[str, Any] = dict(nearest or {})
        self.cost = cost
        self.next = next
        self.lead = lead
        self.aside = aside

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
            record["problems"] = [{"field": one.field, "text": one.text} for one in self.problems]
        for name in ("nearest", "cost", "aside"):
            if value := getattr(self, name):
                record[name] = value
        if self.next is not None:
            record["next"] = {"tool": self.next.tool, "arguments": dict(self.next.arguments)}
        if self.lead is not None:
            record["lead"] = self.lead
        if isinstance(self, OwnFault):
            record["own_fault"] = True
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> VideoError:
        """The reverse of `to_json`, of rows that older and newer versions wrote too: a kind that this version doesn't
        know becomes "provider", problems may be plain sentences, and a field that is not known is left out."""
        if record.get("own_fault"):
            fault = OwnFault(str(record.get("message", "")))
            fault.charged = record.get("charged", "no")
            return fault
        known = {name: value for name, value in record.items() if name in _RECORDED}
        kind = record.get("kind", "provider")
        message = str(record.get("message", ""))
        known["problems"] = [_problem(one) for one in known.get("problems", ())]
        if isinstance(then := known.pop("next", None), Mapping):
            call = cast("Mapping[str, Any]", then)
            known["next"] = Next(str(call.get("tool", "")), dict(call.get("arguments") or {}))
        return cls(kind if kind in ERROR_KINDS else "provider", message, **known)


_RECORDED = {"retryable", "charged", "provider_code", "http_status", "retry_after_s", "problems", "nearest", "cost"} | {
    "next",
    "lead",
    "aside",
}


def _problem(record: object) -> Problem:
    if isinstance(record, Mapping):
        one = cast("Mapping[str, object]", record)
        return Problem(str(one.get("field", "")), str(one.get("text", "")))
    return Problem("", str(record))


class OwnFault(VideoError):
    """This program could not do its part (a library's changed call, a codec that is missing, memory): it says nothing
    of the file or the service. A delivered clip waits for the next working version instead of being given up."""

    def __init__(self, message: str) -> None:
        super().__init__("provider", message, retryable=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (OwnFault, (self.message,))
