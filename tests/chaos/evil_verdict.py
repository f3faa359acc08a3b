"""What must hold after the evil storm: nothing paid twice, nothing lost, nothing left unsure that a look would settle,
and no day's limit passed by more than what the service billed above its own quote."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from tests.chaos.evil import EvilOutcome, Home
from tests.chaos.evil_person import PRICE
from tests.fakes import FakeServer

Rows = list[dict[str, Any]]


def judge(outcome: EvilOutcome, homes: list[Home], server: FakeServer, tricks: list[tuple[str, str, str]]) -> None:
    """Add to `outcome.broken` everything that does not hold."""
    rows = [row for home in homes for row in home.station.rows("SELECT * FROM jobs ORDER BY seq")]
    entries = {row["job"]: row for home in homes for row in home.station.rows("SELECT * FROM ledger")}
    truth = {job["id"]: job for job in server.jobs()}
    outcome.states = Counter(str(row["state"]) for row in rows)
    for home in homes:
        outcome.told += [f"{count} x {what}" for what, count in Counter(home.person.done).items()]
    if outcome.killed.total() < outcome.plan.kills:
        outcome.broken.append(f"only {outcome.killed.total()} of {outcome.plan.kills} kills came before the end")
    _charged(outcome, rows, truth)
    _lost(outcome, rows, truth)
    _unsure(outcome, homes, rows, truth)
    _clips(outcome, homes, rows, tricks)
    _books(outcome, rows, entries, truth, tricks)
    for home in homes:
        _limit(outcome, home, server)


def _charged(outcome: EvilOutcome, rows: Rows, truth: dict[str, Any]) -> None:
    known = {row["id"] for row in rows}
    twice = {key: count for key, count in Counter(job["job_key"] for job in truth.values()).items() if count > 1}
    if twice:
        outcome.broken.append(f"{len(twice)} paid twice: {dict(list(twice.items())[:3])}")
    if strangers := {job["job_key"] for job in truth.values()} - known:
        outcome.broken.append(f"charged for jobs that no store knows: {strangers}")


def _lost(outcome: EvilOutcome, rows: Rows, truth: dict[str, Any]) -> None:
    """Every charge has its clip, or is told to be unsure. Equal orders may have changed places: either has a clip."""
    bound: defaultdict[str, Rows] = defaultdict(list)
    for row in rows:
        if row["remote_id"]:
            bound[row["remote_id"]].append(row)
    state = {row["id"]: str(row["state"]) for row in rows}
    for name, job in truth.items():
        drivers = bound[name]
        if not drivers and state[job["job_key"]] != "uncertain":
            outcome.broken.append(f"lost: {name} is charged for {job['job_key']}, and no job is bound to it")
        if len(drivers) > 1:
            outcome.broken.append(f"one clip for two jobs: {name} of {[row['id'] for row in drivers]}")
        for row in drivers:
            if row["state"] not in ("succeeded", "uncertain"):
                what = (row["state"], row["phase"][:120], (row["error"] or "")[:200])
                outcome.broken.append(f"lost: {row['id']} ({name}, {job['status']}) is {what}")
    for row in rows:
        if not row["remote_id"] and row["state"] not in ("succeeded", "uncertain"):
            what = (row["state"], row["phase"][:120], (row["error"] or "")[:200])
            outcome.broken.append(f"not made: {row['id']} is {what}")


def _unsure(outcome: EvilOutcome, homes: list[Home], rows: Rows, truth: dict[str, Any]) -> None:
    """The service tells the truth by now: what is unsure although it would say so is not told well."""
    accepted: set[str] = set()
    for home in homes:
        log = home.station.home / "accepted.jsonl"
        lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
        accepted |= {json.loads(line)["job"] for line in lines if line.startswith("{") and line.endswith("}")}
    bound = {row["remote_id"] for row in rows if row["remote_id"]}
    mine = {job["job_key"]: name for name, job in truth.items()}
    for row in rows:
        if row["state"] != "uncertain":
            continue
        job, mode = row["id"], outcome.plan.mode
        why = (row["error"] or "")[:250]
        if row["remote_id"] in truth:
            outcome.broken.append(f"unsure: {job} is bound to {row['remote_id']}, which the service tells of: {why}")
        elif job in accepted:
            outcome.broken.append(f"unsure: {job} has its id in accepted.jsonl: {why}")
        elif mode == "key":
            outcome.broken.append(f"unsure: the service would tell by the key of {job}: {why}")
        elif mode == "lookup" and job in mine and mine[job] not in bound:
            outcome.broken.append(f"unsure: the list shows {mine[job]} of {job}: {why}")


def _clips(outcome: EvilOutcome, homes: list[Home], rows: Rows, tricks: list[tuple[str, str, str]]) -> None:
    folders = [home.station.home / "artifacts" / "jobs" for home in homes]
    others = {job for _, job, trick in tricks if trick == "other clip"}
    for row in rows:
        if row["state"] != "succeeded":
            continue
        found = [folder / row["id"] / "clip.mp4" for folder in folders if (folder / row["id"] / "clip.mp4").exists()]
        if not found or found[0].stat().st_size < 1000:
            outcome.broken.append(f"the clip of {row['id']} is not on disk")
        elif (row["remote_id"] or "__").split("_")[1] in others and "64" not in row["notes"]:
            outcome.broken.append(f"not told: {row['id']} is 64x64 and 1 s, not what was asked: notes {row['notes']}")


def _books(
    outcome: EvilOutcome,
    rows: Rows,
    entries: dict[str, dict[str, Any]],
    truth: dict[str, Any],
    tricks: list[tuple[str, str, str]],
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
        if booked != really and not (row["remote_id"].split("_")[1] in muddled and booked == PRICE):
            wrong.append(f"{row['id']} is booked at ${booked} ({entry['basis']}) and charged at ${really}")
    if wrong:
        outcome.broken.append(f"{len(wrong)} booked wrongly: {wrong[:3]}")


def _limit(outcome: EvilOutcome, home: Home, server: FakeServer) -> None:
    """At every charge: the day's charges of this home against its limit then, and what was billed above the quote."""
    ours = {row["id"] for row in home.station.rows("SELECT id FROM jobs")}
    spent = above = Decimal(0)
    day = ""
    for text in (server.state / "ledger.jsonl").read_text().splitlines():
        line = json.loads(text)
        if line["event"] != "charge" or line["key"] not in ours:
            continue
        usd, at = Decimal(line["usd"]), float(line["at"])
        if day != (day := str(int(at // 86400))):
            spent = above = Decimal(0)
        spent += usd
        above += max(Decimal(0), usd - PRICE)
        limit = max((usd for since, usd in home.person.limits if since <= at), default=Decimal(20))
        if spent > limit + above:
            outcome.broken.append(f"${spent} charged on a limit of ${limit} (${above} of it above the quotes)")
            return
