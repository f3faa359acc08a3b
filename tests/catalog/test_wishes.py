"""What a changed request gives up: only a change that gives nothing up is offered as what works."""

from __future__ import annotations

from typing import Any

import pytest

from backends.catalog.rules.wishes import given_up
from backends.request import VideoRequest, build_request

TWO = ({"image": "a.png", "hold_s": 2.0, "camera": ["pan-left"]}, {"image": "b.png", "role": "last"})


def request(**fields: Any) -> VideoRequest:
    return build_request(**{"task": "interpolate", "frames": TWO, "style": "watercolour", "focus": [0.5, 0.3]} | fields)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({}, ()),
        ({"style": ""}, ("style",)),
        ({"style": "noir"}, ("style",)),
        ({"style": "Watercolor"}, ()),
        ({"focus": None}, ("focus",)),
        ({"focus": [0.5, 0.5]}, ()),
        ({"frames": ({"image": "a.png", "hold_s": 1.0, "camera": ["pan-left"]}, TWO[1])}, ("frames.hold_s",)),
        ({"frames": ({"image": "a.png", "hold_s": 3.0, "camera": ["pan-left"]}, TWO[1])}, ()),
        ({"frames": ({"image": "a.png", "hold_s": 2.0}, TWO[1])}, ("frames.camera",)),
        ({"frames": TWO[:1]}, ("frames",)),
        ({"fit": "blur", "duration_s": 6}, ()),
    ],
)
def test_a_wish_that_is_not_in_the_change_is_named(change: dict[str, Any], lost: tuple[str, ...]) -> None:
    assert given_up(request(), request(**change)) == lost
