"""A writing function may be run again, as a server asks for after a conflict: only its last run counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from backends.jobs.context import Context
from backends.jobs.money import limits
from backends.jobs.store.calls import Write
from backends.jobs.store.database import Transaction
from backends.jobs.store.sqlite import SqliteStore
from backends.media.sandbox import Sandbox
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request


class TwiceStore(SqliteStore):
    """Runs each writing function, undoes it, and runs it again."""

    runs = 0

    def _run_one(self, cx: Any, item: Write[Any]) -> None:
        inner = item.work

        def twice(tx: Transaction) -> object:
            cx.execute("SAVEPOINT first")
            try:
                inner(tx)
            finally:
                cx.execute("ROLLBACK TO first; RELEASE first")
            self.runs += 1
            return inner(tx)

        item.work = twice
        super()._run_one(cx, item)


def test_jobs_come_to_the_same_when_every_write_runs_twice(
    tmp_path: Path, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="lookup", life={"polls": 1})
    station = stand(server, PAID_MODE="lookup", REELWRIGHT_WORKER="inline")
    settings = station.settings()
    store = TwiceStore(settings.store)
    with Studio(Context(settings, store, Sandbox()), "test", "local") as studio:
        limits.set_limit(store, "per_day_usd", "2", ["paid"])
        server.script("submit", {"status": 429, "headers": {"Retry-After": "0"}})
        server.script("submit", {"status": 500, "after_charge": True, "match": "unclear"})
        orders = [text_request("a boat"), text_request("unclear"), tiny_request("free")]
        jobs = [studio.submit(order, label="twice").job_id for order in orders]
        stopped = studio.submit(text_request("stopped")).job_id
        studio.cancel(stopped)
        done = anyio.run(lambda: studio.wait([*jobs, stopped], timeout_s=45))
        assert [job.state for job in done[:3]] == ["succeeded"] * 3, done
        assert done[3].state in ("cancelled", "succeeded")
        paid = sum(row["settled"] for row in store.rows("SELECT settled FROM ledger WHERE state = 'settled'"))
        assert paid == 400_000 * server.counters()["charges"], "each charge is booked once, and none twice"
        assert limits.recent(store)[0].count("raised") + limits.recent(store)[0].count("lowered") == 1
        assert len(limits.recent(store)) == 1, "a change of a limit is told once"
        assert studio.submit(orders[0], label="twice").replayed and store.runs > 20
