// What is typed on the terminal behind stdin.
#pragma once

#include <optional>

namespace weir {

bool StdinIsTerminal();

enum class InputState { kReady, kNothing, kInterrupted };

/// Waits until stdin has something to read, which may be its end, at most timeout_ms.
/// kInterrupted as soon as Interrupted() holds, whatever there is to read.
InputState WaitForInput(int timeout_ms);

/// The next byte of stdin, unbuffered; nothing at its end. Waits.
std::optional<unsigned char> ReadInputByte();

/// Stops this process as Ctrl-Z does, until it is continued.
void Suspend();

}  // namespace weir
