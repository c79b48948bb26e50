#include "model/jinja/source.h"

#include <algorithm>

#include "model/jinja/limits.h"
#include "model/jinja/text.h"
#include "model/text/utf8.h"

namespace weir::jinja {

Result<Source> Source::Create(std::string name, std::string_view text) {
  if (static_cast<int64_t>(text.size()) > Limits().max_source_bytes) {
    return BadInput("{}: a chat template of {} bytes; expected at most {}", name, text.size(),
                    Limits().max_source_bytes);
  }
  if (!IsValidUtf8(text)) return BadInput("{}: the chat template is not UTF-8", name);
  std::string lines;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      lines += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      lines += text[i];
    }
  }
  if (lines.ends_with('\n')) lines.pop_back();
  return Source(std::move(name), std::move(lines));
}

Error Source::ErrorAt(size_t offset, std::string_view message) const {
  const std::string_view before = std::string_view(text_).substr(0, offset);
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  const size_t line_end = std::min(text_.find('\n', line_begin), text_.size());
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const int64_t column = 1 + CountCharacters(before.substr(line_begin));
  Error error = BadInput("{}:{}:{}: {}", name_, line, column, message);
  // Lines of templates can be very long: what matters starts at the column.
  const std::string_view rest = std::string_view(text_).substr(offset, line_end - offset);
  constexpr int64_t kShown = 100;
  if (!rest.empty()) {
    const bool cut = CountCharacters(rest) > kShown;
    error.hint = fmt::format("in the template: {}{}",
                             rest.substr(0, cut ? ByteOfCharacter(rest, kShown) : rest.size()),
                             cut ? " ..." : "");
  }
  return error;
}

}  // namespace weir::jinja
