"""The encoder, the probe and the frames: exact counts, exact times, exact last frames, true colours."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.media.frames import decode, frame_at, frames_at, last_frame
from backends.media.images import load_image
from backends.media.probe import probe_clip, sniff
from backends.media.rates import exact_rate, timecode
from tests.samples import TAKEN_CLIPS, bunny, made, photo, quadrants, write_clip


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def write(path: Path, count: int, fps: Fraction | float | int = 24, size: tuple[int, int] = (96, 64)) -> Path:
    with ClipWriter(path, *size, fps) as writer:
        for index in range(count):
            writer.write(np.roll(quadrants(*size), 3 * index, 1))
    return path


@pytest.mark.parametrize("fps", [8, 24, 23.976, 25.0, 29.97, Fraction(30000, 1001), 60, 12.5])
def test_a_written_clip_has_exactly_the_asked_rate_frames_and_duration(tmp_path: Path, fps: Fraction | float) -> None:
    path = write(tmp_path / "clip.mp4", 49, fps)
    facts = probe_clip(path, count_frames=True)
    rate = exact_rate(fps)
    assert (facts.frames, facts.codec, facts.mime, facts.audio) == (49, "h264", "video/mp4", False)
    assert facts.fps == float(rate)
    assert facts.duration_s == pytest.approx(float(49 / rate), abs=1e-6)
    with av.open(str(path)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [Fraction(index) / rate for index in range(49)]


def test_a_written_clip_plays_while_it_loads_and_is_tagged(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", 100)
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        keyframes = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe]
        tags = context.pix_fmt, context.colorspace, context.color_primaries, context.color_trc, context.color_range
    assert tags == ("yuv420p", 1, 1, 1, 1)
    assert len(keyframes) == 3  # at 0, 48 and 96


def test_colours_neither_shift_nor_drift_over_eight_generations(tmp_path: Path) -> None:
    source = load_image(photo("coffee"))[:360, :480]
    picture = source
    for generation in range(8):
        path = tmp_path / f"{generation}.mp4"
        with ClipWriter(path, 480, 360, 24, crf=10) as writer:
            writer.write(picture)
        picture = last_frame(path)
    drift = np.abs((picture.astype(float) - source).mean(axis=(0, 1)))
    assert drift.max() < 1  # swscale's default conversion drifts by 8 levels here
    assert psnr(picture, source) > 28


def test_metadata_survives(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "clip.mp4", 64, 48, 24, metadata={"comment": "PREVIS", "DigitalSourceType": "x"}) as out:
        out.write(quadrants())
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.metadata["comment"] == "PREVIS"
        assert container.metadata["DigitalSourceType"] == "x"


def test_an_exception_in_the_block_removes_the_partial_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), ClipWriter(tmp_path / "clip.mp4", 64, 48, 24) as writer:
        writer.write(quadrants())
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())


def test_wrong_sizes_frames_and_rates_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="sides are even and 16 to 8192 pixels, not 65x48"):
        ClipWriter(tmp_path / "clip.mp4", 65, 48, 24)
    with pytest.raises(VideoError, match="fps is above 0 and at most 240, not nan"):
        ClipWriter(tmp_path / "clip.mp4", 64, 48, float("nan"))
    with (
        pytest.raises(VideoError, match="uint8 48x64x3 RGB, not float32 48x64x3"),
        ClipWriter(tmp_path / "clip.mp4", 64, 48, 24) as writer,
    ):
        writer.write(quadrants().astype(np.float32))
    with pytest.raises(VideoError, match="no frame was written"), ClipWriter(tmp_path / "clip.mp4", 64, 48, 24):
        pass
    path = tmp_path / "no" / "clip.mp4"
    with pytest.raises(VideoError, match="cannot be written") as caught, ClipWriter(path, 64, 48, 24):
        pass
    assert caught.value.kind == "storage"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from backends.errors import VideoError\n"
        "from backends.media.encode import ClipWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "noise = np.random.default_rng(1)\n"
        "try:\n"
        "    with ClipWriter(Path(sys.argv[1]), 320, 240, 24, crf=5) as writer:\n"
        "        for _ in range(int(sys.argv[2])):\n"
        "            writer.write(noise.integers(0, 256, (240, 320, 3), dtype=np.uint8))\n"
        "except VideoError as error:\n"
        "    print(error.kind, error.retryable, error.message)\n"
    )
    for count, limit in (("2", "20000"), ("60", "200000")):  # told when the file is finished, and while it grows
        path = tmp_path / "clip.mp4"
        command = [sys.executable, "-c", code, path, count, limit]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert run.stdout.startswith("storage True the disk, quota or file size limit below"), run.stdout
        assert "delete files that are no longer needed there, or set REELWRIGHT_HOME" in run.stdout
        assert not path.exists()


def test_memory_does_not_grow_with_the_duration(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from backends.media.encode import ClipWriter\n"
        "from backends.media.frames import decode\n"
        "from tests.samples import made, quadrants\n"
        "def peak(count):\n"
        "    path = Path(sys.argv[1])\n"
        "    with ClipWriter(path, 320, 240, 24, preset='ultrafast', audio_from=made('tone.mp4')) as writer:\n"
        "        for index in range(count):\n"
        "            writer.write(np.roll(quadrants(320, 240), index, 1))\n"
        "    assert sum(1 for _ in decode(path)) == count\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak(100), peak(900))\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "clip.mp4"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    short, long = map(int, run.stdout.split())  # KiB; 800 frames are 184 MB of RGB or 92 MB of yuv420p
    assert long - short < 16_000


def test_the_same_frames_give_the_same_file_every_time(tmp_path: Path) -> None:
    mine = {write(tmp_path / "mine.mp4", 40).read_bytes() for _ in range(40)}  # x264's default varies in a third
    assert len(mine) == 1
    code = "import sys, pathlib\nfrom tests.media.test_media_clips import write\nwrite(pathlib.Path(sys.argv[1]), 40)\n"
    subprocess.run([sys.executable, "-c", code, tmp_path / "other.mp4"], check=True)
    assert mine == {(tmp_path / "other.mp4").read_bytes()}


@pytest.mark.parametrize("name", TAKEN_CLIPS)
def test_the_last_frame_is_that_of_a_full_decode(name: str) -> None:
    *_, last = decode(made(name))
    assert np.array_equal(last_frame(made(name)), last)


def test_the_last_frame_of_a_real_clip_and_of_an_own_one(tmp_path: Path) -> None:
    for path in (bunny(), write(tmp_path / "clip.mp4", 97)):
        frames = 0
        last = None
        for frame in decode(path):
            frames, last = frames + 1, frame
        assert np.array_equal(last_frame(path), last)
        assert frames == probe_clip(path, count_frames=True).frames


def test_the_frame_at_a_time_is_the_one_that_a_player_shows(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", 60)
    frames = list(decode(path))
    for index in (0, 1, 2, 23, 47, 48, 49, 59):
        assert np.array_equal(frame_at(path, index / 24), frames[index])
        assert np.array_equal(frame_at(path, round(index / 24, 3)), frames[index])  # as people write it
        assert np.array_equal(frame_at(path, (index + 0.9) / 24), frames[index])
    for t, text in (
        (2.5, r"ends at 2\.500 s, so nothing is shown at 2\.5 s: give a time below that, or ask for the last frame"),
        (-0.1, r"0 seconds or more, not -0\.1"),
        (float("nan"), "not nan"),
    ):
        with pytest.raises(VideoError, match=text):
            frame_at(path, t)


def test_times_of_a_clip_with_a_varying_rate() -> None:
    path = made("variable.mp4")
    frames = list(decode(path))
    assert len(frames) == 12
    assert np.array_equal(frame_at(path, 0.2), frames[3])  # shown from 0.120 to 0.400
    assert np.array_equal(frame_at(path, 0.4), frames[4])
    constant = list(decode(path, fps=Fraction(25)))
    assert len(constant) == 28  # 1.103 s
    assert np.array_equal(constant[5], frames[3])
    assert np.array_equal(constant[10], frames[4])
    assert [round(t, 3) for t, _ in frames_at(path, [0.0, 0.399, 1.02])] == [0.0, 0.12, 1.02]


@pytest.mark.parametrize(
    ("degrees", "mirrored"), [(0, False), (90, False), (180, False), (270, False), (0, True), (90, True), (270, True)]
)
def test_turned_and_mirrored_clips_come_upright(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    path = write_clip(tmp_path / "clip.mp4", pictures=[quadrants()], rotate=(degrees, mirrored))
    expected = np.rot90(quadrants(), degrees // 90)
    if mirrored:  # the matrix mirrors what it has turned
        expected = expected[:, ::-1]
    facts = probe_clip(path)
    assert (facts.height, facts.width) == expected.shape[:2]
    assert psnr(last_frame(path), expected) > 25


def test_pixels_that_are_not_square_are_made_so() -> None:
    facts = probe_clip(made("anamorphic.mp4"))
    assert (facts.width, facts.height) == (86, 48)
    assert last_frame(made("anamorphic.mp4")).shape == (48, 86, 3)


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (6, False), (1, True), (2, False)])
def test_colours_are_read_by_their_tags(tmp_path: Path, matrix: int, full: bool) -> None:
    picture = np.full((48, 64, 3), (200, 60, 40), np.uint8)
    path = write_clip(tmp_path / "clip.mp4", pictures=[picture], matrix=matrix, full_range=full, options={"crf": "1"})
    assert np.abs(last_frame(path).astype(int) - picture).max() <= 4


def test_facts_of_a_real_clip() -> None:
    facts = probe_clip(bunny())
    assert (facts.kind, facts.mime, facts.width, facts.height) == ("clip", "video/mp4", 1280, 720)
    assert (facts.fps, facts.duration_s, facts.frames, facts.codec, facts.audio) == (25.0, 5.28, 132, "h264", True)
    assert sniff(bunny()) == "video/mp4"


@pytest.mark.parametrize("name", TAKEN_CLIPS)
def test_counted_frames_are_the_decoded_ones(name: str) -> None:
    assert probe_clip(made(name), count_frames=True).frames == sum(1 for _ in decode(made(name)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("truncated.mp4", "the clip is truncated: .* bytes are missing at its end; copy or download it again"),
        ("ffconcat.mp4", r"a list \(ffconcat\) that names other files, not a clip: give an MP4"),
        ("playlist.mp4", r"a playlist \(m3u8\) that names other files"),
        ("playlist.m3u8", r"a playlist \(m3u8\) that names other files"),
        ("sound_only.mp4", "sound only, no video stream: give an MP4"),
        ("cover_only.mp4", "sound only, no video stream: give an MP4"),
        ("text.mp4", "text, whatever its name says: give an MP4"),
        ("noise.mp4", "of no known picture or clip format: give an MP4"),
        ("empty.png", r"empty \(0 bytes\): give an MP4"),
        ("animated.gif", r"an image \(image/gif\), not a clip: give an MP4"),
    ],
)
def test_what_is_no_clip_is_refused_with_a_remedy(name: str, text: str) -> None:
    for read in (probe_clip, last_frame, lambda path: next(decode(path))):
        with pytest.raises(VideoError, match=text) as caught:
            read(made(name))
        assert caught.value.kind == "asset"


def test_a_truncated_matroska_clip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    path.write_bytes(made("h264.mkv").read_bytes()[:-300])
    with pytest.raises(VideoError, match="300 bytes are missing"):
        probe_clip(path)


def test_rates_and_timecodes() -> None:
    assert exact_rate(23.976) == exact_rate(23.98) == Fraction(24000, 1001)
    assert exact_rate(59.94) == Fraction(60000, 1001)
    assert exact_rate(30) == exact_rate(30.0) == 30
    assert exact_rate(Fraction(25, 2)) == exact_rate(12.5) == Fraction(25, 2)
    assert timecode(63.25) == "1:03.250"
