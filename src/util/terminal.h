// Whether somebody watches stdout and stderr on a terminal, and how wide it is.
#pragma once

#include <string_view>

namespace weir {

/// Call first: puts something in the place of standard streams that are closed, or the next file opened would
/// become one. Reading the input or writing the output then fails, errors go nowhere.
void OpenClosedStreams();

bool StdoutIsTerminal();
bool StderrIsTerminal();

/// Columns of the terminal behind stdout, else behind stderr, else COLUMNS, else 80.
int TerminalWidth();

/// `escape` (a colour or style sequence) if the stream is a terminal that shows it, else nothing: honours
/// NO_COLOR and TERM=dumb.
std::string_view StdoutStyle(std::string_view escape);
std::string_view StderrStyle(std::string_view escape);

}  // namespace weir
