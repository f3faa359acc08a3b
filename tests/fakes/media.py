"""Finished clips over HTTP: ranges, URLs that expire, and the file itself unchanged.

Half bodies, wrong content types and slow answers are the script's business (route "media").
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.wire import Reply, Request

GONE = frozenset({403, 404, 410})


class Shelf:
    """The clips that a service hands out.

    clips: MP4 files by a name such as the seconds ("4"), "" = for everything else. Knobs, as JSON: `expire_s` (URLs
    die so long after they were given out), `gone` (403, 404 or 410: how a dead one answers), `ranges` (False: Range
    is ignored), `stable` (True: one URL a job for ever, as long as it lives).
    """

    def __init__(self, clips: Mapping[str, str]) -> None:
        self._bytes = {name: Path(path).read_bytes() for name, path in clips.items()}
        self.knobs: dict[str, Any] = {"expire_s": None, "gone": 403, "ranges": True, "stable": False}
        self._given: dict[str, tuple[str, float]] = {}
        self._serial = 0
        self._dead: set[str] = set()

    def bytes_of(self, name: str) -> bytes:
        """The clip of that name, else the one for everything else."""
        try:
            return self._bytes.get(name) or self._bytes[""]
        except KeyError:
            raise LookupError("this fake was started without a clip") from None

    def path(self, job: str, name: str) -> str:
        """A fresh path for a job's clip, live from now on."""
        if not self.knobs["stable"]:
            self._serial += 1
        token = f"{job}-{self._serial:06d}"
        self._given.setdefault(token, (name, time.time()))
        return f"/media/{token}.mp4"

    def expire(self) -> int:
        """Every URL given out so far is dead from now on; how many that were."""
        fresh = set(self._given) - self._dead
        self._dead |= fresh
        return len(fresh)

    def serve(self, request: Request, token: str) -> Reply:
        """GET or HEAD of a path given out by `path`, with `Range: bytes=` (one range) and If-Range."""
        given = self._given.get(token.removesuffix(".mp4"))
        if given is None:
            return Reply.of({"error": {"code": "not_found", "message": "no such file"}}, 404)
        name, born = given
        life = self.knobs["expire_s"]
        if token.removesuffix(".mp4") in self._dead or (life is not None and time.time() >= born + life):
            return Reply.of({"error": {"code": "expired", "message": "this link has expired"}}, self.knobs["gone"])
        body = self.bytes_of(name)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"content-type": "video/mp4", "etag": etag}
        if not self.knobs["ranges"]:
            return Reply(200, headers, body)
        headers["accept-ranges"] = "bytes"
        if request.headers.get("if-range", etag) != etag:
            return Reply(200, headers, body)
        return ranged(request.headers.get("range"), headers, body)


def ranged(asked: str | None, headers: dict[str, str], body: bytes) -> Reply:
    """200, 206 or 416 (RFC 9110 section 14); several ranges or another unit are ignored, as the RFC allows."""
    shape = re.fullmatch(r"bytes=(\d*)-(\d*)", asked or "")
    if shape is None or shape.groups() == ("", ""):
        return Reply(200, headers, body)
    start, stop = shape.groups()
    size = len(body)
    if start:
        first, last = int(start), min(int(stop), size - 1) if stop else size - 1
    else:
        first, last = max(0, size - int(stop)), size - 1
    if first >= size or last < first:
        return Reply(416, {**headers, "content-range": f"bytes */{size}"})
    return Reply(206, {**headers, "content-range": f"bytes {first}-{last}/{size}"}, body[first : last + 1])
