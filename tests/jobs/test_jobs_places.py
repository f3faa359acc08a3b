"""No row says where a file lies: a data folder can be moved, and rows of earlier versions are read as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from backends.jobs.files.places import Places
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request

PAID = {"PAID_MODE": "none", "REELWRIGHT_WORKER": "inline"}


def test_no_row_holds_a_path_and_a_moved_folder_goes_on(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="none")
    station = stand(server, **PAID)
    studio = station.studio()
    Image.new("RGB", (320, 180), "teal").save(station.root / "still.png")
    animate = text_request("a fox", task="image_to_video", frames=[{"image": "still.png"}])
    ended = station.settled(studio, [studio.submit(animate).job_id])
    after = {"task": "image_to_video", "frames": [{"image": f"video://jobs/{ended[0].job_id}/last_frame"}]}
    ended += station.settled(studio, [studio.submit(text_request("on", **after)).job_id])
    before = [studio.get(job.job_id) for job in ended]
    assert all(job.state == "succeeded" and Path(str(job.file)).parent == station.output for job in before)
    for table in ("jobs", "events", "ledger", "blobs"):
        for row in station.rows(f"SELECT * FROM {table}"):
            assert str(station.root) not in json.dumps(row), (table, row)
    station.close()
    elsewhere = station.root / "elsewhere"
    station.home.rename(elsewhere)
    moved = Station(station.root, server.url, {**station.env, "REELWRIGHT_HOME": str(elsewhere)})
    studio = moved.studio()
    now = [studio.get(job.job_id) for job in ended]
    assert [job.file for job in now] == [job.file for job in before], "published copies have not moved"
    assert all(job.poster and Path(job.poster).is_relative_to(elsewhere) and Path(job.poster).exists() for job in now)
    detail = studio.detail(ended[1].job_id)
    assert detail.clip is not None and detail.clip.is_relative_to(elsewhere) and detail.clip.exists()
    assert all(path.is_relative_to(elsewhere) and path.exists() for path in detail.inputs.values())
    (third,) = moved.settled(studio, [studio.submit(text_request("and on", **after)).job_id])
    assert third.state == "succeeded"
    (elsewhere / "folders").rename(station.root / "folders")
    kept = studio.get(ended[0].job_id).file
    assert kept is not None and Path(kept).is_relative_to(elsewhere) and Path(kept).exists(), "on another machine"
    moved.close()


def test_names_and_paths_are_one_another(tmp_path: Path) -> None:
    places, elsewhere = Places(tmp_path / "home" / "artifacts"), Places(tmp_path / "other" / "artifacts")
    clip, poster = places.root / "jobs" / "j" / "clip.mp4", places.root / "jobs" / "j" / "poster.jpg"
    published = tmp_path / "out" / "fox #1.mp4"
    result = {
        "file": str(clip),
        "poster": str(poster),
        "published": str(published),
        "extras": [str(clip.with_name("extra1.png"))],
        "signed": {"file": str(clip.with_name("signed.mp4")), "embedded": True, "sidecar": str(published)},
        "files": [{"url": None, "path": str(places.root / "spool" / "j" / "output0.mp4")}, {"url": "u", "path": None}],
        "sidecar": {"path": "as an engine wrote it"},
        "facts": {"file": "../../etc/passwd"},
        "seed": 7,
    }
    kept = places.result_to_row(result)
    assert str(tmp_path) not in kept and json.loads(kept)["file"] == "jobs/j/clip.mp4"
    row = {"result": kept, "inputs": '{"frames[0]": {"sha256": "ab12", "facts": {}}}'}
    assert places.result_of(row) == result
    assert places.inputs_of(row)["frames[0]"]["path"] == str(places.root / "blobs" / "ab" / "ab12")
    there = elsewhere.result_of(row)
    assert there["file"] == str(elsewhere.root / "jobs" / "j" / "clip.mp4") and "published" not in there
    earlier = json.dumps(result)
    assert places.result_of({"result": earlier}) == result, "whole paths, as earlier versions wrote them"
    assert places.result_of({"result": '{"file": "../../x"}'}) == {"file": "../../x"}
    assert places.result_of({"result": None}) == {}
