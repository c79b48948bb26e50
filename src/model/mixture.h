// Quantisation mixtures: which tensor of a model gets which block format under a name like Q4_K_M.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "gguf/model_source.h"
#include "gguf/tensor_type.h"
#include "util/error.h"

namespace weir {

/// What a mixture looks at: of the model,
struct MixtureShape {
  int64_t n_layers;
  int64_t n_heads, n_kv_heads;
  int64_t n_experts;  // 0: dense
  bool tied;          // token_embd is the LM head
};

/// and of a matrix that may be quantised.
struct MatrixRole {
  // The name without "blk.N." and ".weight", the same for experts: "ffn_down", "token_embd".
  std::string_view base;
  int64_t layer;  // -1 outside the blocks
};

struct Mixture {
  std::string_view name;  // "Q4_K_M"
  uint32_t file_type;     // general.file_type
  TensorType (*type)(const MixtureShape& model, const MatrixRole& role);
};

/// All mixtures, from large to small.
std::span<const Mixture> Mixtures();

/// The mixture of that name, case-insensitive; the Error lists the names that exist.
Result<const Mixture*> FindMixture(std::string_view name);

/// The shape of the model in a file, from its metadata: any architecture.
Result<MixtureShape> ReadMixtureShape(const ModelSource& source);

/// The role of a tensor that mixtures quantise; nothing for those that keep their type: vectors, norms, convolutions
/// and the routers of experts.
std::optional<MatrixRole> RoleOf(const TensorInfo& tensor);

/// The type for rows of n_cols: `wanted`, or the nearest one whose blocks fit, at the worst F16.
TensorType FittingType(TensorType wanted, int64_t n_cols);

}  // namespace weir
