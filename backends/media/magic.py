"""What a file is, by its first bytes. A name proves nothing."""

from __future__ import annotations

from pathlib import Path

from backends.errors import VideoError
from backends.media.blame import is_machines, own_fault

CLIP_FORMATS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
}
"""Clips that are taken, with the demuxer that is forced on each (never left to a guess by content)."""

IMAGE_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}
"""Stills that are taken, with Pillow's name of the one decoder that is allowed to read each."""

HEAD = 4096
"""Bytes read: enough for every signature here."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"#EXTM3U", "application/vnd.apple.mpegurl"),
    (b"ffconcat", "text/x-ffconcat"),
    (b"<?xml", "text/xml"),
    (b"<svg", "image/svg+xml"),
    (b"<!DOCTYPE", "text/html"),
    (b"<html", "text/html"),
)
_RIFF = {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav"}
_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
}
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def sniff(path: Path) -> str:
    """The MIME type by content, "" when unknown. Errors as for `read_head`."""
    return sniff_bytes(read_head(path))


def read_head(path: Path) -> bytes:
    """The first bytes, which tell what a file is. VideoError("asset") when it is gone or no file, OwnFault when
    the system refuses to read it."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError:
        raise VideoError("asset", "the file is gone: give it again") from None
    except OSError as error:
        if is_machines(error):
            raise own_fault(error) from None
        raise VideoError("asset", f"the file cannot be read ({error.strerror}): check its permissions") from None


def sniff_bytes(head: bytes) -> str:
    """The MIME type of a file that begins with `head`, "" when unknown."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[4:8] in _OLD_QUICKTIME:
        return "video/quicktime"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, mime in _STARTS:
        if head.startswith(start) or (mime.startswith(("text/", "application/vnd")) and text.startswith(start)):
            return mime
    return "audio/mpeg" if head[:1] == b"\xff" and head[1:2] and head[1] & 0xE6 == 0xE2 else ""


def in_words(mime: str, head: bytes = b"") -> str:
    """What a file that is not taken is, for an error text."""
    words = {
        "image/heic": "a HEIC photo",
        "image/svg+xml": "an SVG drawing",
        "video/x-msvideo": "an AVI clip",
        "application/pdf": "a PDF document",
        "application/vnd.apple.mpegurl": "a playlist (m3u8) that names other files, not a clip",
        "text/x-ffconcat": "a list (ffconcat) that names other files, not a clip",
        "text/html": "a web page, not a picture or clip",
        "text/xml": "an XML text",
    }
    if mime in words:
        return words[mime]
    if not head and not mime:
        return "empty (0 bytes)"
    if mime:
        return f"sound only ({mime})" if mime.startswith("audio/") else mime
    if not any(byte < 9 for byte in head):
        return "text, whatever its name says"
    return "of no known picture or clip format"
