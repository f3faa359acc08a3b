"""Media names: a path, an https URL, a job id or `video://jobs/ID[/last_frame|/frame/T]`, with `#t=FROM,TO` behind it.

Media are named, never carried. `#t=FROM,TO` takes a part of a clip (W3C Media Fragments, seconds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote, urlsplit

from backends.errors import VideoError

JOB_ID_PATTERN = r"^job_[a-z2-7]{26}$"
"""A job id: 130 random bits in base32, so that an id cannot be guessed."""


@dataclass(frozen=True)
class MediaName:
    """A parsed media name.

    kind: "path", "url" or "job". value: the path, the URL or the job id.
    part: "clip", "last_frame" or "frame" (with t in seconds); "clip" for paths and URLs.
    from_s, to_s: the part of the clip that `#t=FROM,TO` takes, None where it is not said; of a still that is held,
    to_s - from_s is for how long.
    """

    kind: Literal["path", "url", "job"]
    value: str
    part: Literal["clip", "last_frame", "frame"] = "clip"
    t: float = 0.0
    from_s: float | None = None
    to_s: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether a part of the clip is meant."""
        return self.from_s is not None or self.to_s is not None

    @property
    def fragment(self) -> str:
        """What stands behind the name: "#t=1.5,4", or ""."""
        if not self.is_part:
            return ""
        end = "" if self.to_s is None else f",{self.to_s:g}"
        return f"#t={self.from_s or 0:g}{end}"

    @classmethod
    def parse(cls, text: str) -> MediaName:
        """From what a caller writes; a form that can never work is a VideoError("asset")."""
        bare, from_s, to_s = _without_fragment(text)
        return replace(cls._parse(bare), from_s=from_s, to_s=to_s)

    @classmethod
    def _parse(cls, text: str) -> MediaName:
        if re.fullmatch(JOB_ID_PATTERN, text):
            return cls("job", text)
        if text.startswith("video:"):
            shape = re.fullmatch(
                rf"video://jobs/({JOB_ID_PATTERN.strip('^$')})(?:/(last_frame|clip)|/frame/([0-9]+(?:\.[0-9]+)?))?",
                text,
            )
            if shape is None:
                raise VideoError(
                    "asset",
                    f"{text[:120]!r} names no clip: write video://jobs/JOB_ID, video://jobs/JOB_ID/last_frame or "
                    "video://jobs/JOB_ID/frame/SECONDS (list_jobs shows the ids)",
                )
            job, word, t = shape.groups()
            if t is not None:
                return cls("job", job, "frame", float(t))
            return cls("job", job, "last_frame" if word == "last_frame" else "clip")
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text)
        if scheme is None or re.match(r"[A-Za-z]:[\\/]", text):
            if "\0" in text:
                raise VideoError("asset", "a path cannot hold a NUL character")
            return cls("path", text)
        if scheme[1].lower() == "https":
            if "@" in re.split(r"[/?#\\]", text[8:], maxsplit=1)[0]:  # a password must not even reach the store
                raise VideoError(
                    "asset", "an address with a user name or password in it is not fetched: leave them out"
                )
            return cls("url", text)
        if scheme[1].lower() == "file":
            return cls("path", _path_of(text))
        if scheme[1].lower() == "data":
            raise VideoError(
                "asset",
                "media are named, not carried: save the data to a file and give its path, or give an https URL",
            )
        raise VideoError(
            "asset",
            f"{scheme[1].lower()}: addresses are not fetched: give an https URL or the path of a local file",
        )


_TIME = r"(?:\d+:)?(?:\d+:)?\d+(?:\.\d+)?"
_FRAGMENT = re.compile(rf"#t=(?:npt:)?({_TIME})?s?(?:,({_TIME})s?)?$")


def _without_fragment(text: str) -> tuple[str, float | None, float | None]:
    """A media name without its #t=FROM,TO, and the two times in seconds. VideoError("asset") for times that are none:
    only a name that goes on as a file's does (`take#t=1.mov`) is left as it is."""
    start = text.rfind("#t=")
    if start < 0 or re.search(r"[/\\]|\.[A-Za-z]\w{1,4}$", text[start:]):
        return text, None, None
    found = _FRAGMENT.fullmatch(text[start:])
    if found is None or not any(found.groups()):
        raise VideoError(
            "asset", f"{text[start:][:40]!r} is no part of a clip: write #t=FROM,TO in seconds, as clip.mp4#t=1.5,4"
        )
    from_s, to_s = (None if part is None else _seconds(part) for part in found.groups())
    if to_s is not None and to_s <= (from_s or 0):
        raise VideoError("asset", f"{text[start:][:40]!r} ends before it begins: write #t=FROM,TO with TO after FROM")
    return text[:start], from_s, to_s


def _seconds(text: str) -> float:
    """1.5, 0:01.5 or 0:00:01.5 in seconds."""
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def _path_of(text: str) -> str:
    """The path that a file: address of this machine names. VideoError("asset") for any other."""
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise VideoError(
            "asset",
            f"{text[:120]!r} names no file of this machine: write file:///FOLDER/NAME (with %20 for a space, %23 for "
            "#, %3F for ?), or the path itself",
        )
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        path = "\0"
    if "\0" in path:
        raise VideoError("asset", f"{text[:120]!r} holds letters that no path has: give the path itself")
    return path[1:] if re.match(r"/[A-Za-z]:/", path) else path
