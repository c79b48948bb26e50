// What defines a cell of a campaign.
#pragma once

#include <cstdint>
#include <string>

#include "bench/workload.h"
#include "store/store.h"

namespace weir {

struct CellSpec {
  std::string target = "engine";  // or null, null-http, the address of a server, or peer:COMMAND
  std::string model;              // of a server: its name there, empty for the first that it lists
  std::string tokenizer = {};     // of a server: a model whose tokenizer cuts prompts and counts tokens
  std::string serves = {};        // of a server: the model that it computes, as weir finds it here
  std::string kv = "f16";         // of the engine, like threads
  int threads = 1;
  Workload load = {};
  std::string slo = {};  // an objective: not one cell, but a search for the largest load that holds it
};

/// The cell in one line: cells with equal keys measure the same thing, in this campaign and in all others.
std::string KeyOf(const CellSpec& spec);
/// The same as a JSON object.
std::string ConfigOf(const CellSpec& spec);

}  // namespace weir
