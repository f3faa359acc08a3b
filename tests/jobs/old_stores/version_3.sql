-- A store of version 3 as that program left it; /ROOT stands for the folder that it was in.
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
CREATE TABLE spent(                     -- the sums of the ledger, kept by its triggers: no reader adds up the past
  day TEXT NOT NULL,
  provider TEXT NOT NULL,
  settled INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY(day, provider)
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', '3');
INSERT INTO meta VALUES ('min_reader', '1');
INSERT INTO meta VALUES ('journal', 'read');
INSERT INTO jobs VALUES (1, 'job_3orrt2j6cw5ry4zwosaihclfzs', NULL, 0, 'local', 'test', 'made 0bcbc549e0ad59f7d90f0e907184242987761b8b639514c9e52db1d5deb5a2f9 1', 1, '0bcbc549e0ad59f7d90f0e907184242987761b8b639514c9e52db1d5deb5a2f9', 1, 'fox', 'text_to_video', 'generative', 'paid/quick', 'paid', 'remote', 'paid|http://127.0.0.1:36835|4e896053e1b3', 'http://127.0.0.1:36835', 'succeeded', '', 1.0, NULL, '{"task":"text_to_video","model":"paid/quick","prompt":"a fox","negative_prompt":"","duration_s":4.0,"aspect_ratio":null,"resolution":"180p","fps":null,"seed":null,"audio":null,"frames":[],"references":[],"source_clip":null,"camera":[],"motion":[],"fit":null,"focus":null,"style":"","loop":false,"effect":null,"loras":[],"provider_options":{},"max_cost_usd":"5"}', '{"body":{"model":"basic","prompt":"a fox","seconds":4.0,"size":"320x180"},"endpoint":"/jobs","height":180,"model":"paid/quick","notes":[],"request":{"aspect_ratio":"16:9","audio":false,"camera":[],"duration_s":4.0,"effect":null,"fit":null,"focus":null,"fps":null,"frames":[],"loop":false,"loras":[],"max_cost_usd":"5","model":"paid/quick","motion":[],"negative_prompt":"","prompt":"a fox","provider_options":{},"references":[],"resolution":"180p","seed":null,"source_clip":null,"style":"","task":"text_to_video"},"uploads":[],"width":320,"wire":{"body":{"model":"basic","prompt":"a fox","seconds":4.0,"size":"320x180"},"endpoint":"/jobs","fields":{"duration_s":"seconds","first":"image","last":"last_image","model":"model","prompt":"prompt","seed":"seed","size":"size","source_clip":"source"},"fixed":{},"forms":{},"model":"basic"}}', '{}', '[]', '{}', '{"data":{},"est_cost_usd":"0.400","remote_id":"pj_000001_1d512da2"}', 'pj_000001_1d512da2', '{"clip_facts":{"audio":false,"bytes":15224,"codec":"h264","duration_s":4.0,"fps":24.0,"frames":96,"height":180,"kind":"clip","mime":"video/mp4","width":320},"extras":[],"facts":{},"file":"/ROOT/home/artifacts/jobs/job_3orrt2j6cw5ry4zwosaihclfzs/clip.mp4","kept":{"clip.mp4":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","meta.json":"6d89ee4b763417e706b69262dd11124c0e474ea55827d7bee8abd7314a2f4b7f","poster.jpg":"b65ac89b84741dc6c5e5be64abcb6c6ab9a330b71a41746c02568fdb8f471649"},"poster":"/ROOT/home/artifacts/jobs/job_3orrt2j6cw5ry4zwosaihclfzs/poster.jpg","published":"/ROOT/out/fox_take01.mp4","seed":1266902788,"sha256":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","sidecar":{},"signed":{"embedded":true,"file":"/ROOT/home/artifacts/jobs/job_3orrt2j6cw5ry4zwosaihclfzs/signed-6de24b6ee26963d0.mp4","manifest":"urn:c2pa:7a865a39-10e0-4847-83d5-e764c4ad0fe7","sha256":"5f0ad3eb972257847bebfbc45ac281f67d7215f2c6707dda63386dc351003460","source":"trainedAlgorithmicMedia"},"source":"trainedAlgorithmicMedia"}', 400000, 400000, 400000, 'reported by the provider', 0.2, NULL, '[]', 0, 0, 0.0, 1795825780.2058613, 1795825781.522609, 1, 1795825781.522609, 1795825781.6247876, NULL, 1795825782.0216844, 1795825784.141109);
INSERT INTO jobs VALUES (2, 'job_iomw5cvi5jclgwwezjlavhtew2', NULL, 0, 'local', 'test', 'made 7a2542eedb766b9d8c82a8c48599ee93fe71723eca1dbbda89fa4284bb45f5d2 1', 1, '7a2542eedb766b9d8c82a8c48599ee93fe71723eca1dbbda89fa4284bb45f5d2', 1, '', 'image_to_video', 'generative', 'paid/quick', 'paid', 'remote', 'paid|http://127.0.0.1:36835|4e896053e1b3', 'http://127.0.0.1:36835', 'succeeded', '', 1.0, NULL, '{"task":"image_to_video","model":"paid/quick","prompt":"on","negative_prompt":"","duration_s":4.0,"aspect_ratio":null,"resolution":"180p","fps":null,"seed":null,"audio":null,"frames":[{"image":"video://jobs/job_3orrt2j6cw5ry4zwosaihclfzs/last_frame","role":"first","at_s":null,"prompt":"","hold_s":0.0,"camera":[]}],"references":[],"source_clip":null,"camera":[],"motion":[],"fit":null,"focus":null,"style":"","loop":false,"effect":null,"loras":[],"provider_options":{},"max_cost_usd":"5"}', '{"body":{"image":{"asset":"frames[0].image"},"model":"basic","prompt":"on","seconds":4.0,"size":"320x180"},"endpoint":"/jobs","height":180,"model":"paid/quick","notes":[],"request":{"aspect_ratio":"16:9","audio":false,"camera":[],"duration_s":4.0,"effect":null,"fit":null,"focus":null,"fps":null,"frames":[{"at_s":0.0,"camera":[],"hold_s":0.0,"image":"video://jobs/job_3orrt2j6cw5ry4zwosaihclfzs/last_frame","prompt":"","role":"first"}],"loop":false,"loras":[],"max_cost_usd":"5","model":"paid/quick","motion":[],"negative_prompt":"","prompt":"on","provider_options":{},"references":[],"resolution":"180p","seed":null,"source_clip":null,"style":"","task":"image_to_video"},"uploads":["frames[0].image"],"width":320,"wire":{"body":{"model":"basic","prompt":"on","seconds":4.0,"size":"320x180"},"endpoint":"/jobs","fields":{"duration_s":"seconds","first":"image","last":"last_image","model":"model","prompt":"prompt","seed":"seed","size":"size","source_clip":"source"},"fixed":{},"forms":{},"model":"basic"}}', '{"frames[0].image":{"facts":{"audio":false,"bytes":629,"codec":null,"duration_s":null,"fps":null,"frames":null,"height":180,"kind":"image","mime":"image/png","width":320},"from_job":"job_3orrt2j6cw5ry4zwosaihclfzs","path":"/ROOT/home/artifacts/blobs/20/20a6cfda7b4619000b6892fce77e5917b9818e21d920ed54dc831006a9ea2cff","sha256":"20a6cfda7b4619000b6892fce77e5917b9818e21d920ed54dc831006a9ea2cff","sidecar":{}}}', '[]', '{"frames[0].image":{"expires_at":1795829384.3649802,"value":"up_4e896053e1b3_20a6cfda7b461900"}}', '{"data":{},"est_cost_usd":"0.400","remote_id":"pj_000002_102f20ca"}', 'pj_000002_102f20ca', '{"clip_facts":{"audio":false,"bytes":15224,"codec":"h264","duration_s":4.0,"fps":24.0,"frames":96,"height":180,"kind":"clip","mime":"video/mp4","width":320},"extras":[],"facts":{},"file":"/ROOT/home/artifacts/jobs/job_iomw5cvi5jclgwwezjlavhtew2/clip.mp4","kept":{"clip.mp4":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","meta.json":"52e8fc89090fbcdb1c54d0bda4dba617509e20b52a07c307bfc807a6715b29a5","poster.jpg":"b65ac89b84741dc6c5e5be64abcb6c6ab9a330b71a41746c02568fdb8f471649"},"poster":"/ROOT/home/artifacts/jobs/job_iomw5cvi5jclgwwezjlavhtew2/poster.jpg","published":"/ROOT/out/paid-quick-iomw5c_take01.mp4","seed":2868794529,"sha256":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","sidecar":{},"signed":{"embedded":true,"file":"/ROOT/home/artifacts/jobs/job_iomw5cvi5jclgwwezjlavhtew2/signed-6de24b6ee26963d0.mp4","manifest":"urn:c2pa:55aa116c-b74c-4888-b3b2-7d522a3f7d75","sha256":"f1fc8bf25c1ff061fb051124ae7b2cc71fe6432f2c646b134bcda9e2d6a8f92d","source":"trainedAlgorithmicMedia"},"source":"trainedAlgorithmicMedia"}', 400000, 400000, 400000, 'reported by the provider', 0.2, NULL, '[]', 0, 0, 0.0, 1795825784.318977, 1795825784.372982, 1, 1795825784.372982, 1795825784.3946443, NULL, 1795825784.9301422, 1795825785.2800443);
INSERT INTO events VALUES (1, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825780.2065268, 'submitted', '{"client":"test"}', 1);
INSERT INTO events VALUES (2, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825781.5227778, 'state', '{"from":"queued","to":"submitting"}', 0);
INSERT INTO events VALUES (3, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825781.6251006, 'state', '{"from":"submitting","to":"running"}', 0);
INSERT INTO events VALUES (4, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825782.022837, 'state', '{"from":"running","to":"downloading"}', 0);
INSERT INTO events VALUES (5, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825782.0442297, 'state', '{"from":"downloading","to":"finishing"}', 0);
INSERT INTO events VALUES (6, 'job_3orrt2j6cw5ry4zwosaihclfzs', 1795825784.1413105, 'state', '{"from":"finishing","to":"succeeded"}', 1);
INSERT INTO events VALUES (7, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825784.3191361, 'submitted', '{"client":"test"}', 1);
INSERT INTO events VALUES (8, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825784.3731573, 'state', '{"from":"queued","to":"submitting"}', 0);
INSERT INTO events VALUES (9, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825784.394871, 'state', '{"from":"submitting","to":"running"}', 0);
INSERT INTO events VALUES (10, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825784.930512, 'state', '{"from":"running","to":"downloading"}', 0);
INSERT INTO events VALUES (11, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825784.9719071, 'state', '{"from":"downloading","to":"finishing"}', 0);
INSERT INTO events VALUES (12, 'job_iomw5cvi5jclgwwezjlavhtew2', 1795825785.2802737, 'state', '{"from":"finishing","to":"succeeded"}', 1);
INSERT INTO lanes VALUES ('paid|http://127.0.0.1:36835|4e896053e1b3', 'paid', 'remote', 0, 1, 20703, 3003012.0, 'bfdb9587-795f-4f1c-b1e6-51c91e4b8bc8', 'pid:[4026531836]', 0, '0.2.0', 1, 0, '', 0.0, '', 0.0, 0, '');
INSERT INTO blobs VALUES ('6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2', '{"facts":{"audio":false,"bytes":15224,"codec":"h264","duration_s":4.0,"fps":24.0,"frames":96,"height":180,"kind":"clip","mime":"video/mp4","width":320},"from_job":"job_3orrt2j6cw5ry4zwosaihclfzs","sidecar":{}}', 1795825784.1406534);
INSERT INTO blobs VALUES ('5f0ad3eb972257847bebfbc45ac281f67d7215f2c6707dda63386dc351003460', '{"facts":{"audio":false,"bytes":15224,"codec":"h264","duration_s":4.0,"fps":24.0,"frames":96,"height":180,"kind":"clip","mime":"video/mp4","width":320},"from_job":"job_3orrt2j6cw5ry4zwosaihclfzs","original":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","sidecar":{}}', 1795825784.1407728);
INSERT INTO blobs VALUES ('20a6cfda7b4619000b6892fce77e5917b9818e21d920ed54dc831006a9ea2cff', '{"facts":{"audio":false,"bytes":629,"codec":null,"duration_s":null,"fps":null,"frames":null,"height":180,"kind":"image","mime":"image/png","width":320},"sidecar":{}}', 1795825784.313042);
INSERT INTO blobs VALUES ('f1fc8bf25c1ff061fb051124ae7b2cc71fe6432f2c646b134bcda9e2d6a8f92d', '{"facts":{"audio":false,"bytes":15224,"codec":"h264","duration_s":4.0,"fps":24.0,"frames":96,"height":180,"kind":"clip","mime":"video/mp4","width":320},"from_job":"job_iomw5cvi5jclgwwezjlavhtew2","original":"6de24b6ee26963d09bc414878f702f91a7ce9c39fe0892ac845fa3bbf9c4c0f2","sidecar":{}}', 1795825785.279492);
INSERT INTO ledger VALUES ('job_3orrt2j6cw5ry4zwosaihclfzs', 'paid', 'paid|http://127.0.0.1:36835|4e896053e1b3', 'fox', '2026-11-28', 'settled', 400000, 400000, 'reported', 1795825784.140918);
INSERT INTO ledger VALUES ('job_iomw5cvi5jclgwwezjlavhtew2', 'paid', 'paid|http://127.0.0.1:36835|4e896053e1b3', '', '2026-11-28', 'settled', 400000, 400000, 'reported', 1795825785.2797213);
INSERT INTO spent VALUES ('2026-11-28', 'paid', 800000, 0);
CREATE INDEX events_wake ON events(seq) WHERE wake = 1;
CREATE INDEX events_job ON events(job, seq);
CREATE INDEX ledger_day ON ledger(day);
CREATE TRIGGER ledger_in AFTER INSERT ON ledger BEGIN
  INSERT INTO spent VALUES (new.day, new.provider, iif(new.state = 'settled', new.settled, 0), iif(new.state IN ('reserved', 'unresolved'), new.reserved, 0)) ON CONFLICT(day, provider) DO UPDATE SET settled = settled + excluded.settled, held = held + excluded.held;
END;
CREATE TRIGGER ledger_out AFTER DELETE ON ledger BEGIN
  INSERT INTO spent VALUES (old.day, old.provider, iif(old.state = 'settled', -old.settled, 0), iif(old.state IN ('reserved', 'unresolved'), -old.reserved, 0)) ON CONFLICT(day, provider) DO UPDATE SET settled = settled + excluded.settled, held = held + excluded.held;
END;
CREATE TRIGGER ledger_change AFTER UPDATE OF day, provider, state, reserved, settled ON ledger BEGIN
  INSERT INTO spent VALUES (old.day, old.provider, iif(old.state = 'settled', -old.settled, 0), iif(old.state IN ('reserved', 'unresolved'), -old.reserved, 0)) ON CONFLICT(day, provider) DO UPDATE SET settled = settled + excluded.settled, held = held + excluded.held;
  INSERT INTO spent VALUES (new.day, new.provider, iif(new.state = 'settled', new.settled, 0), iif(new.state IN ('reserved', 'unresolved'), new.reserved, 0)) ON CONFLICT(day, provider) DO UPDATE SET settled = settled + excluded.settled, held = held + excluded.held;
END;
CREATE UNIQUE INDEX jobs_key ON jobs(principal, request_key) WHERE matchable = 1;
CREATE INDEX jobs_open ON jobs(lane, seq, state) WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'uncertain');
CREATE INDEX jobs_unended ON jobs(principal, seq) WHERE parent IS NULL AND state NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX jobs_page ON jobs(principal, seq) WHERE parent IS NULL;
CREATE INDEX jobs_state ON jobs(principal, state, seq) WHERE parent IS NULL;
CREATE INDEX jobs_label ON jobs(principal, label, seq) WHERE parent IS NULL;
CREATE INDEX jobs_label_state ON jobs(principal, label, state, seq) WHERE parent IS NULL;
CREATE INDEX jobs_lane ON jobs(lane, state, seq);
CREATE INDEX jobs_bound ON jobs(provider, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX jobs_parent ON jobs(parent, step) WHERE parent IS NOT NULL;
CREATE INDEX jobs_past ON jobs(model, ended_at) WHERE state = 'succeeded';
