"""The vocabulary: string forms, what no model could ever mean, and digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.camera import CAMERA_MOVES, CameraMove
from backends.errors import VideoError
from backends.media_name import MediaName
from backends.regions import MotionRegion
from backends.request import Lora, Reference, VideoRequest, build_request

JOB = "job_" + "a2" * 13


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dolly-in:0.4@0-2", "dolly-in:0.4@0-2"),
        ("push in", "dolly-in:0.5"),
        ("PULL_OUT:1", "dolly-out:1"),
        ("pedestal-up@1.5-3", "crane-up:0.5@1.5-3"),
        ("dutch-ccw:0.25", "roll-ccw:0.25"),
        ("static", "static:0.5"),
    ],
)
def test_a_camera_move_has_one_text(text: str, shown: str) -> None:
    assert str(CameraMove.parse(text)) == shown


@given(
    st.sampled_from(sorted(CAMERA_MOVES)),
    st.floats(0, 1).map(lambda value: round(value, 3)),
    st.one_of(st.none(), st.tuples(st.integers(0, 50), st.integers(51, 100))),
)
def test_camera_text_comes_back_as_it_was(move: str, amount: float, span: tuple[int, int] | None) -> None:
    times = {} if span is None else {"from_s": float(span[0]), "to_s": float(span[1])}
    written = CameraMove(move=move, amount=amount, **times)
    assert CameraMove.parse(str(written)) == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("doly-in", "did you mean dolly-in?"),
        ("dolly-in:2", "amount is 0 to 1"),
        ("pan-left@3-1", "must end after it starts"),
        ("pan-left:0.1.2", "plain numbers"),
        ("!!", "is not MOVE[:amount][@from-to]"),
    ],
)
def test_a_bad_camera_move_says_how_to_write_it(text: str, words: str) -> None:
    with pytest.raises(VideoError) as caught:
        build_request(task="image_to_video", camera=[text])
    assert words in caught.value.message
    assert caught.value.kind == "invalid_request"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(VideoError) as caught:
        build_request(
            task="image_to_video", duration_s=float("nan"), fps="8", seed=True, camera=["doly-in"], max_cost=9
        )
    assert len(caught.value.problems) == 5
    for words in ("duration_s: input should be a finite number", "fps: input should be a valid number, not '8'",
                  "seed: input should be a valid integer, not True", "did you mean dolly-in?",
                  "max_cost: no such argument"):  # fmt: skip
        assert words in caught.value.message


@pytest.mark.parametrize("value", [0, -1, 1e9, float("inf"), "8", True])
def test_a_duration_is_a_finite_positive_number(value: object) -> None:
    with pytest.raises(VideoError, match="duration_s"):
        build_request(task="text_to_video", duration_s=value)


def test_a_value_that_is_shown_back_is_bounded() -> None:
    with pytest.raises(VideoError) as caught:
        build_request(task="text_to_video", prompt="x" * 100_000)
    assert "at most 32000 characters" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({"box": [0, 0, 1, 1]}, "needs a direction"),
        ({"direction": "up"}, "exactly one of box, polygon or mask"),
        ({"box": [0, 0, 1, 1], "mask": "m.png", "direction": "up"}, "exactly one of box, polygon or mask"),
        ({"box": [0.5, 0, 0.2, 1], "direction": "up"}, "right > left"),
        ({"box": [0, 0, 1, 1], "direction": "upp"}, "did you mean up?"),
        ({"box": [0, 0, 1, 1], "direction": [0, 0]}, "static=true"),
        ({"box": [0, 0, 1, 1], "direction": "up", "static": True}, "no direction"),
        ({"box": [-0.1, 0, 1, 1], "direction": "up"}, "outside the picture"),
    ],
)
def test_a_motion_region_that_means_nothing_is_refused(region: dict[str, object], words: str) -> None:
    with pytest.raises(VideoError) as caught:
        build_request(task="image_to_video", motion=[region])
    assert words in caught.value.message


def test_directions_are_unit_vectors_with_y_down() -> None:
    assert MotionRegion(box=[0, 0, 1, 1], direction="up").vector() == (0.0, -1.0)
    assert MotionRegion(box=[0, 0, 1, 1], direction=[3.0, 4.0]).vector() == pytest.approx((0.6, 0.8))
    assert MotionRegion(box=[0, 0, 1, 1], static=True).vector() == (0.0, 0.0)


def test_references_and_loras_have_string_forms() -> None:
    request = build_request(
        task="text_to_video", references=["hero=/p/a=b.png"], loras=["org/style:0.6", "C.safetensors"]
    )
    assert request.references == (Reference(tag="hero", media="/p/a=b.png"),)
    assert request.loras == (Lora(name="org/style", weight=0.6), Lora(name="C.safetensors"))
    with pytest.raises(VideoError, match="tag=path-or-uri"):
        build_request(task="text_to_video", references=["no tag"])
    with pytest.raises(VideoError, match="use a tag twice"):
        build_request(task="text_to_video", references=["a=1.png", "a=2.png"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shots/a b.png", MediaName("path", "shots/a b.png")),
        ("https://example.org/a.png", MediaName("url", "https://example.org/a.png")),
        ("file:///shots/a%20b%23.png", MediaName("path", "/shots/a b#.png")),
        ("FILE://localhost/shots/a.png", MediaName("path", "/shots/a.png")),
        ("file:///C:/shots/a.png", MediaName("path", "C:/shots/a.png")),
        (JOB, MediaName("job", JOB)),
        (f"video://jobs/{JOB}", MediaName("job", JOB)),
        (f"video://jobs/{JOB}/last_frame", MediaName("job", JOB, "last_frame")),
        (f"video://jobs/{JOB}/frame/2.5", MediaName("job", JOB, "frame", 2.5)),
    ],
)
def test_media_names(text: str, name: MediaName) -> None:
    assert MediaName.parse(text) == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://example.org/a.png", "give an https URL"),
        ("ftp://example.org/a.png", "give an https URL"),
        ("file://server/share/a.png", "names no file of this machine: write file:///FOLDER/NAME"),
        ("file:a.png", "names no file of this machine"),
        ("file:///clips/a.mp4#two", "%23 for #"),
        ("file:///a%00b.png", "holds letters that no path has"),
        ("file:///a%ffb.png", "holds letters that no path has"),
        ("data:image/png;base64,AAAA", "save the data to a file"),
        ("video://jobs/nonsense", "video://jobs/JOB_ID"),
        ("a\0b.png", "NUL"),
    ],
)
def test_media_names_that_cannot_work(text: str, words: str) -> None:
    with pytest.raises(VideoError) as caught:
        MediaName.parse(text)
    assert words in caught.value.message
    assert caught.value.kind == "asset"


def test_the_digest_is_of_the_content_not_of_the_name() -> None:
    def request(image: str, **more: object) -> VideoRequest:
        return build_request(task="image_to_video", frames=[{"image": image}], prompt="a", **more)

    by_name = request("a.png").digest({"frames[0].image": "h1"})
    assert by_name == request("b.png").digest({"frames[0].image": "h1"})
    assert by_name != request("a.png").digest({"frames[0].image": "h2"})
    assert by_name != request("a.png", seed=1).digest({"frames[0].image": "h1"})
    assert by_name == request("a.png", max_cost_usd=2).digest({"frames[0].image": "h1"})


def test_money_is_exact() -> None:
    request = build_request(task="text_to_video", max_cost_usd=0.1)
    assert str(request.max_cost_usd) == "0.1"
    assert request.model_dump(mode="json")["max_cost_usd"] == "0.1"
    assert VideoRequest.model_validate_json(request.model_dump_json()) == request
    with pytest.raises(VideoError, match="US dollars"):
        build_request(task="text_to_video", max_cost_usd=True)


def test_an_older_versions_paid_job_is_found_by_the_same_request() -> None:
    """Digests that were in stores before fit could be left out, and before focus, style and holds."""
    one = build_request(task="image_to_video", prompt="x", frames=[{"image": "a.png"}])
    assert one.digest({"frames[0].image": "abc"}) == "10281a5cf5bb6318c7aa9bc633b09f6dc5e17fed3473948623510ce5278a3edc"
    two = build_request(
        task="interpolate",
        prompt="x",
        fit="pad",
        frames=[{"image": "a.png"}, {"image": "b.png", "at_s": 2}],
        camera=["pan-left"],
    )
    assert two.digest() == "fe55c724a79032a8230d00f57a7f2fce8db21726f742c86fe8de402f8b66d36e"


@pytest.mark.parametrize(
    "change",
    [{"focus": [0.5, 0.5]}, {"style": "noir"}, {"fit": "blur"}, {"frames": [{"image": "a.png", "hold_s": 1}]}],
)
def test_what_is_new_in_a_request_makes_it_another(change: dict[str, object]) -> None:
    plain = {"task": "image_to_video", "frames": [{"image": "a.png"}]}
    assert build_request(**plain).digest() != build_request(**plain | change).digest()


@pytest.mark.parametrize("focus", [[0.5], [0.5, 0.5, 0.5], [-0.1, 0.5], [0.5, 1.5], ["0.5", 0.5], 0.5])
def test_a_focus_is_two_shares_of_the_image(focus: object) -> None:
    with pytest.raises(VideoError, match=r"^focus(\[[01]\])?: "):
        build_request(task="image_to_video", frames=[{"image": "a.png"}], focus=focus)
