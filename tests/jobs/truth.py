"""What must hold between two sides: what homes say of their jobs, and what the service really holds and has charged.

Each check returns what does not hold, in words: nothing when all is well. rows: the jobs of all homes; truth:
the service's jobs by their id. A row's "home" says whose it is, where there are several.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from backends.jobs.store.database import Row
from tests.jobs.station import Station

PRICE = Decimal("0.40")
Truth = Mapping[str, dict[str, Any]]


def charged(rows: Sequence[Row], truth: Truth) -> list[str]:
    """One charge a job; two only where the program has told that it asked once more, or a person has ordered it."""
    jobs = {row["id"]: row for row in rows}
    wrong: list[str] = []
    for key, count in Counter(job["job_key"] for job in truth.values()).items():
        if key not in jobs:
            wrong.append(f"charged for {key}, which no store knows")
        elif count > 1 and not (count == 2 and told_again(jobs[key])):
            wrong.append(f"paid {count} times: {key}, {jobs[key]['state']}, notes {jobs[key]['notes'][:300]}")
    return wrong


def told_again(row: Row) -> bool:
    """Whether a second POST was sent, and the job says so."""
    return row["posts"] >= 2 and any(
        "sent once more" in note or "requested again" in note for note in json.loads(row["notes"])
    )


def given_up(row: Row) -> bool:
    """Whether a person has ended it."""
    return "written off" in row["cost_basis"]


def lost(rows: Sequence[Row], truth: Truth) -> list[str]:
    """Every charge has its clip, or is told to be unsure. Equal orders may have changed places: either has a clip."""
    bound: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["remote_id"]:
            bound[row["remote_id"]].append(row)
    owner = {row["id"]: row for row in rows}
    wrong: list[str] = []
    for name, job in truth.items():
        if not bound[name] and not _open_to_all(owner.get(job["job_key"])):
            wrong.append(f"lost: {name} is charged for {job['job_key']}, and no job is bound to it")
        if len({row.get("home") for row in bound[name]}) < len(bound[name]):
            wrong.append(f"one clip for two jobs: {name} of {[row['id'] for row in bound[name]]}")
    for row in rows:
        job = truth.get(row["remote_id"] or "")
        if row["state"] in ("succeeded", "uncertain") or given_up(row):
            continue
        if job is not None and job["status"] == row["state"] != "succeeded":  # failed or cancelled there too
            continue
        what = "lost" if job else "not made"
        error = f"{row['phase'][:100]} {(row['error'] or '')[:200]}"
        wrong.append(f"{what}: {row['id']} ({row['remote_id']}) is {row['state']}: {error}")
    return wrong


def shared(rows: Sequence[Row]) -> int:
    """How many of the service's jobs two homes take for theirs: where both ask for the same words on one account, and
    one request got no answer, no look tells them apart."""
    homes: defaultdict[str, set[object]] = defaultdict(set)
    for row in rows:
        if row["remote_id"]:
            homes[row["remote_id"]].add(row.get("home"))
    return sum(len(found) > 1 for found in homes.values())


def _open_to_all(row: Row | None) -> bool:
    """Whether the person knows that it is not settled."""
    return row is not None and (row["state"] == "uncertain" or given_up(row))


def accepted(homes: Iterable[Path]) -> set[str]:
    """The jobs whose id the service has given, by the id logs."""
    found: set[str] = set()
    for home in homes:
        log = home / "accepted.jsonl"
        for line in log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if entry.get("handle"):
                found.add(str(entry["job"]))
    return found


def unsure(mode: str, rows: Sequence[Row], truth: Truth, known: set[str]) -> list[str]:
    """What is left unsure although a look would settle it: by its id, by its key, or in the list. known: `accepted`."""
    bound = {row["remote_id"] for row in rows if row["remote_id"]}
    mine = {job["job_key"]: name for name, job in truth.items()}
    wrong: list[str] = []
    for row in rows:
        if row["state"] != "uncertain":
            continue
        job, why = row["id"], (row["error"] or "")[:250]
        if row["remote_id"] in truth:
            wrong.append(f"unsure: {job} is bound to {row['remote_id']}, which the service tells of: {why}")
        elif job in known:
            wrong.append(f"unsure: {job} has its id in the id log: {why}")
        elif mode == "key" and (job in mine or row["posts"] < 2):  # sent twice and not taken: the person's by design
            wrong.append(f"unsure: the service would tell by the key of {job}: {why}")
        elif mode == "lookup" and mine.get(job, "") not in {"", *bound}:
            wrong.append(f"unsure: the list shows {mine[job]} of {job}: {why}")
    return wrong


def limit(station: Station, limits: Sequence[tuple[float, Decimal]], ledger: Path) -> list[str]:
    """At every charge of a home: its day's charges against its limit then, and what was billed above the quotes.

    limits: (POSIX seconds, US dollars; None = none) as they were set; ledger: the service's file.
    """
    ours = {row["id"] for row in station.rows("SELECT id FROM jobs")}
    spent = above = Decimal(0)
    day = ""
    for line in map(json.loads, ledger.read_text().splitlines()):
        if line["event"] != "charge" or line["key"] not in ours:
            continue
        usd, at = Decimal(line["usd"]), float(line["at"])
        if day != (day := str(int(at // 86400))):
            spent = above = Decimal(0)
        spent += usd
        above += max(Decimal(0), usd - PRICE)
        highest = max((usd for since, usd in limits if since <= at), default=Decimal(20))
        if spent > highest + above:
            return [f"limit passed: ${spent} charged on ${highest} a day (${above} of it above the quotes)"]
    return []
