"""Several accounts of one provider: what config.toml may say, who gets a new job, and which waiting job goes on to
another account."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes import balancing, lanes
from backends.jobs.records import Hold
from backends.provider.accounts import accounts
from backends.provider.keys import load_keys
from tests.fakes import FakeServer
from tests.fakes.service import fingerprint
from tests.jobs.station import CATALOG, KEY, NARROW, Station, text_request, until

SECOND, THIRD = "sk-station-beta-9876543210", "sk-station-gamma-55555"
TWO = """
[[account]]
provider = "paid"
name = "studio"
key_variable = "PAID_API_KEY"

[[account]]
provider = "paid"
name = "second"
key_variable = "SECOND_KEY"
share = 2
"""

Home = Callable[..., Station]


@pytest.fixture
def home(stand: Callable[..., Station], tmp_path: Path) -> Home:
    """A home with accounts: home(the text of config.toml, server, NAME="value")."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "narrow.toml").write_text(NARROW)

    def make(config: str = TWO, server: FakeServer | None = None, **env: str) -> Station:
        catalog = f"{CATALOG}:{tmp_path / 'rows'}"
        url = {} if server else {"PAID_API_KEY": KEY, "PAID_BASE_URL": "http://127.0.0.1:9"}
        station = stand(server, **{"REELWRIGHT_CATALOG": catalog, "SECOND_KEY": SECOND, **url, **env})
        station.home.mkdir(mode=0o700)
        (station.home / "config.toml").write_text(config)
        return station

    return make


@pytest.fixture
def opened() -> Iterator[Callable[[Station], Context]]:
    """A home's context, without a worker."""
    found: list[Context] = []

    def open_(station: Station) -> Context:
        found.append(Context.open(station.settings()))
        return found[-1]

    yield open_
    for one in found:
        one.close()


def lane(context: Context, name: str) -> str:
    return next(one.access.lane for one in context.accounts("paid") if one.account.name == name)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('name = "a"\nkey_variable = "A"', r"\[\[account\]\] 1, provider in config.toml must be one of .*paid"),
        ('provider = "tiny"\nname = "a"\nkey_variable = "A"', "provider in config.toml must be one of"),
        ('provider = "paid"\nname = ""\nkey_variable = "A"', "name in config.toml must be a word"),
        ('provider = "paid"\nname = "a"\nkey_variable = "sk-123"', "the name of a variable, .* not the key itself"),
        ('provider = "paid"\nname = "a"\nkey_variable = "A"\nshare = -1', "share in config.toml must be a number from"),
        ('provider = "paid"\nname = "a"\nkey_variable = "A"\nshare = true', "share in config.toml must be a number"),
        ('provider = "paid"\nname = "a"\nkey_variable = "A"\nkey = "sk"', "key in config.toml must be one of provider"),
        (
            'provider = "paid"\nname = "a"\nkey_variable = "A"\n[[account]]\nprovider = "paid"\nname = "a"\n'
            'key_variable = "B"',
            r"\[\[account\]\] 2, name in config.toml must be unlike 'a'",
        ),
        (
            'provider = "paid"\nname = "a"\nkey_variable = "A"\n[[account]]\nprovider = "paid"\nname = "b"\n'
            'key_variable = "A"',
            r"\[\[account\]\] 2, key_variable in config.toml must be unlike A, which is a's already",
        ),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_meant_is_named(entry: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"[[account]]\n{entry}\n")
    with pytest.raises(VideoError, match=told) as refused:
        accounts(tmp_path)
    assert refused.value.kind == "storage"
    (tmp_path / "config.toml").write_text("account = 3\n")
    with pytest.raises(VideoError, match=r"account in config.toml must be tables"):
        accounts(tmp_path)


def test_the_usual_key_is_an_account_too(home: Home, opened: Callable[[Station], Context]) -> None:
    station = home("[[account]]" + TWO.rpartition("[[account]]")[2])
    context = opened(station)
    assert [one.account.name for one in context.accounts("paid")] == ["default", "second"]
    assert [one.access.lane.rpartition("|")[2] for one in context.accounts("paid")] == [
        fingerprint(KEY),
        fingerprint(SECOND),
    ]
    assert context.accounts("runway") == () and len(context.accesses("runway")) == 1
    (station.home / "config.toml").unlink()
    assert context.accounts("paid") == () and context.access("paid").account == ""


def test_without_the_usual_key_the_first_account_stands_in(home: Home, opened: Callable[[Station], Context]) -> None:
    station = home(PAID_API_KEY="", THIRD_KEY=THIRD)
    context = opened(station)
    assert [one.account.name for one in context.accounts("paid")] == ["second"]
    assert context.access("paid").lane == lane(context, "second") and context.access("paid").available
    keys = station.home / "keys.toml"
    keys.write_text(f'OTHER_KEY = "{THIRD}"\n')
    keys.chmod(0o600)
    assert "OTHER_KEY" not in load_keys(station.settings())[0], "a file of keys is read by what has a use for it"
    with (station.home / "config.toml").open("a") as config:
        config.write('[[account]]\nprovider = "paid"\nname = "third"\nkey_variable = "OTHER_KEY"\n')
    assert load_keys(station.settings())[1]["OTHER_KEY"] == str(keys)
    assert [one.account.name for one in context.accounts("paid")] == ["second", "third"]


def test_new_jobs_go_to_the_account_with_least_to_do_for_its_share(
    home: Home, opened: Callable[[Station], Context]
) -> None:
    station = home()
    context = opened(station)
    placed = [station.row(station.place(context, text_request(f"clip {number}"))) for number in range(6)]
    studio, second = lane(context, "studio"), lane(context, "second")
    assert [row["lane"] for row in placed] == [second, studio, second, second, studio, second]
    assert {station.entry(row["id"])["lane"] for row in placed} == {studio, second}
    pause = "UPDATE lanes SET breaker = 'balance', breaker_until = ? WHERE key = ?"
    context.store.write(lambda tx: tx.run(pause, (time.time() + 60, second)))
    assert station.row(station.place(context, text_request("while it is paused")))["lane"] == studio
    (station.home / "config.toml").write_text(TWO.replace("share = 2", "share = 0"))
    context.store.write(lambda tx: tx.run("UPDATE lanes SET breaker = ''"))
    assert {station.row(station.place(context, text_request(f"clip {n}")))["lane"] for n in "abcd"} == {studio}


@pytest.fixture
def held(home: Home, opened: Callable[[Station], Context]) -> Iterator[tuple[Station, Context, Hold]]:
    """A home whose first account is driven by this test."""
    station = home()
    context = opened(station)
    first = station.place(context, text_request("on the way", "paid/narrow"))
    store, key = context.store, lane(context, "studio")
    store.write(lambda tx: lanes.add_lane(tx, key, "paid", "remote"))
    store.write(lambda tx: tx.run("UPDATE jobs SET lane = ?, state = 'running' WHERE id = ?", (key, first)))
    lease = lanes.take(store, context.locks, key, version="1", detached=False)
    assert lease is not None
    yield station, context, Hold(key, lease.epoch)
    lease.lock.release()


def waiting(station: Station, context: Context, hold: Hold, prompt: str, **columns: object) -> str:
    """A job that waits on the first account."""
    job = station.place(context, text_request(prompt, "paid/narrow"))
    values = {"lane": hold.lane, **columns}
    for name, value in values.items():
        context.store.write(lambda tx, n=name, v=value: tx.run(f"UPDATE jobs SET {n} = ? WHERE id = ?", (v, job)))
    return job


def moved(context: Context, hold: Hold, *jobs: str, stuck: bool = True) -> list[str]:
    return balancing.share_out(context, hold, "paid", jobs, ["paid/narrow"] if stuck else [])


def test_the_oldest_job_without_a_slot_goes_on_to_an_account_that_has_one(
    held: tuple[Station, Context, Hold],
) -> None:
    station, context, hold = held
    jobs = [waiting(station, context, hold, f"job {number}") for number in range(3)]
    assert moved(context, hold, *jobs, stuck=False) == [], "it has a slot here"
    assert moved(context, hold, *jobs[1:]) == [jobs[1]], "one slot is free there"
    row = station.row(jobs[1])
    assert row["lane"] == station.entry(row["id"])["lane"] == lane(context, "second")
    assert moved(context, hold, *jobs) == [], "that slot is taken"


@pytest.mark.parametrize(
    "columns",
    [{"posts": 1}, {"cancel": 1}, {"state": "waiting"}, {"inputs": '{"source_clip": {"from_job": "job_x"}}'}],
    ids=["a request may have been sent", "cancelled", "waits for others", "goes on from a job of this account"],
)
def test_a_job_that_belongs_to_its_account_stays(
    held: tuple[Station, Context, Hold], columns: dict[str, object]
) -> None:
    station, context, hold = held
    job = waiting(station, context, hold, "stays", **columns)
    assert moved(context, hold, job) == [] and station.row(job)["lane"] == hold.lane


def test_an_account_that_has_asked_a_job_to_wait_does_not_get_it_back_before(
    held: tuple[Station, Context, Hold],
) -> None:
    station, context, hold = held
    job = waiting(station, context, hold, "refused here", not_before=time.time() + 60)
    assert moved(context, hold, job, stuck=False) == [job]
    assert station.row(job)["not_before"] == 0
    context.store.write(lambda tx: tx.run("UPDATE jobs SET state = 'succeeded' WHERE state = 'running'"))
    second = lanes.take(context.store, context.locks, lane(context, "second"), version="1", detached=False)
    assert second is not None
    there = Hold(second.key, second.epoch)
    assert moved(context, there, job) == []
    second.lock.release()


def test_a_driver_that_lost_its_lane_moves_nothing(held: tuple[Station, Context, Hold]) -> None:
    station, context, hold = held
    job = waiting(station, context, hold, "mine")
    with pytest.raises(lanes.Fenced):
        moved(context, Hold(hold.lane, hold.epoch - 1), job)
    assert station.row(job)["lane"] == hold.lane


def test_accounts_work_side_by_side_and_a_waiting_job_takes_the_first_slot(
    serve: Callable[..., FakeServer], home: Home
) -> None:
    server = serve(mode="none", life={"until_told": True})
    station = home(server=server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    jobs = [studio.submit(text_request(f"clip {number}", "paid/narrow")).job_id for number in range(3)]
    until(lambda: len(server.jobs()) == 2, "each account works on one")
    assert {one["account"] for one in server.jobs()} == {fingerprint(KEY), fingerprint(SECOND)}
    third = next(job for job in jobs if station.row(job)["state"] == "queued")
    waits_on = station.row(third)["lane"].rpartition("|")[2]
    other = next(one for one in server.jobs() if one["account"] != waits_on)
    server.tell(other["id"])
    until(lambda: len(server.jobs()) == 3, "the third has gone on to the account that is free")
    assert [one["account"] for one in server.jobs()].count(waits_on) == 1
    server.tell()
    done = station.settled(studio, jobs)
    assert {job.state for job in done} == {"succeeded"} and server.counters()["charges"] == 3
    by_name = {"studio": fingerprint(KEY), "second": fingerprint(SECOND)}
    made_by = {one["job_key"] or one["request"]["prompt"]: one["account"] for one in server.jobs()}
    assert sorted(by_name[job.account] for job in done) == sorted(made_by.values())
    assert [station.row(job)["posts"] for job in jobs] == [1, 1, 1]
