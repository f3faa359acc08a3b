from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.provider.registry import registry
from tests.cli.shell import Shell
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.station import TINY, Station


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The paid service's back end, found by its entry point as a third party's would be."""
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
            return stack.enter_context(FakeServer("paid", clips={"": tiny_clip()}, **{"life": {"polls": 1}, **knobs}))

        yield start


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked_workers: None) -> Iterator[Callable[..., Shell]]:
    """A shell in a home of its own: shell(server, NAME="value", ...). Its workers end with it. Commands in this
    process have theirs forked; those in a process of their own start them as a person's do."""
    with ExitStack() as stack:

        def make(server: FakeServer | None = None, **env: str) -> Shell:
            station = Station(tmp_path, server.url if server else "", env)
            stack.callback(station.close)
            return Shell(station, monkeypatch)

        yield make
