"""What the commands say, and how: plain in a pipe, JSON where asked, errors that tell the next step."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from mcp_server.cli import show
from tests.cli.shell import Shell
from tests.patience import patient

Make = Callable[..., Shell]


def test_help_names_every_verb_and_is_plain_in_a_pipe(shell: Make) -> None:
    with shell().process("--help") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    for verb in ("serve", "demo", "doctor", "models", "estimate", "make", "jobs", "config"):
        assert f"\n  {verb} " in out
    assert "\x1b" not in out and "╭" not in out


def test_the_command_line_loads_nothing_heavy(shell: Make) -> None:
    heavy = "numpy", "cv2", "av", "PIL", "httpx", "openai", "google.genai", "runwayml", "mcp", "c2pa", "cryptography"
    code = f"import sys, mcp_server.cli; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_models_are_tab_separated_in_a_pipe(shell: Make) -> None:
    ended = shell().done("models", "--query", "previs")
    assert ended.lines[0].split("\t") == ["model", "tasks", "limits", "price", "seconds", "available"]
    (animatic,) = [line.split("\t") for line in ended.lines if line.startswith("animatic\t")]
    assert animatic[3] == "free" and animatic[5] == "yes"
    assert "\x1b" not in ended.out


def test_models_as_json_say_why_one_cannot_be_used(shell: Make) -> None:
    rows = {row["model"]: row for row in shell().done("models", "--query", "loopback", "--json").json["models"]}
    assert rows["paid/basic"]["available"] is False
    assert rows["paid/basic"]["why_not"] == "set PAID_API_KEY or PAID_BASE_URL"


def test_an_unknown_task_is_told_the_legal_ones(shell: Make) -> None:
    ended = shell().run("models", "--task", "text2video")
    assert ended.code == 2
    assert "text_to_video" in ended.err and "upscale" in ended.err


def test_check_finds_a_model_whose_end_has_passed(shell: Make) -> None:
    ended = shell().run("models", "--check", "--json")
    assert ended.code == 1
    told = [one["finding"] for one in ended.json["findings"] if one["model"] == "vertex/veo-3.1-generate-001"]
    assert any("its end, 2026-11-17, has passed (the date is not confirmed)" in text for text in told)


def test_break_even_compares_every_priced_api_with_a_card(shell: Make) -> None:
    found = shell().done("estimate", "--break-even", "5090", "--minutes", "60", "--json").json
    row = next(one for one in found["rows"] if one["model"] == "runway/gen4.5")
    assert (row["api_usd_per_month"], row["cheaper"]) == (432.0, "buy")
    assert row["pays_after_minutes"] > 0
    ended = shell().run("estimate", "--break-even", "no such card")
    assert ended.code == 2 and "there are RTX 5090" in ended.out


def test_an_estimate_takes_the_options_of_make(shell: Make) -> None:
    words = ["estimate", "a boat", "--model", "paid/basic", "--duration", "4", "--resolution", "180p", "--count", "3"]
    ended = shell().done(*words)
    assert ended.lines[0].split("\t") == ["model", "cost", "seconds", "clip", "available"]
    assert ended.lines[1].split("\t")[:2] == ["paid/basic", "$1.20 ($0.10/s)"]
    assert shell().done(*words, "--json").json["fits"][0]["cost_high_usd"] == 1.2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--camera", "dolly-im:0.4"], "--camera[0]: camera move 'dolly-im' is unknown: did you mean dolly-in?"),
        (["--ref", "hero"], "--ref[0]: reference 'hero' is not tag=path-or-uri"),
        (["--motion", "{"], "motion: not JSON"),
        (["--option", "novalue"], "option 'novalue' is not NAME=VALUE"),
        (["--image", "a.png", "--clip", "b.mp4"], "--clip: give one of image, clip: a clip starts from one of them"),
        (["--add", "2"], "--add: needs clip: it is how much that clip is extended by"),
        (["--seed", "-1"], "--seed: input should be greater than or equal to 0, not -1"),
        (["--duration", "nan"], "--duration: "),
        (["--model", "nosuch"], "not_found: model 'nosuch' is unknown: reelwright models shows all"),
    ],
)
def test_a_wrong_option_is_told_under_its_name(shell: Make, words: list[str], told: str) -> None:
    assert told in shell().refused("estimate", "a boat", *words)


def test_several_problems_are_told_at_once(shell: Make) -> None:
    told = shell().refused("estimate", "a boat", "--seed", "-1", "--camera", "fly")
    assert "2 problems" in told and "seed: " in told and "camera[0]: " in told


def test_a_failure_is_json_where_json_is_wanted(shell: Make) -> None:
    ended = shell().run("estimate", "a boat", "--model", "nosuch", "--json")
    assert ended.code == 1 and ended.err == ""
    assert ended.json["error"]["kind"] == "not_found"


def test_errors_name_commands_and_not_tools(shell: Make) -> None:
    told = shell().refused("jobs", "show", "job_" + "a" * 26)
    assert told == f"reelwright: not_found: there is no job 'job_{'a' * 26}': reelwright jobs list shows all jobs\n"


def test_no_data_can_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show.line("a\x1b[2Jb\x07\r\nc\x9b31m\u202e")
    show.block("{\n\t1\x1b\n}")
    show.as_json({"a": "\x9b31m\u202e"})
    assert capsys.readouterr().out == 'a [2Jb   c 31m \n{\n\t1 \n}\n{\n  "a": "\\u009b31m\\u202e"\n}\n'


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0"), (0.4, "$0.40"), (1.25, "$1.25"), (0.0042, "$0.0042"), (12, "$12.00"), (None, "unknown")],
)
def test_an_amount_keeps_its_cents_and_loses_no_digit(amount: float | None, text: str) -> None:
    assert show.usd(amount) == text


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_letter_that_the_terminal_lacks_ends_no_command(shell: Make, encoding: str) -> None:
    """And JSON in a pipe is UTF-8 all the same."""
    used = shell(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    label = "Tokyo \u2192 \u2744"
    with used.process(
        "make", "snow \u2744", "--label", label, "--model", "animatic", "--duration", "1", "--yes", encoding="utf-8"
    ) as made:
        out, err = made.communicate(timeout=patient(60))
    assert made.returncode == 0, out + err
    with used.process("jobs", encoding=encoding) as listing:
        out, err = listing.communicate(timeout=patient(60))
    assert listing.returncode == 0 and r"Tokyo \u2192 \u2744" in out, out + err
    with used.process("jobs", "--json", encoding="utf-8") as listing:
        out, err = listing.communicate(timeout=patient(60))
    assert listing.returncode == 0 and json.loads(out)["jobs"][0]["label"] == label


def test_the_version_is_told(shell: Make) -> None:
    from backends.jobs.context import program_version

    assert shell().done("--version").lines == [f"reelwright {program_version()}"]


def test_a_label_is_one_line_of_plain_text(shell: Make) -> None:
    asked = ("make", "a kite", "--model", "animatic", "--duration", "1", "--yes")
    for label, why in (("a\nb", "a line break (U+000A at character 2)"), ("\x1b[1m", "a control character (U+001B")):
        told = shell().refused(*asked, "--label", label)
        assert f"invalid_request: label is one line of plain text: it holds {why}" in told
    told = shell().refused(*asked, "--request-key", "k\u202e")
    assert "request_key is one line of plain text: it holds a control character (U+202E at character 2)" in told


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"style": "noir", "focus": [0.5, 0.3]}, "--style noir --focus 0.5,0.3"),
        ({"focus": None}, "without --focus"),
        (
            {"frames": [{"image": "a.png", "role": "first", "at_s": 0, "hold_s": 2}, {"image": "b.png", "at_s": 2.5}]},
            "--frame a.png@0+2 --frame b.png@2.5",
        ),
        (
            {"frames": [{"image": "a.png", "role": "first", "hold_s": 2, "camera": ["pan-left:0.5"]}]},
            """--frame '{"image": "a.png", "hold_s": 2, "camera": ["pan-left:0.5"]}'""",
        ),
    ],
)
def test_changes_are_told_as_the_options_that_ask_for_them(changes: dict[str, object], options: str) -> None:
    assert show.as_options(changes) == options
    from mcp_server.cli.options import keyframe, point

    words = shlex.split(options)
    for option, text in zip(words[::2], words[1::2], strict=True):
        if option == "--frame":
            assert keyframe(text)["image"] in ("a.png", "b.png")
        elif text != "--focus":
            assert option != "--focus" or point("focus", text) == [0.5, 0.3]
