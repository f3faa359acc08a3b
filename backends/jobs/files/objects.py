"""Where kept bytes lie for every machine of a store, by their sha256.

By default they lie in the data folder only (`OnlyHere`). A bucket (`bucket`) keeps them for several machines: the data
folder then holds what this machine has made or used, and each file there can be fetched again. Code that uses `Objects`
does not need to know which of the two it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from backends.errors import VideoError

BUCKET_AGAIN_S = 30.0
"""The first pause before a place that cannot be reached is tried again, seconds."""

AGAIN_MOST_S = 300.0
"""The longest such pause, seconds."""

KEPT_HERE = "the clip is kept here, and is put into the bucket later"
"""The first words of the phase of a job that only waits for the bucket."""


class Away(VideoError):
    """The place cannot be reached, or refuses: nothing is lost, and the same call may work later."""

    def __init__(self, text: str) -> None:
        super().__init__("storage", text, retryable=True)


def again_s(first_s: float, times: int) -> float:
    """The pause before the next try after so many failures in a row: each is twice the one before."""
    return min(max(first_s, AGAIN_MOST_S), first_s * 2.0 ** min(max(0, times - 1), 16))


class Stored(NamedTuple):
    """One object. at: when it was put there (POSIX seconds)."""

    sha256: str
    bytes: int
    at: float


class Objects(Protocol):
    """Bytes by their sha256. Every call may raise `Away`. Thread-safe.

    where: a description of the place, without any key. "" where files lie in the data folder only.
    """

    @property
    def where(self) -> str: ...

    def put(self, path: Path, sha256: str, *, soon: bool = False) -> None:
        """Keep a copy of the file; nothing where it is already kept. VideoError("asset") when the file does not match
        the hash. soon: somebody waits for it, so a slow line is not given more time."""
        ...

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the bytes are kept. size: also check that there are so many."""
        ...

    def fetch(self, sha256: str, target: Path) -> bool:
        """Bring the bytes to `target`, complete and read-only, replacing what is there; False where they are not kept.
        VideoError("asset") when the kept bytes do not match the hash, "storage" from the disk."""
        ...

    def is_whole(self, sha256: str) -> bool:
        """Read all of the bytes; whether they still match the hash."""
        ...

    def listed(self) -> Iterator[Stored]:
        """All objects that this store keeps there."""
        ...

    def delete(self, hashes: Sequence[str]) -> None: ...


class OnlyHere:
    """The data folder only: what is not there exists nowhere else."""

    where = ""

    def put(self, path: Path, sha256: str, *, soon: bool = False) -> None:
        return None

    def has(self, sha256: str, size: int | None = None) -> bool:
        return False

    def fetch(self, sha256: str, target: Path) -> bool:
        return False

    def is_whole(self, sha256: str) -> bool:
        return False

    def listed(self) -> Iterator[Stored]:
        return iter(())

    def delete(self, hashes: Sequence[str]) -> None:
        return None
