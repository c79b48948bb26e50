// weir models: what is on this machine, and whether weir runs it. Reads headers only.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/load.h"
#include "gguf/gguf_file.h"
#include "gguf/quant_name.h"
#include "hub/places.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct Flags {
  std::vector<std::string> folders;
  bool json = false;
};

/// A model found, and what its header says.
struct Row {
  LocalModel found;
  std::string quant, architecture;
  std::optional<int64_t> n_params, tensor_bytes;
  std::string reason;  // why weir cannot run it; empty: it can

  bool runnable() const { return reason.empty(); }
};

struct PlaceRows {
  std::string program, path;
  std::vector<Row> rows;
};

/// An error's message without the path before it, which the table shows already.
std::string Reason(const std::string& path, const Error& error) {
  const std::string prefix = path + ": ";
  return error.message.starts_with(prefix) ? error.message.substr(prefix.size()) : error.message;
}

void Describe(const ModelSource& source, Row* row) {
  if (const std::string quant = QuantOf(source); row->quant.empty()) row->quant = quant;
  if (const auto arch = source.metadata().String("general.architecture")) row->architecture = *arch;
  int64_t n_params = 0, n_bytes = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    n_params += tensor.n_elements();
    n_bytes += tensor.n_bytes();
  }
  row->n_params = n_params;
  row->tensor_bytes = n_bytes;
}

/// Why weir cannot run the model; empty if it can.
std::string WhyNot(const ModelSource& source, const std::string& path) {
  if (source.tensors().empty()) return "a vocabulary without a model";
  const Result<ModelFootprint> plan = Model::Plan(source, Dtype::kInt8);
  if (!plan) return Reason(path, plan.error());
  if (plan->packed_bytes > AvailableMemory()) {
    return fmt::format("the weights take {} of memory, {} are available",
                       ByteSize(plan->packed_bytes), ByteSize(AvailableMemory()));
  }
  return {};
}

Row RowOf(const LocalModel& found) {
  Row row{found, found.quant, {}, {}, {}, found.problem};
  if (!row.reason.empty()) return row;
  if (found.n_files < found.n_parts) {
    row.reason = fmt::format("{} of {} parts are here", found.n_files, found.n_parts);
    return row;
  }
  const Result<std::unique_ptr<GgufFile>> file = GgufFile::Open(found.path);
  if (!file) {
    row.reason = Reason(found.path, file.error());
    return row;
  }
  Describe(**file, &row);
  row.reason = WhyNot(**file, found.path);
  return row;
}

Json RowJson(const Row& row, const std::string& program) {
  const bool known = row.n_params && *row.n_params > 0;
  return {{"model", row.found.model},
          {"name", row.found.name},
          {"place", program},
          {"path", row.found.path},
          {"files", row.found.n_files},
          {"bytes", row.found.n_bytes},
          {"quant", OrNull(row.quant)},
          {"architecture", OrNull(row.architecture)},
          {"parameters", OrNull(row.n_params)},
          {"bits_per_weight", known ? Json(8.0 * static_cast<double>(*row.tensor_bytes) /
                                           static_cast<double>(*row.n_params))
                                    : Json()},
          {"runnable", row.runnable()},
          {"reason", OrNull(row.reason)}};
}

void PrintDocument(const std::vector<PlaceRows>& places) {
  Json document = {{"models", Json::array()}, {"places", Json::array()}};
  for (const PlaceRows& place : places) {
    document["places"].push_back(
        {{"place", place.program}, {"path", place.path}, {"models", place.rows.size()}});
    for (const Row& row : place.rows) document["models"].push_back(RowJson(row, place.program));
  }
  PrintJson(document);
}

std::string_view Title(std::string_view program) {
  if (program == "hub") return "The hub's cache";
  if (program == "ollama") return "Ollama";
  if (program == "lm-studio") return "LM Studio";
  if (program == "llama.cpp") return "llama.cpp's cache";
  return "Folder";
}

struct Columns {
  int name = 4, quant = 5, architecture = 12;
};

Columns WidthsOf(const std::vector<PlaceRows>& places, int width) {
  Columns columns;
  for (const PlaceRows& place : places) {
    for (const Row& row : place.rows) {
      columns.name = std::max(columns.name, static_cast<int>(Escaped(row.found.name).size()));
      columns.quant = std::max(columns.quant, static_cast<int>(Escaped(row.quant).size()));
      columns.architecture =
          std::max(columns.architecture, static_cast<int>(Escaped(row.architecture).size()));
    }
  }
  columns.quant = std::min(columns.quant, 16);
  columns.architecture = std::min(columns.architecture, 20);
  constexpr int kOthers = 2 + 2 + 9 + 2 + 2 + 2 + 8;  // indent, gaps, size, runnable
  columns.name = std::clamp(columns.name, 4,
                            std::max(20, width - kOthers - columns.quant - columns.architecture));
  return columns;
}

/// The name is what is passed as MODEL, or a line with that follows.
void PrintRow(const Row& row, const Columns& columns, int width) {
  const std::string name = Escaped(row.found.name), model = Escaped(row.found.model);
  const std::string shown = Shorten(name, columns.name);
  fmt::print("  {:<{}}  {:>9}  {:<{}}  {:<{}}  {}{}{}\n", shown, columns.name,
             ByteSize(row.found.n_bytes), Shorten(Escaped(row.quant), columns.quant), columns.quant,
             Shorten(Escaped(row.architecture), columns.architecture), columns.architecture,
             StdoutStyle(row.runnable() ? "\x1b[32m" : "\x1b[33m"), row.runnable() ? "yes" : "no",
             StdoutStyle("\x1b[0m"));
  if (model != shown)
    fmt::print("{}    {}{}\n", StdoutStyle("\x1b[2m"), model, StdoutStyle("\x1b[0m"));
  if (!row.runnable())
    fmt::print("    {}\n", Shorten(Escaped(row.reason), std::max(20, width - 4)));
}

void PrintTable(const std::vector<PlaceRows>& places) {
  const int width = TerminalWidth();
  const Columns columns = WidthsOf(places, width);
  const auto full = [](const PlaceRows& place) { return !place.rows.empty(); };
  if (std::none_of(places.begin(), places.end(), full)) {
    fmt::print("no models found; weir pull hf:ORG/REPO brings one\n");
    return;
  }
  fmt::print("  {:<{}}  {:>9}  {:<{}}  {:<{}}  {}\n", "name", columns.name, "size", "quant",
             columns.quant, "architecture", columns.architecture, "runnable");
  for (const PlaceRows& place : places) {
    if (place.rows.empty()) continue;
    fmt::print("{}{}{} {}\n", StdoutStyle("\x1b[1m"), Title(place.program), StdoutStyle("\x1b[0m"),
               Shorten(Escaped(place.path), std::max(20, width - 20)));
    for (const Row& row : place.rows) PrintRow(row, columns, width);
  }
}

Result<int> RunModels(const Flags& flags) {
  WEIR_TRY(const HubSettings settings, ReadHubSettings());
  std::vector<PlaceRows> places;
  for (const Place& place : FindLocalModels(settings, flags.folders)) {
    PlaceRows rows{place.program, place.path, {}};
    for (const LocalModel& model : place.models) rows.rows.push_back(RowOf(model));
    places.push_back(std::move(rows));
  }
  if (flags.json) {
    PrintDocument(places);
  } else {
    PrintTable(places);
  }
  return kExitOk;
}

}  // namespace

Command AddModels(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--dir", flags->folders, "look into this folder, too, and below it")
      ->check(CLI::ExistingDirectory)
      ->type_name("FOLDER");
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "Looks into the hub's cache (HF_HOME), Ollama's (OLLAMA_MODELS), LM Studio's and "
      "llama.cpp's\n"
      "(LLAMA_CACHE), and into the working folder. The dim line below a name is what other "
      "commands take\n"
      "as MODEL, where the name is not.\n"
      "Examples:\n"
      "  weir models\n"
      "  weir models --dir /mnt/models\n"
      "  weir models --json | jq -r '.models[] | select(.runnable) | .model'");
  return [flags] { return RunModels(*flags); };
}

}  // namespace weir
