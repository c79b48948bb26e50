// Targets by the names that users give them.
#pragma once

#include <memory>
#include <string>

#include "bench/http_target.h"
#include "bench/target.h"

namespace weir {

/// Whether the target is the address of a server.
bool IsAddress(const std::string& target);
/// Whether nothing is computed: what is measured of it is the instrument.
bool IsNull(const std::string& target);
/// Whether an address names this machine: localhost, 127.0.0.0/8 or [::1].
bool IsOnThisMachine(const std::string& address);

/// "null": answers at once, in this process; "null-http": the same behind a server on this machine; or the
/// URL of an OpenAI-compatible server. `options.url` is ignored. kBadInput for other names.
Result<std::unique_ptr<Subject>> OpenTarget(const std::string& target, HttpServerOptions options);

}  // namespace weir
