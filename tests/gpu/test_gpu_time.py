"""The time is kept, whatever a measurement does: children here are small programs that say what the real one says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu.clock import ENDING_S, Clock
from tests.gpu.report import report
from tests.gpu.results import Results
from tests.gpu.supervise import supervise

CHILD = """
import json, os, sys, time
does = sys.argv[1].split()
print(json.dumps({"device": {"name": "a card"}, "versions": {"torch": "2"},
                  "names": [["peak", one, 60 if one == "stays" else 0.2] for one in does]}), flush=True)
for number in range(int(sys.argv[2]), len(does)):
    print(json.dumps({"begin": number}), flush=True)
    if does[number] == "dies":
        os.abort()
    if does[number] in ("hangs", "stays"):
        time.sleep(60)
    print(json.dumps({"row": {"what": "peak", "case": does[number], "figures": {"step_s": number}}}), flush=True)
"""


def outcomes(does: str, folder: Path, clock: Clock) -> list[tuple[str, str, str]]:
    results = Results(folder, 1, tiny=False)
    supervise(lambda start: [sys.executable, "-c", CHILD, does, str(start)], clock, results)
    return [(row.case, row.outcome, row.why) for row in results.rows]


def test_a_measurement_that_ends_its_process_costs_no_other(tmp_path: Path) -> None:
    assert outcomes("one dies two", tmp_path, Clock.of(1)) == [
        ("one", "measured", ""),
        ("dies", "failed", "its process ended with -6"),
        ("two", "measured", ""),
    ]
    told = json.loads((tmp_path / "measured.json").read_text())
    assert told["device"] == {"name": "a card"} and [row["figures"] for row in told["rows"]][2] == {"step_s": 2}


def test_a_measurement_that_hangs_is_ended(tmp_path: Path) -> None:
    assert outcomes("hangs two", tmp_path, Clock.of(1)) == [
        ("hangs", "failed", "ended after 0 s"),
        ("two", "measured", ""),
    ]


def test_when_the_time_is_up_everything_else_has_a_row(tmp_path: Path) -> None:
    assert outcomes("stays two", tmp_path, Clock(time.monotonic() + 4)) == [
        ("stays", "failed", "the time was up"),
        ("two", "left out", "the time was up"),
    ]


def test_a_child_that_cannot_begin_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="its process ended with 3 before it had named anything"):
        supervise(lambda start: [sys.executable, "-c", "exit(3)"], Clock.of(1), Results(tmp_path, 1, tiny=False))


def test_the_clock_keeps_time_for_the_end() -> None:
    assert Clock.of(1).left_s < 60 - ENDING_S + 0.001 and not Clock.of(0).has(0.001)


def test_the_page_tells_figures_and_reasons(tmp_path: Path) -> None:
    outcomes("one dies", tmp_path, Clock.of(1))
    page = report(json.loads((tmp_path / "measured.json").read_text()))
    assert "| one | - | - | - | - | 0 | - | - | - |" in page and "| dies | failed: its process ended with -6 |" in page


def test_the_command_says_what_it_takes() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.gpu", "--help"], capture_output=True, text=True, check=True)
    assert "--minutes" in done.stdout and "--out" in done.stdout
