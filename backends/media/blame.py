"""Whose fault a failed decode is: the file's, or this program's own.

Decoders raise much for damaged bytes, and those classes are named here. Whatever else comes out of a call (a keyword
that a library has dropped, a module that cannot be imported, a decoder that its build lacks, memory) says nothing of
the file: reported as a damaged file, it would make the user throw away a good one, and a paid clip with it.
"""

from __future__ import annotations

import errno
import struct
import zlib

from backends.errors import OwnFault

FILE_FAULTS = (ValueError, OSError, EOFError, OverflowError, struct.error, zlib.error)
"""What decoders raise for bytes that they cannot make sense of, beside FFmpeg's own errors and Pillow's; UnicodeError
is a ValueError, and an image that Pillow does not recognise an OSError."""

_MACHINE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV}
)
"""Of reading a file, not of what it holds. FFmpeg uses the same numbers for damaged content: these are the system's."""


def is_machines(error: BaseException) -> bool:
    """Whether the system refused a read (permissions, open files, a failing disk)."""
    return isinstance(error, OSError) and error.errno in _MACHINE


def own_fault(error: BaseException, what: str = "file") -> OwnFault:
    """The failure in words. what: "clip", "image" or "file"."""
    if is_machines(error):
        return OwnFault(
            f"the {what} could not be read from the disk ({error}): that is no fault of the {what}; look at its "
            "permissions and its disk, then try again"
        )
    if isinstance(error, MemoryError):
        return OwnFault(
            f"this program could not read the {what}: decoding it took more memory than it allows itself (3 GiB) or "
            f"than is free, which is no fault of the {what}; close other programs, or give a smaller copy"
        )
    reason = f"{type(error).__name__}: {error}"[:200]
    return OwnFault(
        f"this program could not read the {what} ({reason}): that is no fault of the {what}; update Reelwright "
        "(pip install -U reelwright), see reelwright doctor"
    )
