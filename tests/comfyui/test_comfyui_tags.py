"""What ComfyUI writes into its clips does not leave with them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from backends.comfyui.tags import blank
from tests.comfyui.stand import station
from tests.comfyui.test_comfyui_life import smoke
from tests.fakes import FakeServer

pytestmark = pytest.mark.usefixtures("forked_workers")

SECRET = "a word that was not meant for others"


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A clip with the prompt in it, as ComfyUI's SaveVideo writes it."""
    path = tmp_path / "tagged.mp4"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata["prompt"] = json.dumps({"6": {"inputs": {"text": SECRET}}})
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for number in range(24):
            picture = np.full((72, 128, 3), number * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    assert SECRET.encode() in path.read_bytes()
    return path


def frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def test_the_prompt_is_taken_out_and_no_picture_changes(tagged: Path) -> None:
    before, size = frames(tagged), tagged.stat().st_size
    assert "were taken out (COMFYUI_KEEP_WORKFLOW=1 keeps them)" in blank(tagged, {})
    assert SECRET.encode() not in tagged.read_bytes() and tagged.stat().st_size == size
    assert frames(tagged) == before and len(before) == 24
    assert blank(tagged, {}) == "", "a second time there is nothing to do"


def test_a_person_may_keep_it(tagged: Path) -> None:
    assert blank(tagged, {"COMFYUI_KEEP_WORKFLOW": "1"}) == ""
    assert SECRET.encode() in tagged.read_bytes()


@pytest.mark.parametrize("data", [b"", b"no mp4 at all", b"\x00\x00\x00\x01moov", b"\xff\xff\xff\xffmoov" + bytes(20)])
def test_what_is_no_mp4_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(data)
    assert blank(path, {}) == "" and path.read_bytes() == data


def test_the_kept_clip_of_a_job_holds_no_workflow(tmp_path: Path, tagged: Path) -> None:

    with FakeServer("comfyui", clips={"": tagged}) as server:
        home = station(tmp_path / "home", server.url)
        try:
            (done,) = home.settled(home.studio(), [home.studio().submit(smoke(duration_s=1)).job_id], 60)
            assert done.state == "succeeded" and done.file
            assert SECRET.encode() not in Path(done.file).read_bytes()
            assert any("were taken out" in note for note in done.notes)
        finally:
            home.close()
