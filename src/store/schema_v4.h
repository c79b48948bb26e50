// What version 4 of the schema adds: objectives, whether an attempt held one, and how much a target bears.
#pragma once

namespace weir {

inline constexpr const char* kTablesV4 = R"sql(
DROP VIEW figure_value;

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
)sql";

inline constexpr const char* kViewsV4 = R"sql(
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
UNION ALL SELECT r.cell, 'goodput_per_s', o.goodput_per_s FROM whole_repeat r JOIN objective o ON o.attempt = r.attempt
UNION ALL SELECT r.cell, 'goodput_tok_s', o.goodput_tok_s FROM whole_repeat r JOIN objective o ON o.attempt = r.attempt
UNION ALL SELECT cell, figure, value FROM foreign_figure;
)sql";

}  // namespace weir
