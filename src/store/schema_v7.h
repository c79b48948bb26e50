// What version 7 of the schema adds: what the instrument itself took in a run, and throughput where requests wait for
// nobody.
#pragma once

namespace weir {

// NULL: a run of an earlier weir, or one that asked no server.
inline constexpr const char* kTablesV7 = R"sql(
ALTER TABLE run ADD COLUMN instrument_token_ns REAL;  -- for a token of a target that computes nothing, in process
ALTER TABLE run ADD COLUMN client_token_ns REAL;      -- the same over HTTP, the null server's work included,
ALTER TABLE run ADD COLUMN client_streams INTEGER;    -- with so many streams at once

-- Processes that the kernel had killed for want of memory when the run began: whether a run died of that, the next says.
ALTER TABLE run ADD COLUMN oom_kills INTEGER;

DROP VIEW aggregate_bounds;
)sql";

inline constexpr const char* kViewsV7 = R"sql(
-- Per repeat: from the first token of the last user to have one, to the last token of the first user to be done: while
-- all are served. Where requests wait for nobody each is a user of its own: from the first token to the moment at
-- which the last request comes, while the load lasts.
CREATE VIEW aggregate_bounds AS
SELECT cell, attempt, repeat, iif(waits, n_users, 1) AS n_users, iif(waits, open_ns, began_ns) AS open_ns,
       iif(waits, close_ns,
           (SELECT max(q.scheduled_ns) FROM request q WHERE q.attempt = s.attempt AND NOT q.warm_up)) AS close_ns
FROM (SELECT u.*,
             coalesce(iif(json_valid(c.config), json_extract(c.config, '$.arrivals'), NULL), 'closed') = 'closed' AS waits
      FROM (SELECT cell, attempt, repeat, user, count(*) OVER users AS n_users, max(first_ns) OVER users AS open_ns,
                   min(last_ns) OVER users AS close_ns, min(first_ns) OVER users AS began_ns
            FROM user_span
            WINDOW users AS (PARTITION BY cell, attempt, repeat)) u
      JOIN cell c ON c.id = u.cell
      WHERE u.user = 0) s;
)sql";

}  // namespace weir
