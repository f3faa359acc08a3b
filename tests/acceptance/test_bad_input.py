"""Every kind of bad input is refused in words that say what to do, over the wire, and the store works on after each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests import samples
from tests.acceptance.outside import SMALL, Place, made
from tests.rawclient import ERAS, RawClient

I2V, KEYS, EXTEND, TEXT = "image_to_video", "interpolate_keyframes", "extend_clip", "generate_video"
STILL = {"image": "coffee.png"}
A_CLIP = "an MP4, MOV, WebM or MKV clip"
LEGAL = f"give a PNG, JPEG or WebP image, or {A_CLIP}"
OUTSIDE = "is not in an allowed folder, or leads out of one: put the file into"

MEDIA: list[tuple[str, str, str]] = [
    (I2V, "nowhere/else.png", "'nowhere/else.png' does not exist: check the path"),
    (I2V, "cofee.png", "'cofee.png' does not exist: did you mean coffee.png?"),
    (I2V, "folder", "the path names a folder, not a file: name one picture or clip"),
    (I2V, "pipe.png", "the path names a pipe, not a file: name one picture or clip"),
    (I2V, "/etc/hostname", f"'/etc/hostname' {OUTSIDE}"),
    (I2V, "../../../etc/hostname", f"'../../../etc/hostname' {OUTSIDE}"),
    (I2V, "link.png", f"'link.png' {OUTSIDE}"),
    (I2V, "linked/hostname", f"'linked/hostname' {OUTSIDE}"),
    (I2V, ".hidden/coffee.png", "those are never read: copy the file into"),
    (I2V, "a\0b.png", "a path cannot hold a NUL character"),
    (I2V, "empty.png", "'empty.png' is empty (0 bytes): was it saved or downloaded to the end?"),
    (I2V, "text.png", f"the file is text, whatever its name says: {LEGAL}"),
    (I2V, "page.png", f"the file is a web page, not a picture or clip: {LEGAL}"),
    (I2V, "truncated.jpg", "it is truncated or damaged; copy or download it again, or save it again as PNG"),
    (I2V, "bomb.png", "the image has 268 megapixels; at most 40 are taken: scale it down"),
    (I2V, "one_pixel.png", "the image is 1x1 pixels; at least 16 a side are needed: give a larger one"),
    (I2V, "animated.gif", "the image is an animation: give a single image or a clip (MP4)"),
    (I2V, "photo.heic", f"the file is a HEIC photo: {LEGAL}"),
    (I2V, "bunny.mp4", "this is a clip, and an image is needed: for a job's clip add /last_frame"),
    (EXTEND, "ffconcat.mp4", f"the file is a list (ffconcat) that names other files, not a clip: {LEGAL}"),
    (EXTEND, "playlist.m3u8", f"the file is a playlist (m3u8) that names other files, not a clip: {LEGAL}"),
    (EXTEND, "playlist.mp4", f"the file is a playlist (m3u8) that names other files, not a clip: {LEGAL}"),
    (EXTEND, "sound_only.mp4", f"the clip has sound only, no video stream: give {A_CLIP}"),
    (EXTEND, "truncated.mp4", "bytes are missing at its end; copy or download it again"),
    (EXTEND, "noise.mp4", f"the file is of no known picture or clip format: {LEGAL}"),
    (EXTEND, "coffee.png", "this is an image, and a clip is needed"),
    (EXTEND, "job_" + "a" * 26, "there is no job job_aaaa"),
    (I2V, "http://example.org/a.png", "http: addresses are not fetched: give an https URL or the path of a local file"),
    (I2V, "file:///etc/hostname", "'/etc/hostname' is not in an allowed folder"),
    (
        I2V,
        "https://127.0.0.1/a.png",
        "leads to a private or reserved network address, and only public ones are fetched",
    ),
    (I2V, "https://example.org:8443/a.png", "only the usual https port (443) is reached, not 8443"),
    (I2V, "data:image/png;base64,AA", "media are named, not carried: save the data to a file and give its path"),
    (I2V, "https://me:secret@example.org/a.png", "an address with a user name or password in it is not fetched"),
]
DESCENDING = [{"image": "coffee.png", "at_s": (39 - number) / 10} for number in range(40)]
VALUES: list[tuple[str, dict[str, Any], str]] = [
    (I2V, STILL | {"duration_s": 0}, "duration_s: input should be greater than 0, not 0"),
    (I2V, STILL | {"duration_s": -1}, "duration_s: input should be greater than 0, not -1"),
    (I2V, STILL | {"duration_s": 1e9}, "duration_s: input should be less than or equal to 3600, not 1000000000"),
    (I2V, STILL | {"duration_s": 61}, "nearest that works: duration_s=60"),
    (I2V, STILL | {"duration_s": float("nan")}, "duration_s: must be a number, not nan"),
    (I2V, STILL | {"duration_s": "8"}, 'duration_s: must be a number, not the string "8": write 8'),
    (I2V, STILL | {"duration_s": True}, "duration_s: must be a number, not true"),
    (I2V, STILL | {"max_cost": 1}, "max_cost: no such argument; did you mean max_cost_usd?"),
    (
        I2V,
        STILL | {"motion": [{"box": [0, 0, 1, 1], "directoin": "up", "static": True}]},
        "motion[0].directoin: no such argument; did you mean direction?",
    ),
    (KEYS, {"frames": [STILL, STILL | {"at": 1}]}, "frames[1].at: no such argument; did you mean at_s?"),
    (
        I2V,
        STILL | {"motion": [{"box": [150, 100, 300, 200], "direction": "left"}]},
        'nearest that works: motion=[{"box": [0.25, 0.25, 0.5, 0.5], "direction": "left"}]',
    ),
    (I2V, STILL | {"camera": ["dolly-inn"]}, "camera move 'dolly-inn' is unknown: did you mean dolly-in? The moves"),
    (KEYS, {"frames": DESCENDING}, "frames[1].at_s: 3.8 is earlier than frames[0].at_s (3.9): give the keyframes in"),
    (
        KEYS,
        {"frames": DESCENDING[::-1], "duration_s": 5},
        "frames: 40 given; animatic takes at most 16 for",
    ),
    (KEYS, {"frames": [STILL]}, "frames: must hold at least 2 entries, not 1"),
    (TEXT, {"prompt": "x" * 100_000}, "prompt: string should have at most 32000 characters, not 'xxx"),
    (TEXT, {"prompt": "x", "model": "animatik"}, "model 'animatik' is unknown; names like it: animatic."),
    (TEXT, {"prompt": "x", "model": "sora-2"}, "openai/sora-2"),
    (TEXT, {"prompt": "x", "model": "animatic", "audio": True}, "audio=true: animatic makes no sound"),
    (
        TEXT,
        {"prompt": "x", "model": "animatic", "resolution": "8k"},
        "Closest: resolution=1080p (free), which gives",
    ),
    (EXTEND, {"clip": "bunny.mp4", "add_s": 2, "fps": 30}, "fps: extend_clip has no such argument; generate_video"),
]
IDS_MEDIA = [name[:30].replace("/", "|").replace("\0", "0") for _, name, _ in MEDIA]


@pytest.fixture(scope="module", params=ERAS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """One server for all the rows of an era; when they are through, it must still make a clip."""
    place = Place.make(tmp_path_factory.mktemp("person"))
    for name in samples.REFUSED:
        shutil.copy(samples.made(name), place.work / name)
    (place.work / "folder").mkdir()
    (place.work / ".hidden").mkdir()
    shutil.copy(place.work / "coffee.png", place.work / ".hidden")
    (place.work / "link.png").symlink_to("/etc/hostname")
    (place.work / "linked").symlink_to("/etc")
    os.mkfifo(place.work / "pipe.png")
    with place.client(request.param) as client:
        yield client
        rows = client.structured("list_jobs", limit=200)["jobs"]
        assert all(row["state"] == "failed" for row in rows), rows
        assert made(client, I2V, **STILL, **SMALL)["cost_usd"] == 0
        blobs = [path.name for path in (place.home / "artifacts" / "blobs").rglob("*") if path.is_file()]
        assert not any(name.endswith(".part") for name in blobs), "what was refused must leave nothing behind"
    assert client.stderr == ""


def refused(client: RawClient, tool: str, arguments: dict[str, Any], words: str) -> str:
    """The refusal holds the words, says that nothing was started, and nothing was."""
    before = client.structured("list_jobs", limit=200)["jobs"]
    text = client.refused(tool, **arguments)
    assert words in text, text
    assert "next:" in text or "nearest that works:" in text or "list_models" in text, text
    assert len(text) < 2500 and "Traceback" not in text and "/work/reelwright" not in text
    assert client.structured("list_jobs", limit=200)["jobs"] == before
    return text


@pytest.mark.parametrize(("tool", "name", "words"), MEDIA, ids=IDS_MEDIA)
def test_media_that_cannot_be_used(host: RawClient, tool: str, name: str, words: str) -> None:
    arguments = {"image": name} if tool == I2V else {"clip": name, "add_s": 1}
    text = refused(host, tool, arguments, words)
    asked = "image" if tool == I2V else "clip"
    assert text.startswith(f"asset: {asked}: "), text
    assert f"correct the input and call {tool} again; nothing was started, nothing was spent" in text
    assert "\nnext: " in text


@pytest.mark.parametrize(("tool", "arguments", "words"), VALUES)
def test_values_that_mean_nothing(host: RawClient, tool: str, arguments: dict[str, Any], words: str) -> None:
    refused(host, tool, arguments, words)


def test_looking_is_as_careful_as_making(host: RawClient) -> None:
    for name, words in (
        ("/etc/hostname", OUTSIDE),
        ("link.png", OUTSIDE),
        ("ffconcat.mp4", "names other files"),
        ("bomb.png", "268 megapixels"),
        ("sound_only.mp4", "sound only"),
        ("https://example.org/a.mp4", "save the clip first and give its path"),
    ):
        assert words in host.refused("inspect_clip", clip=name)


def test_addresses_inside_this_network_are_never_reached(host: RawClient) -> None:
    """What can be seen of an address is refused by the call itself; a name that leads here, by the job before it does
    anything else (tests/media follows one, and a redirect)."""
    hosts = (
        "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "10.0.0.1", "192.168.1.1",
        "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "0.0.0.0",
    )  # fmt: skip
    for name in hosts:
        told = host.refused(I2V, image=f"https://{name}/a.png", label="inside", **SMALL)
        assert told.startswith("asset: image: ") and "leads to a private or reserved network address" in told, told
        assert "nothing was started, nothing was spent" in told
    assert host.structured("list_jobs", label="inside")["jobs"] == []
