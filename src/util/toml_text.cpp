#include "util/toml_text.h"

#include <algorithm>

namespace weir {

Status CheckTomlText(std::string_view text, const std::string& path) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const std::string_view bytes = text.substr(i, 3);
    if (bytes < "\xEF\xB0\xA6" || bytes > "\xEF\xBB\xBE") continue;
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n');
    return BadInput("{}:{}: a character from U+FC26 to U+FEFE cannot be read here; leave it out", path,
                    line);
  }
  return {};
}

}  // namespace weir
