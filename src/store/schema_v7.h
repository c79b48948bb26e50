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
       iif(waits, close_ns, asked_ns) AS close_ns
FROM (SELECT u.cell, u.attempt, u.repeat, u.user, count(*) OVER users AS n_users,
             max(u.first_ns) OVER users AS open_ns, min(u.last_ns) OVER users AS close_ns,
             min(u.first_ns) OVER users AS began_ns,
             (SELECT max(q.scheduled_ns) FROM request q WHERE q.attempt = u.attempt AND NOT q.warm_up) AS asked_ns,
             coalesce(iif(json_valid(c.config), json_extract(c.config, '$.arrivals'), NULL), 'closed') = 'closed' AS waits
      FROM user_span u JOIN cell c ON c.id = u.cell
      WINDOW users AS (PARTITION BY u.cell, u.attempt, u.repeat))
WHERE user = 0;
)sql";

}  // namespace weir
