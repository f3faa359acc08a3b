"""The store's tables, their version, and the steps from one version to the next.

Money is kept in whole micro-dollars (INTEGER), so that sums are exact; times are POSIX seconds; JSON is text.
"""

from __future__ import annotations

VERSION = 5
"""The version that this program writes."""

MIN_READER = 5
"""The oldest program version that may still use a store of VERSION; an older one says so and writes nothing. Version 5
knows the spending limits of people; an earlier worker would exceed them."""

OPEN = "state NOT IN ('succeeded', 'failed', 'cancelled', 'uncertain')"
"""SQL: jobs that still need a driver. Word for word the condition of the index `jobs_open`, since SQLite uses a partial
index only for a query with exactly its terms."""

UNENDED = "state NOT IN ('succeeded', 'failed', 'cancelled')"
"""SQL: the same, and jobs that wait for the user's decision. The condition of the index `jobs_unended`."""

LEDGER = """
CREATE TABLE ledger(
  job TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  lane TEXT NOT NULL,
  label TEXT NOT NULL DEFAULT '',
  day TEXT NOT NULL,                    -- UTC day of the payment: of the reservation until the POST is sent
  state TEXT NOT NULL,                  -- reserved | settled | released | unresolved
  reserved INTEGER NOT NULL CHECK(reserved >= 0),
  settled INTEGER NOT NULL DEFAULT 0 CHECK(settled >= 0),
  basis TEXT NOT NULL DEFAULT '',
  at REAL NOT NULL
) STRICT;
CREATE INDEX ledger_day ON ledger(day);
"""

_SPENT = """
CREATE TABLE spent(                     -- the sums of the ledger, kept by its triggers: no reader adds up the past
  day TEXT NOT NULL,
  provider TEXT NOT NULL,
  settled INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY(day, provider)
) STRICT, WITHOUT ROWID;
"""

_KEEP = """
CREATE TRIGGER {name}_in AFTER INSERT ON ledger BEGIN
  {add_new};
END;
CREATE TRIGGER {name}_out AFTER DELETE ON ledger BEGIN
  {take_old};
END;
CREATE TRIGGER {name}_change AFTER UPDATE OF {changes}, state, reserved, settled ON ledger BEGIN
  {take_old};
  {add_new};
END;
"""


def _keep(name: str, table: str, first: str, second: str, changes: str) -> str:
    """The triggers of the sums that a table keeps by two columns of the ledger. changes: those columns, as in a
    trigger's column list."""

    def sums(row: str, sign: str) -> str:
        settled = f"iif({row}.state = 'settled', {sign}{row}.settled, 0)"
        held = f"iif({row}.state IN ('reserved', 'unresolved'), {sign}{row}.reserved, 0)"
        return (
            f"INSERT INTO {table} VALUES ({row}.{first}, {row}.{second}, {settled}, {held}) "
            f"ON CONFLICT({first}, {second}) "
            f"DO UPDATE SET settled = {table}.settled + excluded.settled, held = {table}.held + excluded.held"
        )

    return _KEEP.format(name=name, changes=changes, add_new=sums("new", ""), take_old=sums("old", "-"))


SPENT = _SPENT + _keep("ledger", "spent", "day", "provider", "day, provider").lstrip("\n")

ARCHIVE = """
CREATE TABLE archived(                  -- what stays here of a job whose rows were moved into the archive
  id TEXT PRIMARY KEY,
  principal TEXT NOT NULL,
  request_key TEXT,                     -- NULL where the key may be used again
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX archived_key ON archived(principal, request_key) WHERE request_key IS NOT NULL;
CREATE TABLE archived_spent(            -- the sums of the ledger's lines that were moved there
  day TEXT NOT NULL,
  provider TEXT NOT NULL,
  label TEXT NOT NULL,
  lines INTEGER NOT NULL,
  settled INTEGER NOT NULL,
  PRIMARY KEY(day, provider, label)
) STRICT, WITHOUT ROWID;
"""
"""The table `spent` counts the money of archived jobs too."""

SPENT_BY = """
CREATE TABLE spent_by(                  -- the same sums for each principal
  principal TEXT NOT NULL,
  day TEXT NOT NULL,
  settled INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY(principal, day)
) STRICT, WITHOUT ROWID;
"""

KEEP_BY = _keep("ledger_by", "spent_by", "principal", "day", "day, principal")

_AUDIT = """
CREATE TABLE audit(                     -- lines are only ever added
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  who TEXT NOT NULL,                    -- a principal
  what TEXT NOT NULL,                   -- start | approval | decision | limit | people
  job TEXT NOT NULL DEFAULT '',
  amount INTEGER,                       -- NULL = none, or unknown
  place TEXT NOT NULL DEFAULT '',       -- where it came from
  detail TEXT NOT NULL DEFAULT ''
) STRICT;
"""

_OF_OLD = """
UPDATE ledger SET principal = (SELECT principal FROM jobs WHERE jobs.id = ledger.job)
  WHERE job IN (SELECT id FROM jobs WHERE principal <> 'local');
INSERT INTO spent_by SELECT principal, day, sum(settled), sum(held) FROM (
  SELECT principal, day, CASE WHEN state = 'settled' THEN settled ELSE 0 END AS settled,
         CASE WHEN state IN ('reserved', 'unresolved') THEN reserved ELSE 0 END AS held FROM ledger
  UNION ALL SELECT 'local', day, settled, 0 FROM archived_spent) AS lines GROUP BY principal, day;
"""
"""For lines that existed before."""


def _people(of_old: str = "") -> str:
    """SQL: whose money each line of the ledger is, and the audit log."""
    column = "ALTER TABLE ledger ADD COLUMN principal TEXT NOT NULL DEFAULT 'local';\n"
    return f"{column}{SPENT_BY}{of_old}{KEEP_BY}{_AUDIT}"


PEOPLE = _people()
"""Added to `ledger` in a new store too, since the step from version 1 makes that table in its old form."""

INDEXES = f"""
CREATE UNIQUE INDEX jobs_key ON jobs(principal, request_key) WHERE matchable = 1;
CREATE INDEX jobs_open ON jobs(lane, seq, state) WHERE {OPEN};
CREATE INDEX jobs_unended ON jobs(principal, seq) WHERE parent IS NULL AND {UNENDED};
CREATE INDEX jobs_page ON jobs(principal, seq) WHERE parent IS NULL;
CREATE INDEX jobs_state ON jobs(principal, state, seq) WHERE parent IS NULL;
CREATE INDEX jobs_label ON jobs(principal, label, seq) WHERE parent IS NULL;
CREATE INDEX jobs_label_state ON jobs(principal, label, state, seq) WHERE parent IS NULL;
CREATE INDEX jobs_lane ON jobs(lane, state, seq);
CREATE INDEX jobs_bound ON jobs(provider, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX jobs_parent ON jobs(parent, step) WHERE parent IS NOT NULL;
CREATE INDEX jobs_past ON jobs(model, ended_at) WHERE state = 'succeeded';
"""
"""Of the jobs. Every query that runs during normal work is answered by one of them, however many old jobs there are:
`tests/jobs/test_jobs_plans.py` asks SQLite how it runs each."""


TABLES = (
    """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) STRICT;

CREATE TABLE jobs(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  parent TEXT,                          -- the job this is a step of
  step INTEGER NOT NULL DEFAULT 0,
  principal TEXT NOT NULL,
  client TEXT NOT NULL,
  request_key TEXT NOT NULL,            -- same key = same job
  matchable INTEGER NOT NULL DEFAULT 1, -- 0 once failed or cancelled uncharged: then the key may be used again
  digest TEXT NOT NULL,                 -- of the request as asked, inputs by hash
  take INTEGER NOT NULL DEFAULT 1,
  label TEXT NOT NULL DEFAULT '',
  task TEXT NOT NULL,
  engine TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,                   -- remote | local
  lane TEXT NOT NULL,
  base_url TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  phase TEXT NOT NULL DEFAULT '',
  progress REAL NOT NULL DEFAULT 0,
  queue_position INTEGER,
  request TEXT NOT NULL,                -- as asked
  prepared TEXT NOT NULL,               -- as it will be made: legal request, size, wire body
  inputs TEXT NOT NULL DEFAULT '{}',    -- place -> resolved asset, or what it waits for
  needs TEXT NOT NULL DEFAULT '[]',     -- unfinished jobs that inputs come from
  refs TEXT NOT NULL DEFAULT '{}',      -- place -> what the provider calls the upload
  handle TEXT,                          -- the provider's job
  remote_id TEXT,
  result TEXT,                          -- remote files, then the artifact
  est_low INTEGER,
  est_high INTEGER,                     -- NULL = unknown price
  cost INTEGER,
  cost_basis TEXT NOT NULL DEFAULT '',
  typical_s REAL,
  error TEXT,
  notes TEXT NOT NULL DEFAULT '[]',
  cancel INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before REAL NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  started_at REAL,
  posts INTEGER NOT NULL DEFAULT 0,     -- paid POSTs that may have been taken: a second one is the last
  posted_at REAL,
  accepted_at REAL,
  doubt_at REAL,                        -- since when the provider's answers speak of an end that is not believed yet
  remote_done_at REAL,
  ended_at REAL
) STRICT;
CREATE TABLE events(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,                   -- submitted | state | cancel | resolve | note | limit (job '')
  data TEXT NOT NULL DEFAULT '{}',
  wake INTEGER NOT NULL DEFAULT 0       -- 1: a driver must look
) STRICT;
CREATE INDEX events_wake ON events(seq) WHERE wake = 1;
CREATE INDEX events_job ON events(job, seq);

CREATE TABLE lanes(
  key TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,
  driven INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 0,
  pid INTEGER,
  started REAL,                         -- the driver's start time, to tell a reused pid
  boot_id TEXT NOT NULL DEFAULT '',
  pid_ns TEXT NOT NULL DEFAULT '',      -- the PID namespace that pid counts in: each container has its own
  detached INTEGER NOT NULL DEFAULT 1,
  version TEXT NOT NULL DEFAULT '',
  beats INTEGER NOT NULL DEFAULT 0,
  handover INTEGER NOT NULL DEFAULT 0,  -- a newer version asks for the lane
  trouble TEXT NOT NULL DEFAULT '',     -- why the last worker could not drive it
  trouble_at REAL NOT NULL DEFAULT 0,
  breaker TEXT NOT NULL DEFAULT '',     -- why no new submits are sent
  breaker_until REAL NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  trouble_kind TEXT NOT NULL DEFAULT '' -- no_credentials, '' for every other trouble
) STRICT;

CREATE TABLE blobs(sha256 TEXT PRIMARY KEY, facts TEXT NOT NULL, at REAL NOT NULL) STRICT;
"""
    + LEDGER
    + SPENT
    + ARCHIVE
    + PEOPLE
    + INDEXES
)

MIGRATIONS: dict[int, str] = {
    1: f"""
ALTER TABLE jobs ADD COLUMN posts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN doubt_at REAL;
ALTER TABLE lanes ADD COLUMN pid_ns TEXT NOT NULL DEFAULT '';
DROP INDEX jobs_key;
DROP INDEX jobs_open;
DROP INDEX jobs_remote;
DROP INDEX jobs_parent;
DROP INDEX jobs_label;
DROP INDEX jobs_past;
{INDEXES}
ALTER TABLE ledger RENAME TO ledger_1;
DROP INDEX ledger_day;
{LEDGER}
{SPENT}
INSERT INTO ledger SELECT job, provider, lane, label, day, state, max(0, reserved), max(0, settled), basis, at
  FROM ledger_1;
DROP TABLE ledger_1;
""",
    2: "ALTER TABLE lanes ADD COLUMN trouble_kind TEXT NOT NULL DEFAULT '';",
    3: ARCHIVE,
    4: _people(_OF_OLD),
}
"""From version N to N + 1: the statements to run, all in one transaction."""
