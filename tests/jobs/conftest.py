from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.provider.registry import registry
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.station import TINY, Station
from tests.jobs.stores import server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where the stores are on a server, the tests of the file itself are left out, each named with its reason."""
    if not server():
        return
    left = {item: mark for item in items if (mark := item.get_closest_marker("of_the_file")) is not None}
    for item, mark in left.items():
        print(f"\nleft out: {item.nodeid}: {mark.args[0]}", file=sys.__stdout__, flush=True)
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The paid service's back end and the tiny engine, found by their entry points as a third party's would be."""
    for folder in (PLUGIN, TINY):
        monkeypatch.syspath_prepend(str(folder))
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    """Start a paid service: serve(mode="key", life={"polls": 1}, ...)."""
    with ExitStack() as stack:

        def start(**knobs: Any) -> FakeServer:
            return stack.enter_context(
                FakeServer("paid", **{"clips": {"": tiny_clip()}, "life": {"polls": 1}, **knobs})
            )

        yield start


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Make a home: stand(server, PAID_MODE="none", ...); a further one with name="b". All its workers end with it."""
    with ExitStack() as stack:

        def make(server: FakeServer | None = None, *, name: str = "a", **env: str) -> Station:
            root = tmp_path / name
            root.mkdir(exist_ok=True)
            env = {"TINY_CLIP": str(tiny_clip()), "TINY_GATE": str(root / "gate"), **env}
            station = Station(root, server.url if server else "", env)
            stack.callback(station.close)
            return station

        yield make
