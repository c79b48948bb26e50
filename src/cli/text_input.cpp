#include "cli/text_input.h"

#include "cli/format.h"
#include "cli/load.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

std::string NameOf(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace

std::string RepairText(std::string text, const std::string& name) {
  const std::optional<size_t> invalid = FirstInvalidUtf8(text);
  if (!invalid) return text;
  PrintMessage(fmt::format("{}: not UTF-8 at byte {}; what is not is read as U+FFFD\n",
                           EscapedControls(name), *invalid));
  std::string repaired;
  repaired.reserve(text.size());
  RepairUtf8(text, /*at_end=*/true, &repaired);
  return repaired;
}

Result<std::string> ReadText(const std::string& path) {
  WEIR_TRY(std::string text, ReadInput(path));
  return RepairText(std::move(text), NameOf(path));
}

Result<Json> ReadJsonInput(const std::string& path) {
  constexpr int kMaxDepth = 64;
  WEIR_TRY(const std::string text, ReadInput(path));
  if (const std::optional<size_t> invalid = FirstInvalidUtf8(text)) {
    return BadInput("{}: expected JSON in UTF-8, found other bytes at byte {}", NameOf(path),
                    *invalid);
  }
  bool too_deep = false;
  const auto bound_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  try {
    Json document = Json::parse(text, bound_depth);
    if (!too_deep) return document;
  } catch (const Json::parse_error& error) {
    if (!too_deep) {
      return BadInput("{}: expected JSON, found something else at byte {}", NameOf(path),
                      error.byte);
    }
  }
  return BadInput("{}: JSON is nested more than {} deep", NameOf(path), kMaxDepth);
}

}  // namespace weir
