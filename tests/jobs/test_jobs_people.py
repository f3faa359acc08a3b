"""People: each has jobs, a limit a day and sums of their own; the owner sees all; the audit says who did what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import audit, decisions, shown
from backends.jobs.context import Context
from backends.jobs.money import consistency, ledger, limits
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.jobs.principals import EVERYBODY, OWNER, Who, check_name, is_limited
from backends.jobs.store.database import Store
from backends.jobs.views import JobPage
from backends.settings import load_settings
from tests.jobs.rows import put_job
from tests.jobs.station import Station, text_request
from tests.jobs.stores import opened

ALICE = Who("alice", sees_all=False, place="http 10.0.0.7")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


def reserve(store: Store, job: str, usd: str, who: str) -> None:
    high = ledger.to_micro(Decimal(usd))
    store.write(lambda tx: ledger.reserve(tx, job, "paid", "paid|x|y", "", high, who))


def limit(store: Store, who: str, value: str) -> None:
    limits.set_limit(store, limits.PERSON_LIMIT + who, value, ())


def today(store: Store, who: str) -> float:
    return ledger.totals(store, who).today / ledger.MICRO


def test_a_limit_of_one_person_binds_that_person_alone(store: Store) -> None:
    limit(store, "alice", "1")
    reserve(store, "a1", "0.6", "alice")
    with pytest.raises(VideoError) as caught:
        reserve(store, "a2", "0.6", "alice")
    assert caught.value.kind == "wall" and caught.value.retryable
    assert caught.value.message == (
        "this may cost $0.60; $0.60 of the $1.00 a day for alice (UTC) that the spending limit per_day_usd@alice "
        "allows is spent or reserved: wait, or ask for less; the user can change it at a terminal "
        "(reelwright config --help)"
    )
    reserve(store, "b1", "3", "bob")
    reserve(store, "o1", "3", OWNER)
    store.write(lambda tx: ledger.settle(tx, "a1", 100_000, "reported"))
    reserve(store, "a2", "0.6", "alice")
    assert [today(store, who) for who in ("alice", "bob", OWNER, EVERYBODY)] == [0.7, 3, 3, 6.7]
    assert [fault for fault in consistency.faults(store) if "sums" in fault or "kept" in fault] == []


def test_a_limit_for_each_holds_where_a_person_has_none(store: Store) -> None:
    limit(store, EVERYBODY, "1")
    limit(store, "alice", "none")
    reserve(store, "a", "2", "alice")
    reserve(store, "o", "2", OWNER)
    for who in ("bob", "https://issuer.example.org#bob"):
        reserve(store, f"{who} 1", "1", who)
        with pytest.raises(VideoError, match=f"a day for {who} "):
            reserve(store, f"{who} 2", "0.01", who)


def test_the_limit_of_all_binds_each_person_too(store: Store) -> None:
    limit(store, "alice", "100")
    with pytest.raises(VideoError, match=r"spending limit per_day_usd allows"):
        for number in range(5):
            reserve(store, f"a{number}", "5", "alice")


def test_a_limit_that_came_closer_holds_at_the_claim(store: Store) -> None:
    reserve(store, "a", "0.6", "alice")
    store.write(lambda tx: ledger.recheck(tx, "a", "paid", 600_000))
    limit(store, "alice", "0.5")
    with pytest.raises(VideoError, match="per_day_usd@alice"):
        ledger.recheck(store, "a", "paid", 600_000)
    limit(store, "alice", "0.6")
    ledger.recheck(store, "a", "paid", 600_000)


def test_many_threads_of_one_person_never_pass_the_limit(store: Store) -> None:
    limit(store, "alice", "2")
    refused: list[str] = []

    def ask(number: int) -> None:
        try:
            reserve(store, f"a{number}", "0.3", "alice")
        except VideoError as error:
            refused.append(error.kind)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["wall"] * 14 and today(store, "alice") == 1.8


def test_what_a_limit_was_is_told_where_it_was_the_one_for_each(store: Store) -> None:
    limit(store, EVERYBODY, "1")
    assert limits.value_of(store, "per_day_usd@bob") == "1", "so that 5 is a raise, which needs the user"
    limit(store, "bob", "5")
    assert limits.unset_limit(store, "per_day_usd@bob") == "1"
    told = [line.detail for line in audit.lines(store, what="limit")]
    assert told == [
        "per_day_usd@* from none to $1",
        "per_day_usd@bob from $1 to $5",
        "per_day_usd@bob from $5 to $1",
    ]
    assert len(limits.recent(store)) == 3
    assert [sentence.split()[2] for sentence in limits.recent(store, principal="alice")] == ["per_day_usd@*"]
    assert len(limits.recent(store, principal="bob")) == 3


@pytest.mark.parametrize("name", ["", "local", "Alice", "a b", "a@b", "*", ".a", "a" * 41, "a#b"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(VideoError, match="a person's name is 1 to 40 of a-z"):
        check_name(name)
    assert is_limited(name) == (name == EVERYBODY)


def test_a_limit_names_somebody(store: Store) -> None:
    assert is_limited("https://issuer.example.org/x#auth0|5f7") and not is_limited("https://issuer.example.org")
    for name in ("local", "A", ""):
        with pytest.raises(VideoError, match="names nobody"):
            limit(store, name, "1")


def test_the_owner_lists_the_jobs_of_all_and_a_person_their_own(store: Store) -> None:
    whose = [OWNER, "alice", "bob", "alice", OWNER, "carol"]
    states = ["succeeded", "queued", "succeeded", "failed", "queued", "succeeded"]
    prepared = '{"request": {"prompt": "a fox"}}'

    def put(number: int) -> None:
        row = {"principal": whose[number], "label": "x" if number % 2 else "", "prepared": prepared}
        store.write(lambda tx: put_job(tx, f"j{number}", states[number], result="{}", **row))

    for number in range(6):
        put(number)

    def listed(who: str, **how: object) -> JobPage:
        return shown.page(store, who, **{"state": None, "label": None, "limit": 10, "cursor": None, **how})  # type: ignore[arg-type]

    def ids(page: JobPage) -> list[str]:
        return [row.job_id for row in page.jobs]

    assert ids(listed(EVERYBODY)) == ["j5", "j4", "j3", "j2", "j1", "j0"]
    assert ids(listed("alice")) == ["j3", "j1"] and ids(listed("dave")) == []
    assert ids(listed(EVERYBODY, state="succeeded")) == ["j5", "j2", "j0"]
    assert ids(listed(EVERYBODY, state="open")) == ["j4", "j1"]
    assert ids(listed(EVERYBODY, label="x")) == ["j5", "j3", "j1"]
    first = listed(EVERYBODY, limit=4)
    assert ids(first) == ["j5", "j4", "j3", "j2"] and ids(listed(EVERYBODY, limit=4, cursor=first.cursor)) == [
        "j1",
        "j0",
    ]
    assert listed("alice").spend.reserved_usd == 0.8 and listed(EVERYBODY).spend.reserved_usd == 2.4


def test_a_start_and_its_approval_are_in_the_audit_and_a_refusal_is_not(stand: Callable[..., Station]) -> None:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    try:
        orders = Orders(context, "agent", ALICE)
        job = orders.place(Order(text_request("a fox"), confirmed=True)).job
        assert orders.place(Order(text_request("a fox"), confirmed=True)).replayed
        limit(context.store, "alice", "0.5")
        with pytest.raises(VideoError, match="per_day_usd@alice"):
            orders.place(Order(text_request("an owl")))
        decisions.write_off(context.store, job.id)
        found = audit.lines(context.store)
        assert [(line.what, line.who, line.job, line.amount) for line in found] == [
            ("approval", "alice", job.id, 400_000),
            ("start", "alice", job.id, 400_000),
            ("limit", OWNER, "", 500_000),
            ("decision", OWNER, job.id, 400_000),
        ]
        assert found[1].place == "http 10.0.0.7 agent" and found[1].detail == "paid/quick text_to_video"
        assert abs(found[1].at - context.store.now()) < 60
        assert [line.what for line in audit.lines(context.store, who="alice", limit=1)] == ["start"]
        assert audit.lines(context.store, job="job_x") == []
        with pytest.raises(VideoError, match="the audit has start, approval"):
            audit.lines(context.store, what="x")
    finally:
        context.close()


def test_a_person_names_no_file_where_the_clips_of_others_lie(tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "REELWRIGHT_HOME": str(tmp_path / "home"),
        "REELWRIGHT_OUTPUT_DIR": str(tmp_path / "out"),
    }
    bare = load_settings(env, cwd=tmp_path / "work")
    assert tmp_path / "work" in bare.roots and bare.for_people().roots == ()
    given = ":".join(str(tmp_path / name) for name in ("shared", "out", "out/sub", "home/artifacts", ".."))
    people = load_settings(env | {"REELWRIGHT_INPUT_ROOTS": given}, cwd=tmp_path / "work").for_people()
    assert people.roots == (tmp_path / "shared",) and people.cwd == tmp_path / "shared"


def test_the_same_request_of_two_people_is_two_jobs_and_only_the_owner_sees_both(stand: Callable[..., Station]) -> None:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    owner = station.studio(PAID_API_KEY="")  # it starts no worker
    bob = owner.on_behalf(replace(ALICE, name="bob"))
    alice = owner.on_behalf(ALICE)
    orders = (Orders(context, "test", who) for who in (ALICE, bob.who))
    mine, yours = (each.place(Order(text_request("a fox"))).job.id for each in orders)
    context.close()
    assert mine != yours and owner.get(mine).job_id == mine and alice.get(mine).job_id == mine
    for call in (bob.get, bob.cancel, bob.detail, bob.again, lambda job: bob.inspect(job), bob.provenance):
        with pytest.raises(VideoError, match="there is no job"):
            call(mine)
    assert [len(studio.list().jobs) for studio in (owner, alice, bob)] == [2, 1, 1]
    assert [len(studio.recent()) for studio in (owner, alice, bob)] == [2, 1, 1]
    owner.cancel(mine)
    assert alice.get(mine).state == "cancelled"
