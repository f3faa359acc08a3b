"""What the tests of ComfyUI stand on: a server (the fake, or the person's own by COMFYUI_TEST_URL) and a home."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from backends.catalog.loader import Catalog, load
from backends.catalog.rules.check import check
from backends.comfyui.backend import ComfyBackend
from backends.comfyui.servers import data_folder
from backends.facts import MediaFacts
from backends.jobs.order.legal import prepare
from backends.provider.protocol import Asset, Handle, Prepared, Ref, Status
from backends.request import build_request
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station

REAL = os.environ.get("COMFYUI_TEST_URL", "")
"""A real server's address; "" = the fake stands for it."""


def fake(**knobs: Any) -> FakeServer:
    return FakeServer("comfyui", clips={"": tiny_clip()}, **knobs)


def catalog(env: Mapping[str, str]) -> Catalog:
    return load([data_folder(env)])


def environ(home: Path, url: str, **more: str) -> dict[str, str]:
    return {"REELWRIGHT_HOME": str(home), "COMFYUI_URL": url, **more}


def ordered(backend: ComfyBackend, model: str, facts: Mapping[str, Asset] | None = None, **fields: Any) -> Prepared:
    """A request judged by the catalogue and put into the workflow. facts: its inputs, by place."""
    assets = dict(facts or {})
    row = catalog(backend.env).get(f"comfyui/{model}")
    found = {place: asset.facts for place, asset in assets.items()}
    checked = check(build_request(model=row.id, **fields), row, found)
    ready = replace(prepare(checked), assets=assets)
    return replace(backend.prepare(ready.request, ready, None), assets=assets)


def still(place: str, path: Path, size: tuple[int, int] = (640, 360)) -> Asset:
    """A picture of that size, made at the path."""
    from PIL import Image

    Image.new("RGB", size, (20, 90, 160)).save(path)
    facts = MediaFacts("image", "image/png", *size, path.stat().st_size)
    return Asset(place, place.encode().hex()[:32].ljust(64, "0"), path, facts)


async def uploaded(backend: ComfyBackend, ready: Prepared) -> dict[str, Ref]:
    return {place: await backend.upload(ready, ready.assets[place]) for place in ready.uploads}


async def until(
    backend: ComfyBackend, handle: Handle, spool: Path, fact: Callable[[Status], bool], timeout_s: float = 90.0
) -> Status:
    """The first status that is so; AssertionError with the last one when none is in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        status = await backend.status(handle, spool)
        if fact(status):
            return status
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {status}"
        await anyio.sleep(0.02)


def ended(status: Status) -> bool:
    return status.state in ("succeeded", "failed", "cancelled")


def station(root: Path, url: str, **env: str) -> Station:
    """A home whose ComfyUI is that server."""
    return Station(root, env={"COMFYUI_URL": url, **env})
