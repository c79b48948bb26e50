// What version 5 of the schema adds: answers to fixed questions, by which targets that compute the same model can be
// told from one that computes something else.
#pragma once

namespace weir {

inline constexpr const char* kTablesV5 = R"sql(
-- A model at a target that was asked the fixed questions, greedily and outside of all measurements.
CREATE TABLE asked (
  id        INTEGER PRIMARY KEY,
  run       INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  model     INTEGER NOT NULL REFERENCES model,
  target    TEXT NOT NULL,
  named     TEXT NOT NULL,            -- the model as the campaign calls it; '': the first that the server lists
  questions TEXT NOT NULL,            -- which ones: answers to others are not comparable
  note      TEXT                      -- why answers are missing
) STRICT;
CREATE INDEX asked_of_run ON asked (run);

CREATE TABLE answer (
  asked    INTEGER NOT NULL REFERENCES asked ON DELETE CASCADE,
  question INTEGER NOT NULL,          -- from 0
  text     TEXT NOT NULL,
  tokens   INTEGER,                   -- NULL: nobody counted them
  cut      INTEGER NOT NULL CHECK (cut IN (0, 1)),  -- the time for all questions was up before its end
  -- JSON array, one element for each token: [text, [[text, logarithm of its probability], ...]] of the token and of the
  -- likeliest in its place. NULL: the target does not say.
  logprobs TEXT,
  PRIMARY KEY (asked, question)
) STRICT, WITHOUT ROWID;

ALTER TABLE cell ADD COLUMN asked INTEGER REFERENCES asked ON DELETE SET NULL;
)sql";

}  // namespace weir
