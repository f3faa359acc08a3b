-- The tables of a store of version 1, as that program made them.
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
  posted_at REAL,
  accepted_at REAL,
  remote_done_at REAL,
  ended_at REAL
) STRICT;
CREATE UNIQUE INDEX jobs_key ON jobs(principal, request_key) WHERE matchable = 1;
CREATE INDEX jobs_open ON jobs(lane, seq) WHERE state NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX jobs_remote ON jobs(lane, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX jobs_parent ON jobs(parent) WHERE parent IS NOT NULL;
CREATE INDEX jobs_label ON jobs(label, seq);
CREATE INDEX jobs_past ON jobs(model, ended_at) WHERE state = 'succeeded';

CREATE TABLE events(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,                   -- submitted | state | cancel | resolve | note
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
  detached INTEGER NOT NULL DEFAULT 1,
  version TEXT NOT NULL DEFAULT '',
  beats INTEGER NOT NULL DEFAULT 0,
  handover INTEGER NOT NULL DEFAULT 0,  -- a newer version asks for the lane
  trouble TEXT NOT NULL DEFAULT '',     -- why the last worker could not drive it
  trouble_at REAL NOT NULL DEFAULT 0,
  breaker TEXT NOT NULL DEFAULT '',     -- why no new submits are sent
  breaker_until REAL NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE ledger(
  job TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  lane TEXT NOT NULL,
  label TEXT NOT NULL DEFAULT '',
  day TEXT NOT NULL,                    -- UTC day of the reservation
  state TEXT NOT NULL,                  -- reserved | settled | released | unresolved
  reserved INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0,
  basis TEXT NOT NULL DEFAULT '',
  at REAL NOT NULL
) STRICT;
CREATE INDEX ledger_day ON ledger(day);

CREATE TABLE blobs(sha256 TEXT PRIMARY KEY, facts TEXT NOT NULL, at REAL NOT NULL) STRICT;
INSERT INTO meta VALUES ('schema_version', '1'), ('min_reader', '1');
