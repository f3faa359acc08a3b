"""Which models stay loaded on a card, for how long, and that a card is one home's at a time. No GPU and no torch."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.jobs.lanes.locks import FileLocks
from backends.jobs.lanes.process import is_alive, start_time
from backends.jobs.views import Job
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.fakes import tiny_clip
from tests.jobs.station import Station, until
from tests.local.asking import facts, made, recorded
from tests.local.conftest import FAULTY

CARD = "GPU-00000000-aaaa"
Stand = Callable[..., Station]


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the card's engine; locks of devices lie in a folder of this test."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    folder = tmp_path / "card"
    folder.mkdir()
    for name in ("red", "green", "blue"):
        (folder / f"{name}.weights").write_bytes(name.encode())
    return folder


@pytest.fixture
def home(tmp_path: Path, card: Path) -> Iterator[Stand]:
    """A home whose engine works on that card: home("a", CARD="...", ...)."""
    rows = tmp_path / "rows"
    rows.mkdir()
    with ExitStack() as stack:

        def make(name: str = "home", **env: str) -> Station:
            given = {
                "PYTHONPATH": str(FAULTY), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "CARD": CARD,
                "REELWRIGHT_CATALOG": str(rows), "REELWRIGHT_WARM_S": "60", "CARD_FOLDER": str(card),
                "CARD_CLIP": str(tiny_clip()), **env,
            }  # fmt: skip
            station = Station(tmp_path / name, "", given)
            station.root.mkdir()
            stack.callback(station.close)
            return station

        yield make


def wanted(model: str, prompt: str = "a fox") -> VideoRequest:
    return build_request(task="text_to_video", model=f"cards/{model}", prompt=prompt, duration_s=4)


class Maker:
    """Makes clips of a home one after the other."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.studio: Studio = station.studio()

    def __call__(self, model: str) -> dict[str, Any]:
        """What the engine tells of one more clip of a model, and when its process has started."""
        told = facts(self.station, made(self.station, self.studio, wanted(model), anew=True, timeout_s=30))
        return {**told, "started": start_time(told["pid"])}

    def submitted(self, model: str, prompt: str) -> str:
        return self.studio.submit(wanted(model, prompt)).job_id

    def settled(self, job: str) -> Job:
        (job_now,) = self.station.settled(self.studio, [job], 30)
        return job_now


def alive(told: dict[str, Any]) -> bool:
    """Whether the process that made that clip still keeps its model."""
    return told["started"] is not None and start_time(told["pid"]) == told["started"]


def test_a_warm_model_reads_nothing_again(home: Stand, card: Path) -> None:
    make = Maker(home())
    first = make("red")
    (card / "red.weights").unlink()
    second = make("red")
    assert (first["warm"], second["warm"]) == (False, True) and first["pid"] == second["pid"]
    make("green")
    (job,) = make.station.settled(make.studio, [make.submitted("red", "once more")], 30)
    assert job.error is not None and job.error.message == "the weights of red are gone", "green took its place"


def test_one_model_at_a_time_is_on_the_card(home: Stand) -> None:
    make = Maker(home())
    red, green = make("red"), make("green")
    assert red["pid"] != green["pid"] and not alive(red) and alive(green)


def test_of_several_the_one_used_longest_ago_makes_room(home: Stand) -> None:
    make = Maker(home(REELWRIGHT_WARM_MODELS="2"))
    red, green = make("red"), make("green")
    assert alive(red) and alive(green)
    assert make("red")["pid"] == red["pid"]
    blue = make("blue")
    assert alive(red) and alive(blue) and not alive(green), "green was used longest ago"
    again = make("green")
    assert again["warm"] is False and not alive(red) and alive(blue)


def test_a_model_that_nobody_asks_for_leaves_the_card_and_its_worker_with_it(home: Stand) -> None:
    station = home(REELWRIGHT_WARM_S="0.2")
    make = Maker(station)
    red = make("red")
    until(lambda: not alive(red), "the idle model is unloaded")
    until(lambda: not station.drivers(), "the worker leaves")
    assert not FileLocks(station.home / "locks").is_held(f"gpu:{CARD}")
    assert make("red")["warm"] is False


def test_a_card_is_one_homes_at_a_time(home: Stand, card: Path) -> None:
    one, two = Maker(home("one", REELWRIGHT_WARM_S="0.2")), Maker(home("two"))
    first = one.submitted("red", "wait for the gate")
    until(lambda: one.studio.get(first).progress > 0, "the first home works on the card")
    second = two.submitted("red", "after the other")
    until(lambda: "another data folder" in two.studio.get(second).phase, "the second home says what it waits for", 40)
    told = two.studio.get(second)
    assert told.state == "queued" and told.phase.startswith(f"waiting for gpu:{CARD}: another data folder")
    (card / "GATE").touch()
    assert one.settled(first).state == "succeeded" and two.settled(second).state == "succeeded"


def test_another_card_is_another_lane(home: Stand) -> None:
    one, two = Maker(home("one")), Maker(home("two", CARD="GPU-00000000-bbbb"))
    first = one.submitted("red", "wait for ever")
    until(lambda: one.studio.get(first).progress > 0, "the first home works on its card")
    two("red")
    assert one.studio.get(first).state == "running"


def test_a_killed_home_frees_its_card(home: Stand, card: Path) -> None:
    one, two = Maker(home("one")), Maker(home("two"))
    first = one.submitted("red", "wait for ever")
    until(lambda: one.studio.get(first).progress > 0, "the first home works on the card")
    inside = card / f"INSIDE-{CARD}"
    assert inside.exists()
    (worker,) = one.station.drivers()
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not is_alive(worker), "the worker is gone")
    until(lambda: not FileLocks(two.station.home / "locks").is_held(f"gpu:{CARD}"), "the kernel has freed its lock")
    inside.unlink()  # a real card would be free as well: its engine ends with the worker
    assert two("red")["warm"] is False


def test_a_box_of_cards_works_on_as_many_jobs_at_once(home: Stand, card: Path) -> None:
    cards = [f"GPU-0000000{number}-abcd" for number in range(4)]
    make = Maker(home(CARD=",".join(cards)))
    jobs = [make.submitted("red", f"wait, {number}") for number in range(4)]
    until(lambda: all(make.studio.get(job).progress > 0 for job in jobs), "all four are at work", 40)
    assert sorted(path.name for path in card.glob("INSIDE-*")) == [f"INSIDE-{one}" for one in cards]
    (card / "GATE").touch()
    assert {make.settled(job).state for job in jobs} == {"succeeded"}
    assert sorted(recorded(make.station, job)["card"] for job in jobs) == [f"gpu:{one}" for one in cards]
    assert {make.station.row(job)["lane"] for job in jobs} == {"gpu"}


def test_two_cards_take_turns_at_two_models_and_stand_in_for_each_other(home: Stand, card: Path) -> None:
    make = Maker(home(CARD="GPU-aaaa,GPU-bbbb"))
    jobs = [make.submitted(("red", "green")[number % 2], f"clip {number}") for number in range(16)]
    assert {job.state for job in make.station.settled(make.studio, jobs, 60)} == {"succeeded"}
    assert len((card / "LOADS").read_text().splitlines()) <= 4

    job = make.submitted("red", "wait for the other card")
    lost, other = until(lambda: on_a_card(card), "it is on a card"), {"GPU-aaaa", "GPU-bbbb"}
    (card / f"LOST-{lost}").touch()
    other.remove(lost)
    until(lambda: on_a_card(card) in other, "it is on the other card", 40)
    assert "was lost" in make.station.log
    (card / "GATE").touch()
    assert make.settled(job).state == "succeeded" and make.station.row(job)["attempts"] == 1
    (event,) = make.station.rows("SELECT data FROM events WHERE kind = 'lost'")
    assert json.loads(event["data"]) == {"device": f"gpu:{lost}", "why": "it has fallen off the bus"}


def test_a_clip_on_two_cards_has_both_to_itself(home: Stand, card: Path) -> None:
    make = Maker(home(CARD="GPU-aaaa,GPU-bbbb"))
    (offer,) = make.studio.estimate(wanted("red"))["fits"]
    assert "cards/red runs on GPU-aaaa,GPU-bbbb" in offer["notes"]
    first = make.submitted("red", "wait here")
    until(lambda: on_a_card(card), "one card is taken", 40)
    both = make.submitted("red", "a fox on two")
    until(lambda: make.studio.get(both).phase == "waiting for 2 GPUs at once, of 2", "it says what it waits for", 40)
    (card / "GATE").touch()
    assert make.settled(first).state == make.settled(both).state == "succeeded"
    assert recorded(make.station, both)["card"] == "gpu:GPU-aaaa,gpu:GPU-bbbb"
    again = make.submitted("red", "an owl on two")
    assert make.settled(again).state == "succeeded" and recorded(make.station, again)["warm"] is True
    alone = make.submitted("red", "an owl")
    assert make.settled(alone).state == "succeeded" and recorded(make.station, alone)["warm"] is False


def on_a_card(folder: Path) -> str:
    """The card that a job is on; "" for none."""
    return next((path.name.removeprefix("INSIDE-") for path in folder.glob("INSIDE-*")), "")


def test_data_folders_share_a_box_card_by_card(home: Stand, card: Path) -> None:
    one, two = Maker(home("one", CARD="GPU-aaaa,GPU-bbbb")), Maker(home("two", CARD="GPU-aaaa,GPU-bbbb"))
    first, second = one.submitted("red", "wait here"), two.submitted("red", "wait there")
    until(lambda: len(list(card.glob("INSIDE-*"))) == 2, "each works on a card of its own", 40)
    (card / "GATE").touch()
    assert one.settled(first).state == two.settled(second).state == "succeeded"

    old = two.station.place(two.studio.context, wanted("green", "from before there was a second card"))
    lane = str(recorded(two.station, second)["card"])
    add = "INSERT INTO lanes(key, provider, kind) VALUES (?, 'cards', 'local')"
    two.station.store.write(lambda tx: tx.run(add, (lane,)))
    two.station.store.write(lambda tx: tx.run("UPDATE jobs SET lane = ? WHERE id = ?", (lane, old)))
    assert two.settled(old).state == "succeeded", "its card was idle among the others, with a model loaded"
    third = two.submitted("red", "once more")
    assert two.settled(third).state == "succeeded"
    assert recorded(two.station, third)["card"] == lane, "the card is among the others again"
