"""docs/models.md and docs/guide-corrected.md say what the data and the installed libraries say."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import openai
import pytest
import runwayml
from google import genai
from google.auth.credentials import AnonymousCredentials
from openai.types import Video
from openai.types.video_create_params import VideoCreateParams
from runwayml.types import task_retrieve_response

from backends.catalog import check, choose, estimate, load
from backends.errors import VideoError
from backends.request import build_request
from backends.verbs import request_of
from tests.catalog import pages
from tests.catalog.boxes import clip, still
from tests.docs.models import markdown_table, models_page

CATALOG = load()
GUIDE = (pages.DOCS / "guide-corrected.md").read_text("utf-8")
CALLS = [(json.loads(call), line) for call, line in re.findall(r"```json\n(.*?)\n```\n(.*)\n", GUIDE)]


def test_the_pages_are_up_to_date() -> None:
    assert (pages.DOCS / "models.md").read_text("utf-8") == models_page(CATALOG), "run make docs"
    assert pages.with_parts(GUIDE) == GUIDE, "run make docs"


def test_every_row_stands_on_the_page_of_models() -> None:
    page = models_page(CATALOG)
    for row in CATALOG.rows:
        assert f"`{row.id}`" in page
        for source in row.sources:
            assert source.text in page


def test_the_table_compares_what_the_guide_compares() -> None:
    table = markdown_table(CATALOG)
    head, _, *lines = table.splitlines()
    for column in ("price", "length", "sound", "largest", "keyframes", "references", "extend", "licence", "state"):
        assert f" {column} " in head
    assert all(line.count("|") == head.count("|") for line in lines)
    veo = next(line for line in lines if "`vertex/veo-3.1-generate-001`" in line)
    assert veo == (
        "| `vertex/veo-3.1-generate-001` | $0.20-0.60/s | 4-8 s | a choice | 4k | first and last | 3 images | yes "
        "| commercial API | retiring 2026-11-17 (unverified) |"
    )
    names = " ".join(lines)
    for family in ("gen4_turbo", "kling-v2-5-turbo", "Hailuo-02", "pika-v2.2", "hunyuanvideo", "ltx-video", "mochi-1"):
        assert family in names
    assert "sora" not in names, "what cannot be used is not offered beside what can"


@pytest.mark.parametrize(("call", "line"), CALLS, ids=[str(i) for i in range(len(CALLS))])
def test_a_call_of_the_guide_is_legal_and_costs_what_the_page_says(call: dict[str, Any], line: str) -> None:
    request = request_of(call["tool"], call["arguments"])
    inputs = {place: clip() if place == "source_clip" else still() for place in request.media()}
    row = CATALOG.get(request.model)
    cost = estimate(check(request, row, inputs), row)
    assert line.startswith("Costs nothing: free" if cost.basis == "free" else f"Costs {cost.text}.")


def test_the_page_has_a_call_for_every_kind_of_work() -> None:
    assert len(CALLS) >= 9
    tools = {call["tool"] for call, _ in CALLS}
    assert tools == {"image_to_video", "generate_video", "interpolate_keyframes", "extend_clip"}


def test_the_guides_prices_that_hold_come_out() -> None:
    right = {claim.words for claim in pages.CLAIMS if pages.holds(claim)}
    assert right == {
        "Sora 2 ~$0.10/s at 720p",
        "Sora 2 Pro ~$0.30-0.50/s",
        "Veo 3.1 $0.40/s with audio",
        "Runway Gen-4 Turbo $0.05-0.10/s",
        "Hailuo 02 ~$0.03-0.05/s at 720p",
        "Hailuo 02 ~$0.08/s at 1080p",
    }


def test_the_guides_prices_that_do_not_hold_are_listed_with_date_and_source() -> None:
    wrong = [claim for claim in pages.CLAIMS if not pages.holds(claim)]
    assert wrong
    for claim in wrong:
        row, _ = pages.price_of(claim)
        line = next(line for line in GUIDE.splitlines() if line.startswith(f"| {claim.words} |"))
        assert line.endswith("| no |")
        price = row.modes[0].price
        assert price.day is not None
        assert f"{price.day.isoformat()}: {price.source}" in line


def test_thirty_seconds_cost_what_the_guide_says() -> None:
    """'at $0.10/sec, a 30-second TikTok ad costs $3'; 'At Sora 2 Pro pricing ($0.50/sec), the same 30s costs $15'."""
    assert pages.price_of(pages.CLAIMS[0])[1] * 30 == Decimal(3)
    assert pages.price_of(pages.CLAIMS[1])[1] * 30 == Decimal(15)


# ------------------------------------------------------------------ what is said of the vendors' libraries


def test_runway_sends_a_request_three_times_unless_told_not_to() -> None:
    assert runwayml.RunwayML(api_key="x").max_retries == 2
    states = str(task_retrieve_response.TaskRetrieveResponse)
    assert "Cancelled" in states


def test_openais_videos_have_no_such_parameters_and_no_link() -> None:
    assert {"duration_seconds", "input_image"} & set(VideoCreateParams.__annotations__) == set()
    assert {"seconds", "input_reference"} <= set(VideoCreateParams.__annotations__)
    assert "output" not in Video.model_fields
    assert hasattr(openai.OpenAI(api_key="x").videos, "download_content")


def test_google_genai_refuses_veo_with_a_key_and_downloads_on_vertex() -> None:
    key = genai.Client(api_key="x")
    with pytest.raises(ValueError, match="only supported in"):
        key.models.generate_videos(
            model="veo-3.1-generate-preview", source=genai.types.GenerateVideosSource(prompt="x")
        )
    vertex = genai.Client(vertexai=True, project="p", location="us-central1", credentials=AnonymousCredentials())
    with pytest.raises(ValueError, match="only supported"):
        vertex.files.download(file="files/x")
    key.close()
    vertex.close()


def test_the_refusals_that_the_page_tells_of_happen() -> None:
    for name in ("sora-2", "wan 2.5", "veo-3.1-generate-preview"):
        with pytest.raises(VideoError) as caught:
            choose(build_request(task="text_to_video", prompt="x", model=name), CATALOG, {}, lambda row: None)
        assert caught.value.kind == "model_retired"
    brush = build_request(
        task="image_to_video",
        prompt="x",
        frames=[{"image": "a"}],
        motion=[{"box": [0, 0, 1, 1], "direction": "up"}],
    )
    for row in CATALOG.search(task="image_to_video", limit=1000):
        if row.where == "cloud":
            with pytest.raises(VideoError, match="motion: "):
                check(brush, row, {})
