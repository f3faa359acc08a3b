"""How a clip gets to the page: the Jupyter server's own file, chunks through the kernel, or a small proxy.

A data URI of the whole clip would be written again at every save, and a server of our own in the kernel would be an
open port; neither is done.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from backends.errors import VideoError
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.views import Job
from notebook_ext import kernel
from notebook_ext.view import Ask, JobAsk

if TYPE_CHECKING:
    from notebook_ext.job import Owner

MAX_CHUNK = 4 << 20
UPWARDS = 8
"""How many folders above the notebook's the server's root is searched for."""
PROXY_SIDE = 480
PROXY_FPS = 12
PROXY_BYTES = 1_500_000
"""The settings of a proxy that is embedded in a saved notebook."""


class ChunkAsk(JobAsk):
    offset: int = Field(ge=0)
    size: int = Field(gt=0, le=MAX_CHUNK)


class Delivers:
    """A mixin for views that play clips. `client` is the view's studio; `clip_of` maps an id of the page to a file."""

    client: Owner

    DELIVERY: Mapping[str, type[Ask]] = {"clip": JobAsk, "chunk": ChunkAsk, "proxy": JobAsk, "poster": JobAsk}

    def clip_of(self, job_id: str) -> Path:
        """The file of a job's clip. Paths never come from the page."""
        clip = self.client.inner.detail(job_id).clip
        if clip is None or not clip.exists():
            raise VideoError("asset", "there is no clip (yet)")
        return clip

    def poster_of(self, job_id: str) -> Path | None:
        return self.client.inner.detail(job_id).poster

    def do_clip(self, ask: JobAsk, _: Sequence[bytes]) -> dict[str, Any]:
        clip = self.clip_of(ask.job_id)
        return whereabouts(clip, self.placed(ask.job_id, clip))

    def placed(self, job_id: str, clip: Path) -> Path | None:
        """The clip's path below the notebook's folder; copied there if it is not there yet."""
        return place(self.client, self.client.inner.get(job_id), clip) if job_id.startswith("job_") else clip

    def do_chunk(self, ask: ChunkAsk, _: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        with self.clip_of(ask.job_id).open("rb") as file:
            file.seek(ask.offset)
            return {}, [file.read(ask.size)]

    def do_proxy(self, ask: JobAsk, _: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        return {}, [proxy(self.clip_of(ask.job_id), self.client.home.folder)]

    def do_poster(self, ask: JobAsk, _: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        poster = self.poster_of(ask.job_id)
        return {}, [poster.read_bytes()] if poster and poster.exists() else []


def whereabouts(clip: Path, placed: Path | None) -> dict[str, Any]:
    """What a page needs to fetch a clip. placed: its path below the notebook's folder, None where it cannot be put
    there."""
    facts = clip.stat()
    return {
        "size": facts.st_size,
        "mime": "video/webm" if clip.suffix == ".webm" else "video/mp4",
        "paths": server_paths(placed) if placed else [],
        "version": f"{facts.st_mtime_ns:x}",
    }


def job_whereabouts(client: Owner, view: Job, clip: Path | None) -> dict[str, Any] | None:
    """The same for a job's clip; None while there is none."""
    with suppress(OSError):
        return whereabouts(clip, place(client, view, clip)) if clip is not None else None
    return None


def preview_of(view: Job) -> str:
    """A word that changes with a running job's preview picture; "" is none."""
    if view.state == "running" and view.poster is not None:
        with suppress(OSError):
            return f"{Path(view.poster).stat().st_mtime_ns:x}"
    return ""


def place(client: Owner, view: Job, clip: Path | None) -> Path | None:
    """Copy a job's clip into the visible folder beside the notebook, once; None when that cannot be written."""
    if clip is None:
        return None
    label = view.label or f"{view.model.replace('/', '-')}-{view.job_id[4:10]}"
    try:
        return Artifacts(client.home.settings.artifacts, client.home.folder).publish(
            clip, label, view.take, view.job_id
        )
    except VideoError:
        return None


def server_paths(file: Path) -> list[str]:
    """Possible paths of the file below the server's root, which the kernel does not know: the notebook's folder first,
    then one folder further up each time. [] for a file that is not below the notebook's folder."""
    folder = kernel.folder().absolute()
    try:
        inside = file.absolute().relative_to(folder)
    except ValueError:
        return []
    parts = folder.parts[1:]
    return ["/".join((*parts[len(parts) - up :], *inside.parts)) for up in range(min(UPWARDS, len(parts)) + 1)]


def relative_path(file: Path) -> str | None:
    """The file's address relative to the notebook's document; None when it is not below the notebook's folder, or where
    the document cannot reach files."""
    found = server_paths(file) if kernel.files_beside() else []
    return found[0] if found else None


_ONE_PROXY = threading.Lock()
"""Encoding takes the cores, and the same clip is encoded once."""


def proxy(clip: Path, folder: Path) -> bytes:
    """A small, silent MP4 of the clip: at most 480 pixels a side, 12 frames a second, about 1.5 MB at most."""
    with _ONE_PROXY:
        return _proxy(clip, clip.stat().st_mtime_ns, folder)


@lru_cache(maxsize=8)
def _proxy(clip: Path, _: int, folder: Path) -> bytes:
    import cv2
    import numpy as np

    from backends.media.encode import ClipWriter
    from backends.media.frames import decode
    from backends.media.probe import probe_clip

    facts = probe_clip(clip)
    scale = min(1.0, PROXY_SIDE / max(facts.width, facts.height))
    width, height = (max(16, int(side * scale) // 2 * 2) for side in (facts.width, facts.height))
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".{secrets.token_hex(8)}.proxy.mp4"
    try:
        for crf in (30, 36, 42, 48):
            with ClipWriter(made, width, height, PROXY_FPS, crf=crf) as writer:
                for picture in decode(clip, fps=Fraction(PROXY_FPS)):
                    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
                    writer.write(np.asarray(small, np.uint8))
            if made.stat().st_size <= PROXY_BYTES:
                break
        return made.read_bytes()
    finally:
        made.unlink(missing_ok=True)
