// weir's own engine, in this process, as something to measure.
#pragma once

#include <memory>
#include <string>

#include "bench/target.h"
#include "kernels/kernel_table.h"

namespace weir {

struct InProcessOptions {
  Isa isa = Isa::kPlain;
  int n_threads = 1;
  bool profile = false;  // of every step: Target::TakeProfile
  KvType kv_type = KvType::kF16;
};

/// Opens MODEL, without loading it. The Error is one of the name or the file; a model that opens
/// but that weir cannot run says so in Subject::Plan.
Result<std::unique_ptr<Subject>> OpenSubject(const std::string& model,
                                             const InProcessOptions& options);

}  // namespace weir
