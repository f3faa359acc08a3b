"""What fakes of job services share: jobs with a life, charged once, owned by an account."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from tests.fakes.life import ENDS, WAYS, Life, OpenJobs, Phase
from tests.fakes.script import Outcome
from tests.fakes.service import Service, credential
from tests.fakes.wire import Request


@dataclass
class FakeJob:
    """A job that has been charged. group: what limits and prices go by (a model)."""

    id: str
    key: str
    account: str
    group: str
    request: dict[str, Any]
    usd: Decimal
    life: Life


class JobService(Service):
    """A service whose paid POST starts a job.

    Knobs: life (see `life.Life.of`; an outcome's `job` goes over it); keys (fingerprints let in; empty: all);
    accounts (fingerprint -> account, for several keys of one account); cost_factor (a cost that is not the listed
    one); prefix (of the ids).
    """

    outcome_keys = frozenset({"job", "code"})

    def __init__(self, config: dict[str, Any]) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.keyed: dict[tuple[str, str], FakeJob] = {}
        self.open = OpenJobs()
        self._refundable: set[str] = set()
        super().__init__(config)
        for line in self.ledger.lines:
            if line["event"] == "charge":
                owner = (line["job"], line["key"], line["account"])
                self._keep(*owner, Decimal(line["usd"]), line["at"], line["record"])

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {"life": {"polls": 2}, "keys": [], "accounts": {}, "cost_factor": "1", "prefix": "job_"}

    def account(self, request: Request) -> str:
        """The account of the key that came with it; "" when it is not let in."""
        key = credential(request)
        if not key or (self.knobs["keys"] and key not in self.knobs["keys"]):
            return ""
        return self.knobs["accounts"].get(key, key)

    def begin(
        self, account: str, key: str, group: str, body: dict[str, Any], usd: Decimal, outcome: Outcome
    ) -> FakeJob:
        """Charge and start: the line is in the ledger's file when this returns."""
        now, number = time.time(), len(self.jobs) + 1
        tail = hashlib.sha256(f"{now}{key}{account}{number}".encode()).hexdigest()[:8]
        over = outcome.get("job", {})
        standing = self.knobs["life"]
        if WAYS & set(over):  # another way to end replaces the standing one
            standing = {name: value for name, value in standing.items() if name not in WAYS | {"sigma", "seed"}}
        record = {"request": body, "group": group, "life": {**standing, **over}, "number": number}
        Life.of(record["life"], now, number)  # a life that cannot be is the test's mistake: found before the charge
        name = f"{self.knobs['prefix']}{number:06d}_{tail}"
        usd *= Decimal(self.knobs["cost_factor"])
        self.ledger.charge(now, name, key, account, usd, record)
        return self._keep(name, key, account, usd, now, record)

    def _keep(self, name: str, key: str, account: str, usd: Decimal, born: float, record: dict[str, Any]) -> FakeJob:
        life = Life.of(record["life"], born, record["number"])
        job = FakeJob(name, key, account, record["group"], record["request"], usd, life)
        self.jobs[name] = job
        self.keyed.setdefault((account, key), job)
        self.open.add(name, job.group, life, born)
        if life.refund:
            self._refundable.add(name)
        return job

    def own(self, request: Request, name: str) -> FakeJob | None:
        """A job by its id, for its own account only."""
        job = self.jobs.get(name)
        return job if job is not None and job.account == self.account(request) else None

    def look(self, job: FakeJob, now: float) -> tuple[Phase, float]:
        """(phase, progress), with the books brought up to date when it has ended."""
        phase, progress = job.life.state(now)
        if phase in ENDS:
            self.open.remove(job.id)
            if job.life.refund and phase != "succeeded":
                self.ledger.refund(job.life.ended_at or now, job.id)
            self._refundable.discard(job.id)
        return phase, progress

    def stop_job(self, job: FakeJob, now: float) -> bool:
        """Cancel; whether it is still billed (what had not begun costs nothing)."""
        job.life.refund = job.life.state(now)[0] == "queued"
        job.life.end("cancelled", now)
        self.look(job, now)
        return not job.life.refund

    def settle(self, now: float) -> None:
        self.open.settle(now)
        for name in list(self._refundable):
            self.look(self.jobs[name], now)

    def do_jobs(self) -> list[dict[str, Any]]:
        now = time.time()
        return [
            {
                "id": job.id,
                "job_key": job.key,
                "account": job.account,
                "request": job.request,
                "status": self.look(job, now)[0],
                "asked": job.life.asked,
                "created_at": job.life.born,
                "ended_at": job.life.ended_at,
                "cost_usd": str(self.ledger.cost(job.id)),
            }
            for job in self.jobs.values()
        ]

    def do_tell(self, job: str | None, outcome: str, error: dict[str, str] | None) -> int:
        if outcome not in ENDS:
            raise ValueError(f"a job ends as one of {sorted(ENDS)}")
        now = time.time()
        told = [self.jobs[job]] if job else [one for one in self.jobs.values() if self.look(one, now)[0] not in ENDS]
        for one in told:
            one.life.end(cast("Phase", outcome), now, error)
            self.look(one, now)
        return len(told)

    def do_counters(self) -> dict[str, Any]:
        return {**super().do_counters(), "open": dict(self.open.counts), "peak_open": dict(self.open.peak)}
