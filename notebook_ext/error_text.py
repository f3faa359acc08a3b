"""Error messages for a notebook: short, with what to do next as Python or as a command to copy."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from backends.errors import VideoError
from backends.jobs.views import Job as JobView

E = TypeVar("E", bound=BaseException)
C = TypeVar("C", bound=type)

SHOWS = {
    "list_models": "studio.list_models() shows all",
    "list_jobs": "studio.list_jobs() shows all jobs",
    "estimate_cost": "studio.estimate_cost() shows prices",
}
"""What a notebook shows for the call that a failure names."""

CHARGED = {"no": "It was not charged.", "yes": "It was charged.", "unknown": "It may have been charged."}
OFFER = "or another model: repeat with "
"""How a failed job's next step names another model that does the same; the arguments follow."""


def error_text(error: VideoError) -> str:
    """An error's message for a notebook; its remedy is given as Python arguments."""
    lines = [f"{error.kind}: {error.message}"]
    if error.lead is None:
        lines += [f"- {problem}" for problem in error.problems]
    if error.next is not None and error.next.tool in SHOWS:
        lines.append(SHOWS[error.next.tool])
    return "\n".join(lines)


def ended(view: JobView) -> tuple[str, str]:
    """For a job that did not succeed: what happened, whether it was charged (said once), and what can be done; and the
    command for a terminal, where that is what can be done ("" otherwise)."""
    if view.state == "cancelled":
        return "It was cancelled.", ""
    if view.error is None or view.state != "failed":
        command = re.search(r"reelwright jobs resolve \S+", view.next)
        words = view.next if command is None else view.next[: command.start()].rstrip(" :")
        return words, "" if command is None else command[0]
    message = view.error.message.rstrip(" .;")
    parts = [message + ("" if message.endswith(("!", "?")) else ".")]
    if "charged" not in message or view.error.charged != "no":
        parts.append(CHARGED[view.error.charged])
    offer = view.next.partition(OFFER)[2].removesuffix("; nothing has been started")
    if offer:
        parts.append(f"Another model: {offer}.")
    return " ".join(parts), ""


def short(error: E, words: str) -> E:
    """The same error, shown in a cell as these words instead of a traceback; IPython asks it for them."""
    error._render_traceback_ = lambda: [words]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return error


def boundary(cls: C) -> C:
    """A class decorator: a VideoError leaves each public method without the frames below it, in scripts too."""
    for name, work in list(vars(cls).items()):
        if isinstance(work, FunctionType) and not name.startswith("_") and not inspect.iscoroutinefunction(work):
            setattr(cls, name, _cut(work))
    return cls


def _cut(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def call(*given: Any, **named: Any) -> Any:
        try:
            return work(*given, **named)
        except VideoError as error:
            raise error.with_traceback(None) from None

    return call


def _rendered(self: VideoError) -> list[str]:
    return error_text(self).split("\n")


VideoError._render_traceback_ = _rendered  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
