#include "advise/machine_catalogue.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>

#include "advise/toml_reader.h"
#include "util/embedded_file.h"
#include "util/read_file.h"

namespace weir {

std::span<const EmbeddedFile> MachineFiles();

namespace {

namespace fs = std::filesystem;

constexpr double kGiB = 1 << 30;
constexpr size_t kMostFileBytes = 1 << 20;

int64_t Bytes(double gib) { return std::llround(gib * kGiB); }

MachineKind KindOf(TomlReader& reader) {
  const std::string kind = reader.String("kind");
  if (kind == "unified") return MachineKind::kUnified;
  if (kind == "card") return MachineKind::kCard;
  if (kind != "cpu") reader.Fail("kind", "kind: expected \"unified\", \"card\" or \"cpu\"");
  return MachineKind::kCpu;
}

/// Every figure of `table` must have a source, and every source a figure.
Status ReadSources(const toml::table& table, TomlReader& reader, const std::string& path,
                   CatalogueMachine* machine) {
  const toml::table* sources = reader.Table("sources");
  if (!sources) return BadInput("{}: [sources] is missing: expected where each figure comes from", path);
  TomlReader source_reader(*sources, path);
  for (const auto& [key, value] : table) {
    if (!value.is_number()) continue;
    const std::string name(key.str());
    machine->sources.emplace_back(name, source_reader.String(name));
  }
  return source_reader.Finish();
}

/// Those whose names contain what was wanted, or all.
std::string Names(const std::vector<CatalogueMachine>& machines, std::string_view wanted) {
  std::string alike, all;
  for (const CatalogueMachine& machine : machines) {
    if (!wanted.empty() && machine.name.find(wanted) != std::string::npos) alike += (alike.empty() ? "" : ", ") + machine.name;
    all += (all.empty() ? "" : ", ") + machine.name;
  }
  return alike.empty() ? all : alike;
}

}  // namespace

std::optional<int64_t> CatalogueMachine::GpuBytes() const {
  if (!gpu_share) return std::nullopt;
  return static_cast<int64_t>(*gpu_share * static_cast<double>(memory_bytes));
}

MachineRates CatalogueMachine::Rates() const {
  MachineRates rates;
  rates.read_gb_s = bandwidth_gb_s;
  rates.read_write_gb_s = bandwidth_gb_s;
  // 1 TOPS is half a TMAC/s.
  rates.f32_gmac_s = float_tflops * 500;
  rates.int8_gmac_s = std::max(int8_tops.value_or(0), float_tflops) * 500;
  return rates;
}

Result<CatalogueMachine> ParseMachine(std::string_view text, const std::string& name,
                                      const std::string& path) {
  WEIR_TRY(const toml::table table, ParseToml(text, path));
  TomlReader reader(table, path);
  CatalogueMachine machine;
  machine.name = name;
  machine.title = reader.String("title");
  machine.kind = KindOf(reader);
  machine.memory_bytes = Bytes(reader.Number("memory_gib", 0.1, 1e6));
  machine.keeps_bytes = Bytes(reader.Number("keeps_gib", 0, 1e6));
  machine.gpu_share = reader.OptionalNumber("gpu_share", 0.01, 1);
  machine.bandwidth_gb_s = reader.Number("bandwidth_gb_s", 0.1, 1e6);
  machine.int8_tops = reader.OptionalNumber("int8_tops", 0.001, 1e6);
  machine.float_tflops = reader.Number("float_tflops", 0.001, 1e6);
  machine.power_load_w = reader.OptionalNumber("power_load_w", 0.1, 1e6);
  machine.power_idle_w = reader.OptionalNumber("power_idle_w", 0, 1e6);
  machine.power_of = reader.OptionalString("power_of").value_or("");
  machine.price_usd = reader.OptionalNumber("price_usd", 0, 1e9);
  machine.price_of = reader.OptionalString("price_of").value_or("");
  if (machine.keeps_bytes >= machine.memory_bytes) {
    reader.Fail("keeps_gib", "keeps_gib: expected less than memory_gib");
  }
  const Status sources = ReadSources(table, reader, path, &machine);
  WEIR_RETURN_IF_ERROR(reader.Finish());
  if (!sources) return sources.error();
  return machine;
}

namespace {

Result<CatalogueMachine> ReadMachineFile(const fs::path& path) {
  WEIR_TRY(const std::string text, ReadFile(path.string(), kMostFileBytes));
  return ParseMachine(text, path.stem().string(), path.string());
}

}  // namespace

Result<MachineCatalogue> MachineCatalogue::Load(const std::string& folder) {
  MachineCatalogue catalogue;
  std::vector<CatalogueMachine>& machines = catalogue.machines_;
  for (const EmbeddedFile& file : MachineFiles()) {
    const std::string name(file.name);
    WEIR_TRY(CatalogueMachine machine, ParseMachine(file.text, name, name + ".toml"));
    machines.push_back(std::move(machine));
  }
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, missing)) {
    if (entry.path().extension() != ".toml") continue;
    Result<CatalogueMachine> machine = ReadMachineFile(entry.path());
    if (!machine) {
      catalogue.left_out_.push_back(machine.error());
      continue;
    }
    std::erase_if(machines, [&](const CatalogueMachine& old) { return old.name == machine->name; });
    machines.push_back(*std::move(machine));
  }
  std::sort(machines.begin(), machines.end(),
            [](const CatalogueMachine& a, const CatalogueMachine& b) { return a.name < b.name; });
  return catalogue;
}

Result<const CatalogueMachine*> MachineCatalogue::Find(std::string_view name) const {
  for (const CatalogueMachine& machine : machines_) {
    if (machine.name == name) return &machine;
  }
  return WithHint(BadInput("no machine is called '{}'", name), "there are " + Names(machines_, name));
}

}  // namespace weir
