"""From shots to films that can be published, as a host does it: what was asked is heard, read and seen, and signed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from PIL import Image

from backends.media.encode import ClipWriter
from backends.media.sound import Samples
from backends.provider.registry import registry
from tests.edit.hearing import clicks, lufs, tone
from tests.edit.making import tone_file
from tests.edit.moments import offsets
from tests.edit.test_sound_speech import speaker
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.station import Station, until
from tests.mcp_server.test_mcp_waits import BYTES_A_TOKEN
from tests.media.signing import boxes, flipped, independent
from tests.rawclient import RawClient, text_of

SHOT = {"model": "paid/quick", "duration_s": 4, "resolution": "180p", "max_cost_usd": 1}
CAPTIONS = ["1-3 The boat leaves at dawn", "6-8.5 Nobody waves", "13-60 It comes back"]
FPS, SECONDS = 8, 10


@pytest.fixture(scope="module")
def service() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip(fps=12)}, life={"until_told": True}) as server:
        yield server


@pytest.fixture(scope="module")
def station(service: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    root = tmp_path_factory.mktemp("films")
    (root / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGIN))
        registry.cache_clear()
        path = os.pathsep.join((speaker(root)["PATH"], os.environ["PATH"]))
        station = Station(root, service.url, {"PATH": path})
        yield station
        station.close()
        service.tell()
    registry.cache_clear()


@pytest.fixture(scope="module")
def client(station: Station) -> Iterator[RawClient]:
    with RawClient(station.environ(), cwd=station.root / "work") as client:
        yield client


def ended(client: RawClient, *job_ids: str) -> list[dict[str, Any]]:
    """The jobs when none of them is under way any more, each in full."""

    def over() -> bool:
        jobs = client.structured("wait_for_job", job_ids=list(job_ids), timeout_s=20)["jobs"]
        return all(job["state"] in ("succeeded", "failed", "cancelled") for job in jobs)

    until(over, "the jobs end", 120)
    return [client.structured("get_job", job_id=job_id) for job_id in job_ids]


def sound(path: str) -> np.ndarray:
    with av.open(path) as clip:
        return np.concatenate([frame.to_ndarray() for frame in clip.decode(audio=0)], axis=1).astype(np.float64)


def frame_times(path: str) -> list[Fraction]:
    """From the packets alone."""
    with av.open(path) as clip:
        stream = clip.streams.video[0]
        return sorted(packet.pts * stream.time_base for packet in clip.demux(stream) if packet.pts is not None)


def pictures_at(path: str, *seconds: float) -> list[np.ndarray]:
    wanted, found = list(seconds), []
    with av.open(path) as clip:
        for frame in clip.decode(video=0):
            if wanted and frame.time >= wanted[0]:
                found.append(frame.to_ndarray(format="rgb24"))
                wanted.pop(0)
    return found


def test_four_shots_of_which_two_are_unfinished_become_two_signed_films(
    client: RawClient, station: Station, service: FakeServer
) -> None:
    tone_file(station.root / "work" / "bed.wav", 2, 180)

    def start(number: int) -> str:
        return client.structured("generate_video", prompt=f"a boat, shot {number}", **SHOT)["job_id"]

    made = [start(1), start(2)]
    until(lambda: len(working(service)) == 2, "the service works on both")
    service.tell()
    assert [job["state"] for job in ended(client, *made)] == ["succeeded"] * 2
    shots = [*made, start(3), start(4)]
    asked = {
        "clips": shots,
        "crossfade_s": 0.5,
        "narration": "A boat goes out, and it comes back.",
        "music": "bed.wav",
        "captions": CAPTIONS,
        "titles": ["0-1 Boats"],
    }
    wide = client.structured("finish_clip", **asked, aspect_ratio="16:9", label="wide")
    tall = client.structured("finish_clip", **asked, aspect_ratio="9:16", resolution="180p", fit="blur", label="tall")
    assert (wide["state"], tall["state"]) == ("waiting", "waiting")
    assert (wide["est_cost_usd"], tall["est_cost_usd"]) == (0, 0)
    until(lambda: len(working(service)) == 2, "the service works on the other two")
    service.tell()

    films = ended(client, wide["job_id"], tall["job_id"])
    for film, size in zip(films, ((320, 180), (180, 320)), strict=True):
        assert film["state"] == "succeeded", film
        assert (film["width"], film["height"]) == size and film["cost_usd"] == 0 and film["parents"] == shots
        assert frame_times(film["file"]) == [Fraction(number, 12) for number in range(4 * 48 - 3 * 6)]
        assert film["audio"] == "tts" and any("scratch narration" in note for note in film["notes"])
        assert lufs(sound(film["file"])) == pytest.approx(-16, abs=1)
        store = independent(Path(film["file"]))
        assert store["validation_state"] == "Valid"
        active = store["manifests"][store["active_manifest"]]
        assert len(active["ingredients"]) == 4 + 1, "the shots and the music"
        there, not_there = pictures_at(film["file"], 2, 4)
        low = size[1] * 2 // 3
        assert there[low:].max() > 220 > not_there[low:].max(), "a caption is read while it is shown"
        assert ".srt" in {Path(name).suffix for name in film["files"]}
    assert any("captions[2] ends at 60 s and is cut" in note for note in films[0]["notes"])
    words = text_of(client.call("inspect_clip", clip=films[0]["job_id"]))
    assert "provenance: trusted" in words, words
    assert len(service.jobs()) == 4, "four shots were paid, and no film"


def test_a_teaser_of_four_photos_takes_eight_calls_and_costs_nothing(
    client: RawClient, station: Station, service: FakeServer
) -> None:
    """Twenty seconds, upright, of photos as they are: slow moves, music, an end card with a logo, a loop."""
    work, paid = station.root / "work", len(service.jobs())
    for number, (name, size) in enumerate((("a.png", (480, 320)), ("b.png", (320, 320)), ("c.png", (480, 320)))):
        Image.radial_gradient("L").resize(size).point(lambda level, low=40 * number: low + level // 2).save(work / name)
    Image.new("RGBA", (60, 30), (250, 120, 0, 255)).save(work / "logo.png")
    tone_file(work / "song.wav", 2, 220)
    read: list[str] = [client.server["instructions"]]
    read += [tool["name"] + tool["description"] + json.dumps(tool["inputSchema"]) for tool in tools_of(client)]
    calls = 0

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        result = client.call(tool, **arguments)
        read.append(text_of(result))
        assert not result.get("isError"), read[-1]
        return result["structuredContent"]

    sketch = {"duration_s": 4.5, "aspect_ratio": "9:16", "resolution": "360p", "fps": FPS, "model": "animatic"}
    moves = (
        ("a.png", "dolly-in:0.3"),
        ("b.png", "pan-right:0.3"),
        ("c.png", "crane-up:0.3"),
        ("a.png", "zoom-out:0.3"),
    )
    shots = [call("image_to_video", image=name, camera=[move], fit="crop", **sketch)["job_id"] for name, move in moves]
    card = {"clips": [*shots, "logo.png#t=0,4.5"], "crossfade_s": 0.5, "fit": "blur", "music": "song.wav", "loop": True}
    teaser = call("finish_clip", **card)["job_id"]
    over(station, teaser)  # as a host that looks in later, so that one wait is enough on a busy machine
    (film,) = call("wait_for_job", job_ids=[teaser])["jobs"]
    assert film["state"] == "succeeded" and film["cost_usd"] == 0 and film["audio"] == "added", film
    assert (film["width"], film["height"], film["duration_s"]) == (360, 640, 20)
    assert Path(film["file"]).is_file() and film["parents"] == shots
    assert calls <= 8 and sum(len(words.encode()) for words in read) / BYTES_A_TOKEN <= 6000
    assert len(service.jobs()) == paid


def tools_of(client: RawClient) -> list[dict[str, Any]]:
    return client.request("tools/list")["tools"]


def over(station: Station, job_id: str) -> None:
    """When the job has ended."""
    studio = station.studio()
    until(lambda: studio.get(job_id).state in ("succeeded", "failed"), "the film is there", 120)


def working(service: FakeServer) -> list[str]:
    return [job["id"] for job in service.jobs() if job["ended_at"] is None]


def real_clip(path: Path) -> Path:
    """Ten seconds of a room that hums; in every second a flash and a click at one moment."""
    heard = tone(300, SECONDS, 0.15) + clicks([second + 0.5 for second in range(SECONDS)], SECONDS)
    rng = np.random.default_rng(3)
    with ClipWriter(path, 640, 360, FPS, audio_from=Samples(heard, 48_000)) as writer:
        for number in range(SECONDS * FPS):
            base = 255 if number % FPS == FPS // 2 else 20 + number // 4
            noise = rng.integers(0, 4, (360, 640, 3))
            writer.write(np.clip(base + noise, 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def long_film(client: RawClient, station: Station) -> dict[str, Any]:
    """A previsualisation, twice extended, and a real clip behind it."""
    work = station.root / "work"
    real_clip(work / "room.mp4")
    Image.radial_gradient("L").resize((640, 360)).point(lambda level: level // 3).save(work / "still.png")
    moving = {"camera": ["dolly-in:0.5"]}
    sketch = {"image": "still.png", "duration_s": SECONDS, "resolution": "360p", "fps": FPS, "model": "animatic"}
    first = client.structured("image_to_video", **sketch, **moving)["job_id"]
    second = client.structured("extend_clip", clip=first, add_s=SECONDS, model="animatic", **moving)["job_id"]
    third = client.structured("extend_clip", clip=second, add_s=SECONDS, model="animatic", **moving)["job_id"]
    film = client.structured("finish_clip", clips=[third, "room.mp4"], label="long")["job_id"]
    *_, made = ended(client, first, second, third, film)
    return made


def test_a_film_of_forty_seconds_is_exact_in_picture_and_sound(long_film: dict[str, Any]) -> None:
    assert long_film["state"] == "succeeded", long_film
    times = frame_times(long_film["file"])
    assert times == [Fraction(number, FPS) for number in range(4 * SECONDS * FPS)], "every frame, and no gap"
    assert long_film["duration_s"] == 4 * SECONDS
    with av.open(long_film["file"]) as clip:
        shown = [hashlib.sha256(bytes(frame.planes[0])).digest() for frame in clip.decode(video=0)]
    assert all(one != two for one, two in pairwise(shown)), "no frame comes twice, at no seam either"
    assert max(map(abs, offsets(Path(long_film["file"]), SECONDS))) <= 0.02
    samples = sound(long_film["file"])
    assert samples.shape[1] / 48_000 == pytest.approx(4 * SECONDS, abs=0.03)
    assert np.abs(samples[:, : 29 * 48_000]).max() < 1e-3, "the sketches are silent"
    assert lufs(samples) == pytest.approx(-16, abs=1)
    with av.open(long_film["file"]) as clip:
        stamps = [(frame.pts, frame.samples) for frame in clip.decode(audio=0)]
    assert all(one + count == two for (one, count), (two, _) in pairwise(stamps)), "no gap in the sound"


def test_one_changed_byte_anywhere_in_a_film_is_found(
    long_film: dict[str, Any], client: RawClient, station: Station
) -> None:
    path = Path(long_film["file"])
    assert independent(path)["validation_state"] == "Valid"
    middles = [at + size // 2 for box, (at, size) in boxes(path).items() if box != "ftyp"]  # C2PA leaves it out
    for at in (*middles, *range(1000, path.stat().st_size, path.stat().st_size // 8)):
        changed = flipped(path, at, station.root / "work" / "flipped.mp4")
        try:
            state = independent(changed)["validation_state"]
        except c2pa.C2paError:
            state = "unreadable"
        assert state in ("Invalid", "unreadable"), at
    assert "provenance: tampered" in text_of(client.call("inspect_clip", clip="flipped.mp4"))


def test_a_parent_that_was_changed_is_found_in_the_film(
    long_film: dict[str, Any], client: RawClient, station: Station
) -> None:
    path = Path(long_film["file"])
    at, size = boxes(path)["free"]
    flipped(path, at + size - 1, station.root / "work" / "changed.mp4")
    (film,) = ended(client, client.structured("finish_clip", clips=["changed.mp4#t=30,31"])["job_id"])
    assert film["state"] == "succeeded", film
    assert independent(Path(film["file"]))["validation_state"] == "Valid", "the library alone does not say it"
    assert "parents tampered" in text_of(client.call("inspect_clip", clip=film["job_id"]))
