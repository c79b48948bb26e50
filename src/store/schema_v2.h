// What version 2 of the schema adds to version 1: what models are worth, beside how fast they are.
#pragma once

namespace weir {

inline constexpr const char* kChangesV2 = R"sql(
-- How well a model predicts a text, and how far its predictions are from a reference's (docs/quality.md).
-- Errors (_se) are standard errors with windows as units: NULL with one window. What belongs to a
-- reference is NULL without one.
CREATE TABLE quality (
  id              INTEGER PRIMARY KEY,
  run             INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  model           INTEGER NOT NULL REFERENCES model,
  dtype           TEXT NOT NULL,      -- int8 or f32: how it was computed
  kv              TEXT NOT NULL,      -- what keys and values were kept in
  reference       INTEGER REFERENCES model,
  reference_dtype TEXT,
  reference_kv    TEXT,
  text_name       TEXT NOT NULL,
  text_sha256     TEXT NOT NULL,      -- of the bytes that were tokenised
  window          INTEGER NOT NULL,   -- tokens
  score_from      INTEGER NOT NULL,   -- the first scored token of a window, from 0
  windows         INTEGER NOT NULL,
  scored_tokens   INTEGER NOT NULL,
  nll             REAL NOT NULL,      -- nats, as all that follows but shares and perplexities
  nll_se          REAL,
  ppl             REAL NOT NULL,
  ppl_se          REAL,
  reference_nll    REAL,
  reference_nll_se REAL,
  reference_ppl    REAL,
  reference_ppl_se REAL,
  ppl_ratio       REAL,               -- ppl / reference_ppl, its error from paired differences
  ppl_ratio_se    REAL,
  kl_mean         REAL,               -- of the model's distribution from the reference's
  kl_mean_se      REAL,
  kl_median       REAL,
  kl_p99          REAL,
  kl_max          REAL,
  same_top        REAL,               -- share of tokens, 0 to 1
  same_top_se     REAL
) STRICT;
CREATE INDEX quality_of_run ON quality (run);
)sql";

}  // namespace weir
