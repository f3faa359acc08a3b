"""What every provider over `provider.rest` is tried with, against its own fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from backends.provider.protocol import Cancelled
from backends.request import build_request
from tests.cloud.http_cases import Subject, asked, clips, flat, opened, outlives, promises, unclear
from tests.cloud.lives import PRICE
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station


@contextmanager
def fake(name: str) -> Iterator[FakeServer]:
    with FakeServer(name, clips=clips()) as running:
        yield running


@contextmanager
def cleared(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
    shared.set(life={"polls": 2})


@asynccontextmanager
async def subject(name: str, server: FakeServer, env: dict[str, str]) -> AsyncIterator[Subject]:
    async with opened(name, server, env) as running:
        yield running


async def is_unclear(service: Subject, model: str, outcome: dict[str, Any]) -> None:
    unclear(await service.refusal(asked(service.backend, model), outcome))


async def keeps_its_promises(service: Subject, folder: Path, model: str, number: int) -> None:
    """Everything that a box promises reaches the wire; the fake refuses what the service does not have."""
    fields, wanted = promises(model, number, folder)
    ready = asked(service.backend, model, **fields)
    await service.start(ready)
    found = flat(service.sent())
    assert all(value in found for value in wanted.values())
    assert sum(str(value).startswith("data:image/png;base64,") for value in found) == len(ready.assets)


async def life(service: Subject, model: str, words: tuple[str, str, str]) -> Cancelled:
    """Queued, running, done, in the service's own words; then what cancelling says."""
    service.server.set(life={"polls": 3, "queued_polls": 1})
    handle = await service.start(asked(service.backend, model))
    told = [await service.backend.status(handle, Path()) for _ in range(3)]
    assert tuple(one.raw_state for one in told) == words
    assert [one.state for one in told][1:] == ["running", "succeeded"]
    (file,) = told[2].files
    assert (file.url or "").startswith(f"{service.server.url}/media/") and file.authorised
    result = await service.backend.cancel(handle)
    assert (await service.backend.status(handle, Path())).state == "succeeded", "the clip is still there"
    return result


def whole_life(
    server: FakeServer,
    stand: Callable[..., Station],
    nursery: Nursery,
    variable: str,
    env: dict[str, str],
    **fields: Any,
) -> None:
    """Through the whole program, over the death of a worker. The row has a price, as a person would add one."""
    station = stand(**env, **{variable: server.url})
    rows = Path(station.env["REELWRIGHT_CATALOG"]) / "priced.toml"
    rows.write_text(f'[[model]]\nid = "{fields["model"]}"\ntypical = {{ base_s = 0.2, per_second = 0 }}\n{PRICE}\n')
    outlives(station, nursery, server, build_request(**fields), *env.values())
