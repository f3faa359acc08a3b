"""Roles of a store on a server: an agent's orders and cancels, a worker's drives, and neither touches a limit, however
it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from backends.errors import VideoError
from backends.jobs.cancelling import cancel
from backends.jobs.context import Context
from backends.jobs.money import consistency, ledger, limits
from backends.jobs.run.launch import Launcher
from backends.jobs.store.postgres import making, roles
from backends.jobs.store.postgres.store import PostgresStore
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.rows import put_job
from tests.jobs.server import running
from tests.jobs.station import Station, text_request

AGENT_MAY_NOT = (
    "INSERT INTO settings VALUES ('per_day_usd', '1000', 0)",
    "UPDATE settings SET value = 'none'",
    "DELETE FROM settings",
    "UPDATE spent SET held = 0, settled = 0",
    "DELETE FROM spent",
    "DELETE FROM ledger",
    "UPDATE ledger SET reserved = 0",
    "UPDATE ledger SET day = '2000-01-01'",
    "INSERT INTO ledger(job, provider, lane, day, state, reserved, at) VALUES ('x', 'p', 'l', 'd', 'released', 1, 0)",
    "UPDATE jobs SET est_high = 1 WHERE id = 'sent'",
    "UPDATE jobs SET state = 'cancelled', matchable = 0 WHERE id = 'sent'",
    "UPDATE jobs SET state = 'queued', posts = 0 WHERE id = 'sent'",
    "DELETE FROM jobs",
    "INSERT INTO events(job, at, kind) VALUES ('', 0, 'limit')",
    "INSERT INTO events(job, at, kind) VALUES ('sent', 0, 'late_id')",
    "INSERT INTO events(job, at, kind) VALUES ('sent', 0, 'resolve')",
    "UPDATE lanes SET epoch = epoch + 1",
    "UPDATE lanes SET breaker = ''",
    "UPDATE meta SET value = '900' WHERE key = 'min_reader'",
    "DELETE FROM archived",
    "ALTER TABLE ledger DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE jobs DISABLE TRIGGER jobs_of_agents",
    "CREATE TABLE reelwright.spent_too(day text)",
)
WORKER_MAY_NOT = (
    "INSERT INTO settings VALUES ('per_day_usd', '1000', 0)",
    "UPDATE settings SET value = 'none'",
    "UPDATE spent SET held = 0",
    "DELETE FROM ledger",
    "DELETE FROM jobs",
    "INSERT INTO events(job, at, kind) VALUES ('', 0, 'limit')",
    "UPDATE archived_spent SET settled = 0",
)


@pytest.fixture(scope="module")
def owner() -> Iterator[str]:
    """The URL of a store for all of this file, as its owner; `agent` and `worker` are roles of its server."""
    with running() as url:
        making.init(url)
        with psycopg.connect(url, autocommit=True) as cx:
            for name in ("agent", "worker", "deputy"):
                cx.execute(f"CREATE ROLE {name} LOGIN".encode())
        roles.give(url, "agent", "agent")
        roles.give(url, "worker", "worker")
        yield url


def as_role(url: str, name: str) -> str:
    return url.replace("owner@", f"{name}@")


def changes(url: str, statement: str) -> bool:
    """Whether that statement changes anything for the role of the URL; it is undone."""
    with psycopg.connect(f"{url}?options=-csearch_path%3Dreelwright") as cx:
        try:
            return cx.execute(statement.encode()).rowcount != 0
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            cx.rollback()


def test_every_table_has_its_rights(owner: str) -> None:
    """A table that comes later must come into the lists."""
    with psycopg.connect(owner) as cx:
        rows = cx.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'reelwright'").fetchall()
    names = {str(row[0]) for row in rows}
    assert names == set(roles.GRANTS["agent"]) == set(roles.GRANTS["worker"])


def test_no_statement_of_an_agent_or_a_worker_moves_the_money(owner: str, tmp_path: Path) -> None:
    with closing(PostgresStore(tmp_path / "home", owner)) as store:
        limits.set_limit(store, "per_day_usd", "7", ["paid"])
        store.write(lambda tx: put_job(tx, "sent", "running", posts=1, est_high=400_000))
        store.write(lambda tx: tx.run("INSERT INTO lanes(key, provider, kind) VALUES ('l', 'paid', 'remote')"))
        for name, forbidden in (("agent", AGENT_MAY_NOT), ("worker", WORKER_MAY_NOT)):
            done = [text for text in forbidden if changes(as_role(owner, name), text)]
            assert not done, f"{name}: {done}"
        # The sums are kept for them by the owner's function, whatever tables their session makes.
        lead = (
            "CREATE TEMP TABLE spent(day text, provider text, settled bigint, held bigint, PRIMARY KEY(day, provider));"
            "INSERT INTO reelwright.ledger(job, provider, lane, day, state, reserved, at) "
            "VALUES ('y', 'paid', 'l', 'd', 'reserved', 5, 0)"
        )
        with psycopg.connect(f"{as_role(owner, 'agent')}?options=-csearch_path%3Dreelwright") as cx:
            cx.execute(lead.encode())
        assert store.row("SELECT held FROM spent WHERE day = 'd'") == {"held": 5}
        store.write(lambda tx: tx.run("DELETE FROM ledger"))
        store.write(lambda tx: tx.run("DELETE FROM jobs"))
        limits.unset_limit(store, "per_day_usd")


def test_an_agent_orders_and_cancels_and_a_worker_makes_its_clips(
    owner: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    service = serve(mode="key")
    station = stand(service, REELWRIGHT_STORE=as_role(owner, "agent"), REELWRIGHT_WORKER_IDLE_S="0")
    drives = station.environ(REELWRIGHT_STORE=as_role(owner, "worker"), REELWRIGHT_HOME=str(station.root / "worker"))
    with closing(Context.open(station.settings())) as context:
        assert not context.store.may_drive
        first, second = (station.place(context, text_request(words)) for words in ("one", "two"))
        lane = context.store.row("SELECT lane FROM jobs WHERE id = ?", (first,))
        assert lane is not None and "start reelwright worker" in Launcher(context).ensure(lane["lane"])
        cancel(context.store, second, "agent")
        assert nursery.ended(nursery.worker(station.environ())) != 0, "it may not drive"
        assert "may only order jobs" in station.log
        assert nursery.ended(nursery.worker(drives)) == 0
        rows = context.store.rows("SELECT id, state FROM jobs ORDER BY seq")
        assert [row["state"] for row in rows] == ["succeeded", "cancelled"], rows
        assert ledger.totals(context.store).settled == 400_000 and consistency.faults(context.store) == []
        for name in ("agent", "worker"):
            with closing(PostgresStore(station.home, as_role(owner, name))) as store:
                with pytest.raises(VideoError) as caught:
                    limits.set_limit(store, "per_day_usd", "1000", ["paid"])
                assert caught.value.kind == "storage" and "its owner may" in caught.value.message
                assert "settings" in caught.value.message and not caught.value.retryable
        assert service.counters()["charges"] == 1


def test_a_role_that_could_change_limits_all_the_same_is_refused(owner: str, tmp_path: Path) -> None:
    def why(name: str) -> str:
        with pytest.raises(VideoError) as caught:
            roles.give(owner, "agent", name)
        return caught.value.message

    assert "has no role 'nobody'" in why("nobody") and "CREATE ROLE nobody LOGIN" in why("nobody")
    assert "is a superuser" in why("owner")
    with psycopg.connect(owner, autocommit=True) as cx:
        cx.execute("GRANT UPDATE ON reelwright.settings TO PUBLIC")
        assert "could still change the limits" in why("deputy")
        cx.execute("REVOKE UPDATE ON reelwright.settings FROM PUBLIC; CREATE ROLE heads; GRANT heads TO deputy")
        cx.execute("GRANT ALL ON SCHEMA reelwright TO heads; GRANT ALL ON ALL TABLES IN SCHEMA reelwright TO heads")
        assert "as a member of heads" in why("deputy")
        cx.execute("REVOKE ALL ON ALL TABLES IN SCHEMA reelwright FROM heads")
        assert "could still make tables in its schema" in why("deputy")
    with pytest.raises(VideoError, match="the role deputy may not"):
        PostgresStore(tmp_path / "home", as_role(owner, "deputy"))
    with pytest.raises(VideoError, match="its owner may"):
        roles.give(as_role(owner, "worker"), "worker", "deputy")


def test_what_a_role_may_follows_its_last_name(owner: str, tmp_path: Path) -> None:
    """An agent's role that becomes a worker's may drive, and back."""
    with psycopg.connect(owner, autocommit=True) as cx:
        cx.execute("REVOKE heads FROM deputy")
    for kind, drives in (("agent", False), ("worker", True), ("agent", False)):
        roles.give(owner, "worker" if kind == "worker" else "agent", "deputy")
        with closing(PostgresStore(tmp_path / "home", as_role(owner, "deputy"))) as store:
            assert store.may_drive is drives
