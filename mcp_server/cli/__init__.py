"""The command line, one file a verb group. `reelwright serve` is dispatched before this is imported (`__main__`)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcp_server.cli import config, demo, doctor, jobs, make, models, pull

app = typer.Typer(
    name="reelwright",
    help="AI video for agents and notebooks: prices first, no paid job lost, nothing paid twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout is not None and sys.stdout.isatty() else None,  # pyright: ignore[reportUnnecessaryComparison]
)


@app.command()
def serve(
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP at /mcp instead of stdio.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to bind; beyond loopback only with a token.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind.")] = None,
) -> None:
    """Serve MCP on stdin and stdout, or on HTTP: this is what an agent's host starts."""
    from mcp_server.__main__ import serve as run

    words = ["--http"] if http else []
    words += ["--host", host] if host is not None else []
    words += ["--port", str(port)] if port is not None else []
    raise typer.Exit(run(words))


app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
shelf = typer.Typer()
shelf.callback(invoke_without_command=True)(models.models)
shelf.command("pull")(pull.pull)
app.add_typer(shelf, name="models")
app.command("estimate")(models.estimate)
app.command("make")(make.make)
app.add_typer(jobs.app, name="jobs")
app.add_typer(config.app, name="config")
