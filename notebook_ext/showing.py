"""show(): a job, a clip, a picture or frames in memory, shown in the notebook."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.errors import VideoError
from backends.media_name import JOB_ID_PATTERN, MediaName
from notebook_ext import kernel
from notebook_ext.delivery import proxy, relative_path
from notebook_ext.figure import EMBEDDED
from notebook_ext.media_names import pictures, pixels, save_bytes, save_still

if TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio

CLIPS = (".mp4", ".m4v", ".mov", ".webm")


def show(
    what: object, *, fps: float = 24, label: str = "", embed: bool = False, client: NotebookStudio | None = None
) -> None:
    """Show a job (or its id), a frame of one (`job.last_frame`), a path of a clip or picture, an array (H x W x 3, or T
    x H x W x 3 at `fps`), a list of pictures, or the result of a diffusers pipeline; each of a list of jobs or paths.
    Frames in memory are encoded into the notebook's visible folder. embed: write the clip itself into the notebook, for
    sharing one file: unchanged up to 1.5 MB, else as a small silent copy.

    VideoError("asset") for anything else.
    """
    from notebook_ext.job import Job

    if client is None:
        from notebook_ext.client import studio as client
    if isinstance(what, str) and re.match(JOB_ID_PATTERN, what.removeprefix("video://jobs/")):
        what = client.job(what)
    if isinstance(what, list | tuple) and what and all(isinstance(one, str | Path | Job) for one in what):
        for one in what:
            show(one, fps=fps, label=label, embed=embed, client=client)
        return
    if isinstance(what, Job) and embed:
        clip = client.inner.detail(what.job_id).clip
        if clip is None or not clip.exists():
            raise VideoError("asset", "that job is not finished yet: await it first")
        _show_file(clip, label or client.inner.detail(what.job_id).prompt or what.job_id, client, embed)
        return
    if isinstance(what, Job):
        what._ipython_display_() if kernel.draws() else print(repr(what))  # noqa: T201
        return
    if isinstance(what, str) and what.startswith("video://"):
        entry = client.inner.context.inputs.clips.entry(MediaName.parse(what), client.inner.who.sees)
        if "path" not in entry:
            raise VideoError("asset", "that job is not finished yet: await it first")
        file = save_bytes(Path(entry["path"]).read_bytes(), client.home.folder / "stills", ".png")
        label = label or what.removeprefix("video://jobs/")
    elif isinstance(what, str | Path):
        file = Path(what).expanduser()
        if not file.exists():
            raise VideoError("asset", f"there is no file {str(what)[:120]!r}: give a path, a job, an array or frames")
    elif (frames := pictures(what)) is not None:
        file = _encode(frames, fps, client)
    else:
        file = save_still(pixels(what), client.home.folder / "stills")
    _show_file(file, label, client, embed)


def _encode(frames: Any, fps: float, client: NotebookStudio) -> Path:
    """Frames as an MP4 named after their content; an odd side is filled up by repeating its last line."""
    import hashlib

    import numpy as np

    from backends.media.encode import ClipWriter

    if len({frame.shape for frame in frames}) != 1:
        raise VideoError("asset", "the pictures differ in size, so they make no clip")
    height, width, _ = frames[0].shape
    margin = ((0, height % 2), (0, width % 2), (0, 0))
    digest = hashlib.sha256(f"{fps}".encode())
    for frame in frames:
        digest.update(np.ascontiguousarray(frame).tobytes())
    path = client.home.folder / f"frames-{digest.hexdigest()[:16]}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        with ClipWriter(part, width + width % 2, height + height % 2, fps) as writer:
            for frame in frames:
                writer.write(np.pad(frame, margin, mode="edge"))
        part.replace(path)
    return path


def _show_file(file: Path, label: str, client: NotebookStudio, embed: bool = False) -> None:
    if not kernel.draws():
        print(file)  # noqa: T201
        return
    kernel.show(_html(file, label or file.name, client, embed))


def _html(file: Path, label: str, client: NotebookStudio, embed: bool = False) -> str:
    """The file by its address below the notebook; where it has none or `embed` is requested, its bytes: a picture
    reduced, a clip unchanged or as a proxy."""
    import base64

    clip = file.suffix.lower() in CLIPS
    source = None if embed else relative_path(file)
    if source is None:
        if clip and file.suffix.lower() in (".mp4", ".webm") and file.stat().st_size <= EMBEDDED:
            data, mime = file.read_bytes(), f"video/{file.suffix.lower()[1:]}"
        elif clip:
            data, mime = proxy(file, client.home.settings.artifacts), "video/mp4"
        else:
            data, mime = _small(file), "image/jpeg"
        source = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    text = escape(label)
    named = f'style="max-width:100%" src="{escape(source)}"'
    if clip:
        inside = f'<video controls loop muted playsinline aria-label="{text}" {named}></video>'
    else:
        inside = f'<img alt="{text}" {named}>'
    return f"<figure style='margin:4px 0'>{inside}<figcaption>{text}</figcaption></figure>"


def _small(file: Path) -> bytes:
    import io

    from PIL import Image

    from backends.media.images import load_image

    image = Image.fromarray(load_image(file))
    image.thumbnail((1280, 1280))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
