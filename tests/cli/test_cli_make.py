"""`make`: the price first, nothing spent without a yes, nothing paid twice, and Ctrl-C stops no job."""

from __future__ import annotations

import signal
from collections.abc import Callable
from decimal import Decimal

import pytest
from PIL import Image

from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import until
from tests.patience import patient

Make = Callable[..., Shell]
Serve = Callable[..., FakeServer]

INLINE = {"REELWRIGHT_WORKER": "inline"}
"""Words and files are the same whoever makes the clip: no process is started where none is what is tested."""
PAID = ("make", "a boat", "--model", "paid/quick", "--duration", "4", "--resolution", "180p")


def test_a_free_clip_is_priced_made_and_told(shell: Make) -> None:
    words = ["make", "--image", "still.png", "--camera", "dolly-in:0.3", "--duration", "1", "--resolution", "360p"]
    used = shell()
    Image.linear_gradient("L").resize((320, 180)).save(used.folder / "still.png")
    ended = used.done(*words, "--label", "pan shot")
    assert ended.lines[0].startswith("PREVIS: no generative model makes this. animatic: free")
    clip = used.station.output / "pan-shot_take01.mp4"
    assert f"PREVIS (no generative model) {clip}" in ended.lines
    assert clip.stat().st_size > 1000
    assert "1 s, 640x360, 24 fps, cost $0" in ended.lines
    assert "\x1b" not in ended.out and ended.err == ""
    (job,) = used.station.rows("SELECT id, client FROM jobs")
    assert job["client"] == "cli"
    again = used.done(*words, "--json")
    assert again.json["job_id"] == job["id"] and again.json["state"] == "succeeded"
    assert f"this is {job['id']} (succeeded) already, nothing more is paid" in again.err


def test_a_photo_becomes_a_vertical_clip_around_what_is_named_in_it(shell: Make) -> None:
    used = shell(**INLINE)
    Image.linear_gradient("L").resize((300, 200)).save(used.folder / "photo.png")
    words = ["make", "--image", "photo.png", "--aspect", "9:16", "--duration", "1", "--resolution", "360p"]
    told = used.refused(*words)
    assert "62% of it would be cut away; take fit=crop with focus=[x, y]" in told
    made = used.done(*words, "--fit", "crop", "--focus", "0.2,0.5", "--json").json
    assert (made["width"], made["height"]) == (360, 640)
    notes = "\n".join(made["notes"])
    assert "62% of the image is cut away to fill the clip (fit=crop, around focus [0.2, 0.5])" in notes
    assert "no camera or motion was requested: a slow push-in" in notes
    whole = used.done(*words, "--fit", "blur", "--camera", "static", "--json").json
    assert not any("push-in" in note or "cut" in note for note in whole["notes"])
    assert "focus '0.2' is not X,Y: write for example 0.5,0.3" in used.refused(*words, "--focus", "0.2")


def test_a_storyboard_of_unlike_stills_stands_on_each(shell: Make) -> None:
    used = shell(**INLINE)
    for name, size in (("a.png", (300, 200)), ("b.png", (200, 200)), ("c.png", (200, 300))):
        Image.linear_gradient("L").resize(size).save(used.folder / name)
    frames = ["--frame", "a.png+0.5", "--frame", "b.png@1+0.5", "--frame", '{"image": "c.png", "hold_s": 0.5}']
    words = ["make", *frames, "--duration", "2", "--resolution", "360p", "--aspect", "1:1", "--json"]
    made = used.done(*words, "--fit", "blur").json
    assert (made["duration_s"], made["width"], made["height"]) == (2, 360, 360)
    assert "the whole image is shown over a blurred copy of itself (fit=blur)" in " ".join(made["notes"])
    assert "frame: not JSON" in used.refused("make", "--frame", '{"image": "c.png"', "--frame", "a.png")


def test_nothing_is_spent_where_nobody_can_be_asked(shell: Make, serve: Serve) -> None:
    server = serve()
    used = shell(server)
    told = used.refused(*PAID)
    assert (
        "This costs at most $0.40 (prices of 2026-11-23). Not a terminal, so there is nobody to ask: add --yes" in told
    )
    assert used.station.rows("SELECT id FROM jobs") == []
    assert server.counters()["charges"] == 0


def test_max_cost_refuses_and_names_the_amount_to_repeat_with(shell: Make, serve: Serve) -> None:
    told = shell(serve()).refused(*PAID, "--yes", "--max-cost", "0.39")
    assert "needs_budget: paid/quick costs $0.40 for this" in told and "--max-cost 0.4" in told


@pytest.mark.parametrize("amount", ["-1", "nan", "inf"])
def test_max_cost_is_an_amount(shell: Make, amount: str) -> None:
    assert "--max-cost is US dollars of 0 or more" in shell().refused(*PAID, f"--max-cost={amount}")


def test_a_paid_clip_is_paid_once_however_often_it_is_asked_for(shell: Make, serve: Serve) -> None:
    server = serve()
    used = shell(server, **INLINE)
    first = used.done(*PAID, "--yes", "--json").json
    assert first["state"] == "succeeded" and first["cost_usd"] == 0.4
    assert used.done(*PAID, "--json").json["job_id"] == first["job_id"]  # no --yes: nothing is spent
    assert server.counters()["charges"] == 1
    second = used.done(*PAID, "--yes", "--take", "2", "--json").json
    assert second["job_id"] != first["job_id"]
    assert server.counters()["charges"] == 2
    assert used.station.books() == (Decimal("0.8"), Decimal(0))


def test_the_price_is_asked_at_a_terminal_and_no_means_no(shell: Make, serve: Serve) -> None:
    server = serve()
    used = shell(server)
    with used.terminal(*PAID) as terminal:
        terminal.expect("This costs at most $0.40 (prices of 2026-11-23). Make it? [y/N] ")
        terminal.send("n\n")
        assert terminal.end() == 1
        assert "not confirmed: nothing was started, nothing was spent" in terminal.shown
    with used.terminal(*PAID) as terminal:
        terminal.expect("Make it? [y/N] ")
        terminal.send("y\n")
        assert terminal.end() == 0
        assert "━" in terminal.shown and "\x1b[" in terminal.shown  # a bar, redrawn
    assert server.counters()["charges"] == 1


def test_a_yes_at_the_terminal_is_the_consent_that_a_flag_is_not(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    used.done("config", "set", "confirm_above_usd", "0.10")
    told = used.refused(*PAID, "--yes")
    assert "consent: " in told and "(confirm_above_usd); the user can change it at a terminal" in told
    with used.terminal(*PAID, "--no-wait") as terminal:
        terminal.expect("[y/N] ")
        terminal.send("yes\n")
        assert terminal.end() == 0
    used.done("jobs", "watch")


def test_no_wait_gives_the_ticket_and_watch_follows(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    ticket = used.done(*PAID, "--yes", "--no-wait", "--json").json
    assert ticket["replayed"] is False and ticket["est_cost_usd"] == 0.4
    watched = used.done("jobs", "watch", ticket["job_id"])
    assert f"{ticket['job_id']}: succeeded 100%" in watched.lines
    assert used.done("jobs", "watch").lines == ["no job is open"]


def test_ctrl_c_stops_the_watching_and_not_the_job(shell: Make, serve: Serve) -> None:
    server = serve(life={"until_told": True})
    used = shell(server)
    with used.process(*PAID, "--yes") as process:
        assert process.stdout is not None and process.stderr is not None
        seen: list[str] = []
        while "running" not in (line := process.stdout.readline()):
            assert line, f"it ended too early: {seen} {process.stderr.read()}"
            seen.append(line)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patient(20))
    assert process.returncode == 130, err
    (job,) = (row["id"] for row in used.station.rows("SELECT id FROM jobs"))
    assert f"stopped watching; it goes on:\n  reelwright jobs watch {job}   to watch again\n" in err
    assert f"  reelwright jobs cancel {job}   to stop it\n" in err
    assert server.tell() == 1
    until(lambda: used.station.row(job)["state"] == "succeeded", "the job that nobody watches succeeds")
    assert server.counters()["charges"] == 1


def test_an_input_that_cannot_be_used_is_told_by_its_option(shell: Make) -> None:
    told = shell().refused("make", "--image", "nosuch.png", "--model", "animatic")
    assert told.startswith("reelwright: asset: --image: 'nosuch.png'")


def test_a_failed_job_ends_with_its_reason_and_exit_code_1(shell: Make, serve: Serve) -> None:
    server = serve()
    server.script("submit", {"status": 400})
    ended = shell(server, **INLINE).run(*PAID, "--yes")
    assert ended.code == 1
    assert any(line.startswith("job_") and " failed: invalid_request: " in line for line in ended.lines)


def test_with_an_inline_worker_no_wait_stays_until_the_clip_is_made(shell: Make) -> None:
    used = shell(REELWRIGHT_WORKER="inline")
    ended = used.done("make", "a card", "--duration", "1", "--resolution", "360p", "--no-wait")
    assert ended.err == "the worker is inline: staying until the clips are made\n"
    assert [row["state"] for row in used.station.rows("SELECT state FROM jobs")] == ["succeeded"]
