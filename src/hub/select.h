// Which files of a repository a user means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/answers.h"
#include "hub/reference.h"

namespace weir {

/// A model in a repository: one file, or the parts of a split one in order.
struct HubModel {
  std::string quant;  // "UD-Q4_K_XL", as the file's name has it; empty if the name has none
  std::vector<HubFile> files;
  int n_parts = 1;  // that there should be

  int64_t n_bytes() const;
};

/// The models among the files: .gguf, without the projectors of vision models (mmproj) and
/// importance matrices. A split model of which a part is missing is left out.
std::vector<HubModel> ModelsAmong(const std::vector<HubFile>& files);
/// The same with those of which only some parts are there.
std::vector<HubModel> WholeAndPartModels(const std::vector<HubFile>& files);

/// The one that the selector means: a file's path or name, or a quantisation, in any case of
/// letters; for an empty selector the only one, or the first of a fixed order that begins with
/// Q4_K_M. kBadInput, with what there is, if none or more than one fits.
Result<HubModel> SelectModel(const std::vector<HubModel>& models, const HubReference& reference);

/// The models without the chosen one.
std::vector<HubModel> OtherModels(const std::vector<HubModel>& models, const HubModel& chosen);

/// How the user may name this model of the reference's repository: with its quantisation, also
/// where none was asked for.
std::string ExactName(const HubReference& reference, const HubModel& model);

/// "…-Q4_K_M.gguf" and "…-q4_k_m-00001-of-00002.gguf" give "Q4_K_M" as it is written there; else
/// nothing.
std::string QuantInName(std::string_view path);

}  // namespace weir
