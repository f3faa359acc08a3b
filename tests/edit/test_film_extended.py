"""An extension joined to its clip: every frame of each, the first one's rate and size, sound with its picture."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from backends.edit.engine import extended
from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.media.frames import decode
from backends.media.probe import probe_clip
from backends.provider.protocol import Asset, Output
from tests.edit.hearing import RATE, level
from tests.edit.making import facts_of, grey_clip
from tests.edit.moments import flashing, offsets


def _clip(path: Path, levels: list[int], fps: int = 12, size: tuple[int, int] = (64, 48)) -> Path:
    with ClipWriter(path, *size, fps) as writer:
        for level in levels:
            writer.write(np.full((size[1], size[0], 3), level, np.uint8))
    return path


def joined(dest: Path, source: Path, *added: Path) -> Output:
    places = {"source_clip": source} | {f"added[{number}]": path for number, path in enumerate(added)}
    assets = {place: Asset(place, "", path, facts_of(path)) for place, path in places.items()}
    folder = dest / "whole"
    folder.mkdir()
    return extended(assets, folder, os.environ, lambda done, phase: None)


def sound_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as clip:
        return np.concatenate([frame.to_ndarray() for frame in clip.decode(audio=0)], axis=1)


def test_every_frame_of_each_part_is_there_once(tmp_path: Path) -> None:
    one = _clip(tmp_path / "one.mp4", [20, 60, 100])
    two = _clip(tmp_path / "two.mp4", [100, 140, 180, 220])
    made = joined(tmp_path, one, two)
    assert (made.facts["frames"], made.facts["parts"], made.facts["audio"]) == (6, [3, 3], "none")
    assert made.notes == ("begun with the last frame of the clip before, which is shown once: the new part",)
    levels = [int(frame.mean()) for frame in decode(made.path)]
    assert levels == pytest.approx([20, 60, 100, 140, 180, 220], abs=3)
    facts = probe_clip(made.path, count_frames=True)
    assert (facts.frames, facts.fps, facts.audio) == (6, 12, False)


def test_parts_of_one_maker_are_joined_without_encoding(tmp_path: Path) -> None:
    made = joined(tmp_path, *(_clip(tmp_path / f"{base}.mp4", [base, base + 9] * 6) for base in (20, 90, 160)))
    assert made.facts["copied"] and made.facts["parts"] == [12, 12, 12]


def test_a_part_of_another_size_and_rate_is_fitted_and_told(tmp_path: Path) -> None:
    one = _clip(tmp_path / "one.mp4", [20] * 12)
    two = _clip(tmp_path / "two.mp4", [200] * 24, fps=24, size=(120, 72))
    made = joined(tmp_path, one, two, one)
    assert made.facts["parts"] == [12, 12, 12]
    facts = probe_clip(made.path)
    assert (facts.width, facts.height, facts.duration_s) == (64, 48, 3.0)
    assert any(note.startswith("new part 1 (120x72) is cropped: 20% of it is cut away") for note in made.notes)


def test_a_part_of_quite_another_shape_is_shown_whole(tmp_path: Path) -> None:
    one = _clip(tmp_path / "one.mp4", [20] * 6)
    made = joined(tmp_path, one, _clip(tmp_path / "two.mp4", [200] * 6, size=(48, 96)))
    last = list(decode(made.path))[-1]
    assert last.shape == (48, 64, 3) and last[:, :10].mean() < 5 and last[:, 28:36].mean() > 190
    assert any("the new part (48x96) is shown whole" in note for note in made.notes)


def test_sound_goes_with_its_picture_at_its_own_level_and_silence_with_a_silent_part(tmp_path: Path) -> None:
    silent = _clip(tmp_path / "silent.mp4", [50] * 12)
    sounding = grey_clip(tmp_path / "tone.mp4", 24, fps=12, tone=330)
    made = joined(tmp_path, silent, sounding)
    assert made.facts["audio"] == "native" and made.facts["parts"] == [12, 24]
    sound = sound_of(made.path)
    assert 3 * RATE <= sound.shape[1] < 3 * RATE + 1024
    assert np.abs(sound[:, : int(0.9 * RATE)]).max() < 1e-3, "the silent part must be silent"
    assert level(sound[:, int(1.1 * RATE) : int(2.9 * RATE)]) == pytest.approx(level(sound_of(sounding)), abs=0.2)


def test_sound_stays_with_its_picture_where_a_double_is_left_out(tmp_path: Path) -> None:
    clip = flashing(tmp_path / "one.mp4")
    made = joined(tmp_path, clip, clip, clip)
    assert made.facts["parts"] == [24, 23, 23]
    assert max(map(abs, offsets(made.path, 3))) <= 0.02, offsets(made.path, 3)


def test_there_must_be_a_clip_to_join_to(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no clip to join to"):
        extended({}, tmp_path, {}, lambda done, phase: None)
