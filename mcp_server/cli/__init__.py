"""The command line, one file per group of commands. `reelwright serve` is dispatched before this is imported
(`__main__`)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcp_server.cli import (
    audit,
    comfyui,
    config,
    demo,
    doctor,
    finish,
    inspect,
    jobs,
    make,
    models,
    people,
    provenance,
    pull,
    show,
    store,
    worker,
)

app = typer.Typer(
    name="reelwright",
    help="AI video for agents and notebooks: prices first, no paid job lost, nothing paid twice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout is not None and sys.stdout.isatty() else None,  # pyright: ignore[reportUnnecessaryComparison]
)


def _version(wanted: bool) -> None:
    if wanted:
        from backends.jobs.context import program_version

        show.line(f"reelwright {program_version()}")
        raise typer.Exit


@app.callback()
def reelwright(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """AI video for agents and notebooks: prices first, no paid job lost, nothing paid twice."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def serve(context: typer.Context) -> None:
    """Serve MCP on stdin and stdout, or with --http [HOST:PORT] on HTTP. An agent's host starts this."""
    from mcp_server.serving import serve as run

    raise typer.Exit(run(context.args))


app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
shelf = typer.Typer()
shelf.callback(invoke_without_command=True)(models.models)
shelf.command("pull")(pull.pull)
app.add_typer(shelf, name="models")
app.command("estimate")(models.estimate)
app.command("make")(make.make)
app.command("finish")(finish.finish)
app.command("inspect")(inspect.inspect)
app.command("provenance")(provenance.provenance)
app.add_typer(jobs.app, name="jobs")
app.command("worker")(worker.worker)
app.add_typer(store.app, name="store")
app.add_typer(store.cluster, name="cluster")
app.add_typer(people.app, name="people")
app.command("audit")(audit.audit)
app.add_typer(comfyui.app, name="comfyui")
app.add_typer(config.app, name="config")
