"""A list of shots from a file: each row is a request with its terms. Every bad row is reported, by its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from backends import vocabulary
from backends.errors import VideoError
from backends.terms import Terms, build_terms
from mcp_server.cli import shot_table
from mcp_server.cli.options import keyframe
from mcp_server.cli.request_options import Given
from mcp_server.cli.shot_table import Cells

if TYPE_CHECKING:
    from backends.facts import MediaFacts
    from backends.request import VideoRequest


@dataclass(frozen=True)
class Shot:
    """One row. line: its number in the file, from 1. continues: it starts from the last frame of the row before; its
    request then names that frame as `BEFORE`."""

    line: int
    request: VideoRequest
    given: Given
    continues: bool = False

    @property
    def terms(self) -> Terms:
        return self.given.terms

    def after(self, job_id: str) -> Shot:
        """The same shot, starting from the last frame of that job."""
        return self._starting(f"video://jobs/{job_id}/last_frame")

    def _starting(self, image: str) -> Shot:
        first = self.request.frames[0].model_copy(update={"image": image})
        return replace(self, request=self.request.model_copy(update={"frames": (first,)}))

    def promised(self, facts: MediaFacts) -> dict[str, MediaFacts]:
        """The facts of its first image, after a clip with these facts."""
        still = replace(facts, kind="image", mime="image/png", duration_s=None, fps=None, frames=None, audio=False)
        return {FIRST: still}


BEFORE = "the last frame of the shot before"
FIRST = "frames[0].image"


def refused(path: Path, problems: Mapping[int, str]) -> VideoError:
    """Every bad row in one failure, before anything is started."""
    listed = [f"line {line}: {text}".replace("\n", " ") for line, text in sorted(problems.items())]
    rows = "1 row" if len(listed) == 1 else f"{len(listed)} rows"
    text = f"{rows} of {path.name} cannot be made; nothing was started:\n" + "\n".join(listed)
    return VideoError("invalid_request", text, problems=listed)


def read(path: Path, base: Given, tell: Callable[[str], None] = lambda _: None) -> list[Shot]:
    """The shots of a file; where a row gives no value, the command's options apply. tell: receives notes about how the
    file was read.

    VideoError("invalid_request") names every bad line; "asset" when the file cannot be read.
    """
    shots: list[Shot] = []
    problems: dict[int, str] = {}
    for line, cells in shot_table.rows(path, tell):
        try:
            shots.append(_shot(line, cells, base))
        except VideoError as error:
            problems[line] = "; ".join(map(str, error.problems)) or error.message
    if shots and shots[0].continues:
        problems.setdefault(shots[0].line, "continue: there is no shot before it")
    if problems:
        raise refused(path, problems)
    if not shots:
        raise VideoError("invalid_request", f"{path.name} holds no shots: a header line of column names, then rows")
    return shots


def _shot(line: int, cells: Cells | VideoError, base: Given) -> Shot:
    if isinstance(cells, VideoError):
        raise cells
    own = dict(cells)
    goes_on = own.pop("continue", False)
    if not isinstance(goes_on, bool):
        raise VideoError("invalid_request", f"continue is true or false, not {str(goes_on)[:40]!r}")
    if goes_on:
        if twice := sorted(own.keys() & {"image", "frames", "clip"}):
            raise VideoError("invalid_request", f"continue starts from the shot before: leave {twice[0]} empty")
        own["image"] = BEFORE
    task = _word("task", own.pop("task", base.task))
    terms = build_terms(base.terms, **{name: own.pop(name) for name in vocabulary.terms() if name in own})
    terms.check()
    chosen = replace(base, fields=_with_base(own, base), task=task, terms=terms)
    return Shot(line, chosen.request(), chosen, goes_on)


def _with_base(own: Cells, base: Given) -> Cells:
    """The row merged over the command's options; a row's own source replaces theirs."""
    fields = dict(base.fields)
    if own.keys() & {"image", "frames", "clip"}:
        fields = {name: value for name, value in fields.items() if name not in ("image", "frames", "clip", "add_s")}
    fields |= own
    frames = fields.get("frames")
    if isinstance(frames, list):
        listed = cast("list[object]", frames)
        fields["frames"] = [keyframe(one) if isinstance(one, str) else one for one in listed]
    if isinstance(region := fields.get("motion"), dict):
        fields["motion"] = [region]
    return fields


def _word(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise VideoError("invalid_request", f"{name} is a text, not {str(value)[:40]!r}")
    return value
