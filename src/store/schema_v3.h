// What version 3 of the schema changes: campaigns, model files, requests as targets of any kind answer them,
// what the machine did meanwhile, and rows that other tools measured.
//
// The times of a request's tokens are now one value of the request instead of a row each: a request is written
// once, when it ends, so that a transaction is short and a killed bench loses the requests in flight only. They
// are kept as JSON text rather than as packed integers: it takes about as many bytes (12 for a token), and
// every SQLite shell can compute the views from it without a function of weir's.
#pragma once

namespace weir {

inline constexpr const char* kTablesV3 = R"sql(
DROP VIEW summary;
DROP VIEW sample;
DROP VIEW token_gap;
DROP VIEW request_latency;
DROP VIEW prefill_window;
DROP VIEW aggregate_window;
DROP VIEW aggregate_bounds;
DROP VIEW user_span;
DROP VIEW decode_window;
DROP VIEW decode_step;
DROP VIEW repeat_rates;
DROP VIEW whole_repeat;

-- All runs of one suite that belong together.
CREATE TABLE campaign (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  suite      TEXT NOT NULL,           -- the file's text when it was last run
  started_at TEXT NOT NULL            -- UTC
) STRICT;
ALTER TABLE run ADD COLUMN campaign INTEGER REFERENCES campaign ON DELETE SET NULL;
CREATE INDEX run_of_campaign ON run (campaign);
-- The same moment on two clocks: started_ns is that of all stamps.
ALTER TABLE run ADD COLUMN started_ns INTEGER;
ALTER TABLE run ADD COLUMN started_unix_ns INTEGER;
-- Which tool measured the cells of this run, and the file that they were imported from; NULL: weir did.
ALTER TABLE run ADD COLUMN foreign_tool TEXT;
ALTER TABLE run ADD COLUMN foreign_file TEXT;

-- The bytes that a model came from.
CREATE TABLE model_file (
  id           INTEGER PRIMARY KEY,
  model        INTEGER NOT NULL REFERENCES model,
  path         TEXT NOT NULL,
  sha256       TEXT NOT NULL,         -- of the whole content
  bytes        INTEGER NOT NULL,
  mtime_ns     INTEGER NOT NULL,      -- when it was hashed: with path and bytes, whether to hash it again
  tensor_types TEXT NOT NULL,         -- JSON: {"Q8_0": {"tensors": 12, "bytes": 34}, ...}
  UNIQUE (model, sha256)
) STRICT;

ALTER TABLE cell ADD COLUMN model_file INTEGER REFERENCES model_file;
ALTER TABLE cell ADD COLUMN target TEXT NOT NULL DEFAULT 'engine';  -- engine, null, or an URL
-- What defines the cell, as JSON, and the same in short: cells with equal keys measure the same thing.
ALTER TABLE cell ADD COLUMN config TEXT;
ALTER TABLE cell ADD COLUMN key TEXT;
CREATE INDEX cell_of_key ON cell (key);
ALTER TABLE cell ADD COLUMN foreign_row TEXT;  -- JSON: all that the other tool said

-- Figures that another tool computed: there are no stamps to compute them from.
CREATE TABLE foreign_figure (
  cell   INTEGER NOT NULL REFERENCES cell ON DELETE CASCADE,
  figure TEXT NOT NULL,
  value  REAL NOT NULL,
  PRIMARY KEY (cell, figure)
) STRICT, WITHOUT ROWID;

ALTER TABLE attempt ADD COLUMN rejected TEXT;     -- why a whole repeat is in no figure
ALTER TABLE attempt ADD COLUMN answers_hash TEXT; -- of the text of all answers
ALTER TABLE attempt ADD COLUMN begin_ns INTEGER;
ALTER TABLE attempt ADD COLUMN end_ns INTEGER;
ALTER TABLE attempt ADD COLUMN block INTEGER;     -- of the randomised order: repeats of a block ran in turn

ALTER TABLE request ADD COLUMN warm_up INTEGER NOT NULL DEFAULT 0 CHECK (warm_up IN (0, 1));  -- in no figure
ALTER TABLE request ADD COLUMN sent_ns INTEGER;             -- the connection took it
ALTER TABLE request ADD COLUMN headers_ns INTEGER;          -- the target began to answer
ALTER TABLE request ADD COLUMN first_chunk_ns INTEGER;      -- of any kind, an empty one too
ALTER TABLE request ADD COLUMN first_reasoning_ns INTEGER;  -- first thought
ALTER TABLE request ADD COLUMN first_content_ns INTEGER;    -- first token of the answer proper
ALTER TABLE request ADD COLUMN cached_tokens INTEGER;       -- of the prompt, not computed again
ALTER TABLE request ADD COLUMN answer_tokens INTEGER;
ALTER TABLE request ADD COLUMN counted_by TEXT              -- who counted the answer's tokens
  CHECK (counted_by IN ('engine', 'usage', 'tokenizer', 'chunks'));
-- JSON array: when each token came, in ns after scheduled_ns; tokens that came together have the same time.
ALTER TABLE request ADD COLUMN token_offsets_ns TEXT NOT NULL DEFAULT '[]';

UPDATE request SET
  token_offsets_ns = (SELECT json_group_array(time_ns - request.scheduled_ns)
                      FROM (SELECT time_ns FROM token_time WHERE request = request.id ORDER BY ordinal)),
  answer_tokens = (SELECT count(*) FROM token_time WHERE request = request.id),
  counted_by = 'engine';
DROP TABLE token_time;

-- What the machine did now and then during an attempt. Units are in the names: process_bytes, available_bytes,
-- frequency_mhz (mean of the processors), temperature_c (hottest), load, and watts of each boundary
-- (package_w, ...).
CREATE TABLE sample (
  attempt INTEGER NOT NULL REFERENCES attempt ON DELETE CASCADE,
  time_ns INTEGER NOT NULL,
  name    TEXT NOT NULL,
  value   REAL NOT NULL,
  PRIMARY KEY (attempt, time_ns, name)
) STRICT, WITHOUT ROWID;

-- What others did to the machine from the begin of an attempt to its end; NULL: the system does not say.
CREATE TABLE disturbance (
  attempt         INTEGER PRIMARY KEY REFERENCES attempt ON DELETE CASCADE,
  steal_share     REAL,               -- of the processors' time, taken by the host for other machines
  other_share     REAL,               -- of the processors' time, used by other processes
  throttles       INTEGER,            -- times that a core or a package slowed down for heat or power
  swap_pages      INTEGER,            -- in and out, of the whole machine
  major_faults    INTEGER,            -- of this process: memory that had to come from a disk
  frequency_share REAL                -- least mean frequency seen / greatest
) STRICT;

-- Energy from the begin of an attempt to its end.
CREATE TABLE energy (
  attempt  INTEGER NOT NULL REFERENCES attempt ON DELETE CASCADE,
  boundary TEXT NOT NULL,             -- what is inside: core, package, dram, psys, gpu, board, battery, wall
  source   TEXT NOT NULL,             -- what measured it
  joules   REAL NOT NULL,             -- gross: with what the machine takes when it does nothing
  seconds  REAL NOT NULL,
  idle_w   REAL,                      -- measured before the run; NULL: not known, nothing can be subtracted
  PRIMARY KEY (attempt, boundary, source)
) STRICT, WITHOUT ROWID;
)sql";

inline constexpr const char* kViewsV3 = R"sql(
-- Only whole repeats count: no warm-up, no failed, interrupted or rejected attempt.
CREATE VIEW whole_repeat AS
SELECT a.id AS attempt, a.cell, a.repeat, c.users, a.peak_memory_bytes, a.logits_hash, a.answers_hash,
       a.rates_before, a.rates_after
FROM attempt a JOIN cell c ON c.id = a.cell
WHERE a.repeat > 0 AND a.status = 'ok' AND a.rejected IS NULL;

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

-- Every token of every request.
CREATE VIEW token_time AS
SELECT q.id AS request, j.key AS ordinal, q.scheduled_ns + j.value AS time_ns
FROM request q, json_each(q.token_offsets_ns) j;

-- The first and the last token of every request that counts and has one.
CREATE VIEW request_span AS
SELECT q.id AS request, q.attempt, q.user, q.round, q.ended_ns,
       q.scheduled_ns + json_extract(q.token_offsets_ns, '$[0]') AS first_ns,
       q.scheduled_ns + json_extract(q.token_offsets_ns, '$[#-1]') AS last_ns
FROM request q
WHERE NOT q.warm_up AND json_array_length(q.token_offsets_ns) > 0;

-- For targets that show no steps: from the last user's first token to the first user's end, in the first
-- round, when no user has asked again.
CREATE VIEW stream_bounds AS
SELECT r.cell, r.attempt, r.repeat, r.users, max(p.first_ns) AS open_ns, min(p.ended_ns) AS close_ns
FROM whole_repeat r
JOIN request_span p ON p.attempt = r.attempt AND p.round = 0
WHERE NOT EXISTS (SELECT 1 FROM step s WHERE s.attempt = r.attempt)
GROUP BY r.cell, r.attempt, r.repeat, r.users;

CREATE VIEW stream_window AS
SELECT cell, attempt, repeat, users, open_ns, close_ns, n_tokens
FROM (SELECT b.*,
             (SELECT count(*) FROM request q JOIN token_time t ON t.request = q.id
              WHERE q.attempt = b.attempt AND q.round = 0 AND t.time_ns > b.open_ns
                AND t.time_ns <= b.close_ns) AS n_tokens
      FROM stream_bounds b)
WHERE close_ns > open_ns;

-- Per repeat: decode tok/s (N tokens per counted step over the step times) and what the limit would give
-- for the same steps. NULL below 16 steps; without steps, below 16 tokens of each user.
CREATE VIEW decode_window AS
SELECT cell, attempt, repeat, count(*) AS n_steps,
       iif(count(*) >= 16, 1e9 * users * count(*) / sum(ns), NULL) AS tok_s,
       iif(count(*) >= 16 AND count(limit_ns) = count(*),
           1e9 * users * count(*) / sum(limit_ns), NULL) AS limit_tok_s,
       iif(count(*) >= 16, 1.0 * sum(bytes) / count(*), NULL) AS step_bytes,
       iif(count(*) >= 16, 1.0 * sum(macs) / count(*), NULL) AS step_macs
FROM decode_step
GROUP BY cell, attempt, repeat, users
UNION ALL
SELECT cell, attempt, repeat, n_tokens / users,
       iif(n_tokens / users >= 16, 1e9 * n_tokens / (close_ns - open_ns), NULL), NULL, NULL, NULL
FROM stream_window;

-- Per user and repeat: its first token and the end of its last request.
CREATE VIEW user_span AS
SELECT r.cell, r.attempt, r.repeat, q.user, min(p.first_ns) AS first_ns, max(q.ended_ns) AS last_ns
FROM whole_repeat r
JOIN request q ON q.attempt = r.attempt AND NOT q.warm_up
LEFT JOIN request_span p ON p.request = q.id
GROUP BY r.cell, r.attempt, r.repeat, q.user;

-- Per repeat: opens when the last user has its first token, closes when the first user has no work left.
CREATE VIEW aggregate_bounds AS
SELECT cell, attempt, repeat, n_users, open_ns, close_ns
FROM (SELECT cell, attempt, repeat, user, count(*) OVER users AS n_users,
             max(first_ns) OVER users AS open_ns, min(last_ns) OVER users AS close_ns
      FROM user_span
      WINDOW users AS (PARTITION BY cell, attempt, repeat))
WHERE user = 0;

-- Per repeat: aggregate tok/s, the tokens generated inside (open, close] over its length. NULL with fewer
-- than 16 steps that decode and begin inside; without steps, with fewer than 16 tokens of each user.
CREATE VIEW aggregate_window AS
SELECT cell, attempt, repeat, open_ns, close_ns, n_tokens, n_steps,
       iif(n_steps >= 16, 1e9 * n_tokens / (close_ns - open_ns), NULL) AS tok_s
FROM (SELECT cell, attempt, repeat, open_ns, close_ns, n_tokens,
             iif(stepless, n_tokens / n_users, n_seen) AS n_steps
      FROM (SELECT b.*,
                   (SELECT count(*) FROM request q JOIN token_time t ON t.request = q.id
                    WHERE q.attempt = b.attempt AND t.time_ns > b.open_ns AND t.time_ns <= b.close_ns)
                     AS n_tokens,
                   NOT EXISTS (SELECT 1 FROM step s WHERE s.attempt = b.attempt) AS stepless,
                   (SELECT count(*) FROM step s
                    WHERE s.attempt = b.attempt AND s.decode_rows > 0
                      AND s.begin_ns >= b.open_ns AND s.begin_ns < b.close_ns) AS n_seen
            FROM aggregate_bounds b));

-- Per repeat: prefill tok/s, prompt tokens over step times in steps that hold prompt tokens only.
CREATE VIEW prefill_window AS
SELECT r.cell, r.attempt, r.repeat, sum(s.prefill_rows) AS n_tokens,
       1e9 * sum(s.prefill_rows) / sum(s.end_ns - s.begin_ns) AS tok_s
FROM whole_repeat r JOIN step s ON s.attempt = r.attempt
WHERE s.decode_rows = 0 AND s.prefill_rows > 0
GROUP BY r.cell, r.attempt, r.repeat;

-- Per request, all from the scheduled time: TTFT to the first token of any kind, TTFC to the first of the
-- answer proper, E2E to the end. TPOT is the mean gap after the first token.
CREATE VIEW request_latency AS
SELECT r.cell, r.attempt, q.id AS request, json_array_length(q.token_offsets_ns) AS n_tokens,
       (p.first_ns - q.scheduled_ns) / 1e6 AS ttft_ms,
       (q.first_content_ns - q.scheduled_ns) / 1e6 AS ttfc_ms,
       (p.last_ns - p.first_ns) / 1e6 / nullif(json_array_length(q.token_offsets_ns) - 1, 0) AS tpot_ms,
       (q.ended_ns - q.scheduled_ns) / 1e6 AS e2e_ms
FROM whole_repeat r
JOIN request q ON q.attempt = r.attempt
JOIN request_span p ON p.request = q.id;

-- Every gap between two consecutive tokens of a request. A gated request waits for the other users after
-- its first token: that gap is the load's doing, not the engine's, and is left out.
CREATE VIEW token_gap AS
SELECT cell, attempt, request, ordinal, gap_ns / 1e6 AS itl_ms
FROM (SELECT r.cell, r.attempt, q.id AS request, q.gated, j.key AS ordinal,
             j.value - lag(j.value) OVER (PARTITION BY r.cell, q.id ORDER BY j.key) AS gap_ns
      FROM whole_repeat r JOIN request q ON q.attempt = r.attempt AND NOT q.warm_up,
           json_each(q.token_offsets_ns) j)
WHERE ordinal > 0 AND NOT (gated AND ordinal = 1);

-- Per repeat and boundary: energy over all tokens that were generated; net: less what the machine takes
-- when it does nothing.
CREATE VIEW energy_per_token AS
SELECT cell, attempt, boundary, source, joules / n_tokens AS gross_j,
       (joules - idle_w * seconds) / n_tokens AS net_j
FROM (SELECT r.cell, e.*,
             nullif((SELECT sum(q.answer_tokens) FROM request q WHERE q.attempt = r.attempt), 0) AS n_tokens
      FROM whole_repeat r JOIN energy e ON e.attempt = r.attempt);

-- All values that are summarised over a cell: per repeat, or pooled over all repeats (ttft_ms, ttfc_ms, itl_ms,
-- tpot_ms, e2e_ms).
CREATE VIEW figure_value AS
      SELECT cell, 'decode_tok_s' AS figure, tok_s AS value FROM decode_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'limit_tok_s', limit_tok_s FROM decode_window WHERE limit_tok_s IS NOT NULL
UNION ALL SELECT cell, 'step_bytes', step_bytes FROM decode_window WHERE step_bytes IS NOT NULL
UNION ALL SELECT cell, 'step_macs', step_macs FROM decode_window WHERE step_macs IS NOT NULL
UNION ALL SELECT cell, 'aggregate_tok_s', tok_s FROM aggregate_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'prefill_tok_s', tok_s FROM prefill_window WHERE tok_s IS NOT NULL
UNION ALL SELECT cell, 'ttft_ms', ttft_ms FROM request_latency
UNION ALL SELECT cell, 'ttfc_ms', ttfc_ms FROM request_latency WHERE ttfc_ms IS NOT NULL
UNION ALL SELECT cell, 'itl_ms', itl_ms FROM token_gap
UNION ALL SELECT cell, 'tpot_ms', tpot_ms FROM request_latency WHERE tpot_ms IS NOT NULL
UNION ALL SELECT cell, 'e2e_ms', e2e_ms FROM request_latency WHERE e2e_ms IS NOT NULL
UNION ALL SELECT cell, boundary || '_j_per_token', gross_j FROM energy_per_token
          WHERE gross_j IS NOT NULL
UNION ALL SELECT cell, boundary || '_net_j_per_token', net_j FROM energy_per_token
          WHERE net_j IS NOT NULL
UNION ALL SELECT cell, 'peak_memory_bytes', 1.0 * peak_memory_bytes FROM whole_repeat
          WHERE peak_memory_bytes IS NOT NULL
UNION ALL SELECT cell, figure, value FROM foreign_figure;

-- Median (mean of the middle two), p95 (nearest rank), least and greatest of each figure of each cell. p99 below
-- 299 values is NULL: with fewer, no value is above the true p99 with a certainty of 95 % (0.99^298 > 0.05).
-- Windows instead of a last GROUP BY, here and above, because SQLite hands a condition on the cell down
-- through them; through a second level of grouping it does not, and would compute all cells first.
CREATE VIEW summary AS
SELECT cell, figure, n, median, p95, p99, least, greatest
FROM (SELECT cell, figure, n, rank,
             avg(iif(rank IN ((n + 1) / 2, (n + 2) / 2), value, NULL)) OVER whole AS median,
             max(iif(rank = (95 * n + 99) / 100, value, NULL)) OVER whole AS p95,
             max(iif(n >= 299 AND rank = (99 * n + 99) / 100, value, NULL)) OVER whole AS p99,
             min(value) OVER whole AS least, max(value) OVER whole AS greatest
      FROM (SELECT cell, figure, value,
                   row_number() OVER (PARTITION BY cell, figure ORDER BY value) AS rank,
                   count(*) OVER (PARTITION BY cell, figure) AS n
            FROM figure_value)
      WINDOW whole AS (PARTITION BY cell, figure))
WHERE rank = 1;
)sql";

}  // namespace weir
