// The last measurement of this computer's rates, for programs that cannot stop to measure.
#pragma once

#include <optional>
#include <string>

#include "machine/rates.h"
#include "util/error.h"

namespace weir {

/// Writes a file of a few lines in place of the one before. `fingerprint`: Fingerprint() of the machine.
Status StoreRates(const std::string& path, const std::string& fingerprint, const MachineRates& rates);

/// What was stored of that machine and for so many threads; nothing where there is no such file, or one of another
/// machine.
std::optional<MachineRates> ReadStoredRates(const std::string& path, const std::string& fingerprint, int n_threads);

}  // namespace weir
