"""The user's spending limits: legal values, how they are kept, and the record of every change.

No tool of an agent reaches this; the command line asks before a limit is raised. Each change is an event without a job
(kind "limit"), so that what was allowed, when and by whom can be seen afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from backends.errors import VideoError
from backends.jobs import audit, preferences
from backends.jobs.money import ledger
from backends.jobs.money.ledger import PERSON_LIMIT
from backends.jobs.principals import EVERYBODY, OWNER, is_limited
from backends.jobs.store.database import Store, Transaction, add_event
from backends.jobs.store.schema import OPEN

PROVIDER_LIMIT = "per_day_usd."

LIMITS: Mapping[str, str] = {
    "per_job_usd": "the most that one job may cost, US dollars, or none",
    "per_day_usd": "the most that a day (UTC) may cost, US dollars, or none",
    PROVIDER_LIMIT + "PROVIDER": "the same for one provider",
    PERSON_LIMIT
    + "NAME": "the same for what one person starts over HTTP; per_day_usd@* for each who has none of their own",
    "allow_providers": "the providers that may be used, separated by commas, or all",
    "confirm_above_usd": "ask before anything whose estimate is above this, US dollars, or none",
    "allow_unknown_price": "whether a job whose price is unknown may be started: true or false. With true it needs a "
    "named model and a max_cost_usd above 0, which is reserved for it",
}
"""The settings that a user can make, with their meanings."""

DEFAULTS: Mapping[str, str] = {
    **{key: format(amount, "f") for key, amount in ledger.DEFAULT_LIMITS.items()},
    "allow_providers": "all",
    "confirm_above_usd": "none",
    "allow_unknown_price": "false",
}

KIND = "limit"
"""The kind of the events that record changes."""

WAITS = "waits for the day's limit"
"""The first words of the phase of a job for which today's limit has no room."""

SHOWN_S = 86_400.0
"""Seconds for which a change is shown wherever money is shown."""

How = Literal["terminal", "script"]


@dataclass(frozen=True)
class Change:
    """One change of a limit. old, new: as kept ("none", "20", "all"). at: POSIX seconds. how: typed at a terminal, or
    by a script. who: the user of the machine, "" where it has no name."""

    key: str
    old: str
    new: str
    at: float
    how: str
    who: str

    def sentence(self, now: float) -> str:
        """For example: spending limit per_day_usd raised from $20 to $50 3 minutes ago"""
        if self.key.startswith("allow_"):
            verb = "widened" if is_raised(self.key, self.old, self.new) else "narrowed"
        else:
            verb = "raised" if is_raised(self.key, self.old, self.new) else "lowered"
        by = " by a script" if self.how == "script" else ""
        old, new = shown(self.key, self.old), shown(self.key, self.new)
        return f"spending limit {self.key} {verb} from {old} to {new} {_ago(now - self.at)}{by}"


# values


def limit_value(key: str, text: str, providers: Collection[str]) -> str:
    """The value in the form that is kept. VideoError("invalid_request") for an unknown setting, or with the legal
    values."""
    provider = key.removeprefix(PROVIDER_LIMIT) if key.startswith(PROVIDER_LIMIT) else None
    if provider is not None and provider not in providers:
        known = ", ".join(sorted(providers))
        raise VideoError("invalid_request", f"{key}: no provider is called {provider[:40]!r}; there are {known}")
    if key.startswith(PERSON_LIMIT):
        _check_person(key)
    elif provider is None and key not in DEFAULTS:
        raise _unknown(key)
    value = text.strip().lower()
    if key == "allow_unknown_price":
        if value not in ("true", "false"):
            raise VideoError("invalid_request", f"allow_unknown_price is true or false, not {text[:40]!r}")
        return value
    return _providers(text, providers) if key == "allow_providers" else _amount(key, value)


def _check_person(key: str) -> None:
    if not is_limited(key.removeprefix(PERSON_LIMIT)):
        legal = f"{PERSON_LIMIT}NAME (a person of reelwright people, or ISSUER#SUBJECT) or {PERSON_LIMIT}{EVERYBODY}"
        raise VideoError("invalid_request", f"{key[:80]!r} names nobody: {legal}")


def _unknown(key: str) -> VideoError:
    known = (*LIMITS, *preferences.MEANINGS)
    return VideoError("invalid_request", f"there is no setting {key[:60]!r}; the settings are {', '.join(known)}")


def _amount(key: str, value: str) -> str:
    if value == "none":
        return value
    try:
        amount = Decimal(value.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        legal = "an amount in US dollars of 0 or more, such as 2.50, or none"
        raise VideoError("invalid_request", f"{key} is {legal}, not {value[:40]!r}")
    return format(amount.normalize(), "f")


def _providers(text: str, providers: Collection[str]) -> str:
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    if words == ["all"]:
        return "all"
    unknown = [word for word in words if word not in providers]
    if unknown or not words:
        raise VideoError(
            "invalid_request",
            f"allow_providers is all, or some of {', '.join(sorted(providers))}, separated by commas, "
            f"not {(unknown or [text])[0][:40]!r}",
        )
    return ",".join(dict.fromkeys(words))


def is_raised(key: str, old: str, new: str) -> bool:
    """Whether the new value of a limit allows anything that the old one did not."""
    if key == "allow_unknown_price":
        return new == "true" and old != "true"
    if key == "allow_providers":
        return old != "all" and (new == "all" or not set(new.split(",")) <= set(old.split(",")))
    if old in ("", "none"):
        return False
    return new == "none" or Decimal(new) > Decimal(old)


def shown(key: str, value: str) -> str:
    """A value in words: $20, none, all."""
    if key.startswith("allow_") or value == "none":
        return value
    whole, _, cents = value.partition(".")
    return f"${whole}.{cents:0<2}" if cents else f"${whole}"


# the store


def default_of(key: str) -> str:
    """The default of a limit ("none" for a provider's or person's). VideoError for an unknown setting."""
    if key not in DEFAULTS and not key.startswith((PROVIDER_LIMIT, PERSON_LIMIT)):
        raise _unknown(key)
    return DEFAULTS.get(key, "none")


def value_of(source: Store | Transaction, key: str) -> str:
    """The current value of a limit. VideoError("invalid_request") for an unknown setting."""
    row = source.row("SELECT value FROM settings WHERE key = ?", (key,))
    return unset_value(source, key) if row is None else str(row["value"])


def unset_value(source: Store | Transaction, key: str) -> str:
    """The value where a limit is not set: its default; for a person the limit that is set for everyone."""
    each = PERSON_LIMIT + EVERYBODY
    return value_of(source, each) if key.startswith(PERSON_LIMIT) and key != each else default_of(key)


def set_limit(
    store: Store, key: str, text: str, providers: Collection[str], *, how: How = "terminal", who: str = ""
) -> str:
    """Set a limit, and record the change if there is one; returns the value as kept."""
    value = limit_value(key, text, providers)

    def write(tx: Transaction) -> None:
        old = value_of(tx, key)
        tx.run(
            "INSERT INTO settings(key, value, at) VALUES (?, ?, ?) "
            "ON CONFLICT(key) DO UPDATE SET value = excluded.value, at = excluded.at",
            (key, value, tx.now()),
        )
        _record(tx, key, old, value, how, who)

    store.write(write, durable=True)
    return value


def unset_limit(store: Store, key: str, *, how: How = "terminal", who: str = "") -> str:
    """Reset to the default, and record the change if there is one; returns the default ("none" for a provider's
    limit)."""

    def write(tx: Transaction) -> str:
        old, default = value_of(tx, key), unset_value(tx, key)
        tx.run("DELETE FROM settings WHERE key = ?", (key,))
        _record(tx, key, old, default, how, who)
        return default

    return store.write(write, durable=True)


def _record(tx: Transaction, key: str, old: str, new: str, how: How, who: str) -> None:
    if old == new:
        return
    add_event(tx, "", KIND, {"key": key, "from": old, "to": new, "how": how, "who": who})
    detail = f"{key} from {shown(key, old)} to {shown(key, new)}"
    audit.add(tx, "limit", amount=_micro(new), place=f"{how} {who}".rstrip(), detail=detail)
    for row in tx.rows(f"SELECT id FROM jobs WHERE {OPEN} AND state = 'queued' AND phase LIKE ?", (f"{WAITS}%",)):
        tx.run("UPDATE jobs SET not_before = 0 WHERE id = ?", (row["id"],))  # there may be room now
        add_event(tx, row["id"], KIND, wake=True)


def _micro(value: str) -> int | None:
    """A limit in micro-dollars; None where there is none, or the value is no amount."""
    try:
        return ledger.to_micro(Decimal(value))
    except InvalidOperation:
        return None


def as_set(store: Store) -> dict[str, tuple[str, bool]]:
    """Every setting with its value, and whether the user has set it (else it is the default)."""
    known = {str(row["key"]): str(row["value"]) for row in store.rows("SELECT key, value FROM settings ORDER BY key")}
    found = {key: (known.get(key, default), key in known) for key, default in DEFAULTS.items()}
    return found | {
        key: (value, True) for key, value in known.items() if key.startswith((PROVIDER_LIMIT, PERSON_LIMIT))
    }


def changes(store: Store, since: float) -> list[Change]:
    """The changes after that time (POSIX seconds), newest first."""
    rows = store.rows(
        "SELECT at, data FROM events WHERE job = '' AND kind = ? AND at >= ? ORDER BY seq DESC", (KIND, since)
    )
    return [_change(float(row["at"]), json.loads(row["data"])) for row in rows]


def _change(at: float, data: Mapping[str, str]) -> Change:
    return Change(data["key"], data["from"], data["to"], at, data["how"], data["who"])


def recent(store: Store, now: float | None = None, principal: str = EVERYBODY) -> list[str]:
    """The changes of the last day in sentences, newest first. principal: who reads them; only the owner sees other
    people's limits."""
    at = store.now() if now is None else now
    theirs = (PERSON_LIMIT + principal, PERSON_LIMIT + EVERYBODY)
    return [
        change.sentence(at)
        for change in changes(store, at - SHOWN_S)
        if principal in (OWNER, EVERYBODY) or not change.key.startswith(PERSON_LIMIT) or change.key in theirs
    ]


def meaning(key: str) -> str:
    """The meaning of a setting."""
    for prefix, name in ((PROVIDER_LIMIT, "PROVIDER"), (PERSON_LIMIT, "NAME")):
        if key.startswith(prefix):
            return LIMITS[prefix + name]
    return LIMITS[key]


def _ago(seconds: float) -> str:
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"
