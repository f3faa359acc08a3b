"""After an uncharged refusal the next model is offered in words; nothing moves on by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request

pytestmark = pytest.mark.usefixtures("forked_workers")

OTHER = {"GEMINI_API_KEY": "never-used"}
"""Makes models of another provider available; no request of these tests ever goes there."""


@pytest.mark.parametrize("outcome", [{"status": 422}, {"status": 400, "code": "moderation"}])
def test_a_refused_job_names_the_next_model_and_its_price(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], outcome: dict[str, object]
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", **OTHER)
    studio = station.studio()
    server.script("submit", outcome)
    job = studio.submit(text_request("a fox", resolution="720p"))
    (failed,) = station.settled(studio, [job.job_id])
    assert failed.state == "failed" and failed.error is not None and failed.error.charged == "no"
    offered = "it was not charged: change what the error names and call the tool again; or another model: repeat with "
    assert failed.next.startswith(offered + 'model="gemini/gemini-omni-'), failed.next
    assert ", max_cost_usd=0." in failed.next and failed.next.endswith("; nothing has been started")
    assert studio.get(failed.job_id).next == failed.next
    assert [row.job_id for row in studio.list().jobs] == [failed.job_id], "it never moves on by itself"


def test_an_offer_does_exactly_the_same_and_what_may_be_charged_gets_none(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", **OTHER)
    studio = station.studio()
    server.script("submit", {"job": {"polls": 1, "outcome": "failed"}}, {"status": 422})
    (charged,) = station.settled(studio, [studio.submit(text_request("a fox", resolution="720p")).job_id])
    assert charged.next == "it may have been charged: read the error before anything is paid again"
    (small,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert 'model="paid/' in small.next, "only the service's own models make 180p"
