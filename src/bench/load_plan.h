// What a load sends and when, all of it decided before the clock starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/target.h"

namespace weir {

/// A query is scheduled `delay_ns` after the query `after` has ended, or after the start. That one
/// rule makes users who ask again (closed loop: after the previous answer, think time as delay),
/// arrivals that wait for nobody (open loop: all after the start) and conversations.
struct PlannedQuery {
  Query query;
  int user = 0;           // from 0; in an open loop each arrival, or each conversation, is one
  int round = 0;          // from 0: the user's how manieth request
  int64_t after = kStart;  // index of an earlier query of the plan
  int64_t delay_ns = 0;
  bool continues = false;  // the prompt of `after` and its answer go before this one's prompt
  bool warm_up = false;    // in no figure

  static constexpr int64_t kStart = -1;
};

struct LoadPlan {
  std::vector<PlannedQuery> queries;
  std::string pattern;           // "closed", "poisson 2.0/s", ...: for people
  bool end_at_first_error = false;  // what follows would not be the planned load any more
};

}  // namespace weir
