"""Clips joined: every frame of each, the rate and size of the first, sound in step with its picture."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from backends.media.encode import ClipWriter
from backends.media.frames import decode
from backends.media.join import join
from backends.media.probe import probe_clip
from tests.edit.moments import flashing, offsets
from tests.samples import bunny


def _clip(path: Path, levels: list[int], fps: int = 12, size: tuple[int, int] = (64, 48)) -> Path:
    with ClipWriter(path, *size, fps) as writer:
        for level in levels:
            writer.write(np.full((size[1], size[0], 3), level, np.uint8))
    return path


def test_every_frame_of_each_part_is_there_once(tmp_path: Path) -> None:
    one = _clip(tmp_path / "one.mp4", [20, 60, 100])
    two = _clip(tmp_path / "two.mp4", [100, 140, 180, 220])
    made = join([one, two], tmp_path / "out.mp4", 64, 48, 12)
    assert (made.frames, made.dropped, made.audio) == ((3, 3), 1, False)
    levels = [int(frame.mean()) for frame in decode(tmp_path / "out.mp4")]
    assert levels == pytest.approx([20, 60, 100, 140, 180, 220], abs=3)
    facts = probe_clip(tmp_path / "out.mp4", count_frames=True)
    assert (facts.frames, facts.fps, facts.audio) == (6, 12, False)
    assert not list(tmp_path.glob("*.silent.mp4"))


def test_a_part_of_another_size_and_rate_is_fitted(tmp_path: Path) -> None:
    one = _clip(tmp_path / "one.mp4", [20] * 12)
    two = _clip(tmp_path / "two.mp4", [200] * 24, fps=24, size=(128, 72))
    made = join([one, two], tmp_path / "out.mp4", 64, 48, 12)
    assert made.frames == (12, 12)
    facts = probe_clip(tmp_path / "out.mp4")
    assert (facts.width, facts.height, facts.duration_s) == (64, 48, 2.0)


def test_sound_goes_with_its_picture_and_silence_with_a_silent_part(tmp_path: Path) -> None:
    silent = _clip(tmp_path / "silent.mp4", [50] * 12)
    out = tmp_path / "out.mp4"
    made = join([silent, bunny()], out, 64, 48, 12)
    assert made.audio
    with av.open(str(out)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        rate = container.streams.audio[0].rate
    second = np.abs(sound[:, : int(0.9 * rate)]).max()
    assert second < 1e-3, "the silent part must be silent"
    assert np.abs(sound[:, int(1.1 * rate) :]).max() > 0.01, "the sounding part must sound"
    facts = probe_clip(out, count_frames=True)
    assert facts.duration_s == pytest.approx(sum(made.frames) / 12, abs=0.05)


def test_sound_stays_with_its_picture_where_a_double_is_left_out(tmp_path: Path) -> None:
    clip, out = flashing(tmp_path / "one.mp4"), tmp_path / "out.mp4"
    made = join([clip, clip, clip], out, 96, 64, 24)
    assert made.frames == (24, 23, 23)
    assert max(map(abs, offsets(out, 3))) <= 0.02, offsets(out, 3)
