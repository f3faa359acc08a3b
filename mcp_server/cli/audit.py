"""`audit`: who started, approved, decided or changed what, when, for how much, and from where."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from mcp_server.cli import opening, show


def audit(
    who: Annotated[str | None, typer.Option(help="Only this principal: a person's name, or local.")] = None,
    what: Annotated[
        str | None, typer.Option(help="Only these lines: start, approval, decision, limit or people.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most lines, the newest ones.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Show the audit log, oldest first: every start, approval, decision and change of limits or people. Times are
    UTC."""
    from backends.jobs import audit as lines
    from backends.jobs.money.ledger import to_usd

    with opening.studio(as_json) as studio:
        found = lines.lines(studio.context.store, who=who, what=what, job=job, limit=limit)
    entries = [
        {
            "at": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "who": one.who,
            "what": one.what,
            "job": one.job,
            "amount_usd": None if one.amount is None else to_usd(one.amount),
            "from": one.place,
            "detail": one.detail,
        }
        for one in found
    ]
    if as_json:
        show.as_json(entries)
    elif not entries:
        show.line("the audit log has no such line")
    else:
        rows = [
            ["" if cell is None else show.usd(cell) if isinstance(cell, Decimal) else cell for cell in one.values()]
            for one in entries
        ]
        show.table(("at (UTC)", "who", "what", "job", "amount", "from", "detail"), rows)
