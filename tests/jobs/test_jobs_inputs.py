"""Inputs: what was checked is what is used, a refusal leaves nothing behind, and kept bytes are what they were."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.jobs.files.held import copied
from backends.jobs.order.entries import Keep, Resolved, note_of
from backends.jobs.order.inputs import Inputs
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.media.frames import decode
from backends.request import VideoRequest
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request
from tests.media.test_media_hdr import hlg, written

GREEN, RED = (0, 200, 0), (220, 0, 0)


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def picture(path: Path, colour: tuple[int, int, int] = GREEN) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (320, 180), colour).save(path)
    return path


def animate(image: str | Path, prompt: str = "push in", **fields: object) -> VideoRequest:
    return text_request(prompt, task="image_to_video", frames=[{"image": str(image)}], **fields)


def is_green(jpeg: bytes) -> bool:
    red, green, _ = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).reshape(-1, 3).mean(0)
    return bool(green > red)


def kept(station: Station) -> list[Path]:
    return [path for path in (station.home / "artifacts" / "blobs").rglob("*") if path.is_file()]


def damage(path: Path) -> None:
    """Other bytes under the same name and time."""
    before = path.stat()
    path.chmod(0o600)
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# what was checked is what is used


def test_a_tilde_with_a_name_is_read_in_one_way(station: Station, studio: Studio) -> None:
    picture(station.root / "~root" / "x.png")
    assert is_green(studio.inspect("~root/x.png").jpeg)
    with pytest.raises(VideoError, match=r"'~nosuchuser/a.png' does not exist: check the path \(only ~/ is expanded"):
        studio.inspect("~nosuchuser/a.png")


def test_the_open_file_is_what_is_decoded(station: Station, studio: Studio) -> None:
    """Whatever its name leads to by then."""
    outside = picture(station.root.parent / "outside" / "secret.png", RED)
    inside = picture(station.root / "swap.png")
    with studio.context.inputs.files.opened("swap.png") as opened:
        inside.unlink()
        inside.symlink_to(outside)
        sheet = station.root / "sheet.jpg"
        studio.context.sandbox.inspect(opened.path, 4, sheet)
        assert is_green(sheet.read_bytes())


def test_where_no_path_leads_to_an_open_file_a_private_copy_does(station: Station, studio: Studio) -> None:
    """As on macOS, whose /dev/fd shares one place in the file among all who open it."""
    outside = picture(station.root.parent / "outside" / "secret.png", RED)
    inside = picture(station.root / "swap.png")
    with inside.open("rb") as source:
        inside.unlink()
        inside.symlink_to(outside)
        with copied(source, station.home / "artifacts" / "looks") as copy:
            sheet = station.root / "sheet.jpg"
            studio.context.sandbox.inspect(copy, 4, sheet)
            assert is_green(sheet.read_bytes())
            assert stat.S_IMODE(copy.stat().st_mode) == 0o400 and stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert not copy.exists()


def test_a_file_that_is_swapped_all_the_time_never_shows_what_lies_outside(station: Station, studio: Studio) -> None:
    outside = picture(station.root.parent / "outside" / "secret.png", RED)
    good, name = picture(station.root / "good.png"), station.root / "swap.png"
    over = threading.Event()

    def swap() -> None:
        temporary = station.root / "next.png"
        while not over.is_set():
            for target in (good, outside):
                temporary.symlink_to(target)
                temporary.replace(name)

    swapper = threading.Thread(target=swap)
    swapper.start()
    shown: list[bool] = []
    try:
        for _ in range(300):
            try:
                shown.append(is_green(studio.inspect("swap.png").jpeg))
            except VideoError as error:
                assert error.kind == "asset"
            if len(shown) >= 20:
                break
    finally:
        over.set()
        swapper.join()
    assert shown and all(shown)


def test_an_estimate_decodes_the_open_file(station: Station, studio: Studio) -> None:
    picture(station.root / "~root" / "x.png")
    assert studio.estimate(animate("~root/x.png"))["fits"]
    assert kept(station) == []


# refusals leave nothing behind


def test_a_refused_call_leaves_no_copy(station: Station, studio: Studio) -> None:
    picture(station.root / "big.png")
    with pytest.raises(VideoError) as caught:
        studio.submit(animate("big.png", max_cost_usd=0))
    assert caught.value.kind == "needs_budget" and kept(station) == []
    station.limit(confirm_above_usd="0.01")
    with pytest.raises(VideoError) as caught:
        studio.submit(animate("big.png"))
    assert caught.value.kind == "consent" and kept(station) == []
    assert studio.quote(animate("big.png")).estimate is not None
    assert kept(station) == [] and station.rows("SELECT * FROM blobs") == []
    job = Orders(studio.context, "test", "local").place(Order(animate("big.png"), confirmed=True)).job.id
    (blob,) = kept(station)
    assert studio.quote(animate("big.png")).job == job
    with pytest.raises(VideoError):
        studio.submit(animate("big.png", "another", max_cost_usd=0))
    assert kept(station) == [blob], "it is another job's"


def test_one_bad_input_of_two_leaves_no_copy_of_the_good_one(station: Station, studio: Studio) -> None:
    picture(station.root / "good.png")
    (station.root / "bad.png").write_bytes(b"no picture at all")
    frames = [{"image": "good.png"}, {"image": "bad.png", "role": "last"}]
    with pytest.raises(VideoError, match="give a PNG, JPEG or WebP image"):
        studio.submit(text_request("x", task="interpolate", frames=frames))
    assert kept(station) == []


def test_a_large_file_is_looked_at_before_it_is_copied(station: Station, studio: Studio) -> None:
    with (station.root / "noise.mp4").open("wb") as file:
        file.truncate(200 << 20)  # sparse
    with pytest.raises(VideoError) as caught:
        studio.submit(animate("noise.mp4"))
    assert caught.value.kind == "asset" and not (station.home / "artifacts" / "blobs").exists()


@dataclass(frozen=True)
class Crossed(Order):
    """While this order is placed, another call that had copied the same bytes first is refused."""

    others: Sequence[Resolved] = ()

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        found = super().resolve(inputs, principal, keep)
        assert isinstance(self.others, list)
        while self.others:
            inputs.forget(self.others.pop())
        return found


def test_a_copy_that_a_refused_call_takes_away_is_made_again(station: Station, studio: Studio) -> None:
    picture(station.root / "same.png")
    first = studio.context.inputs.resolve(animate("same.png"), "local")
    assert first.added == (first.hashes["frames[0].image"],)
    placed = Orders(studio.context, "test", "local").place(Crossed(animate("same.png"), others=[first]))
    assert not placed.replayed and [path.name for path in kept(station)] == list(first.added)
    studio.context.inputs.forget(first)  # named by a job now
    assert [path.name for path in kept(station)] == list(first.added)


# kept bytes are what they were


def test_a_changed_clip_is_refused_by_name(station: Station, studio: Studio) -> None:
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    damage(station.home / "artifacts" / "jobs" / job.job_id / "clip.mp4")
    for name in (job.job_id, f"video://jobs/{job.job_id}/last_frame"):
        with pytest.raises(VideoError) as caught:
            studio.inspect(name)
        assert caught.value.message == (
            f"the kept clip of job {job.job_id} has been changed on disk, so it is not used: reelwright jobs verify "
            "lists all such files"
        )
        assert caught.value.kind == "asset"
    with pytest.raises(VideoError, match=f"the kept clip of job {job.job_id} has been changed on disk"):
        studio.submit(animate(f"video://jobs/{job.job_id}/last_frame"))


def test_a_still_of_an_hdr_clip_is_told_on_the_job_that_uses_it(station: Station, studio: Studio) -> None:
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    clip = written(station.root / "hdr.mov", hlg(np.full((48, 96, 3), 100.0)), 18)
    row = studio.context.store.row("SELECT result FROM jobs WHERE id = ?", (job.job_id,))
    assert row is not None
    result = json.loads(row["result"]) | {"file": str(clip), "sha256": hashlib.sha256(clip.read_bytes()).hexdigest()}
    change = "UPDATE jobs SET result = ? WHERE id = ?"
    studio.context.store.write(lambda tx: tx.run(change, (json.dumps(result), job.job_id)))
    told = "the image is from an HDR clip (HLG): it is in BT.709, and light above the reference white is white"
    for number, part in enumerate(("last_frame", "frame/0.1")):
        request = animate(f"video://jobs/{job.job_id}/{part}", f"push in {number}", fit="crop")
        assert told in studio.submit(request).notes
    source = {"path": str(clip), "sha256": result["sha256"]}
    later = studio.context.inputs.settle("frames[0].image", {"still_of": source, "part": "last_frame", "t": 0.0})
    assert note_of(later) == [told] and "note" not in later
    assert studio.inspect(f"video://jobs/{job.job_id}/last_frame").text.endswith(told)


def test_another_take_needs_the_kept_inputs_as_they_were(station: Station, studio: Studio) -> None:
    path = picture(station.root / "first.png")
    (job,) = station.settled(studio, [studio.submit(animate("first.png")).job_id])
    path.unlink()
    damage(kept(station)[0])
    with pytest.raises(VideoError) as caught:
        studio.again(job.job_id)
    assert caught.value.message.startswith("frames[0]: the kept copy of this input has been changed on disk")
    picture(path)
    assert station.place(studio.context, animate("first.png"), take=2) != job.job_id, "the file itself puts it right"


def test_a_job_whose_input_was_changed_while_it_waited_fails_unpaid(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    picture(station.root / "first.png")
    job = station.place(studio.context, animate("first.png"))
    damage(kept(station)[0])
    (failed,) = station.settled(studio, [job])
    assert failed.state == "failed" and failed.error is not None and failed.error.charged == "no"
    assert "the kept copy of this input has been changed on disk" in failed.error.message
    assert server.counters()["charges"] == 0 and station.books() == (0, 0)


def test_what_is_done_to_the_published_clip_never_reaches_an_input(station: Station, studio: Studio) -> None:
    (job,) = station.settled(studio, [studio.submit(tiny_request("a fox")).job_id])
    assert job.file is not None
    before = studio.inspect(job.job_id).facts["facts"]
    Path(job.file).write_bytes(b"another clip")
    assert studio.inspect(job.job_id).facts["facts"] == before
    clip = station.home / "artifacts" / "jobs" / job.job_id / "clip.mp4"
    assert sum(1 for _ in decode(clip)) == before.frames


def test_a_name_that_looks_the_same_is_told(station: Station, studio: Studio) -> None:
    picture(station.root / "Shot at 3.45\u202fPM.png")
    said = "'Shot at 3.45 PM.png' is taken to be 'Shot at 3.45\\u202fPM.png', which looks the same"
    job = station.place(studio.context, animate("Shot at 3.45 PM.png"))
    assert json.loads(station.row(job)["notes"]) == [said]
    assert studio.inspect("Shot at 3.45 PM.png").text.splitlines()[-1] == said


def test_an_address_that_nobody_could_fetch_is_refused_at_submit(studio: Studio, server: FakeServer) -> None:
    with pytest.raises(VideoError) as refused:
        studio.submit(animate("https://169.254.169.254/latest", references=["hero=https://localhost/a.png"]))
    assert "2 inputs cannot be used" in refused.value.message
    assert refused.value.message.count("leads to a private or reserved network address") == 2
    assert studio.list().jobs == [] and "submit" not in server.counters(), "nothing was reserved or asked"


def test_a_file_address_is_the_path_that_it_names(station: Station, studio: Studio) -> None:
    path = picture(station.root / "a b.png")
    first = studio.submit(animate(path))
    again = studio.submit(animate(f"file://{station.root}/a%20b.png"))
    assert again.job_id == first.job_id and again.replayed
