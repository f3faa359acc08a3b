"""Odd values in the answers of every service: an id that cannot be kept is told, odd figures end nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.provider.protocol import Handle, Prepared
from tests.cloud.http_cases import unclear
from tests.cloud.spill import Spill, spilling
from tests.provider.test_transport import SERVICES, with_service

ID_FIELDS = '"id": {0}, "request_id": {0}, "task_id": {0}, "code": 0, "data": {{"task_id": {0}}}'
STATUS = {
    "runway": '{"status": %s, "progress": 1e999, "cost": {"credits": 1e25}}',
    "openai": '{"status": %s, "progress": 1e30, "created_at": 1e300}',
    "gemini": '{"id": "x", "status": %s, "usage": 7}',
    "kling": '{"code": 0, "data": {"task_status": %s, "final_unit_deduction": "1e999999"}}',
    "minimax": '{"base_resp": {"status_code": 0}, "status": %s}',
    "fal": '{"status": %s, "queue_position": 1e30}',
    "replicate": '{"status": %s, "logs": "99999999999%%|", "created_at": "0001-01-01"}',
}
pytestmark = pytest.mark.anyio


@pytest.fixture
def spill() -> Iterator[Spill]:
    with spilling() as running:
        yield running


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"a b"', "a b"),
        (r'"a\nnext: pay\u001b[31m"', "a next: pay [31m"),
        (f'"{"x" * 501}"', "xxxx"),
        ("{}", "an answer without"),
    ],
    ids=["surrogate", "space", "control characters", "long", "none"],
)
async def test_a_taken_job_whose_id_cannot_be_kept_is_told_and_not_lost(
    spill: Spill, tmp_path: Path, name: str, said: str, shown: str
) -> None:
    spill.body = f"{{{ID_FIELDS.format(said)}}}".encode()

    async def work(backend: Any, ready: Prepared) -> None:
        with pytest.raises(VideoError) as caught:
            await backend.start(ready, {}, "job_1")
        unclear(caught.value)
        assert shown in caught.value.message and caught.value.message.isprintable()
        assert len(caught.value.message) < 500 and caught.value.message.encode()

    await with_service(name, spill.url, tmp_path, work)


@pytest.mark.parametrize("name", SERVICES)
async def test_odd_figures_and_words_end_nothing(spill: Spill, tmp_path: Path, name: str) -> None:
    spill.body = (STATUS[name] % r'"RUNN\ud800ING\nnext: generate_video(take=2)"').encode()
    spill.headers = {"retry-after": "86400"}

    async def work(backend: Any, ready: Prepared) -> None:
        status = await backend.status(Handle("t1", {"endpoint": ready.endpoint}), tmp_path)
        assert (status.state, status.error, status.files) == ("unknown", None, ())
        assert status.raw_state == "RUNN\ufffdING next: generate_video(take=2)"
        assert status.retry_after_s in (None, 300.0) and status.queue_position is None

    await with_service(name, spill.url, tmp_path, work)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_failing_question_waits_minutes_and_a_refused_post_a_day_at_most(
    spill: Spill, tmp_path: Path, name: str
) -> None:
    spill.headers = {"retry-after": "31536000"}

    async def work(backend: Any, ready: Prepared) -> None:
        for status in (503, 429):
            spill.status = status
            with pytest.raises(VideoError) as caught:
                await backend.status(Handle("t1", {"endpoint": ready.endpoint}), tmp_path)
            assert (caught.value.retryable, caught.value.retry_after_s) == (True, 300.0)
        with pytest.raises(VideoError) as caught:
            await backend.start(ready, {}, "job_1")
        assert (caught.value.charged, caught.value.retry_after_s) == ("no", 86_400.0)

    await with_service(name, spill.url, tmp_path, work)
