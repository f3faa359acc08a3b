from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backends.catalog.loader import load
from tests.jobs.station import Station


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Make a home whose clients and workers have this environment: stand(FAL_KEY=..., ...). All of it ends with it."""
    with ExitStack() as stack:

        def make(**env: str) -> Station:
            folder = tmp_path / "quick"
            folder.mkdir(exist_ok=True)
            # A loopback fake takes no minute: rows as a person may correct them, so that it is asked soon.
            ids = [row.id for row in load().rows if row.where == "cloud" and row.state != "retired"]
            rows = [f'[[model]]\nid = "{name}"\ntypical = {{ base_s = 0.2, per_second = 0 }}\n' for name in ids]
            (folder / "quick.toml").write_text("\n".join(rows))
            station = Station(tmp_path, env={"REELWRIGHT_CATALOG": str(folder), **env})
            stack.callback(station.close)
            return station

        yield make
