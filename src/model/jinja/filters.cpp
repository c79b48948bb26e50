#include "model/jinja/filters.h"

namespace weir::jinja {
namespace {

const FunctionEntry* FindFilter(std::string_view name) {
  const FunctionEntry* entry = FindEntry(SequenceFilters(), name);
  return entry ? entry : FindEntry(TextFilters(), name);
}

}  // namespace

bool HasFilter(std::string_view name) { return FindFilter(name) != nullptr; }

Result<Value> ApplyFilter(Runtime& runtime, std::string_view name, const Value& subject,
                          const Args& args) {
  const FunctionEntry* entry = FindFilter(name);
  if (!entry) return BadInput("there is no filter named '{}'", name);
  return Invoke(runtime, *entry, subject, args);
}

}  // namespace weir::jinja
