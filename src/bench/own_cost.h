// What the instrument itself takes, so that every run says how fast a target it could have measured.
#pragma once

#include "bench/target.h"
#include "store/store.h"

namespace weir {

/// Measured on targets that compute nothing (null_target.h), in some milliseconds: the best of three loads. `streams` > 0:
/// of the HTTP client too, with so many streams at once from a server in this process, whose work is then counted as the
/// client's. What cannot be measured is absent.
OwnCost MeasureOwnCost(int streams);

}  // namespace weir
