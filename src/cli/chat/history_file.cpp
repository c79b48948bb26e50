#include "cli/chat/history_file.h"

#include <fstream>

#include "util/atomic_file.h"
#include "util/private_file.h"

namespace weir {
namespace {

std::string Encoded(std::string_view message) {
  std::string line;
  for (const char c : message) {
    if (c == '\\' || c == '\n') line += '\\';
    line += c == '\n' ? 'n' : c;
  }
  return line + '\n';
}

std::string Decoded(std::string_view line) {
  std::string message;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool escaped = line[i] == '\\' && i + 1 < line.size();
    if (escaped) ++i;
    message += escaped && line[i] == 'n' ? '\n' : line[i];
  }
  return message;
}

}  // namespace

Result<std::vector<std::string>> HistoryFile::Read() const {
  std::vector<std::string> messages;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) messages.push_back(Decoded(line));
  if (messages.size() <= kMaxMessages) return messages;
  const bool shorten = messages.size() > 2 * kMaxMessages;
  messages.erase(messages.begin(), messages.end() - kMaxMessages);
  if (!shorten) return messages;
  WEIR_TRY(AtomicFile shorter, AtomicFile::Create(path_, true));
  for (const std::string& message : messages) {
    const std::string line = Encoded(message);
    WEIR_RETURN_IF_ERROR(shorter.Write(line.data(), line.size()));
  }
  WEIR_RETURN_IF_ERROR(shorter.Commit());
  return messages;
}

Status HistoryFile::Add(std::string_view message) const {
  return AppendToPrivateFile(path_, Encoded(message));
}

}  // namespace weir
