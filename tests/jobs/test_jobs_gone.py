"""What is gone: a home folder takes its worker with it, an engine that is not installed any more stops no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from backends.jobs.lanes.process import is_alive
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request, until


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


def test_a_device_is_driven_though_the_engine_that_used_it_first_is_gone(stand: Callable[..., Station]) -> None:
    station = stand()
    studio = station.studio()
    add = "INSERT INTO lanes(key, provider, kind) VALUES ('cpu', 'an engine of the past', 'local')"
    studio.context.store.write(lambda tx: tx.run(add))
    (job,) = station.settled(studio, [studio.submit(tiny_request("a boat")).job_id])
    assert job.state == "succeeded"
