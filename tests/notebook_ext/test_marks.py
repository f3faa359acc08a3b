"""Stars, notes and picks: kept with the job for every client of the store; and clips ranked by what is measured."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.jobs import marks
from backends.jobs.marks import Mark
from backends.jobs.store.pruning import prune
from backends.jobs.store.sqlite import SqliteStore
from notebook_ext.client import NotebookStudio
from notebook_ext.job import Job
from notebook_ext.listing import Listing
from notebook_ext.ranking import placed
from notebook_ext.views.board import Board
from notebook_ext.views.card import Card
from notebook_ext.views.compare import PickAsk, opened
from tests.notebook_ext.desk import Desk, Refused, notebook_studio
from tests.samples import photo

TINY: dict[str, Any] = {"model": "animatic", "duration_s": 1, "resolution": "360p"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("marks")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    with notebook_studio(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def clips(studio: NotebookStudio) -> list[Job]:
    made = [("a boat", ["pan-left:0.6"]), ("a cup", ["pan-left:0.1"])]
    jobs = [studio.image_to_video("coffee.png", prompt, camera=camera, **TINY) for prompt, camera in made]
    return [job.result() for job in jobs]


def test_a_mark_is_one_event_that_is_changed_in_part_and_goes_when_nothing_is_left_of_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    try:
        assert marks.put(store, "job_a", star=True) == Mark(star=True)
        assert marks.put(store, "job_a", note="the best light") == Mark(star=True, note="the best light")
        marks.put(store, "job_b", picked=True)
        assert marks.of(store, ["job_a", "job_b", "job_c"]) == {
            "job_a": Mark(star=True, note="the best light"),
            "job_b": Mark(picked=True),
        }
        assert marks.of(store, []) == {}
        store.write(lambda tx: tx.run("UPDATE events SET at = 1"))
        store.write(prune)  # as old as can be, and kept
        assert [row["n"] for row in store.rows("SELECT count(*) AS n FROM events")] == [2]
        marks.put(store, "job_b", picked=False)
        assert marks.of(store, ["job_b"]) == {} and len(store.rows("SELECT seq FROM events")) == 1
        for note in ("x" * 501, "two\nlines"):
            with pytest.raises(VideoError, match="note is"):
                marks.put(store, "job_a", note=note)
    finally:
        store.close()


def test_what_is_marked_on_one_page_is_on_every_other_and_in_the_table(
    studio: NotebookStudio, clips: list[Job]
) -> None:
    first, second = clips
    card, board = Card(first), Board(studio)
    try:
        Desk(card).ask("mark", {"job_id": first.job_id, "note": "softer light"})
        Desk(board).ask("mark", {"job_id": first.job_id, "star": True})
        assert first.mark == Mark(star=True, note="softer light")
        assert [(one["star"], one["note"]) for one in card.data["jobs"]] == [(True, "softer light")]
        rows = {row["job_id"]: row for row in board.data["rows"]}
        assert (rows[first.job_id]["star"], rows[first.job_id]["prompt"]) == (True, "a boat")
        assert not rows[second.job_id]["star"]
        with pytest.raises(Refused, match="not on this board"):
            Desk(board).ask("mark", {"job_id": "job_" + "a" * 26, "star": True})
        assert "star: softer light" in repr(studio.table(clips))
    finally:
        first.star(False).note("")
        card.close()
        board.close()
    assert first.mark == Mark()


def test_a_pick_is_the_jobs_and_stands_in_the_ranking(studio: NotebookStudio, clips: list[Job]) -> None:
    view = opened(studio, *clips)
    view.do_pick(PickAsk(index=0), [])
    view.do_pick(PickAsk(index=1), [])
    assert [job.mark.picked for job in clips] == [False, True]
    found = studio.rank(clips, by="motion")
    assert [row["job_id"] for row in found] == [clips[0].job_id, clips[1].job_id]  # it pans further
    assert found[0]["motion"] > found[1]["motion"] and found[1]["mark"] == "picked"
    assert found.title == "2 clips by motion (more is better); your pick is at place 2"
    assert "<table" in found._repr_html_()
    view.clear()
    assert not any(job.mark.picked for job in clips)
    view.close()
    with pytest.raises(VideoError, match="did you mean sharpness"):
        studio.rank(clips, by=["sharpnes"])
    with pytest.raises(VideoError, match="has a clip yet"):
        studio.rank([])


def test_what_is_asked_is_shown_as_a_table_or_a_picture(studio: NotebookStudio, clips: list[Job]) -> None:
    jobs = studio.list_jobs()
    assert jobs.jobs[0].job_id in jobs._repr_html_() and "$0.00 in all" in repr(jobs)
    models = studio.list_models(query="animatic", limit=1)
    assert models["models"][0]["model"] == "animatic" and "360p" in models._repr_html_()
    assert repr(models).startswith("1 model\n")
    look = studio.inspect_clip(clips[0])
    assert 'src="data:image/jpeg;base64,' in look._repr_html_() and repr(look) == look.text
    assert "sharpness" in look.measures


def test_money_of_a_dollar_and_more_is_told_in_cents() -> None:
    shown = Listing([{"a_usd": 72.0667}, {"a_usd": 0.0317}, {"a_usd": 2400.0}, {"a_usd": 0.5}])
    assert [shown.shown("a_usd", row["a_usd"]) for row in shown] == ["$72.07", "$0.0317", "$2,400.00", "$0.50"]


def test_places_by_several_measures_are_shared_and_what_has_none_comes_last() -> None:
    rows: list[dict[str, Any]] = [
        {"job_id": "a", "sharpness": 2.0, "flicker": 1.0, "loop_seam": None},
        {"job_id": "b", "sharpness": 3.0, "flicker": 2.0, "loop_seam": 9.0},
        {"job_id": "c", "sharpness": 1.0, "flicker": 3.0, "loop_seam": 4.0},
    ]
    both = placed(rows, ["sharpness", "flicker"])
    assert [(row["job_id"], row["place"], row["score"]) for row in both] == [("a", 1, 1.5), ("b", 1, 1.5), ("c", 3, 3)]
    assert [row["job_id"] for row in placed(rows, ["loop_seam"])] == ["c", "b", "a"]
