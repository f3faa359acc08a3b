"""Each box of the catalogue at its limits, and one step beyond them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.catalog import load
from backends.catalog.price import estimate
from backends.catalog.rules.check import check, find
from backends.catalog.rules.checked import Checked
from backends.catalog.rules.wishes import given_up
from backends.catalog.schema.row import Mode, Row
from backends.errors import VideoError
from backends.request import Task, VideoRequest
from tests.catalog import boxes

CASES = boxes.cases(load().rows)
Case = tuple[Row, Mode, Task]


@pytest.mark.parametrize("row", [row for row in load().rows if row.modes], ids=lambda row: row.id)
def test_requests_at_the_limits_of_each_box_are_legal(row: Row) -> None:
    for case in boxes.cases((row,)):
        for name, draft in boxes.at_limits(case[1], case[2]):
            try:
                checked = check(draft.request(), row, draft.inputs)
            except VideoError as error:
                pytest.fail(f"{boxes.name_of(case)} {name}: {error.message}")
            assert checked.request.model == row.id
            priced = estimate(checked, row)
            assert priced.usd_high is None or priced.usd_high >= (priced.usd_low or 0) >= 0
            assert (priced.basis == "free") == (case[1].price.unit == "free")
            again = check(checked.request, row, draft.inputs)
            assert (again.request, again.wire) == (checked.request, checked.wire), f"{boxes.name_of(case)} {name}"


@pytest.mark.parametrize("row", [row for row in load().rows if row.modes], ids=lambda row: row.id)
def test_one_step_beyond_is_refused_with_the_nearest_legal_request_and_its_price(row: Row) -> None:
    refused: Counter[str] = Counter()
    for case in boxes.cases((row,)):
        for name, draft in boxes.beyond(case[1], case[2]):
            found = find(draft.request(), row, draft.inputs)
            if isinstance(found, Checked):
                assert found.mode is not case[1], f"{boxes.name_of(case)} {name} is legal in its own box"
                continue
            refused[name] += 1
            with pytest.raises(VideoError) as caught:
                check(draft.request(), row, draft.inputs)
            error = caught.value
            assert error.kind in ("invalid_request", "unsupported")
            assert error.problems, name
            assert all(problem.text in error.message for problem in error.problems)
            if all(problem.change is not None for problem in found.problems):
                _nearest_is_legal(draft, row, error, f"{boxes.name_of(case)} {name}")
    assert {"resolution", "ratio", "option"} <= set(refused)


def _nearest_is_legal(draft: boxes.Draft, row: Row, error: VideoError, name: str) -> None:
    if not error.nearest:
        assert "\nClosest: " in error.message or " Closest: " in error.message, f"{name}: {error.message}"
        assert "which gives up " in error.message
        return
    mended = draft.changed(**{key: value for key, value in error.nearest.items() if value is not None})
    for key, value in error.nearest.items():
        if value is None:
            mended.fields.pop(key, None)
    for place in [place for place in mended.inputs if place not in mended.request().media()]:
        del mended.inputs[place]
    legal = check(mended.request(), row, mended.inputs)
    assert error.cost == estimate(legal, row).text
    assert f"({error.cost})" in error.message, f"{name}: {error.message}"
    assert not given_up(draft.request(), mended.request())


@st.composite
def _legal(draw: st.DrawFn) -> tuple[Row, boxes.Draft]:
    """A box with several of its limits mixed."""
    row, mode, task = draw(st.sampled_from(CASES))
    ways = list(boxes.at_limits(mode, task))
    draft = boxes.plain(mode, task)
    for _, other in draw(st.lists(st.sampled_from(ways), max_size=4)):
        if mode.frames.timed and other.fields.get("duration_s") != draft.fields.get("duration_s"):
            continue  # many keyframes need a long clip: the two limits belong together
        if other.inputs.get("source_clip") == draft.inputs.get("source_clip"):
            same = {
                key: value for key, value in other.fields.items() if value != boxes.plain(mode, task).fields.get(key)
            }
            if not _one_size(mode, {**draft.fields, **same}):
                continue  # a size and a shape belong together too
            draft.fields.update(same)
            draft.inputs.update(other.inputs)
    return row, draft


def _one_size(mode: Mode, fields: Mapping[str, object]) -> bool:
    """Whether the box has a size of that name in that shape, as far as both are given."""
    asked = fields.get("resolution"), fields.get("aspect_ratio")
    return not mode.sizes or any(
        all(want is None or want == has for want, has in zip(asked, (size.resolution, size.ratio), strict=True))
        for size in mode.sizes
    )


@settings(max_examples=300, deadline=None)
@given(_legal())
def test_limits_of_a_box_hold_together(drawn: tuple[Row, boxes.Draft]) -> None:
    row, draft = drawn
    found = find(draft.request(), row, draft.inputs)
    if not isinstance(found, Checked):
        # the prompt at its longest has no room for camera words, frames of one size not for another's shape
        assert {problem.field for problem in found.problems} <= {"prompt", "fit"}, found.problems


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_several_mistakes_are_told_at_once_and_mended_at_once(data: st.DataObject) -> None:
    row, mode, task = data.draw(st.sampled_from(CASES))
    draft = boxes.plain(mode, task)
    # one mistake of each argument at most, and none about the pictures, whose facts would no longer agree
    wrong = {name: other for name, other in boxes.beyond(mode, task) if "frames" not in name and "clip" not in name}
    for name in data.draw(st.lists(st.sampled_from(sorted(wrong)), min_size=2, max_size=5, unique=True)):
        draft.fields.update({key: value for key, value in wrong[name].fields.items() if value != draft.fields.get(key)})
        draft.inputs.update(wrong[name].inputs)
    found = find(draft.request(), row, draft.inputs)
    if isinstance(found, Checked):
        return
    with pytest.raises(VideoError) as caught:
        check(draft.request(), row, draft.inputs)
    assert len(caught.value.problems) == len({problem.text for problem in found.problems})
    if all(problem.change is not None for problem in found.problems):
        _nearest_is_legal(draft, row, caught.value, boxes.name_of((row, mode, task)))


@settings(max_examples=200, deadline=None)
@given(case=st.sampled_from(CASES), count=st.integers(1, 50))
def test_many_clips_cost_that_many_times_one(case: Case, count: int) -> None:
    row, mode, task = case
    draft = boxes.plain(mode, task)
    checked = check(draft.request(), row, draft.inputs)
    one, many = estimate(checked, row), estimate(checked, row, count)
    if one.usd_high is None:
        assert many.basis == "unknown"
        assert many.usd_low is many.usd_high is None
    else:
        assert isinstance(many.usd_high, Decimal)
        assert many.usd_high == one.usd_high * count


def test_requests_survive_json() -> None:
    """A settled request is kept in a row of the store."""
    for row, mode, task in CASES:
        draft = boxes.plain(mode, task)
        checked = check(draft.request(), row, draft.inputs)
        assert VideoRequest.model_validate_json(checked.request.model_dump_json()) == checked.request
