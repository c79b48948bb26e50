// What the names of targets say before any is opened.
#pragma once

#include <string>

namespace weir {

/// Whether the target is the address of a server.
bool IsAddress(const std::string& target);
/// Whether nothing is computed: what is measured of it is the instrument.
bool IsNull(const std::string& target);
/// Whether an address names this machine: localhost, 127.0.0.0/8 or [::1].
bool IsOnThisMachine(const std::string& address);

}  // namespace weir
