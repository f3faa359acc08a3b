"""Opening what sounds: a sound file, or the sound of a clip. The demuxer is forced by magic bytes, as for clips."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard

from backends.errors import VideoError
from backends.media.container import ANY_TAGS, MAX_CLIP_S, MAX_STREAMS, decoding, open_clip
from backends.media.magic import CLIP_FORMATS, IMAGE_FORMATS, in_words, read_head, sniff_bytes

SOUND_FORMATS = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "mp4",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
}
"""Sound files that are taken, with the demuxer that is forced on each."""

CODECS = frozenset(
    [
        *("aac", "aac_fixed", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "libvorbis"),
        *("flac", "alac", "ac3", "eac3", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    ]
)
"""Decoders that untrusted sound may use, beside plain PCM."""

TAKEN = "give a WAV, MP3, M4A, FLAC or OGG file, or a clip that has sound"


@dataclass(frozen=True)
class Sounding:
    """An open sound track. origin_s: the time in it that counts as 0, which is a clip's first picture, and a sound
    file's first sample."""

    container: InputContainer
    stream: AudioStream
    origin_s: Fraction


def sound_mime(path: Path) -> str:
    """The MIME type of a sound file or clip by content, "" when it is neither. Errors as for `read_head`."""
    head = read_head(path)
    mime = sniff_bytes(head)
    if mime in ("", "audio/mpeg"):
        mime = _sound_by_sync(head) or mime
    return mime if mime in SOUND_FORMATS or mime in CLIP_FORMATS else ""


def _sound_by_sync(head: bytes) -> str:
    """What a clip's list of signatures does not tell apart: AIFF, and AAC in ADTS frames."""
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    return "audio/aac" if head[:1] == b"\xff" and head[1:2] and head[1] & 0xF6 == 0xF0 else ""


@contextmanager
def open_sound(path: Path) -> Generator[Sounding | None]:
    """Open a sound file or a clip for listening; None for a clip without a sound track.

    VideoError("asset") for anything else, for a codec that is not taken, and for what does not open; OwnFault where
    the failure is this program's own.
    """
    mime = sound_mime(path)
    with ExitStack() as stack:
        if mime in CLIP_FORMATS and (found := _clip_track(stack, path)) is not None:
            yield found[0]
            return
        with decoding(sized=False):
            container = _open_file(stack, path, mime)
            stream = _track(container)
        if stream is None:
            raise VideoError("asset", f"the file has no sound track: {TAKEN}")
        with decoding():
            start = stream.start_time or 0
            yield Sounding(container, stream, start * (stream.time_base or Fraction(1, 48_000)))


def _clip_track(stack: ExitStack, path: Path) -> tuple[Sounding | None] | None:
    """The sound of a clip with pictures, in a tuple; None for MP4 and WebM files that hold sound alone."""
    try:
        clip = stack.enter_context(open_clip(path, pictures=False))
    except VideoError as error:
        if error.kind == "asset" and "no video stream" in error.message:
            return None
        raise
    stream = _track(clip.container)
    for other in clip.container.streams:
        if other is not stream:
            other.discard = Discard.all  # what is not read costs nothing
    return (None if stream is None else Sounding(clip.container, stream, clip.origin * clip.time_base),)


def _open_file(stack: ExitStack, path: Path, mime: str) -> InputContainer:
    demuxer = SOUND_FORMATS.get(mime) or CLIP_FORMATS.get(mime)
    if demuxer is None:
        head = read_head(path)
        known = sniff_bytes(head)
        what = f"an image ({known})" if known in IMAGE_FORMATS else in_words(known, head)
        raise VideoError("asset", f"the file is {what}: {TAKEN}")
    file = stack.enter_context(path.open("rb"))
    options = {"protocol_whitelist": "file", **({"enable_drefs": "0"} if demuxer in ("mp4", "mov") else {})}
    container = stack.enter_context(av.open(file, "r", format=demuxer, options=options, **ANY_TAGS))
    if demuxer not in container.format.name.split(","):
        raise VideoError("asset", f"the file opens as {container.format.name}, not as {mime}: {TAKEN}")
    if len(container.streams) > MAX_STREAMS:
        raise VideoError("asset", f"the file has {len(container.streams)} streams; at most {MAX_STREAMS} are taken")
    if container.duration and container.duration / 1_000_000 > MAX_CLIP_S:
        raise VideoError("asset", f"the sound lasts more than {MAX_CLIP_S:.0f} s, the most that is taken: cut it")
    return container


def _track(container: InputContainer) -> AudioStream | None:
    """The first sound track. VideoError("asset") when its codec is not taken."""
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    context = cast("AudioCodecContext | None", stream.codec_context)  # None: no decoder of that name
    name = "" if context is None else context.codec.name
    if name not in CODECS and not name.startswith("pcm_"):
        raise VideoError("asset", f"its sound is in {name or 'an unknown codec'}, which is not taken: {TAKEN}")
    return stream
