"""A home folder that is deleted takes its worker with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from backends.jobs.process import is_alive
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, until


def test_a_worker_leaves_when_its_home_is_deleted(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    station = stand(serve(mode="key", life={"until_told": True}))
    studio = station.studio()
    studio.submit(text_request("a boat"))
    (worker,) = until(station.drivers, "a worker drives the lane")
    studio.close()
    shutil.rmtree(station.home)
    until(lambda: not is_alive(worker), "the worker has left")
