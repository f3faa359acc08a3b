"""Words on the picture: captions and titles read, drawn, and written beside the film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.edit.cues import Cue, Cues, one_at_a_time, read_lines, within
from backends.edit.painter import Painter
from backends.edit.subtitles import read_subtitles, srt

__all__ = ["Cue", "Cues", "Painter", "read_words", "srt"]


def read_words(captions: Sequence[str] | Path, titles: Sequence[str], film_s: float) -> Cues:
    """The cues of a film of that many seconds, in order; what was cut or left out is in their `notes`.

    captions: lines FROM-TO TEXT (seconds, m:ss or h:mm:ss), or one .srt or .vtt file. titles: such lines.
    VideoError("invalid_request") for a line that is none, whose end is not after its start, or that begins after the
    film's end; VideoError("asset") for a file that cannot be read.
    """
    if isinstance(captions, Path):
        spoken, notes = read_subtitles(captions, film_s)
    else:
        spoken, notes = within(read_lines(captions, "caption", "captions"), film_s, "captions")
    headed, cut = within(read_lines(titles, "title", "titles"), film_s, "titles")
    shown, changed = one_at_a_time(spoken)
    over, overlapping = one_at_a_time(headed)
    return Cues(sorted([*shown, *over], key=lambda cue: cue.from_s), [*notes, *cut, *changed, *overlapping])
