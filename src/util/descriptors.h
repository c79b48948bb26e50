// How many files and sockets this process may have open.
#pragma once

namespace weir {

/// Raises the limit as far as this user may, and says what it is now. Systems begin low, for programs that still use
/// select().
int RaiseDescriptorLimit();

}  // namespace weir
