// Runs the program as a user or a script does.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <sstream>
#include <string>

#include "temp_folder.h"
#include "test_data.h"

namespace weir {

struct Outcome {
  int exit_code;
  std::string out, err;
};

/// Runs `weir arguments` by the shell, with its data folder below this one, to its end.
inline Outcome WeirIn(const TempFolder& folder, const std::string& arguments) {
  const std::string errors = folder / "stderr";
  const std::string command = "XDG_DATA_HOME=" + (folder / "data") + " " WEIR_BINARY " " +
                              arguments + " 2>" + errors + " </dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  std::array<char, 4096> chunk;
  while (const size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
    out.append(chunk.data(), n);
  }
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out, ReadText(errors)};
}

/// The same with an empty data folder of its own.
inline Outcome Weir(const std::string& arguments) { return WeirIn(TempFolder(), arguments); }

/// The words of a text that was broken into lines for a terminal, one space apart.
inline std::string OneLine(const std::string& text) {
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

}  // namespace weir
