// The filters of Jinja, and tojson as transformers has it.
#pragma once

#include <span>
#include <string_view>

#include "model/jinja/arguments.h"
#include "model/jinja/runtime.h"

namespace weir::jinja {

/// kBadInput for a name that is none.
Result<Value> ApplyFilter(Runtime& runtime, std::string_view name, const Value& subject,
                          const Args& args);
bool HasFilter(std::string_view name);

// ---- The tables, each in a file of its own.

/// Strings and numbers: upper, trim, replace, indent, int, round, ..
std::span<const FunctionEntry> TextFilters();
/// Lists and dicts: map, selectattr, join, sort, ..
std::span<const FunctionEntry> SequenceFilters();

}  // namespace weir::jinja
