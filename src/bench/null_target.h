// Targets that compute nothing: what is measured of them is the instrument itself.
#pragma once

#include <memory>

#include "bench/http_target.h"
#include "bench/target.h"

namespace weir {

/// Each request's tokens are there at once, in this process. Takes prompts of random ids.
std::unique_ptr<Subject> OpenNullSubject();

/// The same behind HTTP on 127.0.0.1, each token an event of its own: as fast as a client can be. The server
/// lives as long as the subject. kFailed if it cannot listen.
Result<std::unique_ptr<Subject>> OpenNullHttpSubject(HttpServerOptions options);

}  // namespace weir
