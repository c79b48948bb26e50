// Version 1 of the schema, as SQL. Units: *_ns nanoseconds of the monotonic clock (comparable
// within a run only), *_bytes bytes, *_gb_s 1e9 bytes a second (which is bytes per nanosecond),
// *_gmac_s 1e9 multiply-accumulates a second. What was not measured is NULL, never 0.
#pragma once

namespace weir {

inline constexpr const char* kTablesV1 = R"sql(
CREATE TABLE schema_version (
  version    INTEGER NOT NULL,
  applied_at TEXT NOT NULL            -- UTC
) STRICT;

CREATE TABLE machine (
  id           INTEGER PRIMARY KEY,
  fingerprint  TEXT NOT NULL UNIQUE,
  cpu          TEXT,
  memory_bytes INTEGER,
  facts        TEXT NOT NULL          -- JSON: all that `weir machine` knows without measuring
) STRICT;

CREATE TABLE build (
  id       INTEGER PRIMARY KEY,
  version  TEXT NOT NULL,             -- what `weir --version` prints: version, commit, compiler, tables
  UNIQUE (version)
) STRICT;

CREATE TABLE model (
  id                INTEGER PRIMARY KEY,
  name              TEXT NOT NULL,    -- as the user called it
  arch              TEXT,
  quant             TEXT,
  synthetic         INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
  n_params          INTEGER,
  file_tensor_bytes INTEGER,
  packed_bytes      INTEGER,
  fingerprint       TEXT NOT NULL,    -- hash of names, types and shapes of all tensors
  UNIQUE (name, fingerprint)
) STRICT;

CREATE TABLE run (
  id         INTEGER PRIMARY KEY,
  machine    INTEGER NOT NULL REFERENCES machine,
  build      INTEGER NOT NULL REFERENCES build,
  started_at TEXT NOT NULL,           -- UTC
  ended_at   TEXT,                    -- NULL: interrupted, or still running
  isa        TEXT NOT NULL,
  threads    INTEGER NOT NULL,
  seed       INTEGER NOT NULL
) STRICT;

-- One model with one number of users. Until it is finished its status is 'interrupted', so that a crash
-- leaves the truth behind.
CREATE TABLE cell (
  id                INTEGER PRIMARY KEY,
  run               INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  model             INTEGER NOT NULL REFERENCES model,
  users             INTEGER NOT NULL CHECK (users > 0),
  prompt_tokens     INTEGER NOT NULL,
  gen_tokens        INTEGER NOT NULL,
  requests_per_user INTEGER NOT NULL, -- in one repeat
  repeats           INTEGER NOT NULL, -- planned
  planned_bytes     INTEGER,          -- weights, KV, state and workspace as the engine announced them
  status            TEXT NOT NULL
    CHECK (status IN ('ok', 'failed', 'refused', 'skipped', 'too_short', 'interrupted')),
  reason            TEXT
) STRICT;
CREATE INDEX cell_of_run ON cell (run);

CREATE TABLE flag (
  cell   INTEGER NOT NULL REFERENCES cell ON DELETE CASCADE,
  name   TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (cell, name)
) STRICT, WITHOUT ROWID;

-- What the machine could do at one moment, with the threads of the run.
CREATE TABLE rates (
  id             INTEGER PRIMARY KEY,
  run            INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  time_ns        INTEGER NOT NULL,
  read_gb_s       REAL,
  read_write_gb_s REAL,               -- bytes read plus bytes written
  int8_gmac_s     REAL,
  f32_gmac_s      REAL,
  buffer_small    INTEGER NOT NULL CHECK (buffer_small IN (0, 1))  -- caches may have served the reads
) STRICT;
CREATE INDEX rates_of_run ON rates (run);

-- One pass over a cell's workload. Repeat 0 is the warm-up: kept, and in no figure.
CREATE TABLE attempt (
  id                INTEGER PRIMARY KEY,
  cell              INTEGER NOT NULL REFERENCES cell ON DELETE CASCADE,
  repeat            INTEGER NOT NULL,
  status            TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'interrupted')),
  reason            TEXT,
  peak_memory_bytes INTEGER,          -- of the process, reset before the attempt
  logits_hash       TEXT,
  rates_before      INTEGER REFERENCES rates,
  rates_after       INTEGER REFERENCES rates,
  UNIQUE (cell, repeat)
) STRICT;

CREATE TABLE request (
  id            INTEGER PRIMARY KEY,
  attempt       INTEGER NOT NULL REFERENCES attempt ON DELETE CASCADE,
  user          INTEGER NOT NULL,     -- from 0
  round         INTEGER NOT NULL,     -- from 0: the user's how manieth request
  gated         INTEGER NOT NULL CHECK (gated IN (0, 1)),
  scheduled_ns  INTEGER NOT NULL,     -- when the user wanted it sent
  submitted_ns  INTEGER,              -- when it was sent
  ended_ns      INTEGER,              -- last event
  prompt_tokens INTEGER NOT NULL,
  max_tokens    INTEGER NOT NULL,
  finish        TEXT CHECK (finish IN ('stop', 'length', 'cancelled', 'error')),
  error         TEXT
) STRICT;
CREATE INDEX request_of_attempt ON request (attempt);

CREATE TABLE token_time (
  request INTEGER NOT NULL REFERENCES request ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,           -- from 0
  time_ns INTEGER NOT NULL,           -- when the token was sampled
  PRIMARY KEY (request, ordinal)
) STRICT, WITHOUT ROWID;

-- A step of the engine and its work (StepCost); empty for targets that show no steps.
CREATE TABLE step (
  attempt      INTEGER NOT NULL REFERENCES attempt ON DELETE CASCADE,
  ordinal      INTEGER NOT NULL,
  begin_ns     INTEGER NOT NULL,
  end_ns       INTEGER NOT NULL,
  decode_rows  INTEGER NOT NULL,
  prefill_rows INTEGER NOT NULL,
  weight_bytes INTEGER NOT NULL,
  kv_bytes     INTEGER NOT NULL,
  state_bytes  INTEGER NOT NULL,
  int8_macs    INTEGER NOT NULL,
  f32_macs     INTEGER NOT NULL,
  PRIMARY KEY (attempt, ordinal)
) STRICT, WITHOUT ROWID;
)sql";

inline constexpr const char* kViewsV1 = R"sql(
-- Only whole repeats count: no warm-up, no failed and no interrupted attempt.
CREATE VIEW whole_repeat AS
SELECT a.id AS attempt, a.cell, a.repeat, c.users, a.peak_memory_bytes, a.logits_hash,
       a.rates_before, a.rates_after
FROM attempt a JOIN cell c ON c.id = a.cell
WHERE a.repeat > 0 AND a.status = 'ok';

-- The rates that a repeat's limit is made of: of each, the better of the two measurements around the
-- repeat. A measurement can be disturbed downwards only, so the better one is nearer to the hardware, and
-- the lower one would flatter the share.
CREATE VIEW repeat_rates AS
SELECT r.attempt,
       max(coalesce(b.read_gb_s, a.read_gb_s), coalesce(a.read_gb_s, b.read_gb_s)) AS read_gb_s,
       max(coalesce(b.read_write_gb_s, a.read_write_gb_s),
           coalesce(a.read_write_gb_s, b.read_write_gb_s)) AS read_write_gb_s,
       max(coalesce(b.int8_gmac_s, a.int8_gmac_s),
           coalesce(a.int8_gmac_s, b.int8_gmac_s)) AS int8_gmac_s,
       max(coalesce(b.f32_gmac_s, a.f32_gmac_s), coalesce(a.f32_gmac_s, b.f32_gmac_s)) AS f32_gmac_s
FROM whole_repeat r
LEFT JOIN rates b ON b.id = r.rates_before
LEFT JOIN rates a ON a.id = r.rates_after;

-- Steps in which all users of the cell decode and no prompt row is present, with the least time that the
-- hardware would need for them: T* = max(weight and KV bytes / B, int8 MACs / R) + state bytes / B_rw
-- + f32 MACs / F.
CREATE VIEW decode_step AS
SELECT r.cell, r.attempt, r.repeat, r.users, s.ordinal, s.end_ns - s.begin_ns AS ns,
       s.weight_bytes + s.kv_bytes + s.state_bytes AS bytes,
       s.int8_macs + s.f32_macs AS macs,
       max((s.weight_bytes + s.kv_bytes) / h.read_gb_s, s.int8_macs / h.int8_gmac_s)
         + s.state_bytes / h.read_write_gb_s + s.f32_macs / h.f32_gmac_s AS limit_ns
FROM whole_repeat r
JOIN step s ON s.attempt = r.attempt
LEFT JOIN repeat_rates h ON h.attempt = r.attempt
WHERE s.decode_rows = r.users AND s.prefill_rows = 0;

-- Per repeat: decode tok/s (N tokens per counted step over the step times) and what the limit would give
-- for the same steps. NULL below 16 steps.
CREATE VIEW decode_window AS
SELECT cell, attempt, repeat, count(*) AS n_steps,
       iif(count(*) >= 16, 1e9 * users * count(*) / sum(ns), NULL) AS tok_s,
       iif(count(*) >= 16 AND count(limit_ns) = count(*),
           1e9 * users * count(*) / sum(limit_ns), NULL) AS limit_tok_s,
       iif(count(*) >= 16, 1.0 * sum(bytes) / count(*), NULL) AS step_bytes,
       iif(count(*) >= 16, 1.0 * sum(macs) / count(*), NULL) AS step_macs
FROM decode_step
GROUP BY cell, attempt, repeat, users;

-- Per user and repeat: its first token and the end of its last request.
CREATE VIEW user_span AS
SELECT r.cell, r.attempt, r.repeat, q.user, min(t.time_ns) AS first_ns, max(q.ended_ns) AS last_ns
FROM whole_repeat r
JOIN request q ON q.attempt = r.attempt
LEFT JOIN token_time t ON t.request = q.id
GROUP BY r.cell, r.attempt, r.repeat, q.user;

-- Per repeat: opens when the last user has its first token, closes when the first user has no work left.
CREATE VIEW aggregate_bounds AS
SELECT cell, attempt, repeat, open_ns, close_ns
FROM (SELECT cell, attempt, repeat, user,
             max(first_ns) OVER users AS open_ns, min(last_ns) OVER users AS close_ns
      FROM user_span
      WINDOW users AS (PARTITION BY cell, attempt, repeat))
WHERE user = 0;

-- Per repeat: aggregate tok/s, the tokens generated inside (open, close] over its length. NULL with fewer
-- than 16 steps that decode and begin inside.
CREATE VIEW aggregate_window AS
SELECT cell, attempt, repeat, open_ns, close_ns, n_tokens, n_steps,
       iif(n_steps >= 16, 1e9 * n_tokens / (close_ns - open_ns), NULL) AS tok_s
FROM (SELECT b.*,
             (SELECT count(*) FROM request q JOIN token_time t ON t.request = q.id
              WHERE q.attempt = b.attempt AND t.time_ns > b.open_ns AND t.time_ns <= b.close_ns)
               AS n_tokens,
             (SELECT count(*) FROM step s
              WHERE s.attempt = b.attempt AND s.decode_rows > 0
                AND s.begin_ns >= b.open_ns AND s.begin_ns < b.close_ns) AS n_steps
      FROM aggregate_bounds b);

-- Per repeat: prefill tok/s, prompt tokens over step times in steps that hold prompt tokens only.
CREATE VIEW prefill_window AS
SELECT r.cell, r.attempt, r.repeat, sum(s.prefill_rows) AS n_tokens,
       1e9 * sum(s.prefill_rows) / sum(s.end_ns - s.begin_ns) AS tok_s
FROM whole_repeat r JOIN step s ON s.attempt = r.attempt
WHERE s.decode_rows = 0 AND s.prefill_rows > 0
GROUP BY r.cell, r.attempt, r.repeat;

-- Per request: TTFT from the scheduled time to the first token, TPOT the mean gap after it.
CREATE VIEW request_latency AS
SELECT r.cell, r.attempt, q.id AS request, count(*) AS n_tokens,
       (min(t.time_ns) - q.scheduled_ns) / 1e6 AS ttft_ms,
       (max(t.time_ns) - min(t.time_ns)) / 1e6 / nullif(count(*) - 1, 0) AS tpot_ms
FROM whole_repeat r
JOIN request q ON q.attempt = r.attempt
JOIN token_time t ON t.request = q.id
GROUP BY r.cell, r.attempt, q.id;

-- Every gap between two consecutive tokens of a request. A gated request waits for the other users after
-- its first token: that gap is the load's doing, not the engine's, and is left out.
CREATE VIEW token_gap AS
SELECT r.cell, r.attempt, q.id AS request, t.ordinal, (t.time_ns - p.time_ns) / 1e6 AS itl_ms
FROM whole_repeat r
JOIN request q ON q.attempt = r.attempt
JOIN token_time t ON t.request = q.id
JOIN token_time p ON p.request = q.id AND p.ordinal = t.ordinal - 1
WHERE NOT (q.gated AND t.ordinal = 1);

-- All values that are summarised over a cell: per repeat, or pooled over all repeats (ttft_ms, itl_ms,
-- tpot_ms).
CREATE VIEW sample AS
      SELECT cell, 'decode_tok_s' AS figure, tok_s AS value FROM decode_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'limit_tok_s', limit_tok_s FROM decode_window WHERE limit_tok_s IS NOT NULL
UNION ALL SELECT cell, 'step_bytes', step_bytes FROM decode_window WHERE step_bytes IS NOT NULL
UNION ALL SELECT cell, 'step_macs', step_macs FROM decode_window WHERE step_macs IS NOT NULL
UNION ALL SELECT cell, 'aggregate_tok_s', tok_s FROM aggregate_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'prefill_tok_s', tok_s FROM prefill_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'ttft_ms', ttft_ms FROM request_latency
UNION ALL SELECT cell, 'itl_ms', itl_ms FROM token_gap
UNION ALL SELECT cell, 'tpot_ms', tpot_ms FROM request_latency WHERE tpot_ms IS NOT NULL
UNION ALL SELECT cell, 'peak_memory_bytes', 1.0 * peak_memory_bytes FROM whole_repeat
          WHERE peak_memory_bytes IS NOT NULL;

-- Median (mean of the middle two), p95 (nearest rank), least and greatest of each figure of each cell.
-- Windows instead of a last GROUP BY, here and above, because SQLite hands a condition on the cell down
-- through them; through a second level of grouping it does not, and would compute all cells first.
CREATE VIEW summary AS
SELECT cell, figure, n, median, p95, least, greatest
FROM (SELECT cell, figure, n, rank,
             avg(iif(rank IN ((n + 1) / 2, (n + 2) / 2), value, NULL)) OVER whole AS median,
             max(iif(rank = (95 * n + 99) / 100, value, NULL)) OVER whole AS p95,
             min(value) OVER whole AS least, max(value) OVER whole AS greatest
      FROM (SELECT cell, figure, value,
                   row_number() OVER (PARTITION BY cell, figure ORDER BY value) AS rank,
                   count(*) OVER (PARTITION BY cell, figure) AS n
            FROM sample)
      WINDOW whole AS (PARTITION BY cell, figure))
WHERE rank = 1;
)sql";

}  // namespace weir
