"""The notebook host in which this code runs: whether it draws what is shown, which cell and run, which folder.

A host is an IPython kernel under any front end, or marimo; neither is imported to find out.
"""

from __future__ import annotations

import hashlib
import os
import sys
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


def marimo() -> Any | None:
    """The package `marimo` where this runs in one of its notebooks."""
    found = sys.modules.get("marimo")
    return found if found is not None and found.running_in_notebook() else None


def draws() -> bool:
    """Whether a page draws what is shown; otherwise it is printed as text."""
    return shell() is not None or marimo() is not None


def show(what: Any) -> None:
    """Show an object, or HTML given as text, in the output of the running cell."""
    if (found := marimo()) is not None:
        found.output.append(found.Html(what) if isinstance(what, str) else what)
        return
    from IPython.display import HTML, display

    display(HTML(what) if isinstance(what, str) else what)


def files_beside() -> bool:
    """Whether a saved notebook finds a file by its path below the notebook's folder. Colab's notebooks are not beside
    their kernel's files, and marimo serves its pages from no folder."""
    return marimo() is None and "google.colab" not in sys.modules


def run_id() -> str:
    """A name for the run of the running cell, "" outside of one."""
    if (found := marimo()) is not None:
        return str(id(_of_marimo(found)))
    return str(_parent().get("header", {}).get("msg_id", ""))


def cell() -> tuple[str, str]:
    """The front end's name of the running cell, and a digest of its text; "" for what is not known: a run without a
    page names no cells."""
    if (found := marimo()) is not None:
        return str(getattr(_of_marimo(found), "cell_id", "") or ""), ""
    parent = _parent()
    code = str(parent.get("content", {}).get("code", ""))
    digest = hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest() if code else ""
    return str(parent.get("metadata", {}).get("cellId") or ""), digest


def _of_marimo(package: Any) -> Any | None:
    """marimo's execution context of the running cell; None outside of one."""
    try:
        return package._runtime.context.get_context().execution_context
    except Exception:  # its own error, or another version that keeps this elsewhere
        return None


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
    """The notebook's folder: from the session's name where the server gives it, else the working folder at first
    use."""
    name = os.environ.get("JPY_SESSION_NAME", "")
    parent = Path(name).parent if name else Path()
    if (found := marimo()) is not None and (beside := found.notebook_dir()) is not None:
        parent = Path(beside)
    return parent if parent.is_absolute() and parent.is_dir() else Path.cwd()
