#include "bench/target_name.h"

#include <arpa/inet.h>

#include <algorithm>

namespace weir {

bool IsAddress(const std::string& target) { return target.starts_with("http://") || target.starts_with("https://"); }

bool IsNull(const std::string& target) { return target == "null" || target == "null-http"; }

bool IsOnThisMachine(const std::string& address) {
  std::string host = address.substr(address.find("://") + 3);
  host.resize(std::min(host.find_first_of("/?#"), host.size()));
  host.erase(0, host.rfind('@') + 1);
  if (host.starts_with("[::1]")) return true;
  host.resize(std::min(host.find(':'), host.size()));
  in_addr parsed;
  const bool is_loopback = inet_pton(AF_INET, host.c_str(), &parsed) == 1 && ntohl(parsed.s_addr) >> 24 == 127;
  return host == "localhost" || is_loopback;
}

}  // namespace weir
