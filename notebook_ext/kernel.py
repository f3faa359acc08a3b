"""What the kernel says of where this code runs: which shell, which cell and run of it, which folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
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
    return str(_parent().get("header", {}).get("msg_id", ""))


def cell() -> tuple[str, str]:
    """What the front end calls the cell that is being run, and a digest of its text; "" for what is not known: a run
    without a page names no cells."""
    parent = _parent()
    code = str(parent.get("content", {}).get("code", ""))
    digest = hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest() if code else ""
    return str(parent.get("metadata", {}).get("cellId") or ""), digest


def _parent() -> Mapping[str, Any]:
    """The message that is being answered; {} outside of one."""
    found = shell()
    if found is None:
        return {}
    try:
        return found.get_parent() or {}
    except (AttributeError, LookupError):
        return {}


@cache
def folder() -> Path:
    """The notebook's folder: of the session's name where the server gives it, else the working folder at first use."""
    name = os.environ.get("JPY_SESSION_NAME", "")
    parent = Path(name).parent if name else Path()
    return parent if parent.is_absolute() and parent.is_dir() else Path.cwd()
