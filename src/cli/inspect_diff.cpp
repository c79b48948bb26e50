// weir inspect --diff A B: what two models have else than each other, from their headers.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "cli/format.h"
#include "cli/inspect.h"
#include "cli/model_text.h"
#include "util/terminal.h"

namespace weir {
namespace {

template <class T>
struct Differences {
  std::vector<const T*> only_a, only_b;
  std::vector<std::pair<const T*, const T*>> different;
  size_t n_same = 0;

  bool none() const { return only_a.empty() && only_b.empty() && different.empty(); }
};

const std::string& NameOf(const MetadataEntry& entry) { return entry.key; }
const std::string& NameOf(const TensorInfo& tensor) { return tensor.name; }

bool Same(const MetadataEntry& a, const MetadataEntry& b) {
  return a.type == b.type && a.is_array == b.is_array && a.value == b.value;
}
bool Same(const TensorInfo& a, const TensorInfo& b) {
  return a.type == b.type && a.n_dims == b.n_dims && a.ne == b.ne;
}

template <class T>
Differences<T> Compare(const std::vector<T>& a, const std::vector<T>& b) {
  std::unordered_map<std::string_view, const T*> in_b;
  for (const T& item : b) in_b.emplace(NameOf(item), &item);
  Differences<T> found;
  for (const T& item : a) {
    const auto other = in_b.find(NameOf(item));
    if (other == in_b.end()) {
      found.only_a.push_back(&item);
      continue;
    }
    if (Same(item, *other->second)) {
      ++found.n_same;
    } else {
      found.different.emplace_back(&item, other->second);
    }
    in_b.erase(other);
  }
  for (const T& item : b) {
    if (in_b.contains(NameOf(item))) found.only_b.push_back(&item);
  }
  return found;
}

struct ModelDiff {
  Differences<MetadataEntry> metadata;
  Differences<TensorInfo> tensors;
};

// ---- Arrays: where two of one type differ.

struct ArrayDiff {
  size_t n_a = 0, n_b = 0, n_different = 0, first = 0;
};

template <class T>
constexpr bool kIsArray = false;
template <class T>
constexpr bool kIsArray<std::vector<T>> = true;

std::optional<ArrayDiff> DiffArrays(const MetadataEntry& a, const MetadataEntry& b) {
  if (a.value.index() != b.value.index()) return std::nullopt;
  return std::visit(
      [&](const auto& x) -> std::optional<ArrayDiff> {
        using V = std::decay_t<decltype(x)>;
        if constexpr (kIsArray<V>) {
          const V& y = std::get<V>(b.value);
          ArrayDiff diff{x.size(), y.size(), 0, 0};
          const size_t longer = std::max(x.size(), y.size()), both = std::min(x.size(), y.size());
          diff.first = longer;
          for (size_t i = 0; i < longer; ++i) {
            if (i < both && x[i] == y[i]) continue;
            diff.first = std::min(diff.first, i);
            ++diff.n_different;
          }
          return diff;
        } else {
          return std::nullopt;
        }
      },
      a.value);
}

// ---- What becomes of the types: tensors that both have, by type in A and in B.

struct Change {
  int64_t n_tensors = 0, bytes_a = 0, bytes_b = 0;
};
using Changes = std::map<std::pair<TensorType, TensorType>, Change>;

Changes CollectChanges(const ModelDiff& diff) {
  Changes changes;
  for (const auto& [a, b] : diff.tensors.different) {
    Change& change = changes[{a->type, b->type}];
    ++change.n_tensors;
    change.bytes_a += a->n_bytes();
    change.bytes_b += b->n_bytes();
  }
  return changes;
}

// ---- As JSON.

Json SideJson(const ModelSource& source) {
  const ModelFacts facts = CollectFacts(source);
  const Result<std::string> arch = source.metadata().String("general.architecture");
  return {{"model", source.name()},
          {"architecture", arch ? Json(*arch) : Json()},
          {"parameters", facts.n_params},
          {"tensor_bytes", facts.n_bytes},
          {"bits_per_weight", facts.n_params > 0 ? Json(facts.BitsPerWeight()) : Json()}};
}

Json ListJson(const std::vector<const MetadataEntry*>& entries) {
  Json list = Json::array();
  for (const MetadataEntry* entry : entries)
    list.push_back({{"key", entry->key}, {"value", MetadataJson(*entry)}});
  return list;
}
Json ListJson(const std::vector<const TensorInfo*>& tensors) {
  Json list = Json::array();
  for (const TensorInfo* tensor : tensors) list.push_back(TensorJson(*tensor));
  return list;
}

Json DifferentJson(const MetadataEntry& a, const MetadataEntry& b) {
  Json json = {{"key", a.key}, {"a", MetadataJson(a)}, {"b", MetadataJson(b)}};
  if (a.type != b.type || a.is_array != b.is_array) {
    json["type_a"] = TypeName(a.type);
    json["type_b"] = TypeName(b.type);
  }
  if (const auto arrays = DiffArrays(a, b)) {
    json["elements_different"] = arrays->n_different;
    json["first_difference"] = arrays->first;
  }
  return json;
}
Json DifferentJson(const TensorInfo& a, const TensorInfo& b) {
  return {{"name", a.name}, {"a", TensorJson(a)}, {"b", TensorJson(b)}};
}

template <class T>
Json DifferencesJson(const Differences<T>& found) {
  Json different = Json::array();
  for (const auto& [a, b] : found.different) different.push_back(DifferentJson(*a, *b));
  return {{"same", found.n_same},
          {"only_a", ListJson(found.only_a)},
          {"only_b", ListJson(found.only_b)},
          {"different", std::move(different)}};
}

Json Document(const ModelSource& a, const ModelSource& b, const ModelDiff& diff, bool summary) {
  Json document = {{"a", SideJson(a)}, {"b", SideJson(b)}};
  document["same"] = diff.metadata.none() && diff.tensors.none();
  document["type_changes"] = Json::array();
  for (const auto& [types, change] : CollectChanges(diff)) {
    document["type_changes"].push_back({{"a", Traits(types.first).name},
                                        {"b", Traits(types.second).name},
                                        {"tensors", change.n_tensors},
                                        {"bytes_a", change.bytes_a},
                                        {"bytes_b", change.bytes_b}});
  }
  if (summary) return document;
  document["metadata"] = DifferencesJson(diff.metadata);
  document["tensors"] = DifferencesJson(diff.tensors);
  return document;
}

// ---- As text.

void PrintValue(std::string_view mark, const MetadataEntry& entry, bool with_type, int width) {
  std::string text = MetadataText(entry);
  if (with_type && !entry.is_array) text = fmt::format("{} ({})", text, TypeName(entry.type));
  fmt::print("    {} {}\n", mark, Shorten(text, std::max(20, width - 6)));
}

void PrintDifferent(const MetadataEntry& a, const MetadataEntry& b, int width) {
  fmt::print("  {}\n", Shorten(Escaped(a.key), width - 2));
  const bool types = a.type != b.type || a.is_array != b.is_array;
  PrintValue("A", a, types, width);
  PrintValue("B", b, types, width);
  if (const auto arrays = DiffArrays(a, b)) {
    fmt::print("      {} elements differ, the first is {}\n",
               Grouped(static_cast<int64_t>(arrays->n_different)),
               Grouped(static_cast<int64_t>(arrays->first)));
  }
}

void PrintOnly(std::string_view side, const std::vector<const MetadataEntry*>& entries, int width) {
  for (const MetadataEntry* entry : entries) {
    fmt::print("  {}\n", Shorten(Escaped(entry->key), width - 2));
    PrintValue(side, *entry, false, width);
  }
}

std::string TensorText(const TensorInfo& tensor) {
  return fmt::format("{} {}, {} bytes", Traits(tensor.type).name, ShapeText(tensor),
                     Grouped(tensor.n_bytes()));
}

void PrintOnly(std::string_view side, const std::vector<const TensorInfo*>& tensors, int width) {
  for (const TensorInfo* tensor : tensors) {
    fmt::print("  {}\n    {} {}\n", Shorten(Escaped(tensor->name), width - 2), side,
               TensorText(*tensor));
  }
}

void PrintDifferent(const TensorInfo& a, const TensorInfo& b, int width) {
  fmt::print("  {}\n    A {}\n    B {}\n", Shorten(Escaped(a.name), width - 2), TensorText(a),
             TensorText(b));
}

template <class T>
void PrintDifferences(std::string_view what, const Differences<T>& found, int width) {
  PrintHeading(fmt::format("{}: {} the same, {} different, {} only in A, {} only in B", what,
                           found.n_same, found.different.size(), found.only_a.size(),
                           found.only_b.size()));
  for (const auto& [a, b] : found.different) PrintDifferent(*a, *b, width);
  PrintOnly("only in A", found.only_a, width);
  PrintOnly("only in B", found.only_b, width);
  fmt::print("\n");
}

void PrintChanges(const ModelDiff& diff) {
  const Changes changes = CollectChanges(diff);
  if (changes.empty()) return;
  PrintHeading("Tensors that differ, by type");
  fmt::print("  {:<8}  {:<8} {:>7}  {:>10}  {:>10}\n", "A", "B", "tensors", "bytes A", "bytes B");
  for (const auto& [types, change] : changes) {
    fmt::print("  {:<8}  {:<8} {:>7}  {:>10}  {:>10}\n", Traits(types.first).name,
               Traits(types.second).name, change.n_tensors, ByteSize(change.bytes_a),
               ByteSize(change.bytes_b));
  }
  fmt::print("\n");
}

void PrintSide(std::string_view side, const ModelSource& source, int width) {
  const ModelFacts facts = CollectFacts(source);
  fmt::print("  {}  {:>15} parameters  {:>10}", side, Grouped(facts.n_params),
             ByteSize(facts.n_bytes));
  if (facts.n_params > 0) fmt::print("  {:>6.3f} bits per weight", facts.BitsPerWeight());
  fmt::print("\n     {}\n", Shorten(Escaped(source.name()), width - 5));
}

}  // namespace

void PrintDifference(const ModelSource& a, const ModelSource& b, const InspectFlags& flags) {
  const ModelDiff diff{Compare(a.metadata().entries(), b.metadata().entries()),
                       Compare(a.tensors(), b.tensors())};
  if (flags.json) return PrintJson(Document(a, b, diff, flags.summary));
  const int width = TerminalWidth();
  if (!flags.summary) {
    PrintDifferences("Metadata", diff.metadata, width);
    PrintDifferences("Tensors", diff.tensors, width);
  }
  PrintChanges(diff);
  const bool same = diff.metadata.none() && diff.tensors.none();
  PrintHeading(same ? "The same metadata and tensors; weights are not compared" : "Summary");
  PrintSide("A", a, width);
  PrintSide("B", b, width);
}

}  // namespace weir
