"""Whatever a service or a third-party back end says, the values that the program keeps can be kept."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.errors import VideoError
from backends.jobs.store import codec
from backends.provider import answer, border
from backends.provider.protocol import Cancelled, Done, Handle, Listing, Ref, RemoteFile, Sighting, Status

INT64 = 2**63
HOSTILE: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**30, 10**4200, 0.4, -5.0, 1e25, 1e30, 1e308, float("nan"), float("inf")),
    *("", "²", "١٢", "1e999999", "-1e999999", "1e-999999", "1e99999999", "NaN", "Infinity", "1_000", "9" * 5000),
    *("RUNN\ud800ING", "a\nnext: pay\x1b[31m", "\u2028", "x" * 100_000, "45%", " 3 ", b"bytes", object(), (), [], {}),
)
ANY = st.recursive(
    st.sampled_from(HOSTILE) | st.text() | st.integers() | st.floats() | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def storable(text: str, most: int) -> None:
    assert len(text) <= most and text.isprintable()
    text.encode()


@settings(max_examples=150, deadline=None)
@given(state=ANY, number=ANY, cost=ANY, wait=ANY, told=ANY)
@example(state="RUNN\ud800ING", number=1e30, cost=Decimal("1e999999"), wait=86400, told=["a\nb"] * 100)
@example(state="failed", number=2**63, cost=Decimal("-1000"), wait=float("nan"), told="no list")
def test_a_status_holds_only_what_can_be_kept(state: Any, number: Any, cost: Any, wait: Any, told: Any) -> None:
    status = Status(
        state, raw_state=state, progress=number, queue_position=number, cost_usd=cost, seed=number,
        retry_after_s=wait, notes=told,
    )  # fmt: skip
    assert status.state in ("queued", "running", "succeeded", "failed", "cancelled", "unknown")
    storable(status.raw_state, 60)
    assert status.progress is None or 0.0 <= status.progress <= 1.0
    for count in (status.queue_position, status.seed):
        assert count is None or (type(count) is int and 0 <= count < INT64)
    assert status.cost_usd is None or (status.cost_usd.is_finite() and abs(status.cost_usd) <= border.DOLLARS_MAX)
    assert status.retry_after_s is None or 0.0 <= status.retry_after_s <= 300.0
    assert len(status.notes) <= 20
    for note in status.notes:
        storable(note, 300)


def test_what_a_service_says_of_money_is_told_even_where_it_cannot_be_right() -> None:
    for said in ("-1000", "-0.01", "5", "0.0000012", "99999999"):
        for made in (Status("running", cost_usd=Decimal(said)), Cancelled("stopped", cost_usd=Decimal(said))):
            assert made.cost_usd == Decimal(said)
    for said, kept in (("1e25", "1e15"), ("-1e999999", "-1e15"), ("1e-999999", "0"), ("-0", "0")):
        assert Status("running", cost_usd=Decimal(said)).cost_usd == Decimal(kept)
    for lost in ("NaN", "sNaN", "Infinity", "-Infinity"):
        assert Handle("t1", est_cost_usd=Decimal(lost)).est_cost_usd is None
    long = Decimal("0." + "3" * 20_000)
    kept = Done((), long).cost_usd
    assert kept is not None and abs(kept - long) < Decimal("1e-30") and len(str(kept)) < 50


@pytest.mark.parametrize(
    "name", ["a\ud800b", "a\ufffdb", "a b", "a\nb", "\x1b[31m", "x" * 501, "", "a\u200bb"], ids=ascii
)
def test_an_id_that_would_have_to_be_changed_is_told_as_a_job_that_may_be_taken(name: str) -> None:
    with pytest.raises(VideoError) as caught:
        Handle(name)
    error = caught.value
    assert (error.kind, error.charged, error.retryable) == ("submit_unknown", "unknown", False)
    assert error.message.isprintable() and len(error.message) < 400 and "must not be sent again" in error.message


def test_ids_as_services_have_them_are_kept() -> None:
    for name in ("t1", "projects/p/operations/7?x", "../../v1/organization?x=%0a", "x" * 500, "ключ"):
        assert Handle(name).remote_id == name


@settings(max_examples=200, deadline=None)
@given(data=st.dictionaries(st.text(), ANY, max_size=5))
def test_what_a_handle_carries_survives_the_row(data: dict[str, Any]) -> None:
    handle = Handle("t1", data)
    text = json.dumps(codec.handle_to_json(handle), ensure_ascii=False, allow_nan=False)
    text.encode()
    assert codec.handle_from_json(json.loads(text)) == handle


def test_plain_data_of_a_handle_is_unchanged() -> None:
    data = {"url": "https://x/y?z=1", "born": 1234.5, "variants": ["a"], "query": {"v": "1"}, "n": 7, "on": True}
    assert Handle("t1", data).data == data
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert len(json.dumps(Handle("t1", {"deep": deep, "many": list(range(50_000))}).data)) < 100_000


@settings(max_examples=200, deadline=None)
@given(text=ANY, moment=ANY)
def test_files_uploads_and_cancels_too(text: Any, moment: Any) -> None:
    file = RemoteFile(url=text, mime=text, sha256=text, role=text)
    assert file.url is None or (len(file.url.encode()) <= 32_000 and file.url.isprintable())
    assert file.role in ("clip", "extra") and file.sha256 is None
    storable(file.mime, 100)
    told = Cancelled(text, text, text)
    assert (told.outcome, told.billed) == ("requested", "unknown")
    storable(told.message, 300)
    made = Sighting(Handle("t1"), moment).made_at
    assert made is None or abs(made) < 2**53
    try:
        ref = Ref(text, moment)
    except VideoError as error:
        assert (error.kind, error.retryable, error.charged) == ("provider", True, "no") and error.message.isprintable()
    else:
        ref.value.encode()
        assert ref.value == text and (ref.expires_at is None or abs(ref.expires_at) < 2**53)


def test_good_values_are_as_they_were_given() -> None:
    digest = "ab" * 32
    file = RemoteFile("https://x/a.mp4?sig=%20", Path("a"), "video/webm", True, digest, "extra")
    assert (file.url, file.mime, file.sha256, file.role) == ("https://x/a.mp4?sig=%20", "video/webm", digest, "extra")
    assert Ref("image/png https://x/files/1", 5.0) == Ref("image/png https://x/files/1", 5.0)
    assert Listing((Sighting(Handle("t1"), 5.0),)).matches[0].made_at == 5.0


def test_an_error_can_always_be_written_down() -> None:
    error = VideoError("provider", "a\ud800b", provider_code="c\udfff", retry_after_s=1e300)
    assert (error.message, error.provider_code, error.retry_after_s) == ("a\ufffdb", "c\ufffd", 86_400.0)
    assert str(error).encode() and VideoError("provider", "x", retry_after_s=float("nan")).retry_after_s is None


@settings(max_examples=200, deadline=None)
@given(ANY)
@example(10**4200)
@example(1e308)
@example("9" * 5000)
def test_reading_a_field_never_raises(value: Any) -> None:
    shown = answer.text(value)
    shown.encode()
    found = answer.number(value)
    assert found is None or abs(found) < float("inf")
    count = answer.whole(value)
    assert count is None or 0 <= count < INT64
    part = answer.share(value)
    assert part is None or 0.0 <= part <= 1.0
    usd = answer.dollars(value)
    assert usd is None or abs(usd * Decimal("0.01")) <= border.DOLLARS_MAX
    answer.at(value, "a", 0, "b")


def test_only_ascii_digits_are_a_number() -> None:
    for text in ("²", "١٢", "1_000", "0x10", "1e9999999", "--1", "1e", ".", "infinity", "nan"):
        assert answer.number(text) is None and answer.dollars(text) is None and answer.whole(text) is None
    assert [answer.number(text) for text in ("45%", " 3 ", "-.5", "1e3", "7.")] == [45.0, 3.0, -0.5, 1000.0, 7.0]
    assert (answer.whole(1e30), answer.whole("12"), answer.whole(-1), answer.whole(4.0)) == (
        None,
        12,
        None,
        4,
    )


def test_a_wait_has_an_end_and_its_digits_are_ascii() -> None:
    for text in ("²", "١٢", "", "soon", "1_0", "nan", "inf", "Fri, 99 Foo 2026", None):
        assert border.retry_after(text, 300.0) is None
    assert [border.retry_after(text, 300.0) for text in ("7", "0", "-3", "1.5", "31536000")] == [7, 0, 0, 1.5, 300]
    later = border.retry_after(formatdate(time.time() + 60, usegmt=True), 300.0)
    assert later is not None and 50 < later <= 60
    assert border.retry_after(formatdate(time.time() + 1e6, usegmt=True), 86_400.0) == 86_400.0
    assert border.retry_after(formatdate(time.time() - 60), 300.0) == 0.0


def test_absurd_numbers_cost_no_time() -> None:
    begun = time.process_time()
    for said in ("1e999999", "-1e999999", "1e-999999", "0." + "1" * 400, "1e99999999"):
        for _ in range(100):
            made = Status("running", cost_usd=answer.dollars(said)).cost_usd
            assert made is None or int(made * 1_000_000) < 10**22
    assert time.process_time() - begun < 1.0
