"""What an order says of itself before it is paid: wrong tags, a job that is there by another name, a label that had no
effect, and what lifts a pause."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from backends.errors import VideoError
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request

INLINE = {"REELWRIGHT_WORKER": "inline"}


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", **INLINE)


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def test_a_tag_that_no_reference_has_is_refused_before_anything_is_reserved(station: Station, studio: Studio) -> None:
    station.root.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (320, 180)).save(station.root / "hero.png")
    request = text_request("@boss walks, @hero waves", task="reference_to_video", references=["hero=hero.png"])
    for act in (studio.submit, studio.quote, studio.estimate):
        with pytest.raises(VideoError) as caught:
            act(request)
        assert (caught.value.kind, caught.value.charged) == ("invalid_request", "no")
        assert caught.value.message == (
            "prompt: no reference is called @boss; the references are @hero. Name one of these, give the missing "
            "reference, or write the word without its @"
        )
    assert station.rows("SELECT * FROM jobs") == [] and station.rows("SELECT * FROM ledger") == []


def test_the_same_by_another_name_is_noted(studio: Studio) -> None:
    first = studio.submit(text_request("a fox", "auto"))
    named = first.model
    told = f"like {first.job_id}: that job made the same request of {named} by another name for the model"
    quote = studio.quote(text_request("a fox", named))
    second = studio.submit(text_request("a fox", named))
    assert second.job_id != first.job_id and not second.replayed
    for notes in (quote.notes, second.notes):
        assert sum(note.startswith(told) for note in notes) == 1, notes
    other = studio.submit(text_request("a wolf", named))
    wanted = studio.submit(text_request("a fox", named), take=2)
    assert not any("like job_" in note for ticket in (first, other, wanted) for note in ticket.notes)
    backwards = studio.submit(text_request("a wolf", "auto"))
    assert any(note.startswith(f"like {other.job_id}: ") for note in backwards.notes)


def test_a_label_that_comes_too_late_is_told(studio: Studio) -> None:
    first = studio.submit(text_request("steam"), label="steam")
    again = studio.submit(text_request("steam"), label="été")
    assert again.replayed and again.job_id == first.job_id
    assert again.notes[0] == 'the label "été" has no effect: the job existed already, kept as steam_take01.mp4'
    for label in ("steam", ""):
        assert not any("label" in note for note in studio.submit(text_request("steam"), label=label).notes)
    bare = studio.submit(text_request("fog"))
    late = studio.submit(text_request("fog"), label="fog")
    assert late.notes[0].endswith(f"kept as {bare.job_id[:12]}_take01.mp4")


def test_a_pause_for_want_of_credits_says_what_lifts_it(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"status": 402})
    (failed,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert failed.error is not None and failed.error.kind == "balance"
    with pytest.raises(VideoError, match=r"^paid is paused for \d+ s more: ") as caught:
        studio.submit(text_request("a wolf"))
    assert caught.value.message.endswith(
        ". When the cause is gone, the user can end the pause at once: reelwright jobs resume paid"
    )
