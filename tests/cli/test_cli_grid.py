"""What a person reads at a terminal of 40 to 120 columns: no word chopped, each reason once."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from mcp_server.cli.grid import layout, wrapped
from tests.cli.shell import COMMAND, Shell
from tests.fakes import FakeServer
from tests.patience import patient

Make = Callable[..., Shell]
COLUMNS = ("job", "state", "label", "file")
ROWS = [
    ("job_dj6vued7ap5ae7hjx5gvmiullo", "succeeded", "the opening of the film", "opening_take01.mp4"),
    ("job_hgkxbkdq47ct3pvujrpz7ru3uu", "queued", "", ""),
]


def test_a_table_stands_side_by_side_where_its_words_fit() -> None:
    assert layout(COLUMNS, ROWS, 90) == [
        "job                             state      label                    file",
        "─" * 86,
        "job_dj6vued7ap5ae7hjx5gvmiullo  succeeded  the opening of the film  opening_take01.mp4",
        "job_hgkxbkdq47ct3pvujrpz7ru3uu  queued",
    ]
    assert layout(COLUMNS, ROWS, 74)[2:4] == [
        "job_dj6vued7ap5ae7hjx5gvmiullo  succeeded  the opening  opening_take01.mp4",
        "                                           of the film",
    ]


def test_what_does_not_fit_goes_below_its_row() -> None:
    assert layout(COLUMNS, ROWS, 60, below=("label", "file")) == [
        "job                             state",
        "─" * 41,
        "job_dj6vued7ap5ae7hjx5gvmiullo  succeeded",
        "    the opening of the film; opening_take01.mp4",
        "job_hgkxbkdq47ct3pvujrpz7ru3uu  queued",
    ]


def test_where_nothing_fits_each_cell_has_its_line() -> None:
    assert layout(COLUMNS, ROWS, 34) == [
        "job_dj6vued7ap5ae7hjx5gvmiullo",
        "    state: succeeded",
        "    label: the opening of the film",
        "    file: opening_take01.mp4",
        "job_hgkxbkdq47ct3pvujrpz7ru3uu",
        "    state: queued",
    ]


def test_no_line_is_wider_than_the_terminal() -> None:
    rows = [("東京の夜", "a" * 50, "two words", "x/" * 40), ("é", "", "", "")]
    for width in range(20, 160, 7):
        lines = layout(COLUMNS, rows, width, below=("file",))
        assert max(map(cell_len, lines)) <= width, width
        assert "two" in "\n".join(lines).split() and "words" in "\n".join(lines).split()


def test_wide_letters_count_twice_and_only_long_words_are_folded() -> None:
    assert wrapped("東京の夜 x", 8) == ["東京の夜", "x"]
    assert wrapped("a bb ccccccc", 4) == ["a bb", "cccc", "ccc"]
    assert wrapped("", 4) == [""]


def drawn(shell: Make, columns: int, *words: str, **env: str) -> list[str]:
    """The lines that a terminal of that many columns shows."""
    with shell(COLUMNS=str(columns), **env).terminal(*words) as terminal:
        assert terminal.end() == 0, terminal.shown
        return [line.rstrip("\r") for line in terminal.shown.split("\n")]


@pytest.mark.parametrize("columns", [80, 120])
def test_models_come_by_whether_they_can_be_used_and_each_reason_once(shell: Make, columns: int) -> None:
    lines = drawn(shell, columns, "models", "--all")
    text = "\n".join(lines)
    assert [line for line in lines if cell_len(line) >= columns] == []
    assert lines[0].startswith("model ") and lines[2].startswith("animatic ")
    assert "text_to_video" not in text and re.search(r"\btext, image, keyframes\b", text)
    reasons = [line for line in lines if line.startswith("not now: ")]
    assert len(reasons) == len(set(reasons)) > 3
    assert text.count("no NVIDIA GPU on this machine") <= 1


def test_jobs_at_80_columns(shell: Make, serve: Callable[..., FakeServer]) -> None:
    used = shell(serve(), COLUMNS="80")
    words = ("--model", "paid/quick", "--duration", "4", "--resolution", "180p", "--label", "boat", "--yes")
    job = used.done("make", "a red boat", *words, "--json").json["job_id"]
    with used.terminal("jobs") as terminal:
        assert terminal.end() == 0
    lines = [line.rstrip("\r") for line in terminal.shown.split("\n")]
    assert max(map(cell_len, lines)) < 80
    assert re.fullmatch(rf"{job}  succeeded  \$0\.40  \d+ [A-Z][a-z]{{2}} \d\d:\d\d", lines[2]), lines
    assert re.fullmatch(r"    paid/quick; boat; \S*boat_take01\.mp4", lines[3])
    piped = used.done("jobs").lines
    assert piped[0] == "job\tstate\tmodel\tlabel\tcost\tcreated\tfile" and re.search(r"\t20\d\d-\d\d-\d\dT", piped[1])


@pytest.mark.parametrize(("typed", "offered"), [("reelwright jo", "jobs"), ("reelwright make --te", "--template")])
def test_the_shell_completes_words_though_no_terminal_is_there(shell: Make, typed: str, offered: str) -> None:
    env = {**shell().station.environ(), "_REELWRIGHT_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    env["COMP_CWORD"] = str(len(typed.split()) - 1)
    ended = subprocess.run(
        COMMAND,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patient(60),
        cwd=os.sep,
        check=False,
    )
    assert ended.stdout.split() == [offered], ended.stderr


def test_break_even_says_what_it_looks_at(shell: Make) -> None:
    lines = shell().done("estimate", "a kite", "--duration", "5", "--break-even", "5090").lines
    assert "note: --break-even compares a month of film, not one clip: duration_s, prompt has no effect here" in lines
    (assumed,) = [line for line in lines if line.startswith("assumed: ")]
    assert assumed == (
        "assumed: each API makes its default clip at its list price; the card costs $2000 spread over 24 months and "
        "575 W at $0.15 a kWh while it computes, and runs one 14B model at 720p, whatever the API's model can do; your "
        "own work and the rest of the machine are not counted"
    )
    rented = shell().done("estimate", "--break-even", "A100").lines
    assert any("the card costs $1.50 an hour of rent, only while it computes" in line for line in rented)
    assert not any(line.startswith("note: ") for line in rented)
