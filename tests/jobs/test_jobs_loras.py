"""LoRA files are inputs: of the allowed folders only, and the same request only while they hold the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.media.hashing import sha256_of
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.jobs.station import Station


@pytest.fixture
def station(stand: Callable[..., Station]) -> Station:
    return stand(REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def ask(*loras: str) -> VideoRequest:
    return build_request(task="text_to_video", model="tiny", prompt="x", duration_s=4, loras=list(loras))


def write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def test_a_retrained_file_is_another_request(station: Station, studio: Studio) -> None:
    path = write(station.root / "ink.safetensors", b"first training")
    first = station.place(studio.context, ask(f"{path}:0.5"))
    assert station.place(studio.context, ask(f"{path}:0.5")) == first
    write(station.root / "ink.safetensors", b"second training")
    second = station.place(studio.context, ask(f"{path}:0.5"))
    assert second != first
    moved = write(station.root / "models" / "ink-1.safetensors", b"first training")
    assert station.place(studio.context, ask(f"{moved}:0.5")) == first, "it is the bytes that count"
    prepared = json.loads(station.row(second)["prepared"])
    assert prepared["wire"]["lora_files"] == {path: hashlib.sha256(b"second training").hexdigest()}


def test_another_take_needs_the_file_as_it_was(station: Station, studio: Studio) -> None:
    path = write(station.root / "ink.safetensors", b"first training")
    (job,) = station.settled(studio, [studio.submit(ask(path)).job_id])
    (second,) = station.settled(studio, [studio.again(job.job_id).job_id])
    assert second.job_id != job.job_id
    write(station.root / "ink.safetensors", b"second training")
    with pytest.raises(VideoError) as caught:
        studio.again(job.job_id)
    assert caught.value.message == (
        f"loras[0]: '{path}' has been changed since job {job.job_id} was requested: put the file back, or make the "
        "whole call again with the new one"
    )


def test_the_home_folder_is_read_as_for_every_input(
    station: Station, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(station.root))
    path = write(station.root / "ink.safetensors", b"first training")
    job = station.place(studio.context, ask("~/ink.safetensors:0.5"))
    assert station.place(studio.context, ask(f"{path}:0.5")) == job
    prepared = json.loads(station.row(job)["prepared"])
    assert prepared["request"]["loras"] == [{"name": path, "weight": 0.5}], "what the engine opens"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/ink.safetensors", "loras[0]: '/etc/ink.safetensors' is not in an allowed folder, or leads out of one"),
        ("ROOT/link.safetensors", "is not in an allowed folder, or leads out of one"),
        ("ROOT/.hidden/ink.safetensors", "is hidden, or lies in a hidden folder"),
        ("ROOT/in.safetensors", "does not exist: did you mean ink.safetensors?"),
        ("ROOT/folder.safetensors", "names a folder, not a file"),
        ("ROOT/ink.bin", "loras[0]: give the path of a .safetensors file"),
    ],
)
def test_the_rules_of_every_input(station: Station, studio: Studio, name: str, words: str) -> None:
    write(station.root / "ink.safetensors", b"ink")
    write(station.root / ".hidden" / "ink.safetensors", b"ink")
    write(station.root / "ink.bin", b"ink")
    outside = write(station.root.parent / "outside" / "ink.safetensors", b"ink")
    (station.root / "link.safetensors").symlink_to(outside)
    (station.root / "folder.safetensors").mkdir()
    request = ask(name.replace("ROOT", str(station.root)))
    for call in (studio.submit, studio.quote, studio.estimate):
        with pytest.raises(VideoError) as caught:
            call(request)
        assert caught.value.kind == "asset" and words in caught.value.message
    assert station.rows("SELECT id FROM jobs") == []


def test_names_of_a_hub_are_passed_on(station: Station, studio: Studio) -> None:
    job = station.place(studio.context, ask("acme/ink:0.6", "https://weights.example/fog.safetensors"))
    prepared = json.loads(station.row(job)["prepared"])
    assert [lora["name"] for lora in prepared["request"]["loras"]] == [
        "acme/ink",
        "https://weights.example/fog.safetensors",
    ]
    assert "lora_files" not in prepared["wire"]


def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path) -> None:
    """Of what a file is known by, nothing may be left out: a change that keeps its size and its time is seen."""
    import os

    path = tmp_path / "ink.safetensors"
    path.write_bytes(b"first training")
    long_ago = 1_000_000_000
    os.utime(path, ns=(long_ago, long_ago))

    def hashed() -> str:
        with path.open("rb") as file:
            return sha256_of(file)

    assert hashed() == hashlib.sha256(b"first training").hexdigest() == hashed()
    path.write_bytes(b"other training")
    os.utime(path, ns=(long_ago, long_ago))
    assert hashed() == hashlib.sha256(b"other training").hexdigest()
