"""`make --from ... --join OUT`: the film of all shots, as the last job; checked before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.errors import VideoError
from mcp_server.cli import show
from mcp_server.cli.finish import check_out, chosen_format, deliver
from mcp_server.cli.request_options import Given

if TYPE_CHECKING:
    from backends.edit.request import FinishRequest
    from backends.facts import MediaFacts
    from backends.jobs.views import Job
    from backends.studio import Quote, Studio


@dataclass(frozen=True)
class Cut:
    """out: the path of the film. base: the command's options; fit and focus apply to the film too."""

    out: Path
    base: Given
    force: bool = False

    def check(self, studio: Studio, *, no_wait: bool) -> None:
        """Whether the film can be written there at all. A film that this data folder made may be replaced: running the
        command again puts a changed shot into it."""
        chosen_format(self.out, None)
        force = self.force or is_ours(studio, self.out)
        check_out(self.out, force, no_wait=no_wait)

    def judge(self, studio: Studio, quotes: Sequence[Quote]) -> None:
        """VideoError when the shots cannot become one film, as far as they are known now."""
        promised: dict[str, MediaFacts] = {}
        names: list[str] = []
        for number, quote in enumerate(quotes):
            names.append(quote.job or f"shot {number + 1}")
            if quote.job is None and quote.promise is None:
                return
            if quote.job is None and quote.promise is not None:
                promised[f"clips[{number}]"] = quote.promise
        studio.quote_finish(self._film(names), label=self.base.terms.label, promised=promised)

    def start(self, studio: Studio, job_ids: Sequence[str]) -> str:
        """The film's job: it waits for the shots."""
        return studio.finish_clip(self._film(job_ids), label=self.base.terms.label or self.out.stem).job_id

    def deliver(self, film: Job) -> bool:
        """Copy the finished film to its path; whether there is one."""
        if film.state == "succeeded":
            deliver(film, self.out)
        return film.state == "succeeded"

    def outcome(self, film: Job) -> str:
        """The film's outcome, in words."""
        if film.state == "succeeded":
            return f"{self.out}: {film.duration_s:g} s, {film.width}x{film.height}, {film.fps:g} fps"
        reason = f": {film.error.message}" if film.error else ""
        return f"{self.out} was not made ({film.state}){reason}"

    def _film(self, names: Sequence[str]) -> FinishRequest:
        from backends.edit.request import build_finish

        fields: Mapping[str, object] = self.base.fields
        return build_finish(
            clips=list(names),
            fit=fields.get("fit"),
            focus=fields.get("focus"),
            format=chosen_format(self.out, None),
        )


def is_ours(studio: Studio, path: Path) -> bool:
    """Whether a file holds exactly the bytes of a film that this data folder has made."""
    from backends.media.hashing import sha256_now

    if not path.is_file():
        return False
    rows = studio.context.store.rows("SELECT id FROM jobs WHERE task = 'finish' AND state = 'succeeded'")
    size = path.stat().st_size
    sha256 = ""
    for row in rows:
        made = studio.get(row["id"]).file
        if made is None or not Path(made).is_file() or Path(made).stat().st_size != size:
            continue
        sha256 = sha256 or sha256_now(path)
        if sha256_now(Path(made)) == sha256:
            return True
    return False


def refuse_without_shots(join: Path | None) -> None:
    """--join is for a list of shots."""
    if join is not None:
        raise VideoError("invalid_request", "--join joins the shots of --from: for existing clips use finish")


def say(cut: Cut | None, film: Job | None) -> None:
    """The last line of a batch: its film."""
    if cut is None:
        return
    show.line(cut.outcome(film) if film is not None else f"{cut.out} was not made: not every shot was started")
