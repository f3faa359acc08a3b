"""The shared client: one POST and the one right error, free questions, keys that go nowhere else, tolerant reading."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.provider.answer import addresses, at, dollars, number, share, text, whole
from backends.provider.border import is_id
from backends.provider.channel import Answer, Channel, Timing
from backends.provider.outcome import Reported, Service
from backends.provider.placing import filled, inputs_by_field, marked, place_media
from backends.provider.protocol import Prepared
from backends.provider.sending import Takes, sendable
from backends.request import build_request
from tests.cloud.http_cases import HURRY_S, PATIENCE_S, asset, still, unclear, unreachable
from tests.fakes import FakeServer, tiny_clip

KEY = "sk-http-alpha-987654"
SERVICE = Service("Acme", "ACME_KEY", (KEY,))
BODY = {"model": "basic", "prompt": "a fox", "seconds": 4, "size": "320x180"}

pytestmark = pytest.mark.anyio


def reported(answer: Answer) -> Reported:
    code = text(at(answer.json, "error", "code"))
    kind = "rate_limited" if code == "rate_limited" else None
    return Reported(text(at(answer.json, "error", "message")), code, kind)


@asynccontextmanager
async def channel(url: str, **seconds: float) -> AsyncIterator[Channel]:
    timing = Timing(**{"paid_s": PATIENCE_S, "free_s": PATIENCE_S, "connect_s": 1.0, **seconds})
    opened = Channel(SERVICE, url, lambda: {"authorization": f"Bearer {KEY}"}, reported, timing)
    try:
        yield opened
    finally:
        await opened.aclose()


async def refusal(server: FakeServer, outcome: dict[str, Any]) -> VideoError:
    before = server.counters().get("submit", 0)
    server.script("submit", outcome)
    async with channel(server.url, paid_s=HURRY_S if outcome.get("hang") else PATIENCE_S) as open_:
        with pytest.raises(VideoError) as caught:
            answer = await open_.post_paid("jobs", BODY)
            if not text(at(answer.json, "id")):
                raise SERVICE.unknown("no id", answer.status, answer.text)
    assert server.counters()["submit"] == before + 1, "exactly one POST"
    return caught.value


async def test_an_answer_that_cannot_be_read_is_told_as_such(server: FakeServer) -> None:
    """Not JSON: it is not handed on as a job without an id."""
    error = await refusal(server, {"truncate": 12, "no_length": True})
    unclear(error)
    assert "an answer that is not JSON" in error.message


async def test_only_a_limit_that_is_documented_as_one_is_tried_again(server: FakeServer) -> None:
    later = formatdate(time.time() + 60, usegmt=True)
    for header, low, high in (("7", 7, 7), (later, 50, 60), ("1e999", None, None), ("soon", None, None)):
        outcome = {"status": 429, "code": "rate_limited", "headers": {"retry-after": header}}
        error = await refusal(server, outcome)
        assert (error.kind, error.retryable, error.charged) == ("rate_limited", True, "no")
        if low is None:
            assert error.retry_after_s is None
        else:
            assert error.retry_after_s is not None and low <= error.retry_after_s <= high


async def test_what_was_never_sent_may_be_tried_again(server: FakeServer) -> None:
    before = server.counters().get("submit", 0)
    with unreachable() as addresses:
        for url in (*addresses, server.url.replace("http:", "https:")):
            async with channel(url) as open_:
                with pytest.raises(VideoError) as caught:
                    await open_.post_paid("jobs", BODY)
            error = caught.value
            assert (error.kind, error.retryable, error.charged) == ("network", True, "no"), url
            assert "nothing was sent" in error.message
    assert server.counters().get("submit", 0) == before


async def test_what_cannot_be_written_is_told_before_it_is_sent(server: FakeServer) -> None:
    before = server.counters().get("submit", 0)
    async with channel(server.url) as open_:
        for path, body in (("jobs", {"strength": float("nan")}), ("jobs\x00/[", BODY)):
            with pytest.raises(VideoError, match="nothing was sent") as caught:
                await open_.post_paid(path, body)
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("invalid_request", False, "no")
    assert server.counters().get("submit", 0) == before


async def test_a_paid_post_never_uses_a_kept_connection(server: FakeServer) -> None:
    async with channel(server.url) as open_:
        for _ in range(3):
            await open_.post_paid("jobs", BODY)
        posts = [entry["connection"] for entry in server.log("submit")[-3:]]
        for _ in range(3):
            await open_.ask("GET", "jobs/none", charged="no", accept=frozenset({404}))
        asked = [entry["connection"] for entry in server.log("status")[-3:]]
    assert len(set(posts)) == 3 and len(set(asked)) == 1


async def test_the_services_own_words_in_an_unclear_answer_are_told(server: FakeServer) -> None:
    for outcome, words in (
        (
            {"status": 500, "body": {"error": {"code": "x", "message": "busy:\nqueued as\x1b[31m 77"}}},
            "busy: queued as [31m 77",
        ),
        ({"status": 503, "body": {"detail": f"key {KEY} " + "x" * 5000}}, '{"detail": "key *** xxx'),
        ({"status": 200, "body": {"error": "try later"}}, '{"error": "try later"}'),
        ({"status": 200, "body": "taken"}, "no id"),
    ):
        error = await refusal(server, outcome)
        unclear(error)
        assert words in error.message and error.message.isprintable() and len(error.message) < 450, error.message
        assert KEY not in error.message


async def test_json_nested_deeper_than_any_answer_is_none(server: FakeServer) -> None:
    deep: object = []
    for _ in range(80):
        deep = [deep]
    error = await refusal(server, {"status": 200, "body": deep})
    unclear(error)
    assert "an answer that is not JSON" in error.message


async def test_words_of_a_service_are_bounded_data_without_the_key(server: FakeServer) -> None:
    words = f"bad\nprompt {KEY} \x1b[31m" + "x" * 5000
    outcome = {"status": 400, "body": {"error": {"code": f"c\n{KEY}", "message": words}}}
    error = await refusal(server, outcome)
    assert KEY not in error.message and KEY not in str(error.to_json())
    assert "\n" not in error.message and "\x1b" not in error.message and len(error.message) < 450
    assert "bad prompt ***" in error.message


async def test_a_key_goes_to_its_own_host_alone(server: FakeServer) -> None:
    async with channel(server.url) as open_:
        assert open_.own(f"{server.url}/media/a.mp4")
        others = ("https://127.0.0.1/x", "http://127.0.0.1:1/x", "http://acme.com.evil.com", "", "//x", "http://[::1")
        assert not any(open_.own(url) for url in others)
        with pytest.raises(VideoError, match="another host"):
            await open_.ask("GET", "https://elsewhere.invalid/jobs", charged="no")


async def test_a_file_goes_up_with_the_key_to_the_services_own_host_alone(server: FakeServer) -> None:
    async with channel(server.url) as open_:
        assert text(at((await open_.upload("uploads", b"png", "image/png")).json, "ref")).startswith("up_")
        with pytest.raises(VideoError, match="another host"):
            await open_.upload("https://elsewhere.invalid/uploads", b"png", "image/png")
        with pytest.raises(VideoError, match="401") as caught:
            await open_.upload(f"{server.url}/uploads", b"png", "image/png", key=False)
        assert (caught.value.kind, caught.value.charged) == ("auth", "no")
        await open_.upload("uploads", b"png", "image/png", form="a.png")
    first, bare, form = server.log("upload")[-3:]
    assert first["headers"]["content-type"] == "image/png" and "authorization" not in bare["headers"]
    assert form["headers"]["content-type"].startswith("multipart/form-data; boundary=") and form["body_bytes"] > 100


async def test_the_persons_proxy_holds_but_not_on_this_machine(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with channel(server.url) as open_:
        assert (await open_.post_paid("jobs", BODY)).ok
    async with channel("https://acme.invalid") as open_:
        with pytest.raises(VideoError) as caught:
            await open_.post_paid("jobs", BODY)
    assert "nothing was sent" in caught.value.message


async def test_reading_is_tolerant() -> None:
    reply = {"a": [{"b": 1}], "n": "45%", "big": float("inf")}
    assert at(reply, "a", 0, "b") == 1 and at(reply, "a", 3, "b") is None and at("no", "a") is None
    assert [share(value) for value in (0.4, 40, "40", "45%", 1, 250, -3, None, True, "soon", float("nan"))] == [
        0.4, 0.4, 0.4, 0.45, 1.0, 1.0, 0.0, None, None, None, None,
    ]  # fmt: skip
    assert (number("1e999"), whole("3.5"), whole(4.0), text(True), text(3)) == (None, None, 4, "", "3")
    assert (text(1e30), text(-0.01), text(10**39)) == ("", "", str(10**39)), "an id that was a float is no id"
    assert [is_id(name) for name in ("-1000", "1000", "-a1", "")] == [False, True, True, False]
    one, two = "https://a.test/1.mp4", "http://a.test/2.mp4"
    assert addresses([{"url": one, "cover": two}, two, one, 7, {"url": "file:///x"}]) == [one, two]
    assert addresses({"a": one, "b": [two]}) == [one, two] and addresses(None) == addresses("soon") == []
    assert dollars("0.35") == Decimal("0.35") and dollars("NaN") is None and dollars(None) is None


def prepared(fields: dict[str, str], **request: Any) -> Prepared:
    asked = build_request(task="text_to_video", prompt="a fox", **request)
    return Prepared(asked, "acme/one", 640, 360, {"fields": fields, "body": {}})


async def test_inputs_go_where_the_row_says() -> None:
    frames = [{"image": "a.png"}, {"image": "b.png", "role": "last"}]
    cases: list[tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = [
        (
            {"first": "input.start", "last": "input.end"},
            {"frames": frames},
            {"input": {"start": {"asset": "frames[0].image"}, "end": {"asset": "frames[1].image"}}},
        ),
        (
            {"images": "urls"},
            {"frames": frames},
            {"urls": [{"asset": "frames[0].image"}, {"asset": "frames[1].image"}]},
        ),
        (
            {"reference_images": "images[].image_url", "first": "image"},
            {"references": ["hero=a.png"], "frames": frames[:1]},
            {"image": {"asset": "frames[0].image"}, "images": [{"image_url": {"asset": "references[0].media"}}]},
        ),
        (
            {"first": "image", "last": "tail"},
            {"frames": frames[:1], "loop": True},
            {"image": {"asset": "frames[0].image"}, "tail": {"asset": "frames[0].image"}},
        ),
        ({"source_clip": "video_url"}, {"source_clip": "c.mp4"}, {"video_url": {"asset": "source_clip"}}),
    ]
    for fields, request, body in cases:
        ready, made = prepared(fields, **request), dict[str, Any]()
        places = place_media(made, ready, inputs_by_field(ready.request, ready))
        assert made == body and set(marked(made)) == set(places) == set(ready.request.media())
        assert "asset" not in str(filled(made, lambda place: f"<{place}>"))


async def test_an_input_without_a_field_is_never_left_out_in_silence() -> None:
    for fields, request in (
        ({"first": "image"}, {"frames": [{"image": "a.png"}, {"image": "b.png"}]}),
        ({"first": "image", "last": "tail"}, {"frames": [{"image": f"{n}.png"} for n in range(3)]}),
        ({}, {"source_clip": "c.mp4"}),
        ({"first": "image"}, {"references": ["hero=a.png"]}),
    ):
        ready = prepared(fields, **request)
        with pytest.raises(VideoError, match="acme/one takes no ") as caught:
            inputs_by_field(ready.request, ready)
        assert caught.value.kind == "unsupported"


async def test_a_still_is_sent_in_the_clips_shape(tmp_path: Path) -> None:
    import io

    from PIL import Image

    wide = asset("frames[0].image", still(tmp_path, "wide.png", (640, 300)))
    same = asset("frames[0].image", still(tmp_path, "same.png", (640, 360)))
    for fit, size in (("crop", (533, 300)), ("pad", (640, 360)), ("blur", (640, 360))):
        data, mime = await sendable(prepared({}, fit=fit), wide, Takes())
        assert mime == "image/png" and Image.open(io.BytesIO(data)).size == size
    assert (await sendable(prepared({}), same, Takes())) == (same.path.read_bytes(), "image/png")
    reference = asset("references[0].media", wide.path)
    assert (await sendable(prepared({}), reference, Takes()))[0] == wide.path.read_bytes()


async def test_a_still_is_cropped_around_its_focus_and_filled_by_its_own_blur(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image

    ramp = np.broadcast_to(np.linspace(20, 250, 900).astype(np.uint8)[None, :, None], (300, 900, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    wide = asset("frames[0].image", tmp_path / "ramp.png")

    async def sent(**fields: object) -> np.ndarray:
        data, _ = await sendable(prepared({}, **fields), wide, Takes())
        return np.asarray(Image.open(io.BytesIO(data)))

    left, right = await sent(fit="crop", focus=[0.0, 0.5]), await sent(fit="crop", focus=[1.0, 0.5])
    assert left.shape == right.shape == (300, 533, 3)
    assert (left[0, 0, 0], right[0, -1, 0]) == (20, 250)
    whole = await sent(fit="blur")
    assert np.array_equal(whole[103:403], ramp) and whole.shape == (506, 900, 3)
    assert 5 < whole[:100].mean() < 0.7 * ramp.mean(), "neither black nor as bright as the picture"
    with pytest.raises(VideoError, match="would cut away 41% of it"):
        await sent()


async def test_a_still_is_sent_upright_small_and_in_a_format_that_is_read(tmp_path: Path) -> None:
    import io

    from PIL import Image

    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((360, 640), 90).convert("RGB").save(turned, exif=exif)
    data, _ = await sendable(prepared({}), asset("frames[0].image", turned), Takes())
    assert Image.open(io.BytesIO(data)).size == (640, 360)
    small = Takes(images=frozenset({"image/jpeg"}), image_bytes=20_000)
    data, mime = await sendable(prepared({}), asset("references[0].media", turned), small)
    assert mime == "image/jpeg" and len(data) <= 20_000
    with pytest.raises(VideoError, match="at most 0 MB: shorten it"):
        await sendable(prepared({}), asset("source_clip", tiny_clip()), Takes(clip_bytes=100))
