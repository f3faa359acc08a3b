"""`comfyui check | bind`: which bound workflows a ComfyUI server can run, and turning a workflow into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import typer

from backends.errors import VideoError
from mcp_server.cli import opening, show

app = typer.Typer(no_args_is_help=True, help="Workflows of a ComfyUI server as models.")


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Names of workflows; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Ask every server whether it has the nodes and model files of every workflow. Exit code 1: a server does not
    answer, or a workflow of your own cannot be used."""
    from dataclasses import asdict

    from backends.comfyui.checking import ServerFound, look
    from backends.comfyui.servers import URL, servers

    only = [name.removeprefix("comfyui/") for name in names or ()]
    with opening.studio(as_json) as studio:
        env, catalog = studio.context.env, studio.context.catalog
        known = servers(env)
        if not known:
            raise VideoError("auth", f"no ComfyUI server is set: set {URL}, for example to http://127.0.0.1:8188")

        async def every() -> list[ServerFound]:
            return [await look(env, server, catalog, only) for server in known]

        found = anyio.run(every)
    if as_json:
        show.as_json([asdict(one) for one in found])
    else:
        for server in found:
            _tell(server)
    bad = [server for server in found if server.why or any(one.own and one.problems for one in server.verdicts)]
    if bad:
        raise typer.Exit(1)


def _tell(server: object) -> None:
    from backends.comfyui.checking import ServerFound

    assert isinstance(server, ServerFound)
    if server.why:
        show.line(f"{server.url}: {server.why}")
        return
    show.line(f"ComfyUI {server.version} at {server.url}: {len(server.usable)} of {len(server.verdicts)} workflows")
    for one in server.verdicts:
        show.line(f"  {one.model}: {'can be used' if not one.problems else 'cannot be used'}")
        for text in (*one.problems, *one.notes):
            show.line(f"    - {text}")


@app.command()
def bind(
    workflow: Annotated[Path, typer.Argument(help="A workflow file: exported (Workflow > Export (API)), or as saved.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model; default: the file's name.")] = "",
    title: Annotated[str, typer.Option("--title", help="Title of the model, as lists show it.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a binding of that name.")] = False,
) -> None:
    """Draft the binding of a workflow: which node takes the prompt, the size, the images ..., with the reason for each
    choice. Where two nodes fit, the draft lists both, and you choose. Two files are written into the data folder."""
    from backends.comfyui.draft import draft
    from backends.comfyui.servers import servers

    with opening.studio() as studio:
        env = studio.context.env
        written = anyio.run(draft, env, servers(env), workflow, name, title, force)
    for text in written.told:
        show.line(text)
    if written.open:
        raise typer.Exit(1)
