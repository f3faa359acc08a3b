from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import FakeServer, tiny_clip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip()}) as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
