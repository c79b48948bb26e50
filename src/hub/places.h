// The models that programs on this machine keep, each in its own way.
#pragma once

#include <string>
#include <vector>

#include "hub/pull.h"

namespace weir {

struct LocalModel {
  std::string name;   // how its program calls it
  std::string model;  // how the user may name it as MODEL
  std::string path;   // of the first file
  std::string quant;  // from the name; empty: the name does not say
  int64_t n_bytes = 0;
  int n_files = 1, n_parts = 1;  // fewer files than parts: not all of it is here
  std::string problem;           // why it cannot be opened, where that is known already; else empty
};

struct Place {
  std::string program;  // "hub", "ollama", "lm-studio", "llama.cpp", "folder"
  std::string path;
  std::vector<LocalModel> models;
};

/// Looks into the hub's cache, Ollama's (OLLAMA_MODELS), LM Studio's, llama.cpp's (LLAMA_CACHE),
/// the working folder and `folders` with what is below them. Reads names and Ollama's manifests, no
/// model. A file found before is not listed again. Places without models are there too if their
/// folder is.
std::vector<Place> FindLocalModels(const HubSettings& settings,
                                   const std::vector<std::string>& folders);

}  // namespace weir
