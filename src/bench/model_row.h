// What the store keeps about a model.
#pragma once

#include <functional>
#include <string>

#include "gguf/model_source.h"
#include "store/store.h"

namespace weir {

/// `name` is what the user called it. A model that weir cannot run has neither architecture nor
/// sizes.
ModelRow DescribeModel(const std::string& name, const ModelSource& source);

/// Path, size and time of the file that `source` is in, and how many tensors and bytes of each type it has; no hash. Of a
/// split model the path is that of part 1, sizes and times are summed over all parts. No path for what is not in a file.
ModelFileRow DescribeFile(const std::string& name, const ModelSource& source);

/// The SHA-256 of a file, or of all parts of the model whose part 1 it is, as if they were one file in their order; in
/// hexadecimal digits. kInterrupted if `on_progress` says so.
Result<std::string> HashFile(const std::string& path,
                             const std::function<bool(int64_t done, int64_t total)>& on_progress);

}  // namespace weir
