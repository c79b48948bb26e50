// A template's text, and errors that point into it.
#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace weir::jinja {

class Source {
 public:
  /// Line ends become \n, and the last one is dropped, as Jinja does. kBadInput unless it is UTF-8.
  static Result<Source> Create(std::string name, std::string_view text);

  const std::string& text() const { return text_; }
  const std::string& name() const { return name_; }

  /// "NAME:LINE:COLUMN: message" with the line as the hint; lines and columns (characters) count from 1.
  Error ErrorAt(size_t offset, std::string_view message) const;

 private:
  Source(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}
  std::string name_, text_;
};

}  // namespace weir::jinja
