"""`doctor`: whether this installation works, and what to do where it does not. Exit code 0, or 1 with a FAIL."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backends.errors import VideoError
from backends.provider.keys import key_variables, load_keys, unread_keys
from backends.settings import Settings, load_settings
from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.jobs.context import Context

Verdict = Literal["ok", "note", "FAIL"]

LITTLE_SPACE = 1 << 30
NO_SPACE = 100 << 20
"""Free bytes: below the first the first clips may soon fail, below the second they do."""


@dataclass(frozen=True)
class Finding:
    """One check. note: worth knowing, nothing is broken. FAIL: something will not work; text says what."""

    about: str
    verdict: Verdict
    text: str


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Don't make a test clip.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="What the local models need on GPUs of 12 to 80 GB.")] = False,
    measured: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --plan: peaks that `make gpu` measured, beside it.")
    ] = None,
    live: Annotated[
        str | None, typer.Option(metavar="PROVIDER", help="Make one real, paid clip there instead.")
    ] = None,
    max_cost_usd: Annotated[float | None, typer.Option(help="With --live: most US dollars.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --live: agree to the price; do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Check this installation: folders, keys (where found, never their value), back ends, workers, the engine.

    With --live PROVIDER it makes one real, paid clip there instead, and records the result.
    """
    if plan or measured is not None:
        from mcp_server.cli import plan_table

        if measured is not None:
            plan_table.measured_table(measured, as_json)
        else:
            plan_table.plan_table(as_json)
        return
    if live is not None or max_cost_usd is not None or yes:
        from mcp_server.cli.live import command

        command(live, max_cost_usd, yes, as_json)
    found: list[Finding] = []
    for finding in look_over(quick):
        found.append(finding)
        if not as_json and not show.is_terminal():
            show.cells(finding.verdict, finding.about, finding.text)
    failed = any(finding.verdict == "FAIL" for finding in found)
    if as_json:
        show.as_json({"ok": not failed, "findings": [asdict(finding) for finding in found]})
    elif show.is_terminal():
        show.table(("", "about", "finding"), [[one.verdict, one.about, one.text] for one in found])
    raise typer.Exit(1 if failed else 0)


def look_over(quick: bool) -> Iterator[Finding]:
    """Every finding, as it is made."""
    from backends.jobs.context import Context, program_version

    yield Finding(
        "program", "ok", f"reelwright {program_version()}, Python {platform.python_version()}, {sys.executable}"
    )
    try:
        settings = load_settings()
    except VideoError as error:
        yield Finding("settings", "FAIL", error.message)
        return
    if settings.trouble:
        yield Finding("settings", "note", settings.trouble)
    yield from _home(settings)
    yield _output(settings)
    yield from _roots(settings)
    yield from _keys(settings)
    yield from _network()
    try:
        context = Context.open(settings)
    except VideoError as error:
        yield Finding("store", "FAIL", error.message)
        return
    try:
        for look in (
            _store,
            _bucket,
            _other_homes,
            _lock,
            _catalog,
            _back_ends,
            _tested,
            _cards,
            _lanes,
            *(() if quick else (_accounts, _comfyui)),
        ):
            yield from _reported(look, context)
    finally:
        context.close()
    if not quick:
        from mcp_server.cli.engine_check import check_engine

        try:
            yield Finding("engine", "ok", check_engine(settings))
        except VideoError as error:
            yield Finding("engine", "FAIL", error.message)


def _reported(look: Callable[[Context], Iterator[Finding]], context: Context) -> Iterator[Finding]:
    try:
        yield from look(context)
    except VideoError as error:
        yield Finding(look.__name__.strip("_").replace("_", " "), "FAIL", error.message)


def _home(settings: Settings) -> Iterator[Finding]:
    from backends.jobs.files.private import private_folder
    from backends.jobs.store.filesystems import file_system, why_lost, why_unsafe

    home = settings.home
    with suppress(OSError):  # reported below
        private_folder(home)
    where = f"{home} ({file_system(home) or 'file system unknown'})"
    if why := _why_unwritable(home):
        yield Finding("data folder", "FAIL", f"{where}: {why}: make it writable, or set REELWRIGHT_HOME to one that is")
        return
    yield Finding("data folder", "ok", where)
    yield from _rights(home)
    if why := why_unsafe(home):
        yield Finding("data folder", "note", f"no paid work here: {why}")
    elif why := why_lost(home):
        yield Finding("data folder", "note", why)
    free = shutil.disk_usage(home).free
    verdict: Verdict = "ok" if free >= LITTLE_SPACE else "note" if free >= NO_SPACE else "FAIL"
    yield Finding("disk", verdict, f"{free / (1 << 30):.1f} GiB free{'' if verdict == 'ok' else ': free some space'}")


def _rights(home: Path) -> Iterator[Finding]:
    """Whether other users can read the data folder; their permissions are removed where that is safe."""
    from backends.jobs.files.private import private_home, rights_of_others, why_not_narrowed

    if not (rights := rights_of_others(home)):
        return
    if why := why_not_narrowed(home):
        remedy = f"set REELWRIGHT_HOME to a folder of its own, or run chmod 700 {home}"
        yield Finding("data folder", "note", f"other users have access to {home} ({rights}), and {why}: {remedy}")
        return
    private_home(home)
    yield Finding("data folder", "note", f"other users had access to {home} ({rights}); this was removed (700)")


def _output(settings: Settings) -> Finding:
    if why := _why_unwritable(settings.output):
        text = f"{settings.output}: {why}: set REELWRIGHT_OUTPUT_DIR; clips stay in {settings.artifacts} meanwhile"
        return Finding("output", "FAIL", text)
    return Finding("output", "ok", str(settings.output))


def _why_unwritable(folder: Path) -> str:
    """Why no file can be made there, "" when one can (the folder is created)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"reelwright")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _roots(settings: Settings) -> Iterator[Finding]:
    there = [str(root) for root in settings.roots if root.is_dir()]
    missing = [str(root) for root in settings.roots if not root.is_dir()]
    yield Finding("inputs", "ok" if there else "note", f"files may come from {', '.join(there) or 'nowhere'}")
    if missing:
        yield Finding("inputs", "ok", f"also, once they exist: {', '.join(missing)}")


def _keys(settings: Settings) -> Iterator[Finding]:
    try:
        _, found = load_keys(settings)
        unread = unread_keys(settings)
    except VideoError as error:
        yield Finding("keys", "FAIL", error.message)
        return
    for name in key_variables():
        yield Finding("key", "ok" if name in found else "note", f"{name}: {found.get(name, 'not set')}")
    yield from _shared(settings, found)
    for name in unread:
        text = f"{name[:60]} is kept in {settings.key_file}, and no installed back end reads it"
        yield Finding("key", "note", text)


def _shared(settings: Settings, found: Mapping[str, str]) -> Iterator[Finding]:
    """The accounts that share a provider's work, and where each one's key is."""
    from backends.provider.accounts import accounts

    for one in accounts(settings.home):
        where = found.get(one.key_variable)
        share = f"share {one.share:g}" if one.share else "share 0, no new jobs"
        text = f"{one.provider}, {one.name}: {one.key_variable}: {where or 'not set, so it gets no work'}; {share}"
        yield Finding("account", "ok" if where else "note", text)


def _network() -> Iterator[Finding]:
    from backends.provider import network

    for fine, text in network.told(os.environ):
        yield Finding("network", "ok" if fine else "note", text)


def _store(context: Context) -> Iterator[Finding]:
    import apsw

    from backends.jobs.money import consistency
    from backends.jobs.recovery import unlisted
    from backends.jobs.store import schema
    from backends.jobs.store.journal import IdLog

    kept_by = "on a server" if context.settings.store_url else f"SQLite {apsw.sqlite_lib_version()}"
    counts = {
        str(row["state"]): int(row["n"])
        for row in context.store.rows("SELECT state, count(*) AS n FROM jobs GROUP BY state ORDER BY state")
    }
    jobs = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no jobs yet"
    yield Finding("store", "ok", f"{context.store.where}, format {schema.VERSION}, {kept_by}: {jobs}")
    for row in context.store.rows("SELECT id FROM jobs WHERE state = 'uncertain' ORDER BY seq LIMIT 20"):
        yield Finding("job", "note", f"{row['id']} waits for your decision: reelwright jobs resolve {row['id']}")
    for fault in consistency.faults(context.store):
        yield Finding("books", "FAIL", f"{fault}; nothing was changed")
    for job, lane, remote_id in unlisted(context.store, IdLog.of(context.settings.home))[:20]:
        words = "was accepted by the provider for an earlier store: look for it in your account there"
        yield Finding("job", "note", f"{job} {words} ({lane.rpartition('|')[0]}, id {remote_id})")


def _bucket(context: Context) -> Iterator[Finding]:
    """Whether the bucket, if there is one, can be listed, written to and read with these keys."""
    from backends.jobs.files.bucket import Bucket

    objects = context.artifacts.objects
    if isinstance(objects, Bucket):
        objects.check()
        limit = f"at most {context.cache_bytes / 1e9:g} GB of it stay in the data folder"
        yield Finding("bucket", "ok", f"{objects.where}: listed, written to and read; {limit}")


def _other_homes(context: Context) -> Iterator[Finding]:
    from backends.jobs.money import other_folders

    for home in other_folders.sharing(context.settings.home, context.settings.env):
        text = f"{home} also uses an account of this data folder, with its own spending limits: the limits add up"
        yield Finding("limits", "note", text)


def _lock(context: Context) -> Iterator[Finding]:
    """Whether the kernel really keeps a second process out: lanes depend on it."""
    from filelock import FileLock, Timeout

    from backends.jobs.files.private import private_folder

    path = context.locks.folder / "doctor.lock"
    try:
        private_folder(context.locks.folder)
        first, second = (FileLock(path, mode=0o600, is_singleton=False, fallback_to_soft=False) for _ in range(2))
        with first:
            try:
                with second.acquire(timeout=0):
                    yield Finding(
                        "locks", "FAIL", f"{path.parent} does not lock files: set REELWRIGHT_HOME to a local disk"
                    )
            except Timeout:
                yield Finding("locks", "ok", "file locks work")
    except (OSError, NotImplementedError) as error:
        yield Finding(
            "locks", "FAIL", f"{path.parent} cannot lock files ({error}): set REELWRIGHT_HOME to a local disk"
        )


def _catalog(context: Context) -> Iterator[Finding]:
    from backends.catalog.availability import availability

    rows = [row for row in context.catalog.rows if row.state != "retired"]
    why = availability(context.env)
    usable = [row.id for row in rows if why(row) is None]
    shown = ", ".join(usable[:5]) + (" ..." if len(usable) > 5 else "")
    yield Finding("catalogue", "ok", f"{len(rows)} models, {len(usable)} can be used now: {shown or 'none'}")
    for why in context.catalog.left_out:
        yield Finding("catalogue", "FAIL", f"left out: {why}")


def _back_ends(context: Context) -> Iterator[Finding]:
    from backends.provider.registry import broken, registry

    for provider, registration in sorted(registry().items()):
        why = context.why_not(provider)
        yield Finding(
            "back end", "note" if why else "ok", f"{provider} ({registration.kind}){f': {why}' if why else ''}"
        )
    for name, why in sorted(broken.items()):
        yield Finding("back end", "FAIL", f"{name} is left out: {why}: reinstall or remove it")


def _tested(context: Context) -> Iterator[Finding]:
    """How each paid provider was tested: against its wire format, and with a real clip on this account."""
    from backends.provider.registry import registry
    from mcp_server.cli import live_record

    tests = live_record.live_tests(context.settings)
    for provider in sorted(name for name, entry in registry().items() if entry.kind == "remote"):
        rows = [row for row in context.catalog.rows if row.provider == provider and row.state != "retired"]
        words = sorted({row.tested for row in rows if row.tested})
        last = live_record.latest(tests, provider)
        untried = last is None and bool(rows) and context.why_not(provider) is None
        if last is not None:
            words.append(f"{last.text} ({last.model}, version {last.version})")
        elif untried:
            words.append(f"not live-tested: reelwright doctor --live {provider} --max-cost-usd 1")
        if words:
            verdict: Verdict = "note" if untried or (last is not None and last.outcome != "ok") else "ok"
            yield Finding("tested", verdict, f"{provider}: {'; '.join(words)}")


def _accounts(context: Context) -> Iterator[Finding]:
    from mcp_server.cli.live_accounts import ask_accounts

    for provider, (answered, text) in ask_accounts(context).items():
        yield Finding("account", "ok" if answered else "note", f"{provider}: {text}")


def _comfyui(context: Context) -> Iterator[Finding]:
    """Each ComfyUI server, and how many workflows it can run."""
    import anyio

    from backends.comfyui.checking import look
    from backends.comfyui.servers import servers

    for server in servers(context.env):
        found = anyio.run(look, context.env, server, context.catalog)
        if found.why:
            yield Finding("ComfyUI", "note", found.why)
            continue
        own = [one for one in found.verdicts if one.own and one.problems]
        text = f"{found.version} at {found.url}: {len(found.usable)} of {len(found.verdicts)} workflows can be used"
        yield Finding("ComfyUI", "ok", f"{text} (reelwright comfyui check says what the others lack)")
        for one in own:
            yield Finding("ComfyUI", "note", f"{one.model} at {found.url}: {'; '.join(one.problems)}")


def _cards(context: Context) -> Iterator[Finding]:
    """For several GPUs that share work: which they are, and whether each is in use."""
    from backends.provider.registry import registry

    local = [name for name, entry in registry().items() if entry.kind == "local"]
    found = dict.fromkeys(card for name in local if len(context.devices(name)) > 1 for card in context.devices(name))
    for card in found:
        held = context.locks.is_held(card)
        yield Finding("GPU", "ok", f"{card}: {'in use, or a model stays loaded' if held else 'free'}")


def _lanes(context: Context) -> Iterator[Finding]:
    import time

    from backends.jobs import admin
    from backends.jobs.lanes import lanes
    from backends.provider.registry import registry

    open_jobs = admin.open_by_lane(context.store)
    known = {one.access.lane for name in registry() for one in context.accounts(name)}
    for lane in context.store.rows("SELECT * FROM lanes ORDER BY key"):
        key = str(lane["key"])
        driven = lanes.is_driven(context.locks, lane)
        who = f"driven by process {lane['pid']}, version {lane['version']}" if driven else "not driven now"
        account = context.access_for(str(lane["provider"]), key).account if key in known else ""
        named = f" (account {account})" if account else ""
        yield Finding("lane", "ok", f"{key}{named}: {who}, {open_jobs.get(key, 0)} open jobs")
        if lane["breaker"] and lane["breaker_until"] > time.time():
            text = f"{key}: paused, so no paid job starts: {lane['breaker']}; then: reelwright jobs resume '{key}'"
            yield Finding("lane", "note", text)
        if lane["trouble"]:
            log = context.settings.logs / "worker.log"
            yield Finding("lane", "note", f"{key}: its last worker could not work on it: {lane['trouble']} (see {log})")
