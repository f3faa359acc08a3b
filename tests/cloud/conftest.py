from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.jobs.nursery import Nursery
from tests.jobs.station import Station


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as running:
        yield running


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Make a home whose clients and workers have this environment: stand(FAL_KEY=..., ...). All of it ends with it."""
    with ExitStack() as stack:

        def make(**env: str) -> Station:
            station = Station(tmp_path, env={"REELWRIGHT_CATALOG": "", **env})
            stack.callback(station.close)
            return station

        yield make
