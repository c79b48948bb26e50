// The messages that a user typed, from one chat to the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace weir {

/// A text file that only its owner may read: one message per line, oldest first, with line feeds as
/// \n and backslashes as \\. Chats that run at the same time add to one file.
class HistoryFile {
 public:
  static constexpr size_t kMaxMessages = 1000;

  explicit HistoryFile(std::string path) : path_(std::move(path)) {}

  /// The newest kMaxMessages; none if there is no file. Shortens a file that has grown to more than
  /// twice as many.
  Result<std::vector<std::string>> Read() const;
  Status Add(std::string_view message) const;

 private:
  std::string path_;
};

}  // namespace weir
