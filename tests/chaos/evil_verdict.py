"""What must hold after the evil storm: nothing paid twice, nothing lost, nothing left unsure that a look would settle,
and no day's limit passed by more than what the service billed above its own quote."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from backends.jobs.store.database import Row
from tests.chaos.evil import EvilOutcome, Home
from tests.fakes import FakeServer
from tests.jobs import truth as checks

Rows = list[Row]


def judge(outcome: EvilOutcome, homes: list[Home], server: FakeServer, tricks: list[tuple[str, str, str]]) -> None:
    """Add to `outcome.broken` everything that does not hold."""
    rows = [
        {**row, "home": home.number} for home in homes for row in home.station.rows("SELECT * FROM jobs ORDER BY seq")
    ]
    entries = {row["job"]: row for home in homes for row in home.station.rows("SELECT * FROM ledger")}
    truth = {job["id"]: job for job in server.jobs()}
    outcome.states = Counter(str(row["state"]) for row in rows)
    for home in homes:
        outcome.told += [f"{count} x {what}" for what, count in Counter(home.person.done).items()]
    if outcome.killed.total() < outcome.plan.kills:
        outcome.broken.append(f"only {outcome.killed.total()} of {outcome.plan.kills} kills came before the end")
    if len(rows) != outcome.plan.jobs:
        outcome.broken.append(f"{outcome.plan.jobs} clips were requested, and {len(rows)} jobs are in the stores")
    if shared := checks.shared(rows):
        outcome.told.append(f"{shared} clips that both homes take for theirs: each paid once, and lost by nobody")
    outcome.broken += checks.charged(rows, truth)
    outcome.broken += checks.lost(rows, truth)
    known = checks.accepted(home.station.home for home in homes)
    outcome.broken += checks.unsure(outcome.plan.mode, rows, truth, known)
    for home in homes:
        outcome.broken += checks.limit(home.station, home.person.limits, server.state / "ledger.jsonl")
    _clips(outcome, homes, rows, tricks)
    _books(outcome, rows, entries, truth, tricks)


def _number(row: Row) -> str:
    """The service's number of the job that a row is bound to."""
    return str(row["remote_id"] or "__").split("_")[1]


def _clips(outcome: EvilOutcome, homes: list[Home], rows: Rows, tricks: list[tuple[str, str, str]]) -> None:
    """They are here, and what is not as it was ordered is told."""
    folders = [home.station.home / "artifacts" / "jobs" for home in homes]
    others = {job for _, job, trick in tricks if trick == "other clip"}
    silent: list[str] = []
    for row in rows:
        if row["state"] != "succeeded":
            continue
        found = [folder / row["id"] / "clip.mp4" for folder in folders if (folder / row["id"] / "clip.mp4").exists()]
        if not found or found[0].stat().st_size < 1000:
            outcome.broken.append(f"the clip of {row['id']} is not on disk")
        elif _number(row) in others and "64" not in row["notes"]:
            silent.append(f"{row['id']}: notes {row['notes']}")
    if silent:
        outcome.broken.append(f"{len(silent)} clips of 64x64 and 1 s, not as ordered, and not told: {silent[:3]}")


def _books(
    outcome: EvilOutcome, rows: Rows, entries: dict[str, Row], truth: dict[str, Any], tricks: list[tuple[str, str, str]]
) -> None:
    """Settled as charged. A dear job whose bill or quote was unreadable may be booked at its list price."""
    muddled = {job for _, job, trick in tricks if trick in ("odd cost", "field", "body")}
    wrong: list[str] = []
    for row in rows:
        job = truth.get(row["remote_id"] or "")
        if row["state"] != "succeeded" or job is None:
            continue
        entry, really = entries[row["id"]], Decimal(job["cost_usd"])
        booked = Decimal(entry["settled"]) / 1_000_000
        if booked != really and not (_number(row) in muddled and booked == checks.PRICE):
            wrong.append(f"{row['id']} is booked at ${booked} ({entry['basis']}) and charged at ${really}")
    if wrong:
        outcome.broken.append(f"{len(wrong)} booked wrongly: {wrong[:3]}")
