"""`config`: the user's spending limits, their keys, and the text to paste into an agent's host. No tool reaches it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from backends.errors import VideoError
from backends.provider.keys import key_variables, load_keys
from backends.settings import load_settings
from mcp_server.cli import confirmation, keyfile, opening, show, snippets

if TYPE_CHECKING:
    from backends.jobs.money.limits import How
    from backends.studio import Studio

app = typer.Typer(help="Spending limits, keys and client snippets. Alone: list the spending limits.")
keys = typer.Typer(help="The key file, which the server, notebook and command line all read.", no_args_is_help=True)
app.add_typer(keys, name="keys")

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.callback(invoke_without_command=True)
def config(context: typer.Context, as_json: Json = False) -> None:
    """List the spending limits, as set or by default."""
    if context.invoked_subcommand is None:
        _list(as_json)


@app.command("list")
def list_settings(as_json: Json = False) -> None:
    """List the spending limits, as set or by default."""
    _list(as_json)


def _list(as_json: bool) -> None:
    from backends.jobs import preferences
    from backends.jobs.money import limits

    with opening.studio(as_json) as studio:
        store = studio.context.store
        found = limits.as_set(store) | preferences.as_set(store)
        changed = limits.recent(store)
    if as_json:
        show.as_json({key: {"value": value, "set": is_set} for key, (value, is_set) in found.items()})
        return
    rows = [
        [key, value, "set" if is_set else "default", preferences.MEANINGS.get(key) or limits.meaning(key)]
        for key, (value, is_set) in found.items()
    ]
    show.table(("setting", "value", "", "meaning"), rows)
    for sentence in changed:
        show.line(sentence)


@app.command("set")
def set_setting(key: str, value: str) -> None:
    """Set a spending limit: per_job_usd, per_day_usd, per_day_usd.PROVIDER, per_day_usd@NAME, allow_providers,
    confirm_above_usd, allow_unknown_price. To raise one, you type the new value at a terminal. Or a preference: sign,
    sign_prompt, sign_certificate, sign_key, keep_gb."""
    from backends.jobs import preferences
    from backends.jobs.money import limits
    from backends.jobs.store.journal import IdLog

    if preferences.is_known(key):
        _prefer(key, value)
        return
    with opening.studio() as studio:
        store, providers = studio.context.store, _providers(studio)
        wanted = limits.limit_value(key, value, providers)
        how = confirm_raise(key, limits.value_of(store, key), wanted)
        limits.set_limit(store, key, value, providers, how=how, who=confirmation.name())
        IdLog.of(studio.context.settings.home).limit(key, wanted)
    show.line(f"{key} = {wanted}")


@app.command("unset")
def unset_setting(key: str) -> None:
    """Set a limit or preference to its default. Where that raises a limit, you type the new value at a terminal."""
    from backends.jobs import preferences
    from backends.jobs.money import limits
    from backends.jobs.store.journal import IdLog

    if preferences.is_known(key):
        _prefer(key, None)
        return
    with opening.studio() as studio:
        store = studio.context.store
        default = limits.unset_value(store, key)
        how = confirm_raise(key, limits.value_of(store, key), default)
        limits.unset_limit(store, key, how=how, who=confirmation.name())
        IdLog.of(studio.context.settings.home).limit(key, None)
    show.line(f"{key} = {default} (default)")


def _prefer(key: str, value: str | None) -> None:
    """Set a preference, or (None) reset it to its default. A certificate is tried at once, with its key."""
    from backends.jobs import preferences
    from backends.jobs.run.publishing import try_certificate
    from backends.jobs.store.journal import IdLog

    with opening.studio() as studio:
        context = studio.context
        wanted = None if value is None else preferences.checked(key, value, context.settings.cwd)
        if wanted is not None and key in ("sign_certificate", "sign_key"):
            try_certificate(context, key, wanted)
        kept = preferences.put(context.store, key, wanted, how=confirmation.where_from(), who=confirmation.name())
        IdLog.of(context.settings.home).limit(key, wanted)
    show.line(f"{key} = {kept}{' (default)' if wanted is None else ''}")


def confirm_raise(key: str, old: str, new: str) -> How:
    """Ask the user to confirm where a limit is raised; lowering one needs no confirmation."""
    from backends.jobs.money import limits

    if not limits.is_raised(key, old, new):
        return confirmation.where_from()
    before, after = limits.shown(key, old), limits.shown(key, new)
    question = f"This raises the spending limit {key} from {before} to {after}. Type {new} to do this"
    return confirmation.confirm(question, new, "raise-limits")


def _providers(studio: Studio) -> set[str]:
    """Every provider that a limit may name: those of the catalogue and of the installed back ends."""
    from backends.provider.registry import registry

    return {row.provider for row in studio.context.catalog.rows} | set(registry())


@keys.command("set")
def set_key(name: Annotated[str, typer.Argument(help="The variable, such as RUNWAYML_API_SECRET.")]) -> None:
    """Save a key in the key file (mode 0600). Type its value, which is not shown, or pipe it to standard input."""
    with opening.failures():
        settings = load_settings()
        path = settings.key_file
        keyfile.check(name, settings.home)
        keyfile.put(path, name, _typed(name) if sys.stdin.isatty() else sys.stdin.read())
    show.line(f"{name} is kept in {path}")


def _typed(name: str) -> str:
    return str(typer.prompt(f"{name} (not shown)", hide_input=True, err=True))


@keys.command("unset")
def unset_key(name: str) -> None:
    """Remove a key from the key file."""
    with opening.failures():
        settings = load_settings()
        path = settings.key_file
        if not (there := keyfile.drop(path, name)):
            keyfile.check(name, settings.home)
    show.line(f"{name} is no longer in {path}" if there else f"{name} was not in {path}")


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """List where each key was found, never its value."""
    with opening.failures(as_json):
        found = load_keys(load_settings())[1]
    more = [name for name in found if name not in key_variables()]
    if as_json:
        show.as_json({name: found.get(name) for name in (*key_variables(), *more)})
    else:
        show.table(("variable", "found in"), [[name, found.get(name, "not set")] for name in (*key_variables(), *more)])


@app.command("accounts")
def list_accounts(as_json: Json = False) -> None:
    """List the accounts that share a provider's work ([[account]] in config.toml), and how many open jobs each has."""
    from backends.jobs import admin
    from backends.provider.registry import registry

    with opening.studio(as_json) as studio:
        context = studio.context
        jobs = admin.open_by_lane(context.store)
        found = [one for provider in sorted(registry()) for one in context.accounts(provider)]
        entries = [asdict(one.account) | {"open_jobs": jobs.get(one.access.lane, 0)} for one in found]
    if as_json:
        show.as_json(entries)
    elif not entries:
        show.line("Every provider has one account: docs/settings.md says how several share its work.")
    else:
        show.table(tuple(entries[0]), [[str(cell) for cell in entry.values()] for entry in entries])


@app.command()
def snippet(
    client: Annotated[str, typer.Argument(help=", ".join(snippets.CLIENTS))],
) -> None:
    """Print what to paste into an agent's host so that it starts this installation."""
    with opening.failures():
        if client not in snippets.CLIENTS:
            raise VideoError(
                "invalid_request", f"no snippet for {client[:40]!r}: there is one for {', '.join(snippets.CLIENTS)}"
            )
        settings = load_settings()
        where, text = snippets.CLIENTS[client](settings)
    show.aside(where)
    show.block(text)
    for hint in snippets.hints(settings):
        show.aside(hint)
