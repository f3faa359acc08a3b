"""A notebook's objects (paths, jobs, arrays, pictures) as the media names that a request takes."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.errors import VideoError
from notebook_ext import kernel

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def media_name(value: object, folder: Path) -> str:
    """A path, URL, job id or URI unchanged; a job as its URI; a picture or array as a PNG saved in `folder`/stills.

    Arrays: H x W, H x W x 3 or x 4, uint8 or float 0..1, numpy or anything that converts to it. VideoError("asset") for
    what names no picture or clip.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(uri := getattr(value, "uri", None), str):
        return uri
    return str(save_still(pixels(value), folder / "stills"))


def pixels(value: object) -> Pixels:
    """One picture as uint8 RGB, height x width x 3. VideoError("asset") for any other shape or kind of number."""
    import numpy as np
    from PIL import Image

    if isinstance(value, Image.Image):
        return np.asarray(value.convert("RGB"), np.uint8)
    array = _array(value)
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        shape = " x ".join(map(str, array.shape)) or "a single number"
        raise VideoError("asset", f"a picture is an array of height x width x 3 (RGB), not {shape}")
    return as_bytes(array[:, :, :3])


def as_bytes(array: Any) -> Pixels:
    """Any array of 0..255 integers, or of floats from 0 to 1, as uint8."""
    import numpy as np

    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        if array.size and not (np.nanmin(array) >= -0.01 and np.nanmax(array) <= 1.01):
            raise VideoError("asset", "an array of floats is a picture when its values are 0 to 1: scale it first")
        return np.clip(np.rint(np.nan_to_num(array) * 255), 0, 255).astype(np.uint8)
    if array.dtype.kind in "iub" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    raise VideoError("asset", f"an array of {array.dtype} is not a picture: give uint8, or floats from 0 to 1")


def _array(value: Any) -> Any:
    import numpy as np

    if hasattr(value, "detach"):  # a torch tensor; with channels first it is transposed
        value = value.detach().to("cpu").float().numpy()
        if value.ndim >= 3 and value.shape[-3] in (1, 3) and value.shape[-1] not in (1, 3, 4):
            value = np.moveaxis(value, -3, -1)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype == object:
        kind = type(value).__name__
        raise VideoError("asset", f"{kind} names no picture or clip: give a path, a job, an array or a PIL image")
    return array


def save_still(picture: Pixels, folder: Path) -> Path:
    """A PNG named after its content, so that the same picture is the same input."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=4)
    return save_bytes(buffer.getvalue(), folder, ".png")


def save_bytes(data: bytes, folder: Path, suffix: str) -> Path:
    """A file named after its content; VideoError("storage") when it cannot be written."""
    path = folder / f"{hashlib.sha256(data).hexdigest()[:20]}{suffix}"
    if path.exists():
        return path
    temporary = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise VideoError("storage", f"{path} cannot be written ({error.strerror}): choose another folder") from None
    return path


def literal_path(name: str) -> str:
    """A file below the notebook's folder, relative to it, for code that works where the folder is moved to."""
    try:
        return Path(name).relative_to(kernel.folder()).as_posix()
    except ValueError:
        return name


def pictures(value: Any) -> Sequence[Pixels] | None:
    """The frames of a clip in memory: an array T x H x W x 3, a list of pictures, or the result of a diffusers
    pipeline; None for anything else."""
    frames = getattr(value, "frames", None)
    if frames is not None and not isinstance(frames, tuple | str):
        batch = getattr(frames, "ndim", 0) == 5 or (isinstance(frames, list) and frames and isinstance(frames[0], list))
        value = frames[0] if batch else frames
    if isinstance(value, list | tuple) and value and not isinstance(value[0], str | int | float):
        return [pixels(one) for one in value]
    if getattr(value, "ndim", 0) == 4:
        return [pixels(one) for one in _array(value)]
    return None
