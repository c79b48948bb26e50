#include "bench/open_target.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>

#include "bench/null_target.h"

namespace weir {

bool IsAddress(const std::string& target) { return target.starts_with("http://") || target.starts_with("https://"); }

bool IsNull(const std::string& target) { return target == "null" || target == "null-http"; }

bool IsOnThisMachine(const std::string& address) {
  std::string host = address.substr(address.find("://") + 3);
  host.resize(std::min(host.find_first_of("/?#"), host.size()));
  host.erase(0, host.rfind('@') + 1);
  if (host.starts_with("[::1]")) return true;
  host.resize(std::min(host.find(':'), host.size()));
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address_v4(host, error);
  return host == "localhost" || (!error && parsed.is_loopback());
}

Result<std::unique_ptr<Subject>> OpenTarget(const std::string& target, HttpServerOptions options) {
  if (target == "null") return OpenNullSubject();
  if (target == "null-http") return OpenNullHttpSubject(std::move(options));
  if (IsAddress(target)) {
    options.url = target;
    return OpenHttpSubject(options);
  }
  return WithHint(BadInput("target {}: expected null, null-http or the address of a server", target),
                  "for example http://127.0.0.1:8080");
}

}  // namespace weir
