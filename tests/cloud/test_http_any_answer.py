"""Whatever JSON a service sends, a back end makes a Status, a Handle or a VideoError of it, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.provider.protocol import Cancelled, Handle, Listing, Status
from tests.cloud.http_cases import asked, clips, opened
from tests.fakes import FakeServer

ROUNDS = 40
WORDS = (
    *("status", "error", "error_type", "detail", "video", "url", "output", "outputs", "seed", "queue_position"),
    *("code", "message", "data", "task_id", "task_status", "task_result", "videos", "task_info", "type", "msg"),
    *("base_resp", "status_code", "status_msg", "file_id", "file", "download_url", "task", "content", "loc", "id"),
    *("results", "next", "created_at", "model", "input", "data_removed", "logs", "request_id", "status_url"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.4, 1e308, 2**70, "", "0", "COMPLETED", "succeeded", "succeed", "Success"),
    *("failed", "Fail", "https://x.invalid/a.mp4", "http://[::1", "ä\u0000\u2028", "1026", 1203, "2999-01-01", [], {}),
)
CASES = [
    ("fal", "fal/pika-v2.2", {"FAL_KEY": "a:b-long-secret"}, ("status", "result", "cancel"), "submit"),
    ("kling", "kling/kling-v2-5-turbo", {"KLING_API_KEY": "kl-long-secret"}, ("status",), "submit"),
    ("minimax", "minimax/MiniMax-Hailuo-02", {"MINIMAX_API_KEY": "mm-long-secret"}, ("status", "file"), "submit"),
    ("minimax", "minimax/MiniMax-H3", {"MINIMAX_API_KEY": "mm-long-secret"}, ("status2",), "submit2"),
    (
        "replicate",
        "replicate/hailuo-02",
        {"REPLICATE_API_TOKEN": "r8-long-secret"},
        ("status", "cancel", "list"),
        "submit",
    ),
]
KNOBS: dict[str, dict[str, Any]] = {
    "fal": {"endpoints": {"fal-ai/pika/v2.2/text-to-video": {"prompt": "str", "duration": "int"}}},
    "replicate": {"models": {"minimax/hailuo-02": {"prompt": "str", "duration": "int", "resolution": "str"}}},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, FakeServer]]:
    with ExitStack() as stack:
        names = dict.fromkeys(case[0] for case in CASES)
        yield {
            name: stack.enter_context(FakeServer(name, clips=clips(), life={"after_s": 0}, **KNOBS.get(name, {})))
            for name in names
        }


def anything(draw: random.Random, depth: int = 0) -> Any:
    """Any JSON, made of the words that these services use."""
    kind = draw.random()
    if depth > 3 or kind < 0.25:
        return draw.choice(VALUES)
    if kind < 0.4:
        return [anything(draw, depth + 1) for _ in range(draw.randrange(3))]
    return {draw.choice(WORDS): anything(draw, depth + 1) for _ in range(draw.randrange(6))}


@pytest.mark.anyio
@pytest.mark.parametrize(("provider", "model", "env", "routes", "paid"), CASES, ids=[case[1] for case in CASES])
async def test_any_answer_is_understood_or_told(
    servers: dict[str, FakeServer], provider: str, model: str, env: dict[str, str], routes: tuple[str, ...], paid: str
) -> None:
    server, draw = servers[provider], random.Random(model)
    made: set[str] = set()
    async with opened(provider, server, env, paid) as subject:
        ready = asked(subject.backend, model)
        handle = Handle("id1", {"endpoint": ready.endpoint})
        for _ in range(ROUNDS):
            for route in (*routes, paid):
                server.clear()
                server.always(route, {"status": draw.choice((200, 200, 200, 404, 422, 500)), "body": anything(draw)})
                if route == "result":
                    server.always("status", {"status": 200, "body": {"status": "COMPLETED"}})
                if route == "file":
                    server.always("status", {"status": 200, "body": {"status": "Success", "file_id": "9"}})
                try:
                    if route == paid:
                        got: object = await subject.backend.start(ready, {}, "job")
                    elif route == "cancel":
                        got = await subject.backend.cancel(handle)
                    elif route == "list":
                        got = await subject.backend.reconcile(ready, "job", 0.0)
                    else:
                        got = await subject.backend.status(handle, Path())
                except VideoError as error:
                    got = error
                    assert len(error.message) < 700 and error.message.isprintable()
                    assert not any(secret in str(error.to_json()) for secret in env.values())
                assert isinstance(got, Status | Handle | Cancelled | VideoError | Listing)
                made.add(type(got).__name__)
    server.clear()
    assert {"Status", "VideoError"} <= made
