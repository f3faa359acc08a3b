"""What every paid service is tried with: the fates of a POST, requests made legal by the catalogue, inputs, a life.

`Subject` is an open back end with its fake; `fates` is the table that each provider's tests go through.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from backends.backend import Asset, Handle, Prepared, RemoteBackend, registered
from backends.catalog.loader import load
from backends.catalog.rules import check
from backends.errors import VideoError
from backends.jobs.legal import prepare
from backends.jobs.views import Job
from backends.media.images import check_image
from backends.media.probe import probe_clip
from backends.request import VideoRequest, build_request
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, until

JOB = "job_" + "a" * 26

UNCLEAR: tuple[dict[str, Any], ...] = (
    {"status": 500},
    {"status": 500, "after_charge": True},
    {"status": 502},
    {"status": 503},
    {"status": 503, "after_charge": True},
    {"status": 504},
    {"status": 408},
    {"status": 302, "headers": {"location": "/elsewhere"}},
    {"reset": "before"},
    {"reset": "after"},
    {"lose": True},
    {"hang": True},
    {"hang": True, "after_charge": True},
    {"truncate": 12},
    {"status": 200, "body": "taken"},
    {"status": 200, "body": {}},
    {"status": 201, "body": [1]},
    {"after_charge": True, "status": 200, "body": {"task_id": "", "id": None, "request_id": None}},
)
"""After any of these nobody knows what became of the POST."""

PLAIN: tuple[tuple[int, str], ...] = (
    (400, "invalid_request"),
    (401, "auth"),
    (402, "balance"),
    (403, "auth"),
    (404, "unsupported"),
    (409, "conflict"),
    (410, "model_retired"),
    (422, "invalid_request"),
)
"""Refusals by their status alone."""


def title(outcome: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in outcome.items())


@dataclass
class Subject:
    """An open back end and the fake that it talks to. route: the fake's name for the paid POST."""

    backend: Any
    server: FakeServer
    route: str = "submit"

    def posts(self) -> int:
        return int(self.server.counters().get(self.route, 0))

    async def start(self, prepared: Prepared, job_key: str = JOB) -> Handle:
        """Uploads, then the paid POST."""
        backend: RemoteBackend = self.backend
        refs = {place: await backend.upload(prepared, prepared.assets[place]) for place in prepared.uploads}
        handle = await backend.start(prepared, refs, job_key)
        assert isinstance(handle, Handle)
        return handle

    async def refusal(self, prepared: Prepared, *outcomes: dict[str, Any]) -> VideoError:
        """What one start ends in; it must be exactly one POST."""
        self.server.script(self.route, *outcomes)
        before = self.posts()
        try:
            handle = await self.start(prepared)
        except VideoError as error:
            assert self.posts() == before + 1, "more than one paid POST, or none"
            assert self.server.left() == {}
            return error
        raise AssertionError(f"{outcomes} gave {handle}")

    def sent(self) -> dict[str, Any]:
        """The body of the last paid POST (cut down to nothing by the fake's log when larger than 64 KB)."""
        body = self.server.log(self.route)[-1]["json"]
        assert isinstance(body, dict)
        return body


@asynccontextmanager
async def opened(
    provider: str, server: FakeServer, env: Mapping[str, str], route: str = "submit"
) -> AsyncIterator[Any]:
    """A Subject whose calls give up within a second."""
    backend: Any = registered(provider).open(env, server.url)
    backend.channel.timing = replace(backend.channel.timing, paid_s=0.5, free_s=0.5)
    try:
        yield Subject(backend, server, route)
    finally:
        await backend.aclose()


def still(folder: Path, name: str = "still.png", size: tuple[int, int] = (640, 360), mode: str = "PNG") -> Path:
    """A plain picture; its colour comes from its name, so that two are never the same file."""
    from PIL import Image

    path = folder / name
    digest = hashlib.sha256(name.encode()).digest()
    Image.new("RGB", size, (digest[0], digest[1], digest[2])).save(path, mode)
    return path


def asset(place: str, path: Path) -> Asset:
    """An input as the job engine would have resolved it."""
    facts = probe_clip(path) if path.suffix == ".mp4" else check_image(path)
    return Asset(place, hashlib.sha256(path.read_bytes()).hexdigest(), path, facts)


def asked(backend: Any, model: str, folders: tuple[Path, ...] = (), parent: Handle | None = None, **fields: Any) -> Any:
    """A request through the catalogue's check to the back end's body: what the job engine hands to `start`."""
    request: VideoRequest = build_request(**{"task": "text_to_video", "prompt": "a fox", "model": model, **fields})
    assets = {place: asset(place, Path(name)) for place, name in request.media().items()}
    row = load(folders).get(model)
    ready = prepare(check(request, row, {place: found.facts for place, found in assets.items()}))
    made: Prepared = backend.prepare(ready.request, replace(ready, assets=assets), parent)
    return replace(made, assets=assets)


@contextmanager
def unreachable() -> Iterator[tuple[str, ...]]:
    """Addresses that take no connection: a closed port, no such name, no address at all."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield (f"http://127.0.0.1:{closed.getsockname()[1]}", "http://nowhere.invalid", "nowhere.invalid")


def unclear(error: VideoError) -> None:
    assert (error.kind, error.retryable, error.charged) == ("submit_unknown", False, "unknown"), error.message
    assert "must not be sent again" in error.message


@cache
def clips() -> dict[str, Path]:
    return {"": tiny_clip()}


def lived(
    station: Station, nursery: Nursery, request: VideoRequest, *, crash: str = "", env: Mapping[str, str] = {}
) -> Job:
    """A job through the real stack: store, worker process, fake over HTTP, file on disk. crash: a crash point at which
    the first worker dies by SIGKILL; a second one then takes over."""
    studio = station.studio(**env)
    job = station.place(studio.context, request)
    worker = nursery.worker(station.environ(**env), crash)
    if crash:
        assert nursery.ended(worker) == -9, station.log[-2000:]
        worker = nursery.worker(station.environ(**env))
    ended = ("succeeded", "failed", "cancelled", "uncertain")
    until(lambda: station.row(job)["state"] in ended, f"the job settles\n{station.log[-3000:]}", 20.0)
    return studio.get(job)


def leaks(folder: Path, *secrets: str) -> list[str]:
    """Every file below a folder that holds one of the keys."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
