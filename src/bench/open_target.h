// Targets by the names that users give them.
#pragma once

#include <memory>
#include <string>

#include "bench/http_target.h"
#include "bench/target.h"

namespace weir {

/// "null": answers at once, in this process; "null-http": the same behind a server on this machine; or the
/// URL of an OpenAI-compatible server. `options.url` is ignored. kBadInput for other names.
Result<std::unique_ptr<Subject>> OpenTarget(const std::string& target, HttpServerOptions options);

}  // namespace weir
