// Data files that the build puts into the program (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace weir {

struct EmbeddedFile {
  std::string_view name;  // without folder and extension
  std::string_view text;
};

}  // namespace weir
