"""Films as jobs: they survive their worker, wait for their shots, and the same film is the same job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from backends.edit.request import FinishRequest, build_finish
from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.order.cut import Cut
from backends.jobs.order.place import Orders
from backends.request import build_request
from tests.edit.hearing import silence, speech, write_sound
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, tiny_request
from tests.samples import write_clip

pytestmark = pytest.mark.usefixtures("forked_workers")

Stand = Callable[..., Station]


def furnished(station: Station) -> FinishRequest:
    write_clip(station.root / "one.mp4", audio="aac")
    write_clip(station.root / "two.mp4")
    Image.linear_gradient("L").resize((64, 48)).save(station.root / "end.png")
    return build_finish(
        clips=["one.mp4", "two.mp4#t=0,0.5", "end.png#t=0,0.5"], crossfade_s=0.1, titles=["0-1 The end"]
    )


def decoded(path: str | Path) -> str:
    """The pictures and the sound of a clip, as one hash."""
    digest = hashlib.sha256()
    for kind in ("video", "audio"):
        with av.open(str(path)) as clip:
            for frame in clip.decode(**{kind: 0}):
                digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("point", ["running", "finishing", "before-meta", "before-succeeded", "before-commit:4"])
def test_a_film_whose_worker_is_killed_anywhere_is_the_same_film(stand: Stand, nursery: Nursery, point: str) -> None:
    station = stand()
    film = furnished(station)
    context = Context.open(station.settings())
    job = Orders(context, "test", "local").place(Cut.of(film)).job.id
    assert nursery.ended(nursery.worker(station.environ(), point)) == -9, f"never came to {point}"
    assert nursery.ended(nursery.worker(station.environ())) == 0, station.log[-2000:]
    context.close()
    studio = station.studio()
    (made,) = station.settled(studio, [job])
    assert made.state == "succeeded", made
    other = studio.finish_clip(film, take=2).job_id
    (straight,) = station.settled(studio, [other], 60)
    assert made.file and straight.file and decoded(made.file) == decoded(straight.file)


def test_a_film_waits_for_its_paid_shot_and_costs_nothing(serve: Callable[..., FakeServer], stand: Stand) -> None:
    station = stand(serve(mode="key"))
    furnished(station)
    studio = station.studio()
    shot = studio.submit(text_request("a boat")).job_id
    film = build_finish(clips=[shot, "end.png#t=0,1"], fit="blur")
    ticket = studio.finish_clip(film, label="cut")
    assert ticket.est_cost_usd == 0
    boat, made = station.settled(studio, [shot, ticket.job_id], 60)
    assert (boat.cost_usd, made.state, made.cost_usd, made.parents) == (0.4, "succeeded", 0, [shot])
    again = studio.finish_clip(film)
    assert again.replayed and again.job_id == ticket.job_id, "the clip is there by now, and it is the same film"
    assert any("the label" in note for note in studio.finish_clip(film, label="another").notes)
    variant = studio.again(ticket.job_id)
    assert variant.job_id != ticket.job_id and studio.get(variant.job_id).take == 2


def test_a_film_of_a_shot_that_fails_is_not_made_and_not_charged(stand: Stand) -> None:
    station = stand()
    studio = station.studio()
    shot = studio.submit(tiny_request("refuse this")).job_id
    film = studio.finish_clip(build_finish(clips=[shot, shot])).job_id
    _, made = station.settled(studio, [shot, film])
    assert made.state == "failed" and made.error is not None
    assert shot in made.error.message and made.error.charged == "no"
    with pytest.raises(VideoError, match=r"clips\[0\]: job .* failed, so it has no clip"):
        studio.finish_clip(build_finish(clips=[shot]))


def test_what_was_asked_of_an_unfinished_clip_is_the_same_job_when_that_is_there(
    serve: Callable[..., FakeServer], stand: Stand
) -> None:
    """Nothing is paid twice: the still of a job goes by the job before it is there, and by its content after."""
    server = serve(mode="key")
    station = stand(server)
    studio = station.studio()
    shot = studio.submit(text_request("a boat")).job_id
    asked = build_request(
        task="image_to_video",
        model="paid/quick",
        prompt="on",
        duration_s=4,
        resolution="180p",
        max_cost_usd=5,
        frames=[{"image": f"video://jobs/{shot}/last_frame"}],
    )
    first = studio.submit(asked)
    assert first.state == "waiting"
    station.settled(studio, [shot, first.job_id], 60)
    again = studio.submit(asked)
    assert again.replayed and again.job_id == first.job_id
    assert studio.quote(asked).job == first.job_id
    named = studio.submit(asked, request_key="mine")
    station.settled(studio, [named.job_id], 60)
    assert studio.submit(asked, request_key="mine").job_id == named.job_id


def test_what_of_a_film_can_never_be_is_refused_at_once(stand: Stand) -> None:
    station = stand()
    furnished(station)
    studio = station.studio()
    for asked, told in (
        ({"clips": ["one.mp4"], "captions": ["soon: hello"]}, r"captions\[0\] is not FROM-TO TEXT"),
        ({"clips": ["one.mp4"], "titles": ["5-6 late"]}, "titles"),
        ({"clips": ["one.mp4"], "music": "two.mp4"}, "music: the clip has no sound"),
        ({"clips": ["one.mp4"], "narration": "nosuch.wav"}, "narration: "),
        ({"clips": ["nosuch.mp4", "alsonot.mp4"]}, "2 inputs cannot be used"),
    ):
        with pytest.raises(VideoError, match=told):
            studio.finish_clip(build_finish(**asked))
    assert station.rows("SELECT id FROM jobs") == []


def test_a_narration_beyond_the_end_is_refused_when_the_film_is_ordered(stand: Stand) -> None:
    station = stand()
    furnished(station)
    write_sound(station.root / "voice.wav", np.concatenate([speech(3), silence(3)], axis=1))
    studio = station.studio()
    shown = ["one.mp4", "end.png#t=0,0.5", "two.mp4"]
    with pytest.raises(
        VideoError, match=r"narration lasts 3\.0 s and the film 2\.5 s: shorten it by 0\.5 s"
    ) as refused:
        studio.finish_clip(build_finish(clips=shown, narration="voice.wav"))
    assert refused.value.nearest == {"clips": ["one.mp4", "end.png#t=0,1", "two.mp4"]}
    assert station.rows("SELECT id FROM jobs") == [] == station.rows("SELECT sha256 FROM blobs")
    nearest = build_finish(clips=refused.value.nearest["clips"], narration="voice.wav")
    (made,) = station.settled(studio, [studio.finish_clip(nearest).job_id], 60)
    assert made.state == "succeeded" and made.duration_s == pytest.approx(3)


def test_a_part_of_a_clip_is_extended_and_nothing_else_of_it(stand: Stand) -> None:
    station = stand()
    write_clip(station.root / "one.mp4")
    studio = station.studio()
    asked = build_request(task="extend", model="animatic", source_clip="one.mp4#t=0,0.5", duration_s=1)
    assert studio.estimate(asked)["fits"][0]["model"] == "animatic"
    assert studio.quote(asked).model == "animatic" and station.rows("SELECT id FROM jobs") == []
    ticket = studio.submit(asked)
    (made,) = station.settled(studio, [ticket.job_id], 60)
    assert made.state == "succeeded" and made.duration_s == pytest.approx(1.5, abs=0.05), made
    assert len(made.parents) == 1 and studio.get(made.parents[0]).task == "finish"
    assert studio.submit(asked).job_id == ticket.job_id
    assert studio.quote(asked).job == ticket.job_id
    with pytest.raises(VideoError, match=r"frames\[0\]: #t=0,1 takes a part of a clip, and no part is taken here"):
        studio.submit(build_request(task="image_to_video", model="animatic", frames=[{"image": "one.mp4#t=0,1"}]))


UPSCALER = """
provider = "paid"
[[model]]
id = "paid/larger"
like = "paid/quick"
title = "Paid, makes clips larger"
[model.price]
unit = "per_second"
rates = [{ usd = 0.20 }]
date = 2026-11-23
source = "invented for tests"
[[model.mode]]
tasks = ["upscale"]
durations = "source"
audio = "source"
prompt_required = false
"""


def test_a_film_may_be_made_larger_by_a_model_for_as_much_as_is_allowed(
    serve: Callable[..., FakeServer], stand: Stand
) -> None:
    station = stand(serve(mode="key"))
    furnished(station)
    folder = station.home / "catalog"
    folder.mkdir(parents=True)
    (folder / "larger.toml").write_text(UPSCALER)
    studio = station.studio()
    asked = {"clips": ["one.mp4", "two.mp4"], "upscaler": "paid/larger"}
    with pytest.raises(VideoError, match=r"0\.40") as told:
        studio.finish_clip(build_finish(**asked, max_cost_usd=0))
    assert told.value.kind == "needs_budget" and station.rows("SELECT id FROM jobs") == []
    ticket = studio.finish_clip(build_finish(**asked, max_cost_usd=1), label="large")
    assert (ticket.model, ticket.est_cost_usd, ticket.state) == ("paid/larger", 0.4, "waiting")
    again = studio.finish_clip(build_finish(**asked, max_cost_usd=1), label="large")
    assert again.replayed and again.job_id == ticket.job_id
