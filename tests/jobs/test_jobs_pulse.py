"""A sign of life that needs no database: it goes on while the store is locked, and stops when the loop hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from backends.jobs.lanes import pulse
from backends.jobs.lanes.pulse import Pulse
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore
from tests.jobs.station import until
from tests.patience import patient

BEAT_S = 0.05
T = TypeVar("T")
LANE = "paid|http://127.0.0.1:1|abc"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = SqliteStore(tmp_path / "reelwright.db")
    yield opened
    opened.close()


@contextmanager
def living(store: Store, locks: Path) -> Iterator[BlockingPortal]:
    """A loop of its own thread that gives signs of life."""
    locks.mkdir()

    async def live() -> None:
        await Pulse(store, locks, lambda: [LANE], BEAT_S).run()

    with start_blocking_portal() as portal:
        running = portal.start_task_soon(live)
        until(lambda: pulse.seen(locks, LANE), "the first sign of life")
        yield portal
        running.cancel()


def signs(locks: Path, seconds: float) -> int:
    """How many signs of life come in a time."""
    seen: set[int] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen.add(pulse.seen(locks, LANE))
        time.sleep(BEAT_S / 5)
    return len(seen) - 1


def test_a_loop_that_waits_for_the_store_lives(store: Store, tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    with living(store, locks) as portal:
        other = apsw.Connection(str(store.path))
        other.execute("BEGIN IMMEDIATE")
        me = portal.call(threading.get_ident)
        insert = "INSERT INTO settings VALUES ('k', 'v', 0)"
        written = portal.start_task_soon(_in_the_loop, lambda: store.write(lambda tx: tx.run(insert)))
        until(lambda: store.inside_since(me) is not None, "the loop waits inside of the store")
        assert signs(locks, 20 * BEAT_S) >= 5
        other.execute("COMMIT")
        other.close()
        assert written.result(10) == 1 and store.inside_since(me) is None


def test_a_loop_that_hangs_gives_no_sign(store: Store, tmp_path: Path) -> None:
    locks, inside, over = tmp_path / "locks", threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        over.wait(patient(20))

    with living(store, locks) as portal:
        hung = portal.start_task_soon(_in_the_loop, hang)
        assert inside.wait(patient(10))
        time.sleep((pulse.LATE_BEATS + 2) * BEAT_S)
        assert signs(locks, 20 * BEAT_S) == 0
        over.set()
        hung.result(10)
        until(lambda: signs(locks, 2 * BEAT_S), "signs again, once the loop runs")


async def _in_the_loop(work: Callable[[], T]) -> T:
    return work()


def test_no_sign_can_be_given_where_nothing_can_be_written(store: Store, tmp_path: Path) -> None:
    """The store's own beats are left then."""
    locks = tmp_path / "nowhere" / "locks"
    pulse.touch(locks / "x.pulse")
    assert pulse.seen(locks, LANE) == 0
