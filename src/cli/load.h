// What the commands that run a model share: the flags, and loading within this machine's memory.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/text/tokenizer.h"

namespace weir {

struct ModelFlags {
  std::string model;
  std::string dtype_name = "int8";
  std::string kv_name;  // empty: what goes with dtype
  int n_threads = 0;    // 0: what this machine has

  Dtype dtype() const { return dtype_name == "f32" ? Dtype::kF32 : Dtype::kInt8; }
  KvType kv_type() const;
  int threads() const;
};

/// --kv, for `name`.
void AddKvFlag(CLI::App& app, std::string& name);

void AddModelFlags(CLI::App& app, ModelFlags& flags);

struct LoadedModel {
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<Model> model;
};

/// What may be allocated: without the system's word on it, whatever is asked for.
int64_t AvailableMemory();

/// The tokenizer of a file. kBadInput, also for one with more tokens than the model has: n_vocab, nothing for
/// a vocabulary without a model.
Result<std::unique_ptr<Tokenizer>> OpenTokenizer(const ModelSource& source,
                                                 std::optional<int64_t> n_vocab);

/// Checks that the packed weights and `working_bytes` fit into the available memory (kRefused otherwise), and
/// packs. What else can be wrong is to be checked before: loading takes long.
Result<LoadedModel> LoadModel(const ModelFlags& flags, const ModelSource& source,
                              int64_t working_bytes);
/// The same with threads that are there.
Result<std::unique_ptr<Model>> LoadModel(Dtype dtype, const ModelSource& source,
                                         int64_t working_bytes, ThreadPool& threads);

/// The whole of a file, or of stdin for "-".
Result<std::string> ReadInput(const std::string& path);

/// "1,2,3" as numbers; kBadInput, with the name of the flag, if the list is anything else.
Result<std::vector<int32_t>> ParseIds(std::string_view flag, const std::string& list);

}  // namespace weir
