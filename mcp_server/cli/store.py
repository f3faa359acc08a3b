"""`store` and `cluster`: where jobs are kept, and who drives them."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_server.cli import opening, show

app = typer.Typer(help="Where jobs are kept: the data folder's file, or a PostgreSQL server.", no_args_is_help=True)
cluster = typer.Typer(help="Workers of every machine that shares the store.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.command("init")
def init(
    agent: Annotated[
        list[str] | None,
        typer.Option(help="A role of the server that may order, watch and cancel jobs; may be repeated."),
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(help="A role of the server that may drive jobs, and change no limit; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create the store that REELWRIGHT_STORE names, or the data folder's file, and say where it is. An existing store
    stays as it is; roles get their rights."""
    from backends.jobs.files.sharing import folder_of
    from backends.jobs.store import opening as stores
    from backends.jobs.store import schema
    from backends.settings import load_settings

    roles = [("agent", name) for name in agent or ()] + [("worker", name) for name in worker or ()]
    with opening.failures(as_json):
        settings = load_settings()
        stores.make(settings)
        for kind, name in roles:
            stores.give(settings, kind, name)
        store = stores.open_store(settings)
        where = store.where
        if settings.bucket:
            folder_of(store)  # a role that may set nothing needs it to exist
        store.close()
    if as_json:
        show.as_json({"store": where, "format": schema.VERSION, "agents": agent or [], "workers": worker or []})
        return
    show.line(f"{where}, format {schema.VERSION}")
    for kind, name in roles:
        show.line(f"the role {name} works there as {'an agent' if kind == 'agent' else 'a worker'}")


@app.command("migrate")
def migrate(as_json: Json = False) -> None:
    """Upgrade the store to this program's format. A file is upgraded whenever it is opened; for a server, stop older
    programs first."""
    from backends.jobs.store import opening as stores
    from backends.settings import load_settings

    with opening.failures(as_json):
        before, now = stores.migrate(load_settings())
    if as_json:
        show.as_json({"format_before": before, "format": now})
    elif before == now:
        show.line(f"the store already has format {now}")
    else:
        show.line(f"the store was upgraded from format {before} to {now}")


@app.command("copy")
def copy(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Move them; without it they are only counted.")] = False,
    as_json: Json = False,
) -> None:
    """Move all jobs, money and limits of the data folder's file to the server that REELWRIGHT_STORE names. The file is
    closed for good and stays where it is; clips and inputs stay in the data folder."""
    from backends.jobs import copying
    from backends.settings import load_settings

    with opening.failures(as_json):
        settings = load_settings()
        jobs = copying.copy(settings) if yes else copying.count(settings)
    words = "1 job" if jobs == 1 else f"{jobs} jobs"
    if as_json:
        show.as_json({"moved": yes, "jobs": jobs})
    elif yes:
        show.line(f"{words} moved to the server; {settings.store} is closed and can be kept as a copy")
    else:
        show.line(f"{words} would move to the server; nothing was moved: reelwright store copy --yes")


@cluster.command("status")
def status(as_json: Json = False) -> None:
    """Show each lane with its driver, open and uncertain jobs, the spending limits of the store, and the machines of
    the Ray cluster where one is set."""
    from dataclasses import asdict

    from backends.jobs import cluster as lanes

    with opening.studio(as_json) as studio:
        found = lanes.status(studio.context)
    if as_json:
        show.as_json(asdict(found))
        return
    show.line(f"store: {found.store}")
    if abs(found.clock_off_s) >= 5:
        show.line(f"this machine's clock is {found.clock_off_s:g} s behind the store's, whose time counts")
    rows = [
        [
            lane.lane,
            lane.driver or "not driven",
            str(lane.epoch),
            "none" if lane.beat_s is None else f"{lane.beat_s:.0f} s ago",
            "" if lane.slots is None else str(lane.slots),
            str(lane.open),
            str(lane.uncertain),
            lane.trouble,
        ]
        for lane in found.lanes
    ]
    show.table(("lane", "driver", "epoch", "beat", "slots", "open", "uncertain", "trouble"), rows)
    show.line("limits: " + ", ".join(f"{key} {value}" for key, value in found.limits.items()))
    if (ray := found.ray) is not None:
        show.line(f"Ray cluster {ray.cluster}: {ray.trouble or f'{len(ray.nodes)} machines with GPUs'}")
        nodes = [[node.name, str(node.cards), str(node.others)] for node in ray.nodes]
        show.table(("machine", "GPUs", "used by others"), nodes)
