#include "hub/shallow_json.h"

namespace weir {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr uint64_t kMaxBytes = uint64_t{1} << 50;

}  // namespace

Json ParseShallow(std::string_view text) {
  bool too_deep = false;
  const auto limit = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text, limit, false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

const Json* FindMember(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string TextMember(const Json& object, const char* key) {
  const Json* value = FindMember(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

int64_t SizeMember(const Json& object, const char* key) {
  const Json* value = FindMember(object, key);
  if (!value || !value->is_number_unsigned()) return -1;
  const auto size = value->get<uint64_t>();
  return size <= kMaxBytes ? static_cast<int64_t>(size) : -1;
}

}  // namespace weir
