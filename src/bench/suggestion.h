// What may have been meant by a word that nobody knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// "did you mean users?", or what is known.
std::string Suggestion(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace weir
