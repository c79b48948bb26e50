// What the commands that run a model share: the flags, and loading within this machine's memory.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/text/tokenizer.h"

namespace weir {

struct ModelFlags {
  std::string model;
  std::string dtype = "int8";
  int threads = 0;  // 0: what this machine has
};

void AddModelFlags(CLI::App& app, ModelFlags& flags);

struct LoadedModel {
  std::unique_ptr<ModelSource> source;
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<Model> model;
};

/// What may be allocated: without the system's word on it, whatever is asked for.
int64_t AvailableMemory();

/// Opens, checks that the packed weights fit into the available memory (kRefused otherwise), packs.
Result<LoadedModel> LoadModel(const ModelFlags& flags);

/// The whole of a file, or of stdin for "-".
Result<std::string> ReadInput(const std::string& path);

/// "1,2,3" as token ids; kBadInput names what is not one.
Result<std::vector<int32_t>> ParseIds(const std::string& list);

}  // namespace weir
