"""`models pull`: download the weights of a local model, once the user has accepted its licence."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_server.cli import opening, show


def pull(
    model: Annotated[str, typer.Argument(help="A local model's id or name, such as local/ltx-video.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the model's licence and accept it.")
    ] = False,
) -> None:
    """Show a local model's licence and download size; with --accept-licence, download its weights."""
    with opening.studio(False) as studio:
        from backends.local.pull import downloads
        from backends.local.pull import pull as fetch

        row = studio.context.catalog.get(model)
        wanted = downloads(row, studio.context.env)
        show.line(f"{row.title} ({row.id})")
        show.line(f"licence: {row.licence or 'not known: read the model card'}")
        if row.territory:
            show.line(f"territory: {row.territory}")
        for one in wanted:
            here = f"on this machine, commit {one.commit[:12]}"
            state = here if one.commit else f"about {one.about_gib:.0f} GiB to download"
            show.line(f"{one.repo} ({', '.join(one.tasks)}): {state}")
            show.line(f"  https://huggingface.co/{one.repo}")
        missing = [one for one in wanted if not one.commit]
        if not missing:
            return
        if not accept_licence:
            show.line(f"to download: reelwright models pull {row.id} --accept-licence")
            raise typer.Exit(1)
        for one in missing:
            show.line(f"{one.repo}: {fetch(one, studio.context.env, show.line).folder}")
