"""What a sound file is: its kind, its length, and a first piece of it decoded as a proof."""

from __future__ import annotations

from pathlib import Path

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.container import decoding
from backends.media.sound_file import TAKEN, open_sound, sound_mime


def check_sound(path: Path) -> MediaFacts:
    """Of a sound file, or of a clip that has sound. Errors as for `open_sound`, and for what has no sound at all."""
    with open_sound(path) as sounding:
        if sounding is None:
            raise VideoError("asset", f"the clip has no sound: {TAKEN}")
        with decoding():
            heard = next(sounding.container.decode(sounding.stream), None)
        if heard is None:
            raise VideoError("asset", f"no sound of it can be decoded: {TAKEN}")
        length = sounding.container.duration
        return MediaFacts(
            "sound",
            sound_mime(path),
            0,
            0,
            path.stat().st_size,
            length / 1_000_000 if length else None,
            audio=True,
            codec=sounding.stream.codec_context.codec.canonical_name,
        )
