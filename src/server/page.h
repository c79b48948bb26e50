// The web page at "/": one file, built from web/ by scripts/build-page, inside the program.
#pragma once

#include "server/http.h"

namespace weir {

/// The page; status 304 to a browser that has it.
HttpAnswer PageAnswer(const HttpRequest& request);

}  // namespace weir
