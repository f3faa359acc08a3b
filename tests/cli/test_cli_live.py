"""`doctor --live` buys one cheapest clip, after the price and a yes, and `doctor` remembers how that went."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.jobs.context import program_version
from tests.cli.shell import Shell
from tests.cloud.lives import files_with, quick_rows
from tests.cloud.runway_types import fields as variant_fields
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import until
from tests.patience import patient

Make = Callable[..., Shell]
FAL_KEY, RUNWAY_KEY = "0a1b2c3d-fal-id:9f8e7d6c5b4a", "key_live_0123456789"
HAILUO, TURBO = "fal/hailuo-02-standard", "runway/gen4_turbo"
HAILUO_FIELDS = dict.fromkeys(("prompt", "duration", "resolution", "image_url", "end_image_url"), "str")
TODAY = dt.datetime.now(dt.UTC).date().isoformat()


@pytest.fixture
def fakes() -> Iterator[Callable[..., FakeServer]]:
    with ExitStack() as stack:

        def start(service: str, **knobs: Any) -> FakeServer:
            clips = {"": tiny_clip(seconds=2.0)}
            return stack.enter_context(FakeServer(service, clips=clips, life={"polls": 1}, **knobs))

        yield start


@pytest.fixture
def runway(fakes: Callable[..., FakeServer]) -> FakeServer:
    return fakes("runway", variants=variant_fields())


@pytest.fixture
def at_runway(runway: FakeServer, shell: Make, tmp_path: Path) -> Shell:
    rows = quick_rows(tmp_path / "rows", [TURBO])
    return shell(RUNWAYML_API_SECRET=RUNWAY_KEY, REELWRIGHT_RUNWAY_BASE_URL=runway.url, REELWRIGHT_CATALOG=rows)


def record(used: Shell) -> list[dict[str, Any]]:
    return json.loads((used.station.home / "live-tests.json").read_text())["tests"]


def finding(used: Shell, provider: str) -> str:
    (line,) = [line for line in used.run("doctor", "--quick").lines if f"\ttested\t{provider}: " in line]
    return line


def test_the_cheapest_clip_is_made_told_and_kept_on_record(
    fakes: Callable[..., FakeServer], shell: Make, tmp_path: Path
) -> None:
    server = fakes("fal", endpoints={"fal-ai/minimax/hailuo-02/standard/image-to-video": HAILUO_FIELDS})
    rows = quick_rows(tmp_path / "rows", [HAILUO])
    used = shell(FAL_KEY=FAL_KEY, REELWRIGHT_FAL_BASE_URL=server.url, REELWRIGHT_CATALOG=rows)
    line = "fal: contract-tested 2026-11-23; not live-tested: reelwright doctor --live fal --max-cost-usd 1"
    assert finding(used, "fal") == f"note\ttested\t{line}"

    ended = used.done("doctor", "--live", "fal", "--max-cost-usd", "0.2", "--yes")
    assert ended.lines[0].startswith(f"{HAILUO}: $0.102 (prices of 2026-") and "6 s, 512p" in ended.lines[0]
    assert ended.lines[-1].startswith(f"fal live-tested {TODAY}: ok, $0.102, ")
    (job,) = server.jobs()
    assert job["request"]["image_url"].startswith(("data:image/jpeg;base64,", server.url))
    (test,) = record(used)
    kept = used.station.row(test["job"])
    assert (kept["label"], kept["state"], kept["model"]) == ("live-test", "succeeded", HAILUO)
    seconds = kept["ended_at"] - kept["created_at"]
    assert test == {
        "provider": "fal",
        "model": HAILUO,
        "job": kept["id"],
        "day": TODAY,
        "cost_usd": 0.102,
        "seconds": round(seconds, 1),
        "version": program_version(),
        "outcome": "ok",
        "settled": True,
    }
    told = f"live-tested {TODAY}: ok, $0.102, {test['seconds']:.0f} s ({HAILUO}, version {program_version()})"
    assert finding(used, "fal") == f"ok\ttested\tfal: contract-tested 2026-11-23; {told}"
    used.done("doctor", "--live", "fal", "--max-cost-usd", "0.2", "--yes")  # a test of its own, not a replay
    assert server.counters()["charges"] == 2 and len(record(used)) == 2
    # Last, when nothing is asked of the store any more: closing a file of SQLite's drops this process's locks on it.
    assert files_with(used.station.root, FAL_KEY) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--live", "runway"], "--live spends real money: say how much with --max-cost-usd, such as 0.50"),
        (["--live", "runway", "--max-cost-usd", "0"], "--max-cost-usd is US dollars above 0, not 0.0"),
        (["--live", "runway", "--max-cost-usd", "nan"], "--max-cost-usd is US dollars above 0, not nan"),
        (["--max-cost-usd", "1"], "--max-cost-usd and --yes belong to --live PROVIDER"),
        (
            ["--live", "animatic", "--max-cost-usd", "1"],
            "'animatic' is not a paid provider; these are: byteplus, comfyui, fal, gemini, kling, luma, ",
        ),
        (["--live", "kling", "--max-cost-usd", "1"], "kling: no credential: set KLING_API_KEY"),
        (
            ["--live", "runway", "--max-cost-usd", "0.09", "--yes"],
            f"the cheapest clip of runway costs $0.10 ({TURBO}), above $0.09: nothing was started; "
            "repeat with --max-cost-usd 0.10",
        ),
        (
            ["--live", "runway", "--max-cost-usd", "1"],
            "This costs at most $0.10. Not a terminal, so there is nobody to ask",
        ),
    ],
)
def test_what_is_not_agreed_to_is_not_bought(at_runway: Shell, runway: FakeServer, words: list[str], told: str) -> None:
    assert told in at_runway.refused("doctor", *words)
    assert runway.log() == []


@pytest.mark.parametrize(
    ("wall", "told"),
    [
        (("per_job_usd", "0.05"), f"{TURBO} costs $0.10 for this, above the spending limit per_job_usd 0.05"),
        (("per_day_usd", "0.05"), "that the spending limit per_day_usd allows"),
        (("allow_providers", "fal"), "provider runway is not among the allowed ones (fal)"),
    ],
)
def test_the_walls_hold_before_anybody_is_asked(
    at_runway: Shell, runway: FakeServer, wall: tuple[str, str], told: str
) -> None:
    at_runway.done("config", "set", *wall)
    said = at_runway.refused("doctor", "--live", "runway", "--max-cost-usd", "1")
    assert said.startswith("reelwright: wall: ") and told in said
    assert runway.log() == []


def test_a_person_is_asked_at_the_terminal(at_runway: Shell, runway: FakeServer) -> None:
    words = ("doctor", "--live", "runway", "--max-cost-usd", "1")
    with at_runway.terminal(*words) as terminal:
        shown = terminal.expect("This costs at most $0.10. Make it? [y/N]")
        assert f"{TURBO}: $0.10 (prices of " in shown
        terminal.send("n\n")
        assert terminal.end() == 1
    assert runway.log() == []
    with at_runway.terminal(*words) as terminal:
        terminal.expect("[y/N]")
        terminal.send("y\n")
        assert terminal.end() == 0
        assert f"runway live-tested {TODAY}: ok, $0.10, " in terminal.shown
    assert runway.counters()["charges"] == 1


def test_a_failure_is_a_result_too(at_runway: Shell, runway: FakeServer) -> None:
    error = {"code": "SAFETY.INPUT.TEXT", "message": "no boats"}
    runway.set(life={"polls": 1, "outcome": "failed", "error": error})
    ended = at_runway.run("doctor", "--live", "runway", "--max-cost-usd", "1", "--yes", "--json")
    assert ended.code == 1
    test = ended.json["live_test"]
    assert test["outcome"].startswith("failed, moderation_input: Runway") and "no boats" in test["outcome"]
    assert ended.json["job"]["state"] == "failed" and test == record(at_runway)[0]
    assert finding(at_runway, "runway").startswith("note\ttested\trunway: contract-tested 2026-11-23; live-tested ")


def test_a_test_that_was_left_is_followed_and_not_bought_again(at_runway: Shell, runway: FakeServer) -> None:
    runway.set(life={"until_told": True})
    words = ("doctor", "--live", "runway", "--max-cost-usd", "1", "--yes")
    with at_runway.process(*words) as left:
        runway.wait("charges", timeout_s=20)
        left.send_signal(signal.SIGINT)
        assert left.wait(patient(20)) == 130
        assert left.stdout is not None and left.stderr is not None
        left.communicate()
    assert not (at_runway.station.home / "live-tests.json").exists()
    (job,) = at_runway.station.rows("SELECT id FROM jobs")
    until(lambda: runway.tell() or at_runway.station.row(job["id"])["state"] == "succeeded", "it is made")
    ended = at_runway.done(*words)
    assert ended.lines[0].startswith(f"{TURBO}: the last live test is {job['id']} (")
    assert runway.counters()["charges"] == 1 and record(at_runway)[0]["job"] == job["id"]


def test_a_record_that_cannot_be_read_stops_the_test_and_is_told(at_runway: Shell, runway: FakeServer) -> None:
    at_runway.station.home.mkdir()
    path = at_runway.station.home / "live-tests.json"
    path.write_text("{}")
    said = at_runway.refused("doctor", "--live", "runway", "--max-cost-usd", "1", "--yes")
    assert said.startswith(f"reelwright: storage: {path} cannot be read (KeyError: 'tests'): fix or remove it")
    ended = at_runway.run("doctor", "--quick")
    assert ended.code == 1 and any(line.startswith(f"FAIL\ttested\t{path} cannot be read") for line in ended.lines)
    assert runway.log() == []
