// What version 4 of the schema adds: objectives, whether an attempt held one, and how much a target bears. And views of
// decode steps through which a condition on the cell reaches the index of `attempt`: what stands to the right of a LEFT
// JOIN is computed for all cells first.
#pragma once

namespace weir {

inline constexpr const char* kTablesV4 = R"sql(
DROP VIEW figure_value;
DROP VIEW decode_step;
DROP VIEW repeat_rates;

-- Whether an attempt held an objective such as ttft_p95<1s, over its requests that are no warm-up. A request is good
-- if it held every limit itself; goodput is the good ones, or their tokens, over the time from the first request's
-- schedule to the last one's end.
CREATE TABLE objective (
  attempt       INTEGER PRIMARY KEY REFERENCES attempt ON DELETE CASCADE,
  objective     TEXT NOT NULL,
  holds         INTEGER NOT NULL CHECK (holds IN (0, 1)),
  requests      INTEGER NOT NULL,
  failed        INTEGER NOT NULL,
  good          INTEGER NOT NULL,
  goodput_per_s REAL NOT NULL,
  goodput_tok_s REAL NOT NULL
) STRICT;

-- The answer of a search: the largest load that held an objective, and the smallest that did not. Each load that was
-- tried is a cell.
CREATE TABLE capacity (
  id        INTEGER PRIMARY KEY,
  run       INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  model     INTEGER NOT NULL REFERENCES model,
  target    TEXT NOT NULL,
  key       TEXT NOT NULL,            -- what defines the search, like cell.key
  objective TEXT NOT NULL,            -- of latencies, or 'memory'
  unit      TEXT NOT NULL CHECK (unit IN ('users', 'requests_per_s', 'context_tokens')),
  best      REAL NOT NULL,            -- 0: not even the smallest held
  broken    REAL,                     -- NULL: the largest that was tried held
  predicted REAL,                     -- by the plan of the memory; NULL: nothing was
  why       TEXT,                     -- what broke
  cell      INTEGER REFERENCES cell ON DELETE SET NULL  -- of `best`
) STRICT;
CREATE INDEX capacity_of_run ON capacity (run);

-- The objective of the search that tried this load, or 'memory': few repeats, or none that computed much. NULL: no search.
ALTER TABLE cell ADD COLUMN search TEXT;
)sql";

inline constexpr const char* kViewsV4 = R"sql(
-- Whole repeats with the rates that their limit is made of: of each, the better of the two measurements around the
-- repeat. A measurement can be disturbed downwards only, so the better one is nearer to the hardware, and the lower one
-- would flatter the share.
CREATE VIEW repeat_rates AS
SELECT r.cell, r.attempt, r.repeat, r.users,
       max(coalesce(b.read_gb_s, a.read_gb_s), coalesce(a.read_gb_s, b.read_gb_s)) AS read_gb_s,
       max(coalesce(b.read_write_gb_s, a.read_write_gb_s),
           coalesce(a.read_write_gb_s, b.read_write_gb_s)) AS read_write_gb_s,
       max(coalesce(b.int8_gmac_s, a.int8_gmac_s), coalesce(a.int8_gmac_s, b.int8_gmac_s)) AS int8_gmac_s,
       max(coalesce(b.f32_gmac_s, a.f32_gmac_s), coalesce(a.f32_gmac_s, b.f32_gmac_s)) AS f32_gmac_s
FROM whole_repeat r
LEFT JOIN rates b ON b.id = r.rates_before
LEFT JOIN rates a ON a.id = r.rates_after;

-- Steps in which all users of the cell decode and no prompt row is present, with the least time that the hardware would
-- need for them: T* = max(weight and KV bytes / B, int8 MACs / R) + state bytes / B_rw + f32 MACs / F.
CREATE VIEW decode_step AS
SELECT r.cell, r.attempt, r.repeat, r.users, s.ordinal, s.end_ns - s.begin_ns AS ns,
       s.weight_bytes + s.kv_bytes + s.state_bytes AS bytes,
       s.int8_macs + s.f32_macs AS macs,
       max((s.weight_bytes + s.kv_bytes) / r.read_gb_s, s.int8_macs / r.int8_gmac_s)
         + s.state_bytes / r.read_write_gb_s + s.f32_macs / r.f32_gmac_s AS limit_ns
FROM repeat_rates r
JOIN step s ON s.attempt = r.attempt
WHERE s.decode_rows = r.users AND s.prefill_rows = 0;

-- All values that are summarised over a cell: per repeat, or pooled over all repeats (ttft_ms, ttfc_ms, itl_ms,
-- tpot_ms, e2e_ms).
CREATE VIEW figure_value AS
      SELECT cell, figure, value
      FROM (SELECT w.cell, f.figure,
                   CASE f.figure WHEN 'decode_tok_s' THEN w.tok_s WHEN 'limit_tok_s' THEN w.limit_tok_s
                                 WHEN 'step_bytes' THEN w.step_bytes ELSE w.step_macs END AS value
            FROM decode_window w
            CROSS JOIN (SELECT 'decode_tok_s' AS figure UNION ALL SELECT 'limit_tok_s'
                        UNION ALL SELECT 'step_bytes' UNION ALL SELECT 'step_macs') f)
      WHERE value IS NOT NULL
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
UNION ALL SELECT r.cell, 'goodput_per_s', o.goodput_per_s FROM whole_repeat r JOIN objective o ON o.attempt = r.attempt
UNION ALL SELECT r.cell, 'goodput_tok_s', o.goodput_tok_s FROM whole_repeat r JOIN objective o ON o.attempt = r.attempt
UNION ALL SELECT cell, figure, value FROM foreign_figure;
)sql";

}  // namespace weir
