"""What a cell asks for: jobs that are paid once, prices first, sweeps under one cap; no kernel and no page needed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.jobs.money import limits
from backends.media.images import load_image
from backends.provider.registry import registry
from backends.request import VideoRequest
from backends.terms import Terms
from notebook_ext import kernel
from notebook_ext.calls import as_code, asked
from notebook_ext.client import NotebookStudio
from notebook_ext.home import FOLDER, notebook_home
from notebook_ext.prices import break_even
from notebook_ext.shortcuts import estimate
from notebook_ext.views.board import Board
from notebook_ext.views.card import Card
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.station import TINY, Station

PAID = {"model": "paid/quick", "duration_s": 4, "resolution": "180p"}


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """A home with the loopback paid service, and the notebook's folder."""
    for folder in (PLUGIN, TINY):
        monkeypatch.syspath_prepend(str(folder))
    registry.cache_clear()
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    kernel.folder.cache_clear()
    with ExitStack() as stack:
        server = stack.enter_context(FakeServer("paid", clips={"": tiny_clip()}, mode="none", life={"polls": 1}))
        env = {"TINY_CLIP": str(tiny_clip()), "PAID_MODE": "none", "REELWRIGHT_WORKER": "inline"}
        made = Station(tmp_path, server.url, env)
        made.server = server  # pyright: ignore[reportAttributeAccessIssue]
        stack.callback(made.close)
        yield made
    registry.cache_clear()
    kernel.folder.cache_clear()


@pytest.fixture
def studio(station: Station) -> Iterator[NotebookStudio]:
    made = NotebookStudio(station.settings())
    yield made
    made.close()


def charges(station: Station) -> int:
    return int(station.server.counters()["charges"])  # pyright: ignore[reportAttributeAccessIssue]


# ------------------------------------------------------------------ one request, one payment


def test_running_a_cell_again_pays_nothing_and_says_so(station: Station, studio: NotebookStudio) -> None:
    job = studio.generate_video("a fox", max_cost_usd=1, **PAID).result()
    again = studio.generate_video("a fox", max_cost_usd=1, **PAID)
    assert again is job and again.replayed and again.state == "succeeded"
    assert charges(station) == 1
    assert job.client == "notebook" or job.view.client == "notebook"
    other = studio.generate_video("a fox", max_cost_usd=1, take=2, **PAID).result()
    assert other.job_id != job.job_id and charges(station) == 2


def test_nothing_is_bought_without_a_cap(station: Station, studio: NotebookStudio) -> None:
    with pytest.raises(VideoError) as caught:
        studio.generate_video("a fox", **PAID)
    assert caught.value.kind == "needs_budget" and "0.4" in caught.value.message
    assert charges(station) == 0


def test_a_job_of_another_client_of_the_store_is_the_same_job(station: Station, studio: NotebookStudio) -> None:
    agent = station.studio()
    ticket = agent.submit(VideoRequest(task="text_to_video", prompt="a fox", max_cost_usd=Decimal(1), **PAID))
    station.settled(agent, [ticket.job_id])
    mine = studio.generate_video("a fox", max_cost_usd=1, **PAID)
    assert mine.job_id == ticket.job_id and mine.replayed and mine.view.client == "test"
    assert charges(station) == 1


def test_the_next_take_is_by_the_same_model_and_its_copies_of_the_inputs(
    station: Station, studio: NotebookStudio
) -> None:
    still = np.full((180, 320, 3), 90, np.uint8)
    job = studio.image_to_video(still, "rain", max_cost_usd=1, **PAID).result()
    for saved in (studio.home.folder / "stills").iterdir():
        saved.unlink()
    take, quote = studio.inner.quote_again(job.job_id)
    assert (take, quote.model, quote.estimate and quote.estimate.usd_high) == (2, "paid/quick", Decimal("0.4"))
    with pytest.raises(VideoError, match=r"max_cost_usd=0\.4"):
        job.next_take()
    second = job.next_take(max_cost_usd=0.4).result()
    assert (second.take, second.state, charges(station)) == (2, "succeeded", 2)
    # the same as asking for take 2 in a cell, and the next is the third
    assert studio.image_to_video(still, "rain", max_cost_usd=1, take=2, **PAID).job_id == second.job_id
    assert studio.inner.quote_again(job.job_id)[0] == 3
    assert charges(station) == 2


def test_the_next_take_of_an_auto_choice_is_by_the_model_that_was_chosen(studio: NotebookStudio) -> None:
    job = studio.generate_video("a fox", duration_s=4, resolution="180p", max_cost_usd=1).result()
    second = job.next_take(max_cost_usd=1)
    assert second.model == job.model and second.take == 2
    found = studio.generate_video("a fox", duration_s=4, resolution="180p", max_cost_usd=1, take=2)
    assert found.job_id == second.job_id and found.replayed


# ------------------------------------------------------------------ waiting


def test_a_job_can_be_awaited_and_blocked_for(studio: NotebookStudio) -> None:
    async def cell() -> str:
        job = studio.generate_video("a fox", max_cost_usd=1, **PAID)
        return (await job).state

    assert asyncio.run(cell()) == "succeeded"
    assert studio.generate_video("a wolf", max_cost_usd=1, **PAID).result().file


def test_an_interrupted_wait_leaves_the_job_alone(studio: NotebookStudio) -> None:
    async def cell() -> None:
        job = studio.generate_video("slow", model="tiny", duration_s=4)
        waiting = asyncio.ensure_future(job._waiting())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
        told = caught.value._render_traceback_()  # pyright: ignore[reportAttributeAccessIssue]  what a cell shows
        assert told == [f"stopped waiting; {job.job_id} goes on (free): await it again, or .cancel() it"]
        assert not job._follow().cancelled()
        assert (await job).state == "succeeded"

    asyncio.run(cell())


def test_a_failed_job_raises_its_words_and_whether_it_was_charged(station: Station, studio: NotebookStudio) -> None:
    station.server.script("submit", {"status": 422})  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(VideoError) as caught:
        studio.generate_video("a fox", max_cost_usd=1, **PAID).result()
    words = caught.value.message
    assert caught.value.charged == "no" and "It was not charged." in words and words.count("charged") == 1
    assert 'Another model: model="paid/basic", max_cost_usd=0.4 ($0.40).' in words and "tool" not in words


def test_a_wait_that_takes_too_long_says_that_the_job_goes_on(station: Station, studio: NotebookStudio) -> None:
    station.server.script("submit", {"job": {"polls": 10_000}})  # pyright: ignore[reportAttributeAccessIssue]
    job = studio.generate_video("for ever", max_cost_usd=1, **PAID)
    with pytest.raises(VideoError, match="it goes on: wait again"):
        job.result(timeout_s=0.2)
    job.cancel()


def test_a_failure_is_a_few_lines_in_a_cell_and_in_a_script(studio: NotebookStudio) -> None:
    with pytest.raises(VideoError) as caught:
        studio.generate_video("x", model="paid/quick", duration_s=99)
    assert len(caught.value._render_traceback_()) < 5  # pyright: ignore[reportAttributeAccessIssue]
    frames = [entry.path.name for entry in caught.traceback if "notebook_ext" in str(entry.path.parent)]
    assert frames == ["test_client.py", "error_text.py"], "the frames below the call are cut"
    job = studio.generate_video("x", model="tiny", duration_s=4)
    with pytest.raises(AttributeError) as lacking:
        job.nosuch  # noqa: B018
    (line,) = lacking.value._render_traceback_()  # pyright: ignore[reportAttributeAccessIssue]
    assert line.startswith("AttributeError: a job has no 'nosuch'; it has job_id")
    job.result()


# ------------------------------------------------------------------ media and arguments


def test_pictures_in_memory_become_inputs(tmp_path: Path, studio: NotebookStudio) -> None:
    grey = np.linspace(0, 1, 64 * 48).reshape(48, 64)
    folder = studio.home.folder
    names = [
        asked("image_to_video", {"image": picture}, folder, cap=None)[0].frames[0].image
        for picture in (grey, np.stack([grey] * 3, axis=2), Image.fromarray((grey * 255).astype(np.uint8)))
    ]
    assert all(Path(name).parent == folder / "stills" for name in names)
    assert all(load_image(Path(name)).shape == (48, 64, 3) for name in names)
    for wrong, words in (
        (np.zeros((4, 4, 7)), "height x width x 3"),
        (np.full((4, 4), 300.0), "0 to 1"),
        ({}, "names"),
    ):
        with pytest.raises(VideoError, match=words):
            asked("image_to_video", {"image": wrong}, folder, cap=None)


def test_a_film_of_a_clip_and_a_picture_in_memory(tmp_path: Path, studio: NotebookStudio) -> None:
    shutil.copy(tiny_clip(), tmp_path / "shot.mp4")
    card = np.full((72, 128, 3), 200, np.uint8)
    film = studio.finish_clip([tmp_path / "shot.mp4", card], titles="0-1 The end", fit="pad", label="film")
    assert film.wait().state == "succeeded", film.view
    assert film.view.task == "finish" and film.view.cost_usd == 0 and Path(film.view.file or "").exists()
    assert studio.finish_clip(["shot.mp4", card], titles=["0-1 The end"], fit="pad").job_id == film.job_id
    with pytest.raises(VideoError, match="speed"):
        studio.finish_clip("shot.mp4", speed=100)
    assert "finish_clip" in studio.code(film.job_id)


def test_arguments_in_their_many_forms(tmp_path: Path) -> None:
    frames = [("a.png", 0), {"image": "b.png", "at_s": 2.5, "prompt": "turn"}, "c.png"]
    request, terms = asked(
        "interpolate_keyframes",
        {
            "frames": frames,
            "camera": "dolly-in:0.4@0-2",
            "references": {"hero": "h.png"},
            "take": 2,
            "prefer": "motion",
        },
        tmp_path,
        cap=Decimal(0),
    )
    assert [(frame.image, frame.role, frame.at_s) for frame in request.frames] == [
        ("a.png", "first", 0),
        ("b.png", "middle", 2.5),
        ("c.png", "last", None),
    ]
    assert str(request.camera[0]) == "dolly-in:0.4@0-2" and str(request.references[0]) == "hero=h.png"
    assert terms == Terms(prefer="motion", take=2)
    assert request.max_cost_usd == 0


def test_every_wrong_argument_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        asked("generate_video", {"prompt": "x", "durations": 3, "colour": "red"}, tmp_path, cap=None)
    assert [problem.text for problem in caught.value.problems] == [
        "durations: no such argument; did you mean duration_s?",
        "colour: no such argument",
    ]


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        ("generate_video", {"prompt": "a 'fox'", "duration_s": 4.0, "seed": 3, "audio": False, "max_cost_usd": 1.5}),
        ("image_to_video", {"image": "a.png", "prompt": "x", "camera": ["pan-left:0.3"], "loop": True}),
        ("image_to_video", {"image": "a.png", "motion": [{"box": [0.1, 0.1, 0.5, 0.5], "direction": "up"}]}),
        ("interpolate_keyframes", {"frames": ["a.png", {"image": "b.png", "at_s": 3.0}], "prompt": "y"}),
        (
            "interpolate_keyframes",
            {
                "frames": [{"image": "a.png", "hold_s": 2.0, "camera": ["dolly-in:0.4@0-2"]}, ("b.png", 3.0)],
                "fit": "crop",
                "focus": (0.5, 0.3),
                "style": "noir",
            },
        ),
        ("extend_clip", {"clip": "video://jobs/job_" + "a" * 26, "add_s": 4.0, "prompt": "go on"}),
        ("generate_video", {"prompt": "in oil", "clip": "a.mp4", "provider_options": {"strength": 0.5}}),
    ],
)
def test_the_code_of_a_request_asks_for_the_same(tmp_path: Path, verb: str, given: dict[str, object]) -> None:
    request, _ = asked(verb, given, tmp_path, cap=None)

    class Studio:
        def __getattr__(self, name: str) -> Callable[..., VideoRequest]:
            def call(*first: object, **more: object) -> VideoRequest:
                places = {
                    "image_to_video": ["image"],
                    "interpolate_keyframes": ["frames"],
                    "extend_clip": ["clip", "add_s"],
                }
                names = [*places.get(name, []), "prompt"]
                return asked(name, dict(zip(names, first, strict=False)) | more, tmp_path, cap=None)[0]

            return call

    assert eval(as_code(request), {"studio": Studio()}) == request


# ------------------------------------------------------------------ research


def test_a_sweep_is_priced_as_a_whole_first(
    station: Station, studio: NotebookStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = {"prompt": "a fox", "duration_s": 4, "resolution": "180p"}
    models, seeds = ["paid/quick", "paid/basic"], [1, 2]
    with pytest.raises(VideoError) as caught:
        studio.sweep(shot, models, seeds, max_cost_usd=1)
    assert "4 clips: $1.60 at most, above max_cost_usd $1" in caught.value.message
    assert charges(station) == 0 and not studio.list_jobs().jobs
    found = studio.sweep(shot, models, seeds, max_cost_usd=1.6).result()
    assert capsys.readouterr().out == "4 clips: $1.60 at most\n"
    assert [(job.model, job.seed) for job in found.jobs] == [(model, seed) for model in models for seed in seeds]
    assert [job.label for job in found.jobs[:2]] == ["sweep quick seed 1", "sweep quick seed 2"]
    assert Path(found.jobs[2].file).name == "sweep-basic-seed-1_take01.mp4"
    assert charges(station) == 4
    again = studio.sweep(shot, models, [1, 2, 3], max_cost_usd=1)
    assert again.cost == "6 clips: $0.80 at most (4 exist already)"
    again.result()
    assert charges(station) == 6
    table = again.table()
    assert len(table) == 6 and {row["cost_usd"] for row in table} == {0.4}
    assert "<table" in table._repr_html_() and "paid/quick" in repr(table)
    frame = table.to_frame()
    assert list(frame["seed"]) == [1, 2, 3] * 2


def test_a_sweep_of_takes_and_of_a_model_without_seeds(
    station: Station, studio: NotebookStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    own = station.home / "catalog"
    own.mkdir(parents=True)
    (own / "unseeded.toml").write_text(
        """provider = "paid"
[sizes.small]
"180p" = { "16:9" = "320x180" }
[[model]]
id = "paid/unseeded"
like = "paid/basic"
title = "Paid without seeds (loopback test service)"
tier = 4
[model.box]
durations = [4]
sizes = "small"
seed = false
prompt_max = 2000
[model.wire]
model = "basic"
endpoint = "/jobs"
fields = { model = "model", prompt = "prompt", duration_s = "seconds", size = "size" }
[model.price]
unit = "per_second"
rates = [{ usd = 0.10 }]
date = 2026-11-23
source = "invented for tests"
[[model.mode]]
tasks = ["text_to_video"]
"""
    )
    shot = {"prompt": "a fox", "duration_s": 4, "resolution": "180p"}
    settings = station.settings(REELWRIGHT_CATALOG=str(own))
    mixed = NotebookStudio(settings)
    try:
        found = mixed.sweep(shot, ["paid/basic", "paid/unseeded"], [7, 8], max_cost_usd=2).result()
        assert capsys.readouterr().out == "4 clips: $1.60 at most; paid/unseeded: no seeds, 2 takes instead\n"
        named = [(job.model, job.seed, job.take) for job in found.jobs]
        assert named[:2] == [("paid/basic", 7, 1), ("paid/basic", 8, 1)]
        assert [(model, take) for model, _, take in named[2:]] == [("paid/unseeded", 1), ("paid/unseeded", 2)]
        assert charges(station) == 4
        twice = mixed.sweep(shot, ["paid/basic"], [7], takes=2, max_cost_usd=1).result()
        assert [job.take for job in twice.jobs] == [1, 2] and twice.columns == 2
        assert charges(station) == 5 and "(1 exist already)" in twice.cost
    finally:
        mixed.close()


def test_a_sweep_that_cannot_be_made_whole_starts_nothing(station: Station, studio: NotebookStudio) -> None:
    with pytest.raises(VideoError) as caught:
        studio.sweep(
            {"prompt": "a fox", "duration_s": 5, "resolution": "180p"}, ["paid/quick", "animatic"], [1], max_cost_usd=9
        )
    assert "2 of 2 clips cannot be made, so nothing was started" in caught.value.message
    assert not studio.list_jobs().jobs and charges(station) == 0


def test_a_wall_reached_in_mid_sweep_is_told(station: Station, studio: NotebookStudio) -> None:
    limits.set_limit(studio.inner.context.store, "per_day_usd", "0.9", ())
    found = studio.sweep({"prompt": "a fox", **PAID}, None, [1, 2, 3], max_cost_usd=2).result()
    assert len(found.jobs) == 2 and charges(station) == 2
    assert len(found.skipped) == 1 and "per_day_usd" in found.skipped[0] and "seed 3" in found.skipped[0]


def test_prices_before_spending(studio: NotebookStudio) -> None:
    prices = estimate("a fox", client=studio, duration_s=4, resolution="180p")
    by_model = {row["model"]: row["cost_high_usd"] for row in prices}
    assert by_model["paid/quick"] == 0.4 and "paid/unknown-price" in by_model
    html = prices._repr_html_()
    assert "unknown" in html and "$0.40" in html
    assert prices.plot()._repr_png_().startswith(b"\x89PNG")
    ten = estimate({"prompt": "a fox", **PAID}, client=studio, count=10)
    assert ten[0]["cost_high_usd"] == 4
    even = break_even(studio, "RTX 5090", minutes=200)
    assert even.plot()._repr_png_().startswith(b"\x89PNG")
    assert {"buy", "api"} >= {row["cheaper"] for row in even} and len(even) > 10


# ------------------------------------------------------------------ where things are kept


def test_a_network_home_does_free_work_on_this_machine_and_says_so(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {tmp_path} rw - nfs4 server:/homes rw\n")
    monkeypatch.setattr("notebook_ext.home.tempfile.gettempdir", lambda: str(tmp_path))
    home = notebook_home(station.settings(), mounts)
    assert home.settings.home != station.home and home.settings.home.stat().st_mode & 0o077 == 0
    assert "network file system (nfs4)" in home.free_only
    studio = NotebookStudio(station.settings())
    studio.__dict__["home"] = home
    try:
        assert studio.generate_video("free", model="tiny", duration_s=4).result().state == "succeeded"
        with pytest.raises(VideoError, match=r"no paid work here: the data folder .* set REELWRIGHT_HOME"):
            studio.generate_video("a fox", max_cost_usd=1, **PAID)
    finally:
        studio.close()
    assert charges(station) == 0


def test_a_clip_lies_below_the_notebook_and_is_served_in_pieces(studio: NotebookStudio, tmp_path: Path) -> None:
    job = studio.generate_video("free", model="tiny", duration_s=4, label="tea").result()
    card = Card(job)
    clip = card.do_clip(_ask(card, "clip", job_id=job.job_id), ())
    assert card.data["jobs"][0]["clip"] == clip, "a page need not ask"
    assert clip["paths"][0] == f"{FOLDER}/tea_take01.mp4" and (tmp_path / clip["paths"][0]).exists()
    assert clip["paths"][1] == f"{tmp_path.name}/{FOLDER}/tea_take01.mp4"
    whole = Path(job.file).read_bytes()
    pieces = b""
    while len(pieces) < clip["size"]:
        _, (piece,) = card.do_chunk(_ask(card, "chunk", job_id=job.job_id, offset=len(pieces), size=1000), ())
        pieces += piece
    assert pieces == whole and clip["size"] == len(whole)
    _, (proxy,) = card.do_proxy(_ask(card, "proxy", job_id=job.job_id), ())
    assert proxy[4:8] == b"ftyp" and len(proxy) < 1_500_000
    assert not list((tmp_path / FOLDER).glob(".*"))
    _, (poster,) = card.do_poster(_ask(card, "poster", job_id=job.job_id), ())
    assert poster[:2] == b"\xff\xd8"
    card.close()


def _ask(view: Card, action: str, **body: object) -> object:
    return view.ACTIONS[action].model_validate(body)


def test_what_a_page_asks_is_checked(studio: NotebookStudio) -> None:
    job = studio.generate_video("free", model="tiny", duration_s=4).result()
    card = Card(job)
    with pytest.raises(VideoError, match="there is no job"):
        card.do_clip(_ask(card, "clip", job_id="../../etc/passwd"), ())
    with pytest.raises(VideoError, match="not on this card"):
        card.do_cancel(_ask(card, "cancel", job_id="job_" + "a" * 26), ())
    for wrong in (
        {"job_id": "x", "offset": -1, "size": 10},
        {"job_id": "x", "offset": 0, "size": 1 << 30},
        {"path": "/etc"},
    ):
        with pytest.raises(ValueError):
            _ask(card, "chunk", **wrong)
    card.close()


def test_a_card_starts_nothing_more_expensive_than_it_said(station: Station, studio: NotebookStudio) -> None:
    job = studio.generate_video("a fox", max_cost_usd=1, **PAID).result()
    card = Card(job)
    told = card.do_again_quote(_ask(card, "again_quote", job_id=job.job_id), ())
    assert told == {"take": 2, "usd": 0.4, "text": "$0.40"}
    with pytest.raises(VideoError, match="above max_cost_usd"):
        card.do_again(_ask(card, "again", job_id=job.job_id, cap=0.39), ())
    started = card.do_again(_ask(card, "again", job_id=job.job_id, cap=0.4), ())
    studio.job(started["job_id"]).result()
    assert [entry["take"] for entry in card.data["jobs"]] == [1, 2] and charges(station) == 2
    told = card.do_extend_quote(_ask(card, "extend_quote", job_id=job.job_id, add_s=4), ())
    assert told["usd"] == 0.4 and told["model"] == "paid/quick" and not told["there"]
    longer = card.do_extend(_ask(card, "extend", job_id=job.job_id, add_s=4, cap=0.4), ())
    assert studio.job(longer["job_id"]).result().task == "extend" and charges(station) == 3
    json.dumps(card.data)
    card.close()


def test_the_board_shows_jobs_of_every_client_and_the_money(station: Station, studio: NotebookStudio) -> None:
    agent = station.studio()
    ticket = agent.submit(VideoRequest(task="text_to_video", prompt="a fox", max_cost_usd=Decimal(1), **PAID))
    station.settled(agent, [ticket.job_id])
    mine = studio.generate_video("a wolf", max_cost_usd=1, label="mine", **PAID).result()
    board = Board(studio)
    rows = board.data["rows"]
    assert [(row["client"], row["label"]) for row in rows] == [("notebook", "mine"), ("test", "")]
    assert board.data["spend"]["today_usd"] == 0.8 and board.data["spend"]["per_day_wall_usd"] == 20
    board.do_open(board.ACTIONS["open"].model_validate({"job_id": mine.job_id}), ())
    assert [entry["job_id"] for entry in board.data["jobs"]] == [mine.job_id]
    board.close()


def test_the_visible_folder_may_be_read_only(studio: NotebookStudio, tmp_path: Path) -> None:
    job = studio.generate_video("free", model="tiny", duration_s=4).result()
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    card = Card(job)
    assert card.do_clip(_ask(card, "clip", job_id=job.job_id), ())["paths"] == []
    card.close()


def test_the_notebooks_folder_is_the_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "a.ipynb"))
    monkeypatch.chdir(os.path.dirname(tmp_path))
    kernel.folder.cache_clear()
    assert kernel.folder() == tmp_path
    kernel.folder.cache_clear()


def test_two_clips_are_compared(station: Station, studio: NotebookStudio) -> None:
    one = studio.generate_video("a fox", max_cost_usd=1, **PAID).result()
    found = studio.inspect_clip(one, 2, against=one)
    assert found.text == studio.inner.inspect(one.job_id, 2, one.job_id).text != studio.inspect_clip(one, 2).text
    assert "against" in found.facts
