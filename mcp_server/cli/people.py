"""`people`: who may use the server over HTTP with their own token. Their limits are set with `config set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mcp_server.cli import confirmation, opening, show

if TYPE_CHECKING:
    from backends.jobs.money.limits import How
    from backends.studio import Studio

app = typer.Typer(help="Tokens for people who use `serve --http`. Alone: list them.")

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.callback(invoke_without_command=True)
def people(context: typer.Context, as_json: Json = False) -> None:
    """List who has a token, or a limit of their own, with what they have spent today."""
    if context.invoked_subcommand is None:
        _list(as_json)


@app.command("list")
def list_people(as_json: Json = False) -> None:
    """List who has a token, or a limit of their own, with what they have spent today."""
    _list(as_json)


def _list(as_json: bool) -> None:
    from backends.jobs.money import ledger, limits
    from backends.jobs.principals import EVERYBODY
    from mcp_server.tokens import People

    with opening.studio(as_json) as studio:
        store = studio.context.store
        known = People(studio.context.settings.home).all()
        allowed = ledger.spending_limits(store)
        names = sorted({*known, *allowed.per_person_day} - {EVERYBODY})
        spent = {name: ledger.to_usd(ledger.totals(store, name).today) for name in names}
        limit = {name: limits.value_of(store, limits.PERSON_LIMIT + name) for name in names}
    since = {name: known[name].added if name in known else "none" for name in names}
    if as_json:
        show.as_json(
            [
                {"name": name, "token_added": since[name], "per_day_usd": limit[name], "today_usd": spent[name]}
                for name in names
            ]
        )
    elif not names:
        show.line("nobody has a token of their own: reelwright people add NAME")
    else:
        rows = [
            [name, since[name], limits.shown(limits.PERSON_LIMIT, limit[name]), show.usd(spent[name])] for name in names
        ]
        show.table(("name", "token since", "limit a day", "today"), rows)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="1 to 40 of a-z, 0-9, . _ and -.")],
    per_day: Annotated[
        str | None, typer.Option("--per-day", metavar="USD", help="The most that their jobs may cost a day (UTC).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a person a token and show it once; their previous token becomes invalid. Until there is a first person the
    server is open to every program of this machine: restart it after adding one."""
    from backends.jobs.principals import check_name
    from mcp_server.tokens import People

    with opening.studio(as_json) as studio:
        known = People(studio.context.settings.home)
        is_first, had_one = not known.exist(), name in known.all()
        check_name(name)
        if per_day is not None:
            _limit(studio, name, per_day)
        # The audit line first: where it may not be written, their present token stays valid.
        _audit(studio, f"{name} got a {'new ' if had_one else ''}token")
        token = known.add(name)
    if as_json:
        show.as_json({"name": name, "token": token})
        return
    show.aside(f"the token of {name}, shown only once: send it as 'Authorization: Bearer TOKEN'")
    show.block(token)
    if is_first:
        show.aside("from its next start, reelwright serve --http requires a token from everyone")


def _audit(studio: Studio, detail: str) -> None:
    from backends.jobs import audit

    place = f"{confirmation.where_from()} {confirmation.name()}".rstrip()
    studio.context.store.write(lambda tx: audit.add(tx, "people", place=place, detail=detail), durable=True)


def _limit(studio: Studio, name: str, usd: str) -> None:
    """Set a person's limit; raising one needs the user at a terminal, like every limit."""
    from backends.jobs.money import limits
    from backends.jobs.store.journal import IdLog
    from mcp_server.cli.config import confirm_raise

    store, key = studio.context.store, limits.PERSON_LIMIT + name
    wanted = limits.limit_value(key, usd, ())
    how: How = confirm_raise(key, limits.value_of(store, key), wanted)
    limits.set_limit(store, key, wanted, (), how=how, who=confirmation.name())
    IdLog.of(studio.context.settings.home).limit(key, wanted)


@app.command("remove")
def remove(name: str) -> None:
    """Revoke a person's token, at once. Their jobs, their limit and their spending record stay."""
    from mcp_server.tokens import People

    with opening.studio() as studio:
        people = People(studio.context.settings.home)
        people.known(name)
        _audit(studio, f"{name} has lost their token")
        people.remove(name)
    show.line(f"{name} has no token any more")
