"""Lives at paid services through the whole program, their workers killed in each of the states that they pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backends.request import build_request
from tests.cloud.http_cases import clips, leaks
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "sk-states-0123456789abcdef"
KLING_FIELDS = dict.fromkeys(("prompt", "negative_prompt", "aspect_ratio"), "str")
PIKA_FIELDS = {**KLING_FIELDS, "resolution": "str", "duration": "int"}

STATES = {
    "before-post:1": "submitting",
    "after-post:1": "submitting",
    "after-id-log:1": "submitting",
    "after-status:1": "running",
    "before-download:1": "downloading",
    "before-meta:1": "finishing",
}
"""A crash point, and the state that the job's row is in when the worker dies there."""

UNSURE = {"before-post:1", "after-post:1"}
"""Between the intent and the id: only a look-up can tell what became of the POST."""


@dataclass(frozen=True)
class Service:
    """fake: its module. variable: of its address. dedupe: how an unclear POST is found again. env: its key. knobs: of
    the fake."""

    model: str
    fake: str
    variable: str
    dedupe: str
    env: str
    knobs: Mapping[str, Any] = field(default_factory=dict[str, Any])


KLING = Service("kling/kling-v2-5-turbo", "kling", "KLING", "key", "KLING_API_KEY")
REPLICATE = Service(
    "replicate/kling-v2.5-turbo-pro",
    "replicate",
    "REPLICATE",
    "lookup",
    "REPLICATE_API_TOKEN",
    {"models": {"kwaivgi/kling-v2.5-turbo-pro": {**KLING_FIELDS, "duration": "int"}}},
)
FAL = Service(
    "fal/pika-v2.2", "fal", "FAL", "none", "FAL_KEY", {"endpoints": {"fal-ai/pika/v2.2/text-to-video": PIKA_FIELDS}}
)

CASES = [
    *[(service, point) for service in (KLING, REPLICATE, FAL) for point in sorted(UNSURE)],
    (FAL, "after-id-log:1"),  # its addresses must have been kept beside the id
    (KLING, "after-status:1"),
    (REPLICATE, "before-download:1"),
    (FAL, "before-meta:1"),
]
"""Around the POST one service for each way to find it again: the job engine knows no more of a service than that, and
once the id is kept not even that. Every provider's own tests have one whole life besides."""


@pytest.fixture(scope="module")
def fake() -> Iterator[Callable[[Service], FakeServer]]:
    """Each service's one fake, started when it is first asked for."""
    running: dict[str, FakeServer] = {}
    with ExitStack() as stack:

        def start(service: Service) -> FakeServer:
            if service.fake not in running:
                made = FakeServer(service.fake, clips=clips(), life={"polls": 2}, **service.knobs)
                running[service.fake] = stack.enter_context(made)
            return running[service.fake]

        yield start


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Callable[[Service, FakeServer], Station]]:
    with ExitStack() as stack:

        def make(service: Service, server: FakeServer) -> Station:
            (tmp_path / "quick").mkdir()
            (tmp_path / "quick" / "quick.toml").write_text(
                f'[[model]]\nid = "{service.model}"\ntypical = {{ base_s = 0.2, per_second = 0 }}\n'
            )
            env = {service.env: KEY, "REELWRIGHT_CATALOG": str(tmp_path / "quick")}
            env[f"REELWRIGHT_{service.variable}_BASE_URL"] = server.url
            quick = {"REELWRIGHT_SETTLE_S": "0.1", "REELWRIGHT_WORKER_IDLE_S": "0", "REELWRIGHT_POLL_EVERY_S": "0.1"}
            root = tmp_path / "home"
            root.mkdir()
            made = Station(root, "", {**env, **quick})
            stack.callback(made.close)
            return made

        yield make


@pytest.mark.parametrize(("service", "point"), CASES, ids=[f"{one.model} {point}" for one, point in CASES])
def test_a_worker_killed_in_any_state_pays_once_and_the_job_ends_as_it_should(
    fake: Callable[[Service], FakeServer],
    station: Callable[[Service, FakeServer], Station],
    nursery: Nursery,
    service: Service,
    point: str,
) -> None:
    server = fake(service)
    charges, submits = (int(server.counters().get(name, 0)) for name in ("charges", "submit"))
    home = station(service, server)
    studio = home.studio()
    request = build_request(task="text_to_video", prompt=f"a fox, {point}", model=service.model, max_cost_usd=5)
    job = home.place(studio.context, request)

    assert nursery.ended(nursery.worker(home.environ(), point)) == -9, f"never came to {point}: {home.log[-2000:]}"
    assert home.row(job)["state"] == STATES[point]
    assert nursery.ended(nursery.worker(home.environ())) == 0, home.log[-2000:]

    ended, entry, counts = studio.get(job), home.entry(job), server.counters()
    charged, posted = counts["charges"] - charges, counts.get("submit", 0) - submits
    assert (charged, posted) == ((0, 0) if ended.state == "uncertain" and point == "before-post:1" else (1, 1))
    settled, held = home.books()
    # That a list does not show a job proves nothing: the request may still have been taken.
    unproved = service.dedupe == "lookup" and point == "before-post:1"
    if (service.dedupe == "none" and point in UNSURE) or unproved:
        assert (ended.state, ended.error and ended.error.kind) == ("uncertain", "submit_unknown"), ended
        assert (entry["state"], settled) == ("unresolved", 0)
        assert held > 0 and held == Decimal(str(ended.est_cost_usd)), "the money stays held for a person to decide"
        return
    assert ended.state == "succeeded", (ended, home.log[-2000:])
    assert ended.file is not None and Path(ended.file).stat().st_size > 1000
    assert (entry["state"], held) == ("settled", 0) and ended.cost_usd == float(settled)
    assert len(list(home.output.glob("*.mp4"))) == 1
    home.close()  # before its files are read: closing one of SQLite's drops the locks that this process holds on it
    assert leaks(home.root, KEY) == []
