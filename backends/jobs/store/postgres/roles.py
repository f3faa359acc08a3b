"""What each role of the server may do with a store: its owner everything, a worker what driving jobs needs, an agent to
order, watch and cancel them. Only the owner changes limits and settings.

The server enforces this: grants on the tables, row-level security where it depends on the row, and a trigger for the
columns of a job. A function of the owner's keeps the sums of money, so that no one else writes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from backends.errors import VideoError
from backends.jobs.store.postgres import link
from backends.jobs.store.postgres.link import Address, Connection

Kind = Literal["agent", "worker"]
KINDS: tuple[Kind, ...] = ("agent", "worker")

_READ: LiteralString = "SELECT"
_WORK: LiteralString = "SELECT, INSERT, UPDATE"
_ALL: LiteralString = "SELECT, INSERT, UPDATE, DELETE"

GRANTS: Mapping[Kind, Mapping[str, LiteralString]] = {
    "worker": {
        "meta": _WORK,
        "settings": _READ,
        "jobs": _WORK,
        "events": "SELECT, INSERT, DELETE",
        "lanes": _WORK,
        "blobs": _ALL,
        "ledger": _WORK,
        "spent": _READ,
        "spent_by": _READ,
        "audit": "SELECT, INSERT",
        "archived": _READ,
        "archived_spent": _READ,
    },
    "agent": {
        "meta": _READ,
        "settings": _READ,
        "jobs": _WORK,
        "events": "SELECT, INSERT, DELETE",
        "lanes": "SELECT, INSERT (key, provider, kind)",
        "blobs": _ALL,
        "ledger": "SELECT, INSERT, UPDATE (state, settled, basis, at)",
        "spent": _READ,
        "spent_by": _READ,
        "audit": "SELECT, INSERT",
        "archived": _READ,
        "archived_spent": _READ,
    },
}
"""The grants on each table. A table that is not listed belongs to the owner only."""

_OPEN = ("meta", "jobs", "events", "ledger", "audit")
"""The tables with rules for rows: open to whoever has a grant, apart from these rules."""

_RULES: Mapping[Kind, Mapping[LiteralString, LiteralString]] = {
    "worker": {
        "meta FOR INSERT": "WITH CHECK (key = 'events_looked_at')",
        "meta FOR UPDATE": "USING (key = 'events_looked_at') WITH CHECK (key = 'events_looked_at')",
        "events FOR INSERT": "WITH CHECK (job <> '')",
        "events FOR DELETE": "USING (job <> '')",
        "audit FOR INSERT": "WITH CHECK (what IN ('start', 'approval', 'decision'))",
    },
    "agent": {
        "jobs FOR INSERT": "WITH CHECK (state IN ('waiting', 'queued') AND posts = 0 AND cost IS NULL "
        "AND handle IS NULL AND remote_id IS NULL AND result IS NULL AND not_before = 0 "
        "AND (est_high IS NULL OR est_high >= 0))",
        "events FOR INSERT": "WITH CHECK (job <> '' AND kind IN ('submitted', 'state', 'cancel', 'mark'))",
        "events FOR DELETE": "USING (job <> '' AND kind = 'mark')",
        "audit FOR INSERT": "WITH CHECK (what IN ('start', 'approval'))",
        "ledger FOR INSERT": "WITH CHECK (state = 'reserved' AND settled = 0 AND basis = '' AND strpos(job, '#') = 0)",
        "ledger FOR UPDATE": "USING (state = 'reserved' AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = ledger.job "
        "AND jobs.state = 'cancelled')) WITH CHECK (state = 'released' AND settled = 0)",
    },
}
"""The rules for rows: the history of limits (events without a job) belongs to the owner; an agent may only add
reservations to the ledger, and release only that of a job that it cancelled before anything was sent. Lines of the
audit log are only added, and those about limits and people only by the owner."""

_TRIGGER = """
CREATE OR REPLACE FUNCTION jobs_of_agents() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE may text[] := ARRAY['cancel'];
BEGIN
  IF has_column_privilege(format('%I.lanes', TG_TABLE_SCHEMA), 'epoch', 'UPDATE') THEN RETURN NEW; END IF;
  IF OLD.state IN ('waiting', 'queued') AND NEW.state = 'cancelled' AND NEW.matchable = 0 THEN
    may := may || ARRAY['state', 'phase', 'matchable', 'cost', 'cost_basis', 'ended_at'];
  END IF;
  IF to_jsonb(NEW) - may <> to_jsonb(OLD) - may THEN
    RAISE insufficient_privilege USING MESSAGE = 'the role of an agent orders and cancels jobs, and changes no other';
  END IF;
  RETURN NEW;
END $$;
"""

_TOO_MUCH = """
SELECT one.rolname, what.text FROM pg_roles AS one CROSS JOIN (VALUES
  ('settings', 'INSERT', 'change the limits'), ('settings', 'UPDATE', 'change the limits'),
  ('settings', 'DELETE', 'change the limits'), ('spent', 'INSERT', 'change the sums of the money'),
  ('spent', 'UPDATE', 'change the sums of the money'), ('spent', 'DELETE', 'change the sums of the money'),
  ('spent_by', 'INSERT', 'change the sums of the money'), ('spent_by', 'UPDATE', 'change the sums of the money'),
  ('spent_by', 'DELETE', 'change the sums of the money'),
  ('audit', 'UPDATE', 'change the audit'), ('audit', 'DELETE', 'change the audit'),
  ('ledger', 'DELETE', 'remove lines of the ledger')) AS what(name, privilege, text)
WHERE pg_has_role(%(role)s, one.oid, 'MEMBER')
AND has_table_privilege(one.oid, format('%%I.%%I', current_schema(), what.name), what.privilege)
ORDER BY one.rolname = %(role)s LIMIT 1
"""


def give(url: str, kind: Kind, role: str) -> str:
    """Give a role of the server the rights of `kind`, and no more; returns the role. Repeatable.

    VideoError: "not_found" for a role that the server does not know; "storage" for one that could change limits anyway
    (a superuser, a member of the owner), or where this role may not grant.
    """
    place = link.address(url)
    with link.connect(place, "store") as cx:
        link.check(cx, place)
        try:
            with cx.transaction():
                _give(cx, place, kind, role)
        except psycopg.Error as error:
            raise link.storage_error(error, place) from None
    return role


def _give(cx: Connection, place: Address, kind: Kind, role: str) -> None:
    row = cx.execute(
        "SELECT rolsuper OR rolbypassrls, current_schema() FROM pg_roles WHERE rolname = %s", (role,)
    ).fetchone()
    if row is None:
        text = f"the server at {place.where} has no role {role[:63]!r}"
        raise VideoError("not_found", f"{text}: create it first (CREATE ROLE {role[:63]} LOGIN), with a password")
    if row[0]:
        raise VideoError("storage", f"the role {role} is a superuser, who may do everything: name another role")
    name = str(row[1])
    for statement in statements(name, kind, role):
        cx.execute(statement)
    _check_no_more(cx, place, name, role)


def statements(schema: str, kind: Kind, role: str) -> list[SQL | Composed]:
    """The statements that make a role a store's agent or worker, in order."""
    space, who = Identifier(schema), Identifier(role)
    found: list[SQL | Composed] = [
        SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(space, who),
        SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(space, who),
        SQL("GRANT USAGE ON SCHEMA {} TO {}").format(space, who),
        SQL(_TRIGGER.strip()),
        SQL("DROP TRIGGER IF EXISTS jobs_of_agents ON jobs"),
        SQL("CREATE TRIGGER jobs_of_agents BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_of_agents()"),
    ]
    for sums in map(Identifier, ("ledger_sums", "ledger_sums_by")):
        # A table of the session's own (pg_temp) comes last, so that no one can redirect the sums.
        found.append(SQL("ALTER FUNCTION {}() SECURITY DEFINER").format(sums))
        found.append(SQL("ALTER FUNCTION {}() SET search_path = {}, pg_temp").format(sums, space))
    for table in _OPEN:
        at = Identifier(table)
        found += [
            SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(at),
            SQL("DROP POLICY IF EXISTS granted ON {}").format(at),
            SQL("CREATE POLICY granted ON {} USING (true) WITH CHECK (true)").format(at),
        ]
        for other in KINDS:  # it may have been the other kind before
            for action in ("insert", "update", "delete"):
                policy = Identifier(_policy(other, role, action))
                found.append(SQL("DROP POLICY IF EXISTS {} ON {}").format(policy, at))
    for table, rights in GRANTS[kind].items():
        found.append(SQL(f"GRANT {rights} ON {{}} TO {{}}").format(Identifier(table), who))
    for on, rule in _RULES[kind].items():
        table, _, action = on.partition(" FOR ")
        policy = Identifier(_policy(kind, role, action.lower()))
        made = f"CREATE POLICY {{}} ON {{}} AS RESTRICTIVE FOR {action} TO {{}} {rule}"
        found.append(SQL(made).format(policy, Identifier(table), who))
    return found


def _policy(kind: Kind, role: str, action: str) -> str:
    """A policy's name for each role, however long the roles' names are."""
    return f"{kind}_{action}_{hashlib.sha256(role.encode()).hexdigest()[:16]}"


def _check_no_more(cx: Connection, place: Address, schema: str, role: str) -> None:
    """Refuse a role that has further rights from another grant, from PUBLIC or from a role that it is a member of: this
    one cannot take those away."""
    row = cx.execute(_TOO_MUCH, {"role": role}).fetchone()
    if row is None:
        can_make = cx.execute("SELECT has_schema_privilege(%s, %s, 'CREATE')", (role, schema)).fetchone()
        row = (role, "make tables in its schema") if can_make and can_make[0] else None
    if row is not None:
        through = "" if row[0] == role else f" (as a member of {row[0]})"
        text = f"the role {role} could still {row[1]} at {place.where}{through}"
        raise VideoError("storage", f"{text}: revoke that right first, from it and from PUBLIC; nothing was granted")
