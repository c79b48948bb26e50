// What version 6 of the schema adds: a limit for targets that show no steps, where it is known what model they compute.
#pragma once

namespace weir {

inline constexpr const char* kTablesV6 = R"sql(
DROP VIEW decode_window;

-- What any engine must at least read, write and multiply for a step in which each user of the cell gets a token; of
-- cells whose target shows no steps, has a known model, and computes it on this machine's processors.
CREATE TABLE least_step (
  cell        INTEGER PRIMARY KEY REFERENCES cell ON DELETE CASCADE,
  read_bytes  INTEGER NOT NULL,       -- weights in the file's formats, and keys and values
  state_bytes INTEGER NOT NULL,       -- recurrent state, read and written
  macs        INTEGER NOT NULL        -- multiply-accumulates of all kinds
) STRICT;
)sql";

inline constexpr const char* kViewsV6 = R"sql(
-- Per repeat: decode tok/s (N tokens per counted step over the step times) and what the limit would give for the same
-- steps. NULL below 16 steps; without steps, below 16 tokens of each user. There the limit is that of the least step,
-- if there is one: max(bytes read / B + state bytes / B_rw, MACs / R), because another engine may compute in int8 or
-- bf16 what weir's computes in f32, and everything at the same time.
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
SELECT w.cell, w.attempt, w.repeat, w.n_tokens / w.users,
       iif(w.n_tokens / w.users >= 16, 1e9 * w.n_tokens / (w.close_ns - w.open_ns), NULL),
       iif(w.n_tokens / w.users >= 16,
           1e9 * w.users / max(l.read_bytes / r.read_gb_s + l.state_bytes / r.read_write_gb_s,
                               l.macs / r.int8_gmac_s), NULL),
       iif(w.n_tokens / w.users >= 16, 1.0 * (l.read_bytes + l.state_bytes), NULL),
       iif(w.n_tokens / w.users >= 16, 1.0 * l.macs, NULL)
FROM stream_window w
JOIN repeat_rates r ON r.cell = w.cell AND r.attempt = w.attempt
LEFT JOIN least_step l ON l.cell = w.cell;
)sql";

}  // namespace weir
