#include "server/access.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

/// "name" of "name:port", "[::1]" of "[::1]:port".
std::string_view WithoutPort(std::string_view host) {
  if (!host.empty() && host[0] == '[') return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

/// Digits and dots, or anything in brackets: no name that somebody could have registered.
bool IsAddress(std::string_view name) {
  if (name.size() > 2 && name[0] == '[' && name.back() == ']') return true;
  const bool numeric = name.find_first_not_of("0123456789.") == std::string_view::npos;
  return numeric && std::ranges::count(name, '.') == 3;
}

bool IsKnownHost(std::string_view host, const AccessRules& rules) {
  const std::string name = HostName(host);
  return IsAddress(name) || name == "localhost" ||
         std::ranges::find(rules.hosts, name) != rules.hosts.end();
}

/// Looks at every byte of `given`, whatever it finds.
bool SameBytes(std::string_view given, std::string_view key) {
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ (key.empty() ? 0 : key[i % key.size()]));
  }
  return difference == 0;
}

ApiError ForeignHost(std::string_view host) {
  return {403,
          fmt::format("this server does not answer to the host name '{}'; whoever runs it can add "
                      "the name with --allow-host",
                      host.substr(0, 100)),
          "", "foreign_host"};
}

}  // namespace

std::string HostName(std::string_view host) { return Lower(WithoutPort(host)); }

/// As a bearer token, or as Anthropic's clients send it.
std::optional<int> KeyLine(const HttpRequest& head, const AccessRules& rules) {
  const std::string_view authorization = head.Header("authorization"), api_key = head.Header("x-api-key");
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = Lower(authorization.substr(0, kScheme.size())) == kScheme;
  if (!bearer && api_key.empty()) return std::nullopt;
  const std::string_view given = bearer ? authorization.substr(kScheme.size()) : api_key;
  std::optional<int> line;
  for (const AccessKey& key : rules.keys) {
    if (SameBytes(given, key.text)) line = key.line;
  }
  return line;
}

std::optional<ApiError> CheckAccess(const HttpRequest& head, const AccessRules& rules) {
  if (head.CountHeader("host") > 1 || head.CountHeader("authorization") > 1 ||
      head.CountHeader("x-api-key") > 1) {
    return ApiError{400, "a header that may come once came twice", "", "bad_request"};
  }
  const std::string_view host = head.Header("host"), origin = head.Header("origin");
  if (!host.empty() && !IsKnownHost(host, rules)) return ForeignHost(host);
  if (!origin.empty()) {
    const std::string lower = Lower(origin), own = Lower(host);
    if (own.empty() || (lower != "http://" + own && lower != "https://" + own)) {
      return ApiError{403, "pages of other sites may not use this server", "", "foreign_origin"};
    }
  }
  const bool open = head.path == "/" || head.path == "/health" || head.path == "/ready";
  if (rules.keys.empty() || open) return std::nullopt;
  if (KeyLine(head, rules)) return std::nullopt;
  return ApiError{401, "expected the header 'Authorization: Bearer KEY' with a key of this server", "",
                  "invalid_api_key"};
}

std::vector<AccessKey> ParseKeys(std::string_view text) {
  std::vector<AccessKey> keys;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    keys.push_back({std::string(line.substr(first, line.find_last_not_of(" \t\r") + 1 - first)), number});
  }
  return keys;
}

}  // namespace weir
