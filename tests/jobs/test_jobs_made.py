"""A free clip whose worker ended when it was made and not yet kept: the next worker keeps it, and makes none again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.jobs.context import Context
from backends.jobs.run.local import MAX_ATTEMPTS
from backends.jobs.store import codec
from backends.jobs.store.database import Row
from backends.provider.protocol import Output
from tests.fakes import tiny_clip
from tests.jobs.station import Station, tiny_request


def taken_over(station: Station, lie: Callable[[Path, Path], None], *, cancel: int = 0) -> Row:
    """A job whose engine has answered, and whose worker ended then, as the next worker leaves it. lie: puts
    its file where it is then, given where the engine made it and the job's folder. It has no attempt left."""
    context = Context.open(station.settings())
    job = station.place(context, tiny_request("made once"))
    made = context.artifacts.spool(job) / "make" / "clip.mp4"
    lie(made, context.artifacts.job(job))
    output = Output(made, facts={"seconds": 1})
    result = context.artifacts.places.result_to_row({"output": codec.output_to_json(output)})
    sql = "UPDATE jobs SET state = 'finishing', attempts = ?, cancel = ?, result = ? WHERE id = ?"
    context.store.write(lambda tx: tx.run(sql, (MAX_ATTEMPTS, cancel, result, job)))
    context.close()
    studio = station.studio(REELWRIGHT_WORKER="inline")
    studio.get(job)
    station.settled(studio, [job])
    return station.row(job)


def whole(made: Path, folder: Path) -> None:
    made.parent.mkdir(parents=True)
    shutil.copyfile(tiny_clip(), made)


def moved(made: Path, folder: Path) -> None:
    """The worker ended just before the row would have said that all is done."""
    folder.mkdir(parents=True)
    shutil.copyfile(tiny_clip(), folder / "clip.mp4")


def cut(made: Path, folder: Path) -> None:
    """As a power cut may leave it."""
    made.parent.mkdir(parents=True)
    made.write_bytes(tiny_clip().read_bytes()[:200])


def gone(made: Path, folder: Path) -> None:
    """It lies on another machine."""


@pytest.mark.parametrize(("lie", "cancel"), [(whole, 0), (moved, 0), (whole, 1)])
def test_what_is_made_is_kept_by_the_next_worker(
    lie: Callable[[Path, Path], None], cancel: int, stand: Callable[..., Station]
) -> None:
    row = taken_over(stand(), lie, cancel=cancel)
    assert (row["state"], row["attempts"]) == ("succeeded", MAX_ATTEMPTS), row["error"]


@pytest.mark.parametrize("lie", [cut, gone])
def test_what_is_not_whole_is_made_again(lie: Callable[[Path, Path], None], stand: Callable[..., Station]) -> None:
    row = taken_over(stand(), lie)
    assert row["state"] == "failed" and f"ended without an answer {MAX_ATTEMPTS} times" in row["error"]
