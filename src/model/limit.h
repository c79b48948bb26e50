// The limit of a step, T*: the least time this machine needs for its bytes and operations.
#pragma once

#include <algorithm>

#include "machine/rates.h"
#include "model/model.h"

namespace weir {

/// T* = max(weight and KV bytes / B, int8 MACs / R) + state bytes / B_rw + f32 MACs / F, in nanoseconds
/// (1 GB/s is 1 byte/ns, 1 GMAC/s 1 MAC/ns). The store's view limit_ns is the same formula over rows.
inline double LimitNs(const StepCost& cost, const MachineRates& rates) {
  const double stream = static_cast<double>(cost.weight_bytes + cost.kv_bytes) / rates.read_gb_s;
  const double multiply = static_cast<double>(cost.int8_macs) / rates.int8_gmac_s;
  return std::max(stream, multiply) +
         static_cast<double>(cost.state_bytes) / rates.read_write_gb_s +
         static_cast<double>(cost.f32_macs) / rates.f32_gmac_s;
}

}  // namespace weir
