// weir audit, for commands that want its answer as JSON.
#pragma once

#include "advise/audit.h"
#include "cli/command.h"

namespace weir {

/// What `weir audit --json` prints.
Json AuditDocument(const Article& article, const Audit& audit);

}  // namespace weir
