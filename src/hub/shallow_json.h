// JSON from strangers. Only for sources of this folder: the library is heavy.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace weir {

/// Parses without exceptions; what is no JSON, or deeper than any honest answer, is `discarded`:
/// the library recurses where it destroys values.
nlohmann::json ParseShallow(std::string_view text);

/// The member of an object, if it is one and has it.
const nlohmann::json* FindMember(const nlohmann::json& object, const char* key);

/// A member that is a string; else empty.
std::string TextMember(const nlohmann::json& object, const char* key);

/// A member that is a size in bytes, at most 2^50; else -1.
int64_t SizeMember(const nlohmann::json& object, const char* key);

}  // namespace weir
