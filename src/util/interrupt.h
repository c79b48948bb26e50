// "The user asked to stop": one flag for the process, which long loops look at.
#pragma once

namespace weir {

/// From now on the first SIGINT or SIGTERM raises the flag; one that arrives while it is raised leaves the
/// process at once with exit code 130.
void CatchInterrupts();

bool Interrupted();

/// Whether one of the signals was SIGTERM: what goes on after Ctrl-C should end then. Stays true.
bool Terminated();

/// Lowers the flag, for a program that goes on after stopping what it was asked to stop.
void ClearInterrupt();

}  // namespace weir
