"""Bringing a finished clip home: at once (URLs expire), resumed after a break, checked for size and type.

A clip that was paid for is fetched again and again with back-off while the provider still holds it; it is never
generated again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from backends.backend import RemoteFile
from backends.errors import VideoError
from backends.jobs.crash import crash_point
from backends.media.fetch import fetch
from backends.media.magic import sniff

MAX_CLIP = 8 << 30
SUFFIXES = {
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "image/gif": ".gif",
    "image/webp": ".webp",
}
FIRST_WAIT_S, MAX_WAIT_S = 1.0, 300.0


class StaleUrl(Exception):
    """The URL is no longer good: ask the provider for another."""


def allowed_hosts(base_url: str) -> frozenset[str]:
    """The very host and port that a provider is asked at may serve its media too, on a private network and without
    TLS where the person has set it so (a server of their own): it is trusted with more than a download already."""
    parts = urlsplit(base_url)
    if parts.hostname is None or parts.scheme not in ("http", "https"):
        return frozenset()
    return frozenset({f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"})


def suffix_of(path: Path) -> str:
    return SUFFIXES.get(sniff(path), ".mp4")


async def deliver(
    files: Sequence[RemoteFile], spool: Path, kept: Path, base_url: str, headers: Mapping[str, str], timeout_s: float
) -> list[Path]:
    """Every file, in `spool` or already in `kept`, the job's own folder, where a worker that died has moved it.

    StaleUrl: a fresh URL is needed; VideoError (retryable): it must be tried later.
    """
    fetched: list[Path] = []
    for number, (file, name) in enumerate(zip(files, _names(files), strict=True)):
        here = _arrived(kept, name) or _arrived(spool, f"output{number}") or file.path
        fetched.append(here or await _one(file, spool / f"output{number}", base_url, headers, timeout_s))
    return fetched


def _names(files: Sequence[RemoteFile]) -> list[str]:
    """What `finish` calls them: the first clip (or the first file of all) is the clip, the others are extras."""
    clip = next((number for number, file in enumerate(files) if file.role == "clip"), 0)
    order = [number for number in range(len(files)) if number != clip]
    return ["clip" if number == clip else f"extra{order.index(number) + 1}" for number in range(len(files))]


def _arrived(folder: Path, name: str) -> Path | None:
    """A file of that name that is whole: it gets its suffix when it is."""
    return next((path for path in sorted(folder.glob(f"{name}.*")) if path.suffix in SUFFIXES.values()), None)


def forget_arrived(spool: Path) -> None:
    """Throw away what has arrived, so that it is fetched anew."""
    for path in spool.glob("output*"):
        path.unlink(missing_ok=True)


async def _one(file: RemoteFile, target: Path, base_url: str, headers: Mapping[str, str], timeout_s: float) -> Path:
    assert file.url is not None
    try:
        got = await fetch(
            file.url,
            target,
            max_bytes=MAX_CLIP,
            timeout_s=timeout_s,
            allow_hosts=allowed_hosts(base_url),
            headers=headers if file.authorised else None,
            resume=True,
        )
    except VideoError as error:
        if error.kind == "asset":  # refused, expired, empty, or led elsewhere: the provider may have a better address
            raise StaleUrl(str(error)) from None
        raise
    if file.sha256 and got.sha256 != file.sha256:
        target.unlink(missing_ok=True)
        raise VideoError("network", "the download's checksum is not the provider's: fetching it again", retryable=True)
    if not sniff(target).startswith(("video/", "image/")):
        target.unlink(missing_ok=True)
        raise StaleUrl("the address answered with something that is no video")
    crash_point("before-arrived")
    named = target.with_suffix(suffix_of(target))
    target.replace(named)
    return named


class BackOff:
    """Growing waits, from a second to five minutes, restarted by success; the provider's own wish counts more."""

    def __init__(self) -> None:
        self.failures = 0
        self.since = time.monotonic()

    def next_s(self, error: VideoError | None = None) -> float:
        self.failures += 1
        wish = error.retry_after_s if error is not None else None
        return wish if wish is not None else min(MAX_WAIT_S, FIRST_WAIT_S * 2 ** min(self.failures - 1, 12))

    def reset(self) -> None:
        self.failures = 0
        self.since = time.monotonic()


async def pause(seconds: float, wake: anyio.Event) -> bool:
    """Wait that long, or until `wake`; whether it was woken."""
    with anyio.move_on_after(max(0.0, seconds)):
        await wake.wait()
        return True
    return False
