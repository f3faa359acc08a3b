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

from backends.catalog.loader import load
from backends.catalog.rules.check import check
from backends.errors import VideoError
from backends.jobs.order.legal import prepare
from backends.jobs.views import Job
from backends.media.images import check_image
from backends.media.probe import probe_clip
from backends.provider.protocol import Asset, Handle, Prepared, RemoteBackend
from backends.provider.registry import registered
from backends.request import VideoRequest, build_request
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, until

HURRY_S, PATIENCE_S = 0.3, 60.0

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
FATES: tuple[dict[str, Any], ...] = ({"status": 500}, {"lose": True}, {"status": 200, "body": {}})
"""Those that a provider's own code can get wrong; `tests/provider` goes through all of them."""

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

    def script(self, route: str, outcome: dict[str, Any]) -> None:
        """What the fake does next; the back end gives up soon where it hangs, and is patient where it answers."""
        self.server.script(route, outcome)
        limit = HURRY_S if outcome.get("hang") else PATIENCE_S
        self.backend.channel.timing = replace(self.backend.channel.timing, paid_s=limit, free_s=limit, upload_s=limit)

    async def start(self, prepared: Prepared, job_key: str = JOB) -> Handle:
        """Uploads, then the paid POST."""
        backend: RemoteBackend = self.backend
        refs = {place: await backend.upload(prepared, prepared.assets[place]) for place in prepared.uploads}
        handle = await backend.start(prepared, refs, job_key)
        assert isinstance(handle, Handle)
        return handle

    async def refusal(self, prepared: Prepared, *outcomes: dict[str, Any]) -> VideoError:
        """What one start ends in; it must be exactly one POST."""
        for outcome in outcomes:
            self.script(self.route, outcome)
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
    """An open back end with that environment, talking to the fake."""
    backend: Any = registered(provider).open(env, server.url)
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


def outlives(
    station: Station, nursery: Nursery, server: FakeServer, request: VideoRequest, *keys: str, route: str = "submit"
) -> Job:
    """The whole program makes it, though the worker dies by SIGKILL while the job runs: one POST, one file, books that
    balance, and no key in any file of the home."""
    before = int(server.counters().get(route, 0))
    job = lived(station, nursery, request, crash="after-status:1")
    assert job.state == "succeeded" and job.file and Path(job.file).stat().st_size > 1000, (job, station.log[-2000:])
    assert server.counters()[route] == before + 1, "exactly one paid POST"
    settled, held = station.books()
    assert held == 0 and job.cost_usd == float(settled) > 0
    assert leaks(station.root, *keys) == []
    return job


def leaks(folder: Path, *secrets: str) -> list[str]:
    """Every file below a folder that holds one of the keys."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def boxes(provider: str) -> list[tuple[str, int]]:
    """(row id, number of the box) of everything that the catalogue offers of a provider."""
    rows = [row for row in load().rows if row.provider == provider and row.state != "retired"]
    return [(row.id, number) for row in rows for number in range(len(row.modes))]


def promises(model: str, number: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(a request that asks for everything a box promises, what of it must be found on the wire)."""
    row = load().get(model)
    mode = row.modes[number]
    size = mode.sizes[-1]
    assert mode.durations is not None, "these providers make clips of a chosen length"
    fields: dict[str, Any] = {"task": sorted(mode.tasks)[0], "prompt": "a fox in the snow", "duration_s": 0}
    fields |= {"duration_s": mode.durations.largest, "resolution": size.resolution}
    if size.rule == "fixed":
        fields["aspect_ratio"] = size.ratio
    wanted: dict[str, Any] = {"prompt": "a fox in the snow"}
    if mode.negative_max:
        fields["negative_prompt"] = wanted["negative_prompt"] = "blur, hiss"
    if mode.seed:
        fields["seed"] = wanted["seed"] = 77
    if mode.audio == "switch":
        fields["audio"] = not mode.audio_default
    if mode.effects:
        fields["effect"] = wanted["effect"] = mode.effects[-1]
    options = {name: option_value(option) for name, option in mode.options.items()}
    fields["provider_options"] = options
    names = [
        still(folder, f"{n}.png", (640, 360) if size.value >= 1 or not size.value else (360, 640)) for n in "abcde"
    ]
    count = mode.frames.high if fields["task"] == "interpolate" else mode.frames.low
    roles = ["first", *["middle"] * (count - 2), "last"][:count]
    fields["frames"] = [{"image": str(names[n]), "role": role} for n, role in enumerate(roles)]
    fields["references"] = [f"t{n}={names[n]}" for n in range(min(mode.references.images, 5))]
    return fields, {**wanted, **options}


def option_value(option: Any) -> Any:
    """A legal value that is not the usual one."""
    if option.values:
        return option.values[-1]
    return {"boolean": False, "integer": option.high, "number": 0.75, "text": "x"}[option.kind]


def flat(value: object) -> list[object]:
    """Every value in a body."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in flat(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in flat(part)]
    return [value]
