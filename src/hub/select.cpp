#include "hub/select.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace weir {
namespace {

constexpr std::string_view kEnd = ".gguf";
constexpr size_t kMaxListed = 40;

/// What people take: about 4.5 bits first, as other programs do, then more, then less.
constexpr std::string_view kPreference[] = {"Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "Q4_K_L", "IQ4_XS",
                                            "IQ4_NL", "Q4_0",       "Q4_1",   "Q5_K_M", "Q5_K_S",
                                            "Q6_K",   "Q8_0",       "MXFP4"};

char Lower(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWord(char c) { return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'z'); }

std::string LowerText(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool SameText(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

struct Part {
  std::string_view stem;  // the path without the end and the part's number
  int number = 1, count = 1;
};

/// Takes "-00002-of-00003.gguf" off a path.
Part PartOf(std::string_view path) {
  Part part{path.substr(0, path.size() - kEnd.size())};
  constexpr size_t kSuffix = std::string_view("-00001-of-00003").size();
  if (part.stem.size() <= kSuffix) return part;
  const std::string_view suffix = part.stem.substr(part.stem.size() - kSuffix);
  int number = 0, count = 0;
  const auto read = [&](size_t at, int* value) {
    const char* const end = suffix.data() + at + 5;
    return std::from_chars(suffix.data() + at, end, *value).ptr == end;
  };
  if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-" || !read(1, &number) || !read(10, &count))
    return part;
  if (number < 1 || count < 1 || number > count) return part;
  return {part.stem.substr(0, part.stem.size() - kSuffix), number, count};
}

bool IsModelFile(std::string_view path) {
  const std::string name = LowerText(FileName(path));
  return name.ends_with(kEnd) && name.find("mmproj") == name.npos &&
         name.find("imatrix") == name.npos;
}

/// Q4_K_M, IQ2_XXS, TQ1_0, F16, BF16, MXFP4, ...
bool IsQuantWord(std::string_view word) {
  const std::string lower = LowerText(word);
  for (const std::string_view plain : {"f16", "f32", "bf16", "fp16", "fp32", "mxfp4", "nvfp4"}) {
    if (lower == plain || lower.starts_with(std::string(plain) + "_")) return true;
  }
  for (const std::string_view start : {"q", "iq", "tq"}) {
    if (lower.starts_with(start) && lower.size() > start.size() && IsDigit(lower[start.size()]))
      return true;
  }
  return false;
}

/// Where `word` stands in `text` on its own: letters, digits and underscores around it would make
/// it another quantisation (Q4_K in Q4_K_M).
bool HasWord(std::string_view text, std::string_view word) {
  const std::string haystack = LowerText(text), needle = LowerText(word);
  for (size_t at = haystack.find(needle); at != haystack.npos; at = haystack.find(needle, at + 1)) {
    const size_t end = at + needle.size();
    const bool free_before = at == 0 || !IsWord(haystack[at - 1]);
    const bool free_after =
        end == haystack.size() || (!IsWord(haystack[end]) && haystack[end] != '_');
    if (free_before && free_after) return true;
  }
  return false;
}

std::string Listed(const std::vector<HubModel>& models) {
  std::vector<std::string> names;
  for (const HubModel& model : models) {
    if (names.size() == kMaxListed) {
      names.push_back(fmt::format("and {} more", models.size() - kMaxListed));
      break;
    }
    names.push_back(model.quant.empty() ? model.files.front().path : model.quant);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string ListedPaths(const std::vector<HubModel>& models) {
  std::vector<std::string_view> paths;
  for (const HubModel& model : models) {
    if (paths.size() < kMaxListed) paths.push_back(model.files.front().path);
  }
  return fmt::format("{}", fmt::join(paths, ", "));
}

template <class Fits>
std::vector<HubModel> Filter(const std::vector<HubModel>& models, Fits&& fits) {
  std::vector<HubModel> kept;
  std::copy_if(models.begin(), models.end(), std::back_inserter(kept), fits);
  return kept;
}

bool HasFile(const HubModel& model, std::string_view file, bool by_name) {
  return std::any_of(model.files.begin(), model.files.end(), [&](const HubFile& f) {
    return by_name ? SameText(FileName(f.path), file) : f.path == file;
  });
}

/// The models that the strictest meaning of the selector that fits any gives.
std::vector<HubModel> Candidates(const std::vector<HubModel>& models, std::string_view selector) {
  std::vector<HubModel> found;
  if (LowerText(selector).ends_with(kEnd)) {
    found = Filter(models, [&](const HubModel& m) { return HasFile(m, selector, false); });
    return found.empty()
               ? Filter(models, [&](const HubModel& m) { return HasFile(m, selector, true); })
               : found;
  }
  found = Filter(models, [&](const HubModel& m) { return SameText(m.quant, selector); });
  if (!found.empty()) return found;
  return Filter(models, [&](const HubModel& m) {
    return HasWord(PartOf(m.files.front().path).stem, selector);
  });
}

Result<HubModel> Default(const std::vector<HubModel>& models, const HubReference& reference) {
  if (models.size() == 1) return models.front();
  for (const std::string_view quant : kPreference) {
    const std::vector<HubModel> found =
        Filter(models, [&](const HubModel& m) { return SameText(m.quant, quant); });
    if (found.size() == 1) return found.front();
  }
  return WithHint(
      BadInput("{}: {} models, none of which is the usual choice", reference.name(), models.size()),
      fmt::format("choose with {} one of: {}", reference.NameWith("FILE.gguf"),
                  ListedPaths(models)));
}

}  // namespace

int64_t HubModel::n_bytes() const {
  int64_t total = 0;
  for (const HubFile& file : files) total += file.n_bytes;
  return total;
}

std::string QuantInName(std::string_view path) {
  std::string_view name = FileName(path);
  if (!LowerText(name).ends_with(kEnd)) return {};
  name = PartOf(name).stem;
  // From the back: model names have words like Q1 or F16 of their own, the quantisation comes last.
  for (size_t end = name.size(); end > 0;) {
    const size_t cut = name.find_last_of("-.", end - 1);
    const size_t begin = cut == name.npos ? 0 : cut + 1;
    const std::string_view word = name.substr(begin, end - begin);
    if (IsQuantWord(word)) {
      const bool dynamic = begin >= 3 && SameText(name.substr(begin - 3, 3), "UD-") &&
                           (begin == 3 || !IsWord(name[begin - 4]));
      return std::string(dynamic ? name.substr(begin - 3, end - begin + 3) : word);
    }
    if (cut == name.npos) break;
    end = cut;
  }
  return {};
}

std::vector<HubModel> ModelsAmong(const std::vector<HubFile>& files) {
  return Filter(WholeAndPartModels(files),
                [](const HubModel& m) { return m.files.size() == static_cast<size_t>(m.n_parts); });
}

std::vector<HubModel> WholeAndPartModels(const std::vector<HubFile>& files) {
  std::map<std::pair<std::string, int>, std::map<int, HubFile>>
      groups;  // by stem and count, then number
  for (const HubFile& file : files) {
    if (!IsModelFile(file.path)) continue;
    const Part part = PartOf(file.path);
    groups[{std::string(part.stem), part.count}].emplace(part.number, file);
  }
  std::vector<HubModel> models;
  for (auto& [key, parts] : groups) {
    HubModel model;
    model.n_parts = key.second;
    for (auto& [number, file] : parts) model.files.push_back(std::move(file));
    model.quant = QuantInName(model.files.front().path);
    models.push_back(std::move(model));
  }
  return models;
}

std::vector<HubModel> OtherModels(const std::vector<HubModel>& models, const HubModel& chosen) {
  return Filter(
      models, [&](const HubModel& m) { return m.files.front().path != chosen.files.front().path; });
}

std::string ExactName(const HubReference& reference, const HubModel& model) {
  if (!reference.selector.empty()) return reference.name();
  return reference.NameWith(model.quant.empty() ? model.files.front().path : model.quant);
}

Result<HubModel> SelectModel(const std::vector<HubModel>& models, const HubReference& reference) {
  if (models.empty()) {
    return WithHint(BadInput("{}: there are no .gguf models in this repository", reference.name()),
                    "many models have a second repository with -GGUF at the end of its name");
  }
  if (reference.selector.empty()) return Default(models, reference);
  std::vector<HubModel> found = Candidates(models, reference.selector);
  if (found.size() == 1) return std::move(found.front());
  if (found.empty()) {
    return WithHint(BadInput("{}: there is no such quantisation or file", reference.name()),
                    fmt::format("there are: {}", Listed(models)));
  }
  return WithHint(BadInput("{}: {} files fit", reference.name(), found.size()),
                  fmt::format("choose with {} one of: {}", reference.NameWith("FILE.gguf"),
                              ListedPaths(found)));
}

}  // namespace weir
