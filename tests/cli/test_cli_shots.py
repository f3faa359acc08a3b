"""`make --from`: bad rows told by their line before anything starts, one cap, and repeating never pays twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.terms import Terms
from mcp_server.cli import shots
from mcp_server.cli.request_options import Given
from tests.cli.shell import Shell
from tests.fakes import FakeServer

Make = Callable[..., Shell]
Serve = Callable[..., FakeServer]

HEAD = "prompt,model,duration_s,resolution,label,take\n"
SHOTS = HEAD + (
    "a red boat,paid/quick,4,180p,boat,\n"
    '"a house, and a tree",paid/quick,6,180p,house,1\n'
    "a red boat,paid/quick,4,180p,boat,2\n"
)  # $0.40 + $0.60 + $0.40


def written(folder: Path, text: str, name: str = "shots.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def bad_rows(path: Path, base: Given | None = None) -> list[str]:
    with pytest.raises(VideoError) as caught:
        shots.read(path, base or Given())
    assert caught.value.kind == "invalid_request"
    assert "nothing was started" in caught.value.message
    return [str(problem) for problem in caught.value.problems]


def test_a_row_is_a_request_with_its_line_label_and_take(tmp_path: Path) -> None:
    text = (
        "prompt,camera,frames,motion,audio,seed,label,take\n"
        '"first\nof two lines",dolly-in:0.4@0-2; pan-left,,,,7,one,\n'
        '\nsecond,,a.png; b.png@1.5 ;c.png,"[{""box"": [0, 0, 0.5, 1], ""direction"": ""up""}]",no,,two,3\n'
    )
    first, second = shots.read(written(tmp_path, text), Given({"resolution": "360p"}))
    assert (first.line, first.terms.label, first.terms.take, first.request.seed) == (2, "one", 1, 7)
    assert [str(move) for move in first.request.camera] == ["dolly-in:0.4@0-2", "pan-left:0.5"]
    assert first.request.resolution == "360p" and first.request.task == "text_to_video"
    assert (second.line, second.terms.label, second.terms.take, second.request.audio) == (5, "two", 3, False)
    frames = [(frame.image, frame.at_s, frame.role) for frame in second.request.frames]
    assert frames == [("a.png", None, "first"), ("b.png", 1.5, "middle"), ("c.png", None, "last")]
    assert second.request.motion[0].direction == "up" and second.request.task == "interpolate"


def test_jsonl_holds_the_same_fields(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a boat", "references": ["hero=a.png"], "max_cost_usd": 0.5, "prefer": "cheapest"},
        {"image": "a.png", "model": None, "provider_options": {"shot": "12A"}, "task": "image_to_video"},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows)
    base = Given({"clip": "x.mp4", "add_s": 1.0}, terms=Terms(label="all"))
    first, second = shots.read(written(tmp_path, text, "shots.jsonl"), base)
    assert (first.terms.prefer, first.terms.label, first.request.task) == ("cheapest", "all", "extend")
    assert (second.line, second.request.model, second.request.source_clip) == (3, "auto", None)
    assert second.request.provider_options == {"shot": "12A"}


def test_a_rows_own_cell_stands_over_the_commands_option(tmp_path: Path) -> None:
    text = "prompt,resolution\nx,720p\ny,\n"
    found = shots.read(written(tmp_path, text), Given({"resolution": "360p", "model": "animatic"}))
    assert [shot.request.resolution for shot in found] == ["720p", "360p"]
    assert {shot.request.model for shot in found} == {"animatic"}


def test_every_bad_row_is_told_by_its_line(tmp_path: Path) -> None:
    text = HEAD + "ok,,4,,,\nx,,four,,,\ny,,4,,,0\nz,,-1,,,\nu,,4,,,,,one cell too many\nv,,,,,1.5\n"
    assert bad_rows(written(tmp_path, text)) == [
        "line 3: duration_s: a number, not 'four'",
        "line 4: take is 1 to 99, not 0: it numbers attempts at one request",
        "line 5: duration_s: input should be greater than 0, not -1.0",
        "line 6: 8 cells under 6 columns: quote texts with commas",
        "line 7: take: a whole number, not '1.5'",
    ]


def test_every_bad_object_is_told_by_its_line(tmp_path: Path) -> None:
    text = '{"prompt": "ok"}\n[1]\n{"prompt": \n{"promt": "x"}\n{"prompt": "x", "duration_s": "8"}\n{"where": "here"}\n'
    told = bad_rows(written(tmp_path, text, "shots.jsonl"))
    assert told[0] == 'line 2: a row is an object, as {"prompt": "a boat", "duration_s": 4}'
    assert told[1].startswith("line 3: not JSON: ")
    assert told[2].startswith("line 4: no column is called 'promt': did you mean prompt? (the columns are add_s, ")
    assert told[3].startswith("line 5: duration_s: input should be a valid number, not '8'")
    assert told[4] == "line 6: where: input should be 'any' or 'local', not 'here'"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("promt,take\nx,1\n", r"line 1: no column is called 'promt': did you mean prompt\? \(the columns are add_s, "),
        ("prompt,prompt\nx,y\n", "line 1: a column occurs twice"),
        ("prompt,take\n", "shots.csv holds no shots"),
        ("", "shots.csv holds no shots"),
        ('prompt\n"open', "line 2 of shots.csv: not CSV"),
    ],
)
def test_a_file_that_is_no_list_of_shots(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(VideoError, match=told):
        shots.read(written(tmp_path, text), Given())


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_bytes("prompt\nСобака бежит\n".encode("cp1251"))
    with pytest.raises(VideoError, match="not UTF-8 text: save it as CSV UTF-8"):
        shots.read(tmp_path / "other.csv", Given())
    (tmp_path / "shots.xlsx").write_bytes(b"PK\x03\x04...")
    with pytest.raises(VideoError, match="is a spreadsheet's own file: save it as CSV UTF-8, or as JSONL"):
        shots.read(tmp_path / "shots.xlsx", Given())
    with pytest.raises(VideoError, match="No such file"):
        shots.read(tmp_path / "nosuch.csv", Given())


def test_the_whole_batch_is_priced_capped_made_and_resumed(shell: Make, serve: Serve) -> None:
    server = serve()
    used = shell(server, REELWRIGHT_WORKER="inline")
    path = written(used.folder, SHOTS)
    told = used.refused("make", "--from", path, "--yes", "--max-cost", "1.39")
    assert "needs_budget: the shots cost $1.40, above --max-cost $1.39" in told and "nothing was started" in told
    assert used.station.rows("SELECT id FROM jobs") == []
    ended = used.done("make", "--from", path, "--yes", "--max-cost", "1.40")
    assert ended.lines[0] == "3 shots: 3 to make (paid/quick) for $1.40 at most"
    assert ended.lines[-1] == "3 of 3 made, $1.40 spent by this run; repeat the command to resume"
    files = sorted(path.name for path in used.station.output.iterdir())
    assert files == ["boat_take01.mp4", "boat_take02.mp4", "house_take01.mp4"]
    assert server.counters()["charges"] == 3
    path.write_text(SHOTS + "a lake,paid/quick,4,180p,lake,\n")  # a row more: only that one is paid
    again = used.done("make", "--from", path, "--yes", "--json")
    assert "4 shots: 1 to make (paid/quick) for $0.40 at most; 3 already made or under way, not paid again" in again.err
    assert [shot["there_already"] for shot in again.json["shots"]] == [True, True, True, False]
    assert again.json["cost_usd"] == 0.4 and again.json["made"] == 4
    assert server.counters()["charges"] == 4


def test_bad_rows_and_repeated_ones_are_told_before_anything_starts(shell: Make, serve: Serve) -> None:
    server = serve()
    used = shell(server)
    rows = "a red boat,paid/quick,4,180p,other,\na sea,paid/quick,5,180p,,\na sea,nosuch,4,,,\n"
    told = used.refused("make", "--from", written(used.folder, SHOTS + rows), "--yes").splitlines()
    assert told[0] == "reelwright: invalid_request: 3 rows of shots.csv cannot be made; nothing was started:"
    assert told[1] == "line 5: the same request as line 2: a take of 2, 3 ... makes another variant"
    assert told[2].startswith("line 6: ") and "duration_s" in told[2]
    assert told[3].startswith("line 7: model 'nosuch' is unknown")
    assert used.station.rows("SELECT id FROM jobs") == []
    assert server.counters()["charges"] == 0


def test_a_batch_that_passes_the_day_is_not_half_made(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    used.done("config", "set", "per_day_usd", "1")
    told = used.refused("make", "--from", written(used.folder, SHOTS), "--yes")
    assert "wall: the shots cost $1.40, and $0 of the $1.00 a day (UTC) that the spending limit per_day_usd " in told
    assert used.station.rows("SELECT id FROM jobs") == []


def test_one_row_that_fails_leaves_the_others_made(shell: Make, serve: Serve) -> None:
    server = serve()
    server.script("submit", {"status": 400, "match": "house"})
    used = shell(server, REELWRIGHT_WORKER="inline")
    ended = used.run("make", "--from", written(used.folder, SHOTS), "--yes", "--json")
    assert ended.code == 1
    assert [shot["state"] for shot in ended.json["shots"]] == ["succeeded", "failed", "succeeded"]
    assert ended.json["shots"][1]["line"] == 3 and ended.json["shots"][1]["error"]
    assert ended.json["cost_usd"] == 0.8


def test_take_belongs_into_the_file(shell: Make) -> None:
    used = shell()
    told = used.refused("make", "--from", written(used.folder, SHOTS), "--take", "2")
    assert "--take and --request-key name one clip: --from has a column for each" in told
