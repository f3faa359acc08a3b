"""What the kernel says of where this code runs: which shell, which cell's run, which folder."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any


def shell() -> Any | None:
    """The IPython shell of a kernel with a front end; None at a terminal or in a script."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    found = get_ipython()
    return found if found is not None and hasattr(found, "kernel") else None


def run_id() -> str:
    """What names the run of the cell that is being run: the id of its message, "" outside of one."""
    found = shell()
    if found is None:
        return ""
    try:
        return str(found.get_parent().get("header", {}).get("msg_id", ""))
    except (AttributeError, LookupError):
        return ""


@cache
def folder() -> Path:
    """The notebook's folder: of the session's name where the server gives it, else the working folder at first use."""
    name = os.environ.get("JPY_SESSION_NAME", "")
    parent = Path(name).parent if name else Path()
    return parent if parent.is_absolute() and parent.is_dir() else Path.cwd()
