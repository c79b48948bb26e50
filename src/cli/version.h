// What this binary was built from.
#pragma once

#include <string>

namespace weir {

std::string VersionNumber();  // "0.1.0"
std::string CommitId();       // of the checkout when it was configured; "unknown" outside one
std::string Compiler();       // "g++ 12.2.0"

/// For --version: version, commit, compiler and the instruction sets built in.
std::string VersionText();

}  // namespace weir
