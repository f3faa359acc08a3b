"""What only the person may do, at a terminal: move a queued job, clear a lane, set walls. (One job: `decisions`.)

No tool of an agent reaches any of this. Each decision is one durable transaction whose event wakes the driver.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation

from backends.backend import Access, JsonObject
from backends.errors import VideoError
from backends.jobs import ledger, records
from backends.jobs.lanes import add_lane
from backends.jobs.schema import OPEN
from backends.jobs.store import Store, Transaction, add_event, to_json

PROVIDER_WALL = "per_day_usd."

WALLS: Mapping[str, str] = {
    "per_job_usd": "the most that one job may cost, US dollars, or none",
    "per_day_usd": "the most that a day (UTC) may cost, US dollars, or none",
    PROVIDER_WALL + "PROVIDER": "the same for one provider",
    "allow_providers": "the providers that may be used, separated by commas, or all",
    "confirm_above_usd": "ask the person above this estimate, US dollars, or none",
    "allow_unknown_price": "whether a job whose price is unknown may be started: true or false",
}
"""The settings a person may make, with what each means."""

DEFAULTS: Mapping[str, str] = {
    **{key: format(amount, "f") for key, amount in ledger.DEFAULT_WALLS.items()},
    "allow_providers": "all",
    "confirm_above_usd": "none",
    "allow_unknown_price": "false",
}


# walls


def wall_value(key: str, text: str, providers: Collection[str]) -> str:
    """The value as it is kept. VideoError("invalid_request") for an unknown key, or with the legal values."""
    provider = key.removeprefix(PROVIDER_WALL) if key.startswith(PROVIDER_WALL) else None
    if provider is not None and provider not in providers:
        known = ", ".join(sorted(providers))
        raise VideoError("invalid_request", f"{key}: no provider is called {provider[:40]!r}; there are {known}")
    if provider is None and key not in DEFAULTS:
        raise VideoError("invalid_request", f"there is no setting {key[:60]!r}; the settings are {', '.join(WALLS)}")
    value = text.strip().lower()
    if key == "allow_unknown_price":
        if value not in ("true", "false"):
            raise VideoError("invalid_request", f"allow_unknown_price is true or false, not {text[:40]!r}")
        return value
    return _providers(text, providers) if key == "allow_providers" else _amount(key, value)


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


def set_wall(store: Store, key: str, text: str, providers: Collection[str]) -> str:
    """Keep a setting; its value as kept."""
    value = wall_value(key, text, providers)
    store.write(
        lambda tx: tx.run(
            "INSERT INTO settings(key, value, at) VALUES (?, ?, ?) "
            "ON CONFLICT(key) DO UPDATE SET value = excluded.value, at = excluded.at",
            (key, value, time.time()),
        ),
        durable=True,
    )
    return value


def unset_wall(store: Store, key: str) -> str:
    """Back to the default; what that is ("none" for a provider's wall)."""
    if key not in DEFAULTS and not key.startswith(PROVIDER_WALL):
        raise VideoError("invalid_request", f"there is no setting {key[:60]!r}; the settings are {', '.join(WALLS)}")
    store.write(lambda tx: tx.run("DELETE FROM settings WHERE key = ?", (key,)), durable=True)
    return DEFAULTS.get(key, "none")


def walls_as_set(store: Store) -> dict[str, tuple[str, bool]]:
    """Every setting with its value, and whether the person has set it (else it is the default)."""
    known = {str(row["key"]): str(row["value"]) for row in store.rows("SELECT key, value FROM settings ORDER BY key")}
    found = {key: (known.get(key, default), key in known) for key, default in DEFAULTS.items()}
    return found | {key: (value, True) for key, value in known.items() if key.startswith(PROVIDER_WALL)}


# lanes


def open_by_lane(store: Store) -> dict[str, int]:
    """How many jobs a driver still has to do something for, by lane."""
    rows = store.rows(f"SELECT lane, count(*) AS n FROM jobs WHERE {OPEN} GROUP BY lane")
    return {str(row["lane"]): int(row["n"]) for row in rows}


def rebind(store: Store, job: str, access: Access) -> None:
    """Move a job that nobody has sent yet to the lane of the credentials that are set now.

    What was uploaded or worded for the other account is made anew.
    """

    def write(tx: Transaction) -> None:
        row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
        if row is None:
            raise VideoError("not_found", f"there is no job {job[:80]}: reelwright jobs list shows those there are")
        if row["state"] not in ("waiting", "queued"):
            raise VideoError("conflict", f"job {job} is {row['state']}: only a queued job can move to another account")
        if access.missing:
            raise VideoError("auth", f"no credential for {row['provider']}: set {' or '.join(access.missing)}")
        if row["lane"] == access.lane:
            raise VideoError("conflict", f"job {job} belongs to the account that is set now already")
        add_lane(tx, access.lane, row["provider"], row["kind"])
        prepared: JsonObject = json.loads(row["prepared"]) | {"body": {}, "uploads": [], "endpoint": ""}
        tx.run(
            "UPDATE jobs SET lane = ?, base_url = ?, refs = '{}', prepared = ?, not_before = 0, phase = '' "
            "WHERE id = ?",
            (access.lane, access.base_url, to_json(prepared), job),
        )
        tx.run("UPDATE ledger SET lane = ? WHERE job = ?", (access.lane, job))
        records.note(tx, job, "moved by the person to the account that is set now")
        add_event(tx, job, "rebind", {"from": row["lane"], "to": access.lane}, wake=True)

    store.write(write, durable=True)


def resume(store: Store, lane: str | None = None) -> list[str]:
    """Let one lane (or all) buy again after its breaker has stopped it; the lanes that were stopped."""

    def write(tx: Transaction) -> list[str]:
        where, params = ("breaker <> ''", ()) if lane is None else ("breaker <> '' AND key = ?", (lane,))
        stopped = [str(row["key"]) for row in tx.rows(f"SELECT key FROM lanes WHERE {where} ORDER BY key", params)]
        if not stopped and lane is not None and tx.row("SELECT 1 FROM lanes WHERE key = ?", (lane,)) is None:
            known = ", ".join(str(row["key"]) for row in tx.rows("SELECT key FROM lanes ORDER BY key"))
            raise VideoError("not_found", f"there is no lane {lane[:120]!r}; there are: {known or 'none yet'}")
        for key in stopped:
            tx.run("UPDATE lanes SET breaker = '', breaker_until = 0, failures = 0 WHERE key = ?", (key,))
            for row in tx.rows("SELECT id FROM jobs WHERE lane = ? AND state = 'queued' ORDER BY seq LIMIT 1", (key,)):
                add_event(tx, row["id"], "resume", {"lane": key}, wake=True)
        return stopped

    return store.write(write, durable=True)
