// What version 7 of the schema adds: what the instrument itself took in a run.
#pragma once

namespace weir {

// NULL: a run of an earlier weir, or one that asked no server.
inline constexpr const char* kTablesV7 = R"sql(
ALTER TABLE run ADD COLUMN instrument_token_ns REAL;  -- for a token of a target that computes nothing, in process
ALTER TABLE run ADD COLUMN client_token_ns REAL;      -- the same over HTTP, the null server's work included,
ALTER TABLE run ADD COLUMN client_streams INTEGER;    -- with so many streams at once
)sql";

}  // namespace weir
