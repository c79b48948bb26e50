// Who may ask: keys, and what a browser says about the page that makes it ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/json_fields.h"

namespace weir {

struct AccessKey {
  std::string text;
  int line = 1;  // of its file: what the log calls it
};

struct AccessRules {
  std::vector<AccessKey> keys;     // one of them must come as a bearer token; none: nobody is asked
  std::vector<std::string> hosts;  // names of this server beside "localhost" and IP addresses, as HostName gives them
};

/// The name in a Host header, as names are compared: "box.lan" of "Box.LAN:8080".
std::string HostName(std::string_view host);

/// Looks at the head of a request:
/// - Host must be an IP address, localhost or a known name: a foreign name that leads here is how a web
///   page makes a browser talk to the machine it runs on (DNS rebinding).
/// - Origin, where a browser sends one, must be this very server: pages of others may not ask.
/// - The key, compared in a time that says nothing about it. The page, /health and /ready need none.
std::optional<ApiError> CheckAccess(const HttpRequest& head, const AccessRules& rules);

/// The line of the key that a request comes with; nothing if it comes with none of these.
std::optional<int> KeyLine(const HttpRequest& head, const AccessRules& rules);

/// The keys in the text of a key file: one a line, empty lines and those that begin with # aside.
std::vector<AccessKey> ParseKeys(std::string_view text);

}  // namespace weir
