"""One answer says what to write, whatever habit the value comes from."""

from __future__ import annotations

import pytest

from backends.camera import CAMERA_MOVES, CameraMove
from backends.errors import VideoError
from backends.request import build_request
from backends.spelling import CAMERA_WORDS, RATIO_WORDS, Kind, camera_moves, corrected


@pytest.mark.parametrize(
    ("place", "value", "kind", "right"),
    [
        ("aspect_ratio", "16/9", "", "write 16:9"),
        ("aspect_ratio", "9x16", "", "write 9:16"),
        ("aspect_ratio", "1920x1080", "", "write 16:9"),
        ("aspect_ratio", "vertical", "", "write 9:16"),
        ("aspect_ratio", "1.78", "", "write 16:9"),
        ("aspect_ratio", "", "", "leave it out, or write one such as 16:9"),
        ("aspect_ratio", "blue", "", 'write width:height, such as 16:9, 9:16 or 1:1, not "blue"'),
        ("resolution", 1080, "string", 'write "1080p"'),
        (
            "resolution",
            {"width": 1920, "height": 1080},
            "string",
            'write "1080p", and the shape as aspect_ratio "16:9"',
        ),
        ("duration_s", "5s", "number", "write 5"),
        ("duration_s", "2,5 seconds", "number", "write 2.5"),
        ("max_cost_usd", "$3.20", "number", "write 3.20"),
        ("audio", "yes", "boolean", "write true"),
        ("audio", 0, "boolean", "write false"),
        ("camera[0]", {"move": "dolly_in", "amount": 0.4}, "string", 'write "dolly-in:0.4"'),
        ("references[0]", {"tag": "hero", "image": "a.png"}, "string", 'write "hero=a.png", and @hero in the prompt'),
        ("frames[0]", "a.png", "object", 'write {"image": "a.png"}'),
        ("motion[0].box", {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4}, "array", "write [0.1, 0.2, 0.4, 0.6]"),
        ("motion[0].box", "0,0,1,0.5", "array", "write [0, 0, 1, 0.5]"),
        (
            "frames[0].image",
            "data:image/png;base64,AAAA",
            "",
            "media are named, not carried: save it to a file and give",
        ),
        ("prompt", 5, "string", None),
    ],
)
def test_a_value_written_another_way_is_corrected(place: str, value: object, kind: Kind, right: str | None) -> None:
    told = corrected(place, value, kind)
    assert told == right or (right is not None and told is not None and told.startswith(right)), told


def test_a_sentence_of_camera_words_becomes_moves_that_are_legal() -> None:
    moves = camera_moves("slow dolly in then orbit")
    assert moves == ["dolly-in:0.3@0-2", "orbit-right:0.3@2-4"]
    assert all(CameraMove.parse(move) for move in moves)
    with pytest.raises(VideoError) as caught:
        build_request(task="text_to_video", prompt="x", camera=["slow dolly in then orbit"])
    assert caught.value.message == (
        'camera[0]: write camera ["dolly-in:0.3@0-2", "orbit-right:0.3@2-4"] (times in seconds), or put the words into '
        "prompt"
    )
    assert set(CAMERA_WORDS.values()) <= set(CAMERA_MOVES)


def test_every_ratio_that_is_offered_is_taken() -> None:
    for ratio in RATIO_WORDS.values():
        assert build_request(task="text_to_video", prompt="x", aspect_ratio=ratio).aspect_ratio == ratio


def test_a_photo_in_the_call_is_answered_whatever_its_size() -> None:
    with pytest.raises(VideoError) as caught:
        build_request(task="image_to_video", frames=[{"image": "data:image/png;base64," + "A" * 9000}])
    assert caught.value.message.startswith("frames[0].image: media are named, not carried: save it to a file")
