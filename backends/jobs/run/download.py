"""Downloading a finished clip: at once (URLs expire), resumed after a break, checked for size and type.

A paid clip is downloaded again and again with back-off while the provider still holds it; it is never generated again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from backends.errors import VideoError
from backends.jobs.crashpoints import crash_point
from backends.media.fetch import FileTooLarge, fetch
from backends.media.magic import sniff
from backends.provider.protocol import RemoteFile

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
    """The URL is no longer valid: get another from the provider."""


def allowed_hosts(base_url: str) -> frozenset[str]:
    """The host and port of the provider's API may also serve its media, on a private network and without TLS where the
    user has configured that (a server of their own): it is trusted with more than a download already."""
    parts = urlsplit(base_url)
    if parts.hostname is None or parts.scheme not in ("http", "https"):
        return frozenset()
    return frozenset({f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"})


def suffix_of(path: Path) -> str:
    return SUFFIXES.get(sniff(path), ".mp4")


async def deliver(
    files: Sequence[RemoteFile], spool: Path, kept: Path, base_url: str, headers: Mapping[str, str], timeout_s: float
) -> Path:
    """The clip, in `spool`, or already in `kept`, the job's folder, where a worker that died has moved it.

    StaleUrl: a fresh URL is needed; FileTooLarge: it is not fetched again; VideoError (retryable): try later.
    """
    number = _clip_number(files)
    here = _arrived(kept, "clip") or _arrived(spool, f"output{number}") or files[number].path
    return here or await _one(files[number], spool / f"output{number}", base_url, headers, timeout_s)


async def deliver_extras(
    files: Sequence[RemoteFile], spool: Path, kept: Path, base_url: str, headers: Mapping[str, str], timeout_s: float
) -> tuple[list[tuple[Path, RemoteFile]], list[str]]:
    """The further files that can be fetched (a second sample, a thumbnail), one try each, and notes about the others.
    The clip waits for none of them."""
    fetched: list[tuple[Path, RemoteFile]] = []
    notes: list[str] = []
    others = [number for number in range(len(files)) if number != _clip_number(files)]
    for count, number in enumerate(others, 1):
        file = files[number]
        try:
            here = _arrived(kept, f"extra{count}") or _arrived(spool, f"output{number}") or file.path
            path = here or await _one(file, spool / f"output{number}", base_url, headers, timeout_s)
            fetched.append((path, file))
        except (StaleUrl, VideoError) as error:
            notes.append(f"a further file ({file.role}) came with the clip and could not be fetched: {error}")
    return fetched, notes


def _clip_number(files: Sequence[RemoteFile]) -> int:
    """Which of them is the clip: the first with that role, else the first of all."""
    return next((number for number, file in enumerate(files) if file.role == "clip"), 0)


def _arrived(folder: Path, name: str) -> Path | None:
    """A complete file of that name: it gets its suffix when it is complete."""
    return next((path for path in sorted(folder.glob(f"{name}.*")) if path.suffix in SUFFIXES.values()), None)


def forget_arrived(spool: Path) -> None:
    """Delete what has arrived, so that it is fetched again."""
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
    except FileTooLarge:
        raise
    except VideoError as error:
        if error.kind == "asset":  # refused, expired, empty, redirected: the provider may have a better address
            raise StaleUrl(str(error)) from None
        raise
    if file.sha256 and got.sha256 != file.sha256:
        target.unlink(missing_ok=True)
        raise VideoError("network", "the download's checksum is not the provider's: fetching it again", retryable=True)
    if not sniff(target).startswith(("video/", "image/")):
        target.unlink(missing_ok=True)
        raise StaleUrl("the address returned something that is not a video")
    crash_point("before-arrived")
    named = target.with_suffix(suffix_of(target))
    target.replace(named)
    return named


class BackOff:
    """Growing waits, from a second to five minutes, reset by success; the provider's own wait counts if it is longer,
    up to five minutes. since: when the failures began (monotonic seconds)."""

    def __init__(self) -> None:
        self.failures = 0
        self.since = time.monotonic()

    def next_s(self, error: VideoError | None = None) -> float:
        if not self.failures:
            self.since = time.monotonic()
        self.failures += 1
        wish = error.retry_after_s if error is not None else None
        own = min(MAX_WAIT_S, FIRST_WAIT_S * 2 ** min(self.failures - 1, 12))
        return own if wish is None else min(MAX_WAIT_S, max(0.0, wish))

    def reset(self) -> None:
        self.failures = 0
        self.since = time.monotonic()


async def pause(seconds: float, wake: anyio.Event) -> bool:
    """Wait that long, or until `wake`; whether it was woken."""
    with anyio.move_on_after(max(0.0, seconds)):
        await wake.wait()
        return True
    return False
