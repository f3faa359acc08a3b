"""Tables of shots as people have them: from spreadsheets of any country, with columns of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backends.errors import VideoError
from mcp_server.cli import shot_columns, shots
from mcp_server.cli.request_options import Given
from mcp_server.cli.shots import Shot
from tests.cli.shell import Shell

Make = Callable[..., Shell]


def read(folder: Path, text: str | bytes, name: str = "shots.csv") -> tuple[list[Shot], list[str]]:
    """The shots, and what was told of the file."""
    path, told = folder / name, list[str]()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return shots.read(path, Given(), told.append), told


def refusal(folder: Path, text: str, name: str = "shots.csv") -> str:
    with pytest.raises(VideoError) as caught:
        read(folder, text, name)
    return caught.value.message


@pytest.mark.parametrize("name", ["shots.csv", "shots.tsv", "shots.txt"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_header_tells_the_separator(mark: str, name: str, tmp_path: Path) -> None:
    text = f"prompt{mark}duration_s{mark}camera\na kite{mark}4{mark}dolly-in:0.4@0-2\n"
    ((shot,), told) = read(tmp_path, text, name)
    assert (shot.request.prompt, shot.request.duration_s, told) == ("a kite", 4, [])
    assert [str(move) for move in shot.request.camera] == ["dolly-in:0.4@0-2"]


def test_excels_own_first_line_and_old_line_ends(tmp_path: Path) -> None:
    ((shot,), _) = read(tmp_path, "sep=;\r\nprompt;fps\r\nred, blue;24\r\n")
    assert (shot.line, shot.request.prompt, shot.request.fps) == (3, "red, blue", 24)
    ((shot,), _) = read(tmp_path, "prompt;fps\ra;24\r")
    assert (shot.line, shot.request.fps) == (2, 24)


@pytest.mark.parametrize(
    "header",
    [
        "Prompt,Duration,Aspect,Negative,Add,Max Cost",
        "PROMPT,duration (s),aspect-ratio,--negative,ADD_S,max_cost [$]",
    ],
)
def test_columns_go_by_the_options_names_and_any_capitals(header: str, tmp_path: Path) -> None:
    ((shot,), told) = read(tmp_path, f"{header}\na kite,4 s,16:9,rain,,$1.50\n")
    request = shot.request
    assert (request.prompt, request.duration_s, request.aspect_ratio, request.negative_prompt, told) == (
        *("a kite", 4, "16:9", "rain"),
        [],
    )
    assert str(request.max_cost_usd) == "1.5"


def test_numbers_of_other_countries(tmp_path: Path) -> None:
    ((one, two), _) = read(tmp_path, "prompt;duration;seed;camera\na;1,5;7;dolly-in:0,4, pan-left\nb;2,25 s;7,0;\n")
    assert (one.request.duration_s, two.request.duration_s, two.request.seed) == (1.5, 2.25, 7)
    assert [str(move) for move in one.request.camera] == ["dolly-in:0.4", "pan-left:0.5"]
    ((shot,), _) = read(tmp_path, 'prompt,duration\na,"1,5"\n')
    assert shot.request.duration_s == 1.5
    assert "duration_s: a number, not '1,500': is the comma a decimal one or one of thousands?" in refusal(
        tmp_path, 'prompt,duration\na,"1,500"\n'
    )


def test_lists_are_parted_by_any_usual_mark(tmp_path: Path) -> None:
    text = 'frames\n"a.jpg, b.jpg@1,5, c.jpg"\na.jpg;b.jpg@1.5;c.jpg\n"[""a.jpg"", ""b.jpg@1.5"", ""c.jpg""]"\n'
    found, _ = read(tmp_path, text + '"a.jpg\nb.jpg@1.5\nc.jpg"\n')
    assert {tuple((frame.image, frame.at_s) for frame in shot.request.frames) for shot in found} == {
        (("a.jpg", None), ("b.jpg", 1.5), ("c.jpg", None))
    }


def test_a_file_whose_name_holds_a_comma_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me, at sea.jpg").write_bytes(b"x")
    ((shot,), _) = read(tmp_path, 'prompt,references\n@me swims,"me=me, at sea.jpg"\n')
    assert [(one.tag, one.media) for one in shot.request.references] == [("me", "me, at sea.jpg")]


def test_options_of_a_provider_need_no_json(tmp_path: Path) -> None:
    ((shot,), _) = read(tmp_path, "prompt,option\na,mode=pro; steps=30\n")
    assert shot.request.provider_options == {"mode": "pro", "steps": 30}


def test_a_further_option_of_the_command_is_a_column_by_itself(tmp_path: Path) -> None:
    """Without an entry of its own: by the option's kind."""
    text = "image;focus;style\na.jpg;0.5, 0.3;flat watercolour\n"
    ((shot,), told) = read(tmp_path, text)
    assert (shot.request.focus, shot.request.style, told) == ([0.5, 0.3], "flat watercolour", [])
    assert "focus: two numbers as 0.5; 0.3, not 'left'" in refusal(tmp_path, text.replace("0.5, 0.3", "left"))


def test_columns_of_ones_own_are_kept_out_and_told(tmp_path: Path) -> None:
    text = "Nr;Prompt;Notes;#mood;Director says;\n1;a kite;good;blue;not so fast here please;\n2;a boat;;;;\n"
    found, told = read(tmp_path, text)
    assert [shot.request.prompt for shot in found] == ["a kite", "a boat"]
    assert told == ["shots.csv: not part of any request, ignored: Nr, Notes, #mood, Director says"]
    found, told = read(tmp_path, '{"prompt": "a kite", "notes": "x", "Duration": 4}\n', "shots.jsonl")
    assert found[0].request.duration_s == 4
    assert told == ["shots.jsonl: not part of any request, ignored: notes"]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("prompt,promts", "line 1: no column is called 'promts': did you mean prompt? (the columns are "),
        ("prompt,resolutoin", "no column is called 'resolutoin': did you mean resolution?"),
        ("prompt,guidance", "no column is called 'guidance' (the columns are "),
        (
            "one,two",
            "line 1 (read with commas between the columns): no column is called 'one'; no column is called 'two'",
        ),
        ("one|two", "no column is called 'one|two'"),
    ],
)
def test_what_may_be_meant_as_an_option_is_never_dropped(header: str, told: str, tmp_path: Path) -> None:
    assert told in refusal(tmp_path, f"{header}\n7,7.5\n")
    assert "begin the name of a column of your own with #" in refusal(tmp_path, f"{header}\n7,7.5\n")


def test_a_slip_of_a_name_is_no_note_though_it_holds_sentences(tmp_path: Path) -> None:
    assert "did you mean prompt?" in refusal(tmp_path, "promt,duration\na red kite over dunes,4\n")


def test_the_letters_of_the_file_are_found_out_and_told(tmp_path: Path) -> None:
    text = "prompt;label\nça va, café;été\n"
    for code in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        ((shot,), told) = read(tmp_path, text.encode(code))
        assert (shot.request.prompt, shot.terms.label, told) == ("ça va, café", "été", []), code
    ((shot,), told) = read(tmp_path, text.encode("cp1252"))
    assert (shot.request.prompt, shot.terms.label) == ("ça va, café", "été")
    assert told == [
        "shots.csv is not UTF-8: read as Windows-1252, with words such as 'ça'; save it as CSV UTF-8",
    ]


def test_rows_may_be_put_aside(tmp_path: Path) -> None:
    found, told = read(tmp_path, "# my film\nprompt,seed\na,1\n# b,2\nc,3\n")
    assert [(shot.line, shot.request.prompt) for shot in found] == [(3, "a"), (5, "c")]
    assert told == ["shots.csv: 1 row that begins with # left out"]


def test_line_ends_inside_a_text_of_jsonl(tmp_path: Path) -> None:
    ((shot,), _) = read(tmp_path, '{"prompt": "a\u2028b"}\r\n', "shots.jsonl")
    assert shot.line == 1


@pytest.mark.parametrize("name", ["new.csv", "new.tsv", "new.jsonl"])
def test_the_template_explains_every_column_and_is_a_list_of_shots(shell: Make, name: str) -> None:
    used = shell()
    ended = used.done("make", "--from", name, "--template")
    assert ended.lines[0] == "column\talso\twhat it holds"
    assert [line.split("\t")[0] for line in ended.lines[1:-1]] == list(shot_columns.columns())
    assert all(line.split("\t")[2] for line in ended.lines[1:-1])
    assert ended.lines[-1] == f"{name} has these columns and three shots to try: reelwright make --from {name}"
    found = shots.read(used.folder / name, Given())
    assert [shot.terms.label for shot in found] == ["opening", "portrait", "journey"]
    assert [shot.request.task for shot in found] == ["text_to_video", "image_to_video", "interpolate"]
    assert "exists: name a new file" in used.refused("make", "--from", name, "--template")


def test_the_template_may_be_seen_first(shell: Make) -> None:
    used = shell()
    ended = used.done("make", "--from", "-", "--template")
    assert ended.out.startswith("label,prompt,model,duration_s,") and "# names the file" in ended.out
    assert "--template writes the file of --from" in used.refused("make", "--template")
    assert not (used.station.home / "reelwright.db").exists()


def test_free_shots_are_called_free(shell: Make) -> None:
    used = shell()
    (used.folder / "shots.csv").write_text("prompt;model;duration;resolution\na kite;animatic;1,0;360p\n")
    ended = used.done("make", "--from", "shots.csv", "--no-wait")
    assert ended.lines[0] == "1 shot: 1 to make (animatic), free"
    (row,) = [line for line in ended.lines if line.startswith("2\t")]
    assert row.split("\t")[5] == "free"
