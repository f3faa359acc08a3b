"""What is offered where a narration is longer than its film."""

from __future__ import annotations

import pytest

from backends.edit.narration import lengthened, longest_s
from backends.edit.plan import plan
from backends.edit.request import build_finish
from backends.facts import MediaFacts

CLIP = MediaFacts("clip", "video/mp4", 1280, 720, 1, 4.0, 24.0, codec="h264")
STILL = MediaFacts("image", "image/png", 1280, 720, 1)


@pytest.mark.parametrize(
    ("clips", "asked", "spoken_s", "nearest"),
    [
        (["a.mp4", "b.png"], {}, 8.24, {"clips": ["a.mp4", "b.png#t=0,4.3"]}),
        (
            ["b.png#t=2,3", "a.mp4", "c.png#t=0,1", "a.mp4"],
            {},
            11,
            {"clips": ["b.png#t=2,3", "a.mp4", "c.png#t=0,2", "a.mp4"]},
        ),
        (["a.mp4", "b.png"], {"crossfade_s": 0.5}, 8, {"clips": ["a.mp4", "b.png#t=0,4.5"]}),
        (["a.mp4", "b.png#t=0,2"], {"speed": 2}, 6, {"clips": ["a.mp4", "b.png#t=0,4"]}),
        (["a.mp4", "a.mp4"], {}, 10, {"speed": 0.8}),
        (["a.mp4", "a.mp4#t=1,3"], {"speed": 1.5}, 7, {"speed": 0.85}),
        (["a.mp4"], {}, 8.1, {}),
        (["b.png"], {}, 3601, {}),
    ],
)
def test_the_nearest_film_is_as_long_as_its_narration(
    clips: list[str], asked: dict[str, object], spoken_s: float, nearest: dict[str, object]
) -> None:
    request = build_finish(clips=clips, **asked)
    facts = {f"clips[{number}]": CLIP if name.startswith("a") else STILL for number, name in enumerate(clips)}
    made = plan(request, facts)
    assert made.duration_s < spoken_s
    assert lengthened(request, made, facts, spoken_s) == nearest
    if nearest:
        assert plan(build_finish(**{"clips": clips, **asked, **nearest}), facts).duration_s >= spoken_s


def test_a_loop_may_turn_out_to_lose_nothing() -> None:
    facts = {"clips[0]": CLIP}
    made = plan(build_finish(clips=["a.mp4"], loop=True), facts)
    assert (made.duration_s, longest_s(made)) == (3.5, 4.0)
