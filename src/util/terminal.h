// Whether somebody watches stdout and stderr on a terminal, and how wide it is.
#pragma once

#include <string_view>

namespace weir {

bool StdoutIsTerminal();
bool StderrIsTerminal();

/// Columns of the terminal behind stdout, else behind stderr, else COLUMNS, else 80.
int TerminalWidth();

/// `escape` (a colour or style sequence) if the stream is a terminal that shows it, else nothing: honours
/// NO_COLOR and TERM=dumb.
std::string_view StdoutStyle(std::string_view escape);
std::string_view StderrStyle(std::string_view escape);

}  // namespace weir
