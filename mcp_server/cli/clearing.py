"""`jobs clean`: free disk space by removing what no job needs and, on request, old clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_server.cli import opening, show

if TYPE_CHECKING:
    from backends.jobs.clearing import Wish
    from backends.jobs.upkeep import Leftover
    from backends.studio import Studio


def clean(
    older: Annotated[
        str | None,
        typer.Option(metavar="30d", help="Also kept clips of jobs that ended this long ago: hours, days, weeks."),
    ] = None,
    keep_label: Annotated[list[str] | None, typer.Option(help="With --older: jobs of this label stay.")] = None,
    only_copies: Annotated[
        bool, typer.Option("--only-copies", help="With --older: also clips whose published copy is gone or changed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed, as without --yes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them; without it they are only shown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Free disk space: remove work folders of ended jobs, and inputs that no job uses. With --older also remove old
    clips; published copies stay, and so does everything that an open job or a newer clip was made from."""
    with opening.studio(as_json) as studio:
        found, alone, freed = _found(studio, _wish(older, keep_label or (), only_copies), remove=yes and not dry_run)
    size = sum(one.bytes for one in found)
    removed = yes and not dry_run
    if as_json:
        kept = [asdict(one) for one in alone]
        result = {"removed": removed, "bytes": freed if removed else size, "leftovers": [asdict(one) for one in found]}
        show.as_json({**result, **({"only_copies": kept} if older else {})})
        return
    for one in found:
        show.cells(_megabytes(one.bytes), one.what, one.path)
    if alone:
        words = "kept clips stay, since their published copies are gone or changed: --only-copies removes them too"
        show.line(f"{len(alone)} {words} ({_megabytes(sum(one.bytes for one in alone))})")
    if not found:
        show.line("nothing to remove")
    elif removed:
        show.line(f"{_megabytes(freed)} freed")
    else:
        options = "".join(f" {word}" for word in _again(older, keep_label or (), only_copies))
        show.line(f"{_megabytes(size)} in all; nothing was removed: reelwright jobs clean{options} --yes")


def _wish(older: str | None, keep_labels: Sequence[str], only_copies: bool) -> Wish | None:
    from backends.errors import VideoError
    from backends.jobs.clearing import Wish, age

    if older is not None:
        return Wish(age(older), tuple(keep_labels), only_copies)
    if keep_labels or only_copies:
        raise VideoError("invalid_request", "--keep-label and --only-copies say which old clips stay: give --older too")
    return None


def _found(studio: Studio, wish: Wish | None, *, remove: bool) -> tuple[Sequence[Leftover], Sequence[Leftover], int]:
    """What is removed, what is kept because it is the only copy, and the bytes freed."""
    from backends.jobs import bucket_upkeep, clearing, upkeep

    store, artifacts = studio.context.store, studio.context.artifacts
    if wish is None:
        found = (*upkeep.leftovers(store, artifacts), *bucket_upkeep.unneeded(store, artifacts))
        freed = upkeep.clean(store, artifacts) + bucket_upkeep.clean(store, artifacts) if remove and found else 0
        return found, (), freed
    planned = clearing.plan(store, artifacts, wish)
    found = (*planned.leftovers, *bucket_upkeep.unneeded(store, artifacts, planned.jobs))
    freed = clearing.clear(store, artifacts, wish) + bucket_upkeep.clean(store, artifacts) if remove else 0
    return found, planned.only_copies, freed


def _again(older: str | None, keep_labels: Sequence[str], only_copies: bool) -> list[str]:
    """The given options, for the command to repeat."""
    import shlex

    words = ["--older", older] if older else []
    for label in keep_labels:
        words += ["--keep-label", shlex.quote(label)]
    return [*words, *(["--only-copies"] if only_copies else [])]


def warned(studio: Studio) -> str:
    """The warning when more is kept than the user wants; "" otherwise."""
    from backends.jobs import clearing

    return clearing.warning(studio.context.store, studio.context.artifacts)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
