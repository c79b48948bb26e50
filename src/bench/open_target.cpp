#include "bench/open_target.h"

#include "bench/null_target.h"
#include "bench/target_name.h"

namespace weir {

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
