"""How many at once, and when a lane stops buying."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from backends.catalog.schema.row import Limits
from backends.errors import ErrorKind, VideoError
from backends.jobs.lanes import lanes
from backends.jobs.lanes.gates import FAILURES_TO_TRIP, PRICE_STOP_S, Breaker, Gate
from backends.jobs.lanes.state import Posts
from backends.jobs.store.database import Store
from backends.provider.timing import PAID_AT_ONCE
from tests.jobs.stores import opened


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    made.write(lambda tx: lanes.add_lane(tx, "lane", "paid", "remote"))
    yield made
    made.close()


def fail(breaker: Breaker, kind: ErrorKind = "provider", times: int = 1) -> None:
    for _ in range(times):
        breaker.store.write(lambda tx: breaker.failed(tx, VideoError(kind, f"a {kind} failure")))


@pytest.mark.anyio
async def test_a_gate_lets_in_so_many_at_once() -> None:
    gate = Gate(Limits(concurrency=2))
    inside: list[int] = []

    async def work(number: int) -> None:
        await gate.enter()
        inside.append(number)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(work, number)
        await anyio.wait_all_tasks_blocked()
        assert inside == [0, 1]
        gate.leave()
        await anyio.wait_all_tasks_blocked()
        assert inside == [0, 1, 2]
        gate.leave()
    assert inside == [0, 1, 2, 3]


@pytest.mark.anyio
async def test_adopted_jobs_fill_the_gate() -> None:
    gate = Gate(Limits(concurrency=1))
    gate.adopt()
    gate.adopt()  # more than are allowed: they run at the provider already
    with anyio.move_on_after(0.05) as scope:
        await gate.enter()
    assert scope.cancelled_caught
    gate.leave()
    gate.leave()
    await gate.enter()


@pytest.mark.anyio
async def test_a_gate_keeps_to_so_many_a_minute() -> None:
    gate = Gate(Limits(per_minute=2))
    await gate.enter()
    await gate.enter()
    gate.leave()
    gate.leave()
    with anyio.move_on_after(0.05) as scope:
        await gate.enter()
    assert scope.cancelled_caught, "the minute is not over, though nothing runs"


@pytest.mark.anyio
async def test_a_look_up_is_alone_and_posts_are_few() -> None:
    posts, running, looked = Posts(), list[int](), list[int]()
    go_on = anyio.Event()

    async def post(number: int) -> None:
        async with posts.posting():
            running.append(number)
            await go_on.wait()

    async def look_up() -> None:
        async with posts.alone():
            looked.append(1)

    async with anyio.create_task_group() as group:
        for number in range(PAID_AT_ONCE + 2):
            group.start_soon(post, number)
        await anyio.wait_all_tasks_blocked()
        assert len(running) == PAID_AT_ONCE
        group.start_soon(look_up)
        await anyio.wait_all_tasks_blocked()
        assert not looked, "it waits for the requests under way"
        go_on.set()
    assert sorted(running) == list(range(PAID_AT_ONCE + 2)) and looked == [1]


@pytest.mark.parametrize("kind", ["auth", "balance", "quota"])
def test_what_only_the_person_can_mend_stops_at_once(kind: ErrorKind, store: Store) -> None:
    breaker = Breaker(store, "lane")
    assert breaker.open_for() == (0.0, "")
    fail(breaker, kind)
    left, why = breaker.open_for()
    assert 590 < left <= 600 and why == f"a {kind} failure"
    store.write(breaker.worked)
    assert breaker.open_for()[0] > 590, "an answered question proves no balance"


def test_failures_in_a_row_pause_and_an_answer_ends_it(store: Store) -> None:
    breaker = Breaker(store, "lane")
    fail(breaker, times=FAILURES_TO_TRIP - 1)
    assert breaker.open_for()[0] == 0
    fail(breaker)
    left, why = breaker.open_for()
    assert 14 < left <= 15 and why == "5 failures in a row, the last: a provider failure"
    fail(breaker)
    assert 29 < breaker.open_for()[0] <= 30, "longer each time"
    store.write(breaker.worked)
    assert breaker.open_for() == (0.0, "") and not breaker.troubled


def test_failures_of_the_request_do_not_count(store: Store) -> None:
    breaker = Breaker(store, "lane")
    fail(breaker, "moderation_input", 10)
    fail(breaker, "invalid_request", 10)
    fail(breaker, "rate_limited", 10)
    assert breaker.open_for() == (0.0, "")


def test_a_stop_for_a_wrong_price_outlives_everything_but_the_person(store: Store) -> None:
    breaker = Breaker(store, "lane")
    until = time.time() + PRICE_STOP_S
    store.write(lambda tx: tx.run("UPDATE lanes SET breaker = 'the price', breaker_until = ?", (until,)))
    fail(breaker, times=7)
    fail(breaker, "auth")
    store.write(breaker.worked)
    left, why = breaker.open_for()
    assert left > PRICE_STOP_S - 60 and why == "the price"


def test_a_clock_set_back_does_not_make_a_pause_of_hours(store: Store) -> None:
    breaker = Breaker(store, "lane")
    until = time.time() + 3600 + 600
    store.write(lambda tx: tx.run("UPDATE lanes SET breaker = 'auth', breaker_until = ?", (until,)))
    assert breaker.open_for()[0] == 0
