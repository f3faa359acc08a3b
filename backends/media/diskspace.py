"""A full disk, in words."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from backends.errors import VideoError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space, over the user's quota, over the process's file size limit."""


def is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def disk_full(path: Path) -> VideoError:
    """The storage error for a file that could not be written in full."""
    try:
        left = f" ({shutil.disk_usage(path.parent).free // 1_000_000} MB are left)"
    except OSError:
        left = ""
    return VideoError(
        "storage",
        f"the disk, quota or file size limit below {path.parent} is used up{left}: delete files that are no longer "
        "needed there, or set REELWRIGHT_HOME to a folder on a larger disk; then make the same request again",
        retryable=True,
    )
