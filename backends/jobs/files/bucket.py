"""An S3-compatible bucket that keeps a store's bytes: PREFIX/STORE/ab/SHA256. The client, obstore, is imported on first
use.

STORE is the store's id, so that several stores can share one bucket and none removes another's files. Downloaded bytes
are hashed before they are used. Errors are one sentence of our own, because the client's messages contain addresses and
request ids.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, cast
from urllib.parse import urlsplit

from backends.errors import VideoError
from backends.jobs.files import copies
from backends.jobs.files.artifacts import changed, disk_errors, fsync_folder
from backends.jobs.files.bucket_url import CONFIG, BucketUrl, allows_http, endpoint
from backends.jobs.files.objects import Away, Stored
from backends.jobs.files.private import new_private_file, private_folder
from backends.media.hashing import sha256_of

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Config, S3Store

PIECE = 5 << 20
"""Bytes of one part of an upload, the smallest that is allowed: each part has its own time-out, so that a slow line
ends nothing and a dead one is noticed."""

AT_ONCE = 2
TRIES = 2
SLOWER, SLOWEST = 4, 16
"""A request that a slow line cannot finish in time gets this many times as long, up to so many times in all: 16 minutes
for a piece of 5 MB, 44 kbit/s."""

HASH = re.compile(r"[0-9a-f]{64}")
_STATUS = re.compile(r"\b(?:status|HTTP error|Server returned error status|returned)\D{0,24}\b([1-5]\d\d)\b")


class Silent(Away):
    """It did not answer in time."""


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Bucket:
    """url: of the bucket. folder: the store's id. env: its AWS_ variables are used. timeout_s: of one request."""

    def __init__(self, url: BucketUrl, folder: str, env: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._folder = folder
        self._env = env
        self._timeout_s = timeout_s
        self._opening = threading.Lock()
        self._clients: dict[int, S3Store] = {}
        self._patience = 1

    @property
    def where(self) -> str:
        return self._url.text

    def put(self, path: Path, sha256: str, *, soon: bool = False) -> None:
        with disk_errors("putting a file into the bucket"), path.open("rb") as file:
            if sha256_of(file) != sha256:
                raise changed(f"{path.name} of {path.parent}")
            size = os.fstat(file.fileno()).st_size
            there = self._size(sha256)
            if there == size:
                return
            patience = 1 if soon else self._patience
            while not self._is_put(sha256, file, size, patience, new=there is None):
                if soon or patience >= SLOWEST:
                    self._patience = 1
                    raise Silent(f"the bucket {self.where} answers, and takes no file in time: check the network")
                self._patience = patience = min(SLOWEST, patience * SLOWER)
                file.seek(0)

    def _is_put(self, sha256: str, file: BinaryIO, size: int, patience: int, *, new: bool) -> bool:
        """Whether it is there now; False where the bucket answers but the line is too slow: repeat with more time."""
        import obstore

        begun = time.monotonic()
        try:
            with self._reporting("putting a file there"):
                if not (new and size <= PIECE and self._created(sha256, file.read(), patience)):
                    file.seek(0)
                    at_once = AT_ONCE if patience == 1 else 1
                    obstore.put(self._open(patience), _key(sha256), file, chunk_size=PIECE, max_concurrency=at_once)
        except Silent:
            if self._size(sha256) != size:
                return False
        if time.monotonic() - begun < self._timeout_s * size / PIECE / AT_ONCE:
            self._patience = 1
        return True

    def _created(self, sha256: str, content: bytes, patience: int) -> bool:
        """Upload it only where nothing is; False where the server does not know that condition."""
        import obstore
        from obstore import exceptions

        try:
            obstore.put(self._open(patience), _key(sha256), content, mode="create")
        except exceptions.AlreadyExistsError:  # another machine was faster
            pass
        except (exceptions.NotSupportedError, NotImplementedError):
            return False
        except exceptions.GenericError as error:
            if _status(error) != 501:
                raise
            return False
        return True

    def has(self, sha256: str, size: int | None = None) -> bool:
        found = self._size_there(sha256)
        return found is not None and size in (None, found)

    def fetch(self, sha256: str, target: Path) -> bool:
        size = self._size_there(sha256)
        if size is None:
            return False
        with disk_errors("fetching a file from the bucket"):
            private_folder(target.parent)
            part = copies.part_beside(target)
            try:
                with new_private_file(part) as file:
                    if self._read(sha256, size, file) != sha256:
                        raise VideoError("asset", f"{self.where} holds other bytes than were put there as {sha256}")
                    file.flush()
                    os.fsync(file.fileno())
                part.chmod(copies.KEPT)
                copies.put_in_place(part, target)
                fsync_folder(target.parent)
            finally:
                copies.remove_kept(part)
        return True

    def is_whole(self, sha256: str) -> bool:
        size = self._size_there(sha256)
        return size is not None and self._read(sha256, size, None) == sha256

    def _read(self, sha256: str, size: int, into: _Sink | None) -> str:
        """The hash of the kept bytes, read piece by piece."""
        import obstore

        digest = hashlib.sha256()
        for start in range(0, size, PIECE):
            end = min(start + PIECE, size)
            with self._reporting("reading a file of it"):
                piece = obstore.get_range(self._open(), _key(sha256), start=start, end=end).to_bytes()
            if len(piece) != end - start:
                raise Away(f"the bucket {self.where} sent only part of a file: it is tried again later")
            digest.update(piece)
            if into is not None:
                into.write(piece)
        return digest.hexdigest()

    def _size(self, sha256: str) -> int | None:
        """The size in bytes; None where there is no such object."""
        import obstore

        with self._reporting("looking for a file there"):
            try:
                return int(obstore.head(self._open(), _key(sha256))["size"])
            except FileNotFoundError:
                return None

    def _size_there(self, sha256: str) -> int | None:
        """The same; `Away` where the bucket itself is missing, which the 404 of one file does not tell."""
        size = self._size(sha256)
        if size is None:
            with self._reporting("listing it"):
                next(self._pages(1), None)
        return size

    def listed(self) -> Iterator[Stored]:
        with self._reporting("listing it"):
            for page in self._pages(1000):
                for one in page:
                    name = str(one["path"]).rpartition("/")[2]
                    if HASH.fullmatch(name):
                        yield Stored(name, int(one["size"]), one["last_modified"].timestamp())

    def _pages(self, size: int) -> Iterator[Sequence[ObjectMeta]]:
        import obstore

        # Its other result type needs a package that is not installed here, so its type is unknown.
        yield from obstore.list(self._open(), chunk_size=size)  # pyright: ignore[reportUnknownMemberType]

    def delete(self, hashes: Sequence[str]) -> None:
        import obstore

        with self._reporting("removing a file of it"):
            obstore.delete(self._open(), [_key(sha256) for sha256 in hashes])

    def check(self) -> None:
        """`Away` unless it can be listed, written and read with these keys. Leaves nothing behind."""
        import obstore

        content = os.urandom(16).hex().encode()
        name = f"trial-{content[:16].decode()}"
        with self._reporting("listing it"):
            next(self._pages(1), None)
        with self._reporting("putting a file there"):
            obstore.put(self._open(), name, content)
        with self._reporting("reading a file of it"):
            found = obstore.get_range(self._open(), name, start=0, end=len(content)).to_bytes()
        with self._reporting("removing a file of it"):
            obstore.delete(self._open(), name)
        if found != content:
            raise Away(f"the bucket {self.where} returns other bytes than were put there: do not use it")

    # the client

    def _open(self, patience: int = 1) -> S3Store:
        """patience: how many times as long as usual a request may take."""
        with self._opening:
            if patience not in self._clients:
                self._clients[patience] = self._client(self._timeout_s * patience)
            return self._clients[patience]

    def _client(self, timeout_s: float) -> S3Store:
        from obstore.store import S3Store

        known: dict[str, object] = {CONFIG[name]: self._env[name] for name in CONFIG if self._env.get(name)}
        known["disable_bulk_delete"] = True  # this would be a further request, which not every server knows
        address = endpoint(self._env)
        if address:
            known["endpoint"] = address
            known.setdefault("region", known.get("default_region", "us-east-1"))
        plain = urlsplit(address).scheme == "http" or allows_http(self._env)
        return S3Store(
            self._url.name,
            prefix="/".join(filter(None, (self._url.prefix, self._folder))),
            config=cast("S3Config", known),
            client_options={
                "allow_http": plain,
                "connect_timeout": timedelta(seconds=min(10.0, self._timeout_s)),
                "timeout": timedelta(seconds=timeout_s),
            },
            retry_config={
                "max_retries": TRIES,
                "retry_timeout": timedelta(seconds=timeout_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=200),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    @contextmanager
    def _reporting(self, doing: str) -> Generator[None]:
        """Turn the client's failures into `Away` with a message."""
        from obstore import exceptions

        try:
            yield
        except exceptions.BaseError as error:
            raise self._away(doing, error) from None
        except (TimeoutError, ConnectionError, RuntimeError, ValueError) as error:
            raise self._away(doing, error) from None
        except OSError as error:
            if error.errno is None:  # errors of the client; those of the system have a number
                raise self._away(doing, error) from None
            with disk_errors("reading a file to upload"):
                raise

    def _away(self, doing: str, error: Exception) -> Away:
        kind = _kind(error)
        if kind == "keys" and not self._env.get("AWS_ACCESS_KEY_ID"):
            kind = "no keys"
        match kind:
            case "keys":
                why = "refuses these keys: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and their permissions"
            case "none":
                why = "does not exist: create it, or check REELWRIGHT_ARTIFACTS, AWS_REGION and AWS_ENDPOINT_URL"
            case "no keys":
                why = "needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (a profile is not read)"
            case "region":
                why = "is in another region, or does not understand these keys: check AWS_REGION and AWS_ENDPOINT_URL"
            case "silent":
                why = "does not answer: check the network, AWS_ENDPOINT_URL and AWS_REGION"
            case status:
                why = f"has failed ({status}): try again later"
        return (Silent if kind == "silent" else Away)(f"the bucket {self.where} {why} ({doing})")


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _status(error: Exception) -> int:
    """The HTTP status that a failure mentions; 0 for none."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def _kind(error: Exception) -> Literal["keys", "none", "no keys", "region", "silent"] | str:
    from obstore import exceptions

    status, message = _status(error), str(error)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError | PermissionError):
        return "keys"
    if status in (401, 403):
        return "keys"
    if isinstance(error, FileNotFoundError) or status == 404:
        return "none"
    if "169.254.169.254" in message or "credential" in message.lower():
        return "no keys"
    if status in (301, 307, 400) or "redirect" in message.lower():
        return "region"
    return f"HTTP {status}" if status else "silent"
