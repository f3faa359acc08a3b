"""What must hold after a storm, read from both sides: the store of this program and the ledger of the service."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

from backends.jobs.run.lookup import CLOCKS_APART_S
from backends.jobs.store.database import Row
from tests.chaos.storm import Mode, Outcome
from tests.fakes import FakeServer
from tests.jobs.station import Station

PRICE = Decimal("0.40")


def judge(outcome: Outcome, station: Station, server: FakeServer) -> None:
    """Add to `outcome.broken` everything that does not hold."""
    plan, counters, say = outcome.plan, outcome.counters, outcome.broken.append
    rows = station.rows("SELECT * FROM jobs ORDER BY seq")
    outcome.states = Counter(str(row["state"]) for row in rows)
    if outcome.killed.total() < plan.kills:
        say(f"only {outcome.killed.total()} of {plan.kills} kills came before the end")
    twice = {key: count for key, count in counters["charges_by_key"].items() if count > 1}
    if twice:
        say(f"paid twice: {twice}")
    keys = Counter(row["request_key"] for row in rows)
    if len(keys) != plan.jobs or max(keys.values(), default=0) != 1:
        say(f"{plan.jobs} clips were requested, {len(rows)} jobs with {len(keys)} keys are in the store")
    born = max((float(job["created_at"]) for job in server.jobs()), default=0.0)
    taken = set(counters["charges_by_key"])
    lost = [
        (row["id"], row["state"], row["phase"], row["error"])
        for row in rows
        if row["state"] != "succeeded"
        and not (row["state"] == "uncertain" and _may_be_unsure(row, plan.mode, born, row["id"] in taken))
    ]
    if lost:
        say(f"{len(lost)} not done: {lost[:5]}")
    strangers = set(counters["charges_by_key"]) - {row["id"] for row in rows}
    if strangers:
        say(f"charged for jobs that the store does not know: {strangers}")
    for row in rows:
        if row["state"] == "succeeded":
            file = station.home / "artifacts" / "jobs" / row["id"] / "clip.mp4"
            if not file.exists() or file.stat().st_size < 1000:
                say(f"the clip of {row['id']} is not on disk")
    published = list(Path(station.output).glob("*.mp4"))
    if len(published) != outcome.states["succeeded"]:
        say(f"{len(published)} clips in the output folder for {outcome.states['succeeded']} jobs")
    _judge_money(outcome, station, server)


def _may_be_unsure(row: Row, mode: Mode, born: float, taken: bool) -> bool:
    """Without a look-up any job may be. With one, a job that was sent twice and never taken: none is sent a third time.
    And one of whose request nothing came, when no other was taken after it (born: when the last one was): then a list
    that does not show it proves nothing."""
    if row["posts"] >= 2 and not taken:
        return True
    if mode != "lookup" or row["posted_at"] is None:
        return mode == "none"
    return float(row["posted_at"]) + CLOCKS_APART_S >= born


def _judge_money(outcome: Outcome, station: Station, server: FakeServer) -> None:
    """The ledger's sums are the service's: settled for what is done, held for what nobody knows."""
    say = outcome.broken.append
    settled, held = station.books()
    uncertain = {row["id"] for row in station.rows("SELECT id FROM jobs WHERE state = 'uncertain'")}
    really = Decimal(0)
    for job in server.jobs():
        if job["job_key"] not in uncertain:
            really += Decimal(job["cost_usd"])
    if settled != really:
        say(f"settled ${settled}, and the service has charged ${really} for those jobs")
    if held != PRICE * len(uncertain):
        say(f"held ${held} for {len(uncertain)} uncertain jobs")
    if outcome.states["succeeded"] * PRICE != settled:
        say(f"settled ${settled} for {outcome.states['succeeded']} clips at ${PRICE}")
