"""Requests and the fake's replies, both judged by OpenAI's OpenAPI document.

The document is no part of this project: where it is not beside the checkout, these say so. `test_openai` has the
vendor's SDK read every answer of the fake strictly in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from backends.catalog.schema.row import Row
from backends.cloud.openai.backend import OpenAIBackend
from backends.provider.protocol import Handle
from tests.cloud import openai_document as document
from tests.cloud.openai_rows import catalog
from tests.cloud.orders import every_order, order, with_files
from tests.fakes import FakeServer, tiny_clip

KEY = "sk-document-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer("openai_videos", clips={"": tiny_clip()}, life={"polls": 3, "queued_polls": 1}) as running:
        yield running


@pytest.fixture
def known() -> None:
    if document.path() is None:
        pytest.skip(f"{document.NAME} is not here: put it into ../shared/data or name it in REELWRIGHT_OPENAPI")


def as_the_document_sees_it(body: dict[str, Any]) -> dict[str, Any]:
    """A form's file parts are strings of bytes there; a bracketed field is an object."""
    seen: dict[str, Any] = {}
    for key, value in body.items():
        outer, bracket, inner = key.partition("[")
        if bracket:
            seen.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            seen[key] = "binary" if isinstance(value, dict) and "sha256" in value else value
    return seen


SCHEMAS = {
    "videos": ("CreateVideoMultipartBody", "CreateVideoJsonBody"),
    "videos/extensions": ("CreateVideoExtendMultipartBody", "CreateVideoExtendJsonBody"),
    "videos/edits": ("CreateVideoEditMultipartBody", "CreateVideoEditJsonBody"),
    "videos/remix": ("CreateVideoRemixBody", "CreateVideoRemixBody"),
}


async def send_all(server: FakeServer, row: Row, files: Path) -> int:
    """Every order of a row, and those with a source clip once more with a file instead of the server's own clip."""
    backend = OpenAIBackend(KEY, f"{server.url}/v1")
    count = 0
    try:
        first = await backend.start(order(backend, row, {}, task="text_to_video", prompt="a fox"), {}, "job")
        assert isinstance(first, Handle)
        for facts, fields in every_order(row):
            by_id_only = row.name == "sora-2-pro-azure"  # a remix
            for parent in (first,) if by_id_only or "source_clip" not in fields else (first, None):
                await backend.start(with_files(order(backend, row, facts, parent, **fields), files), {}, "job")
                count += 1
    finally:
        await backend.aclose()
    return count


@pytest.mark.parametrize(
    ("name", "endpoints"),
    [
        ("openai/sora-2-pro-azure", {("videos", True), ("videos/remix", False)}),
        (
            "openai/my-proxy-video",
            {("videos", True)}
            | {("videos/extensions", form) for form in (True, False)}
            | {("videos/edits", form) for form in (True, False)},
        ),
    ],
)
def test_requests_in_openais_dialect_are_those_of_its_document(
    known: None, server: FakeServer, tmp_path: Path, name: str, endpoints: set[tuple[str, bool]]
) -> None:
    before = len(server.jobs())
    sent = anyio.run(send_all, server, catalog(tmp_path / "rows").get(name), tmp_path)
    made = [job["request"] for job in server.jobs()[before + 1 :]]
    assert len(made) == sent
    for request in made:
        body = as_the_document_sees_it(request["body"])
        found = document.findings(SCHEMAS[request["endpoint"]][0 if request["multipart"] else 1], body)
        assert not found, (request["endpoint"], body, found)
    assert {(request["endpoint"], request["multipart"]) for request in made} == endpoints


def test_replies_of_the_fake_are_those_of_the_document(known: None, server: FakeServer) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{server.url}/v1", headers=headers, trust_env=False) as client:
        made = client.post("/videos", json={"prompt": "a fox", "seconds": "4", "size": "720x1280"}).json()
        assert document.findings("VideoResource", made) == []
        states = []
        for _ in range(3):
            shown = client.get(f"/videos/{made['id']}").json()
            assert document.findings("VideoResource", shown) == []
            states.append(shown["status"])
        assert states == ["queued", "in_progress", "completed"]
        listed = client.get("/videos", params={"limit": 2, "order": "desc"}).json()
        assert document.findings("VideoListResource", listed) == []
        remixed = client.post(f"/videos/{made['id']}/remix", json={"prompt": "a wolf"}).json()
        assert document.findings("VideoResource", remixed) == [] and remixed["remixed_from_video_id"] == made["id"]
        server.tell(remixed["id"], "failed", {"code": "moderation_blocked", "message": "no"})
        failed = client.get(f"/videos/{remixed['id']}").json()
        assert document.findings("VideoResource", failed) == [] and failed["error"]["code"] == "moderation_blocked"
        clip = client.get(f"/videos/{made['id']}/content")
        assert clip.headers["content-type"] == "video/mp4" and len(clip.content) > 1000
        thumb = client.get(f"/videos/{made['id']}/content", params={"variant": "thumbnail"})
        assert thumb.headers["content-type"] == "image/webp"
        deleted = client.delete(f"/videos/{made['id']}").json()
        assert document.findings("DeletedVideoResource", deleted) == []


def test_the_document_tells_wrong_from_right(known: None) -> None:
    assert document.findings("CreateVideoJsonBody", {"prompt": "a", "seconds": 4}) == [
        "$.seconds: 4 is not of type 'string'", "$.seconds: 4 is not one of ['4', '8', '12']"
    ]  # fmt: skip
    assert document.findings("CreateVideoJsonBody", {"prompt": "a", "seed": 1}) == ["seed: not in the document"]
    assert ("delete", "/videos/{video_id}") in document.operations()
