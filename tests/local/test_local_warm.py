"""Which models stay loaded on a card, for how long, and that a card is one home's at a time. No GPU and no torch."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.jobs.lanes import lanes
from backends.jobs.lanes.process import is_alive, start_time
from backends.jobs.views import Job
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.fakes import tiny_clip
from tests.jobs.station import Station, until
from tests.local.asking import facts, made
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
    assert not lanes.is_held(station.home / "locks", f"gpu:{CARD}")
    assert make("red")["warm"] is False


def test_a_card_is_one_homes_at_a_time(home: Stand, card: Path) -> None:
    one, two = Maker(home("one", REELWRIGHT_WARM_S="0.2")), Maker(home("two"))
    first = one.submitted("red", "wait for the gate")
    until(lambda: one.studio.get(first).progress > 0, "the first home works on the card")
    second = two.submitted("red", "after the other")
    until(lambda: "another data folder" in two.studio.get(second).phase, "the second home says what it waits for", 40)
    told = two.studio.get(second)
    assert told.state == "queued" and told.phase.startswith(f"waits for gpu:{CARD}: another data folder")
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
    until(lambda: not lanes.is_held(two.station.home / "locks", f"gpu:{CARD}"), "the kernel has freed its lock")
    inside.unlink()  # a real card would be free as well: its engine ends with the worker
    assert two("red")["warm"] is False
