"""Where kept bytes lie for every machine of a store, by their sha256.

By default they lie in the data folder alone (`OnlyHere`). A bucket (`bucket`) keeps them for several machines: the data
folder then holds what this machine has made or used, and each file there can be fetched again. The code above asks for
nothing else, and does not ask which of them it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from backends.errors import VideoError

BUCKET_AGAIN_S = 30.0
"""The first pause until a place that is away is asked again."""

AGAIN_MOST_S = 300.0
"""The longest one."""

KEPT_HERE = "the clip is kept here, and is put into the bucket later"
"""How the phase begins of a job that waits for the bucket alone."""


class Away(VideoError):
    """The bytes' place cannot be reached, or refuses: nothing is lost, and the same call may work later."""

    def __init__(self, text: str) -> None:
        super().__init__("storage", text, retryable=True)


def again_s(first_s: float, times: int) -> float:
    """The pause until a place is asked again that was away so many times in a row: each twice the one before."""
    return min(max(first_s, AGAIN_MOST_S), first_s * 2.0 ** min(max(0, times - 1), 16))


class Stored(NamedTuple):
    """One object. at: when it was put there (POSIX seconds)."""

    sha256: str
    bytes: int
    at: float


class Objects(Protocol):
    """Bytes by their sha256. Every call may raise `Away`. Thread-safe.

    where: the place in words, for a person; it holds no key. "" where files lie in the data folder alone.
    """

    @property
    def where(self) -> str: ...

    def put(self, path: Path, sha256: str) -> None:
        """Keep a copy of the file; nothing where it is kept already. VideoError("asset") when the file does not hold
        the bytes of that hash."""
        ...

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the bytes are kept; size: and are so many."""
        ...

    def fetch(self, sha256: str, target: Path) -> bool:
        """Bring the bytes to `target`, whole and read-only; False where they are not kept. VideoError("asset") when
        what is kept holds other bytes, "storage" from the disk. Whatever was at `target` is replaced."""
        ...

    def is_whole(self, sha256: str) -> bool:
        """Read all of the bytes; whether they are still those of that hash."""
        ...

    def listed(self) -> Iterator[Stored]:
        """Everything that this store keeps there."""
        ...

    def delete(self, hashes: Sequence[str]) -> None: ...


class OnlyHere:
    """The data folder alone: what is not there is nowhere."""

    where = ""

    def put(self, path: Path, sha256: str) -> None:
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
