// weir machine: what this computer is, and what it can do at best.
#include "cli/machine.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress.h"
#include "cli/version.h"
#include "machine/counters.h"
#include "machine/stored_rates.h"
#include "util/interrupt.h"
#include "util/paths.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int kPasses = 6;

struct Flags {
  int threads = 0;
  bool facts = false;
  bool json = false;
};

struct Measured {
  MachineRates one, all;
};

Json SupportedIsas() {
  Json names = Json::array();
  for (Isa isa : BuiltIsas()) {
    if (Supported(isa)) names.push_back(Name(isa));
  }
  return names;
}

void AddRates(const MachineRates* rates, Json& json) {
  json["threads"] = rates ? Json(rates->threads) : Json(nullptr);
  json["read_gb_s"] = rates ? Json(rates->read_gb_s) : Json(nullptr);
  json["read_write_gb_s"] = rates ? Json(rates->read_write_gb_s) : Json(nullptr);
  json["int8_gmac_s"] = rates ? Json(rates->int8_gmac_s) : Json(nullptr);
  json["f32_gmac_s"] = rates ? Json(rates->f32_gmac_s) : Json(nullptr);
}

Json ProbeJson(const MachineRates* rates) {
  if (!rates) return nullptr;
  return {{"isa", rates->isa},
          {"passes", rates->passes},
          {"buffer_bytes", rates->buffer_bytes},
          {"buffer_small", rates->buffer_small}};
}

Json CachesJson(const std::vector<CacheKind>& caches) {
  Json json = Json::array();
  for (const CacheKind& cache : caches) {
    json.push_back({{"level", cache.level},
                    {"type", cache.type},
                    {"bytes", cache.bytes},
                    {"count", cache.count},
                    {"shared_by", cache.shared_by}});
  }
  return json;
}

/// Measures with one thread and with n_threads. The first is left out if it is the second.
Result<Measured> Measure(const Machine& machine, int n_threads) {
  // Limits are the machine's: the best instruction set there is, whatever WEIR_ISA says.
  WEIR_TRY(const Isa best, SelectIsa(nullptr));
  const auto progress = [](const char* label) {
    return [line = std::make_shared<Progress>(label)](int64_t done, int64_t total) {
      line->Update(done, total);
    };
  };
  WEIR_TRY(Prober prober, Prober::Create(best, PlanProbeBuffer(machine), n_threads,
                                         progress("preparing memory")));
  Measured measured;
  WEIR_TRY(measured.all, prober.Measure(n_threads, kPasses, progress("measuring, all threads")));
  measured.one = measured.all;
  if (n_threads > 1) {
    WEIR_TRY(measured.one, prober.Measure(1, kPasses, progress("measuring, one thread")));
  }
  return measured;
}

std::string Bytes(int64_t bytes) {
  if (bytes % (1 << 20) == 0) return fmt::format("{} MiB", bytes >> 20);
  if (bytes < 1 << 20) return fmt::format("{} KiB", bytes >> 10);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) * 1e-9);
}

/// "label     text", the text broken between words to fit the terminal.
void PrintLine(const char* label, const std::string& text) {
  constexpr size_t kIndent = 12;
  const size_t width = std::max(40, TerminalWidth()) - kIndent;
  std::string rest = text.empty() ? "unknown" : text, head = label;
  do {
    size_t length = rest.size();
    if (length > width) {
      length = rest.rfind(' ', width);
      if (length == 0 || length == rest.npos) length = std::min(rest.find(' ', width), rest.size());
    }
    fmt::print("{:<{}}{}\n", head, kIndent, rest.substr(0, length));
    rest.erase(0, length + 1);
    head.clear();
  } while (!rest.empty());
}

std::string CoresText(const Machine& machine) {
  std::string text = machine.physical_cores ? fmt::format("{} cores, ", *machine.physical_cores) : "";
  text += fmt::format("{} threads, {} usable", machine.logical_cpus, machine.usable_threads);
  if (machine.cpu_quota) text += fmt::format(" (quota {:.2f})", *machine.cpu_quota);
  text += fmt::format("; weir uses {} unless told otherwise", machine.default_threads);
  return text;
}

std::string CachesText(const Machine& machine) {
  std::string text;
  for (const CacheKind& cache : machine.caches) {
    if (cache.type == "Instruction") continue;
    text += fmt::format("{}L{} {} x {}", text.empty() ? "" : ", ", cache.level, cache.count,
                        Bytes(cache.bytes));
  }
  return text;
}

std::string MemoryText(const Machine& machine) {
  if (!machine.memory_bytes) return "";
  std::string text = Bytes(*machine.memory_bytes);
  if (machine.memory_available_bytes) text += ", " + Bytes(*machine.memory_available_bytes) + " available";
  if (machine.memory_limit_bytes) text += ", limited to " + Bytes(*machine.memory_limit_bytes);
  if (!machine.huge_pages.empty()) text += "; huge pages: " + machine.huge_pages;
  return text;
}

void PrintFacts(const Machine& machine, Isa isa) {
  PrintLine("processor", machine.cpu_model + (machine.virtual_machine ? " (virtual machine)" : ""));
  PrintLine("cores", CoresText(machine));
  PrintLine("caches", CachesText(machine));
  PrintLine("memory", MemoryText(machine));
  PrintLine("kernels", fmt::format("{} (of {})", Name(isa), fmt::join(SupportedIsas(), ", ")));
  PrintLine("features", fmt::format("{}", fmt::join(machine.cpu_features, " ")));
  PrintLine("system", machine.os + (machine.os.empty() ? "" : ", kernel ") + machine.kernel);
}

void PrintRate(const char* label, double one, double all, bool both, const char* unit) {
  fmt::print("{:<18}{:>10.1f}", label, one);
  if (both) fmt::print("{:>12.1f}", all);
  fmt::print("  {}\n", unit);
}

void PrintRates(const Measured& measured) {
  const MachineRates &one = measured.one, &all = measured.all;
  const bool both = all.threads > 1;
  fmt::print("\n{:<18}{:>10}", "", "1 thread");
  if (both) fmt::print("{:>12}", fmt::format("{} threads", all.threads));
  fmt::print("\n");
  PrintRate("read", one.read_gb_s, all.read_gb_s, both, "GB/s");
  PrintRate("read and write", one.read_write_gb_s, all.read_write_gb_s, both, "GB/s, both counted");
  PrintRate("int8", one.int8_gmac_s, all.int8_gmac_s, both, "GMAC/s");
  PrintRate("float32", one.f32_gmac_s, all.f32_gmac_s, both, "GMAC/s");
  fmt::print("\nBest of {} passes with {}, over {} of memory.\n", all.passes, all.isa,
             Bytes(all.buffer_bytes));
  if (all.buffer_small) {
    fmt::print("This is less than 8 times the last-level cache, for want of memory: the first two\n"
               "rows may be too high.\n");
  }
}

Result<int> RunMachine(const Flags& flags) {
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  CatchInterrupts();
  const Machine machine = ReadMachine();
  std::optional<Measured> measured;
  if (!flags.json) PrintFacts(machine, isa);
  if (!flags.facts) {
    WEIR_TRY(measured, Measure(machine, flags.threads > 0 ? flags.threads : machine.default_threads));
  }
  if (measured) {
    // For weir serve, which must not stop to measure. Who cannot write it has still been told the rates.
    if (const Result<std::string> folder = DataDirectory()) {
      (void)StoreRates(*folder + "/machine-rates", Fingerprint(machine), measured->all);
    }
  }
  if (flags.json) {
    Json json = MachineJson(machine, isa, measured ? &measured->all : nullptr);
    AddRates(measured ? &measured->one : nullptr, json["one_thread"]);
    PrintJson(json);
  } else if (measured) {
    PrintRates(*measured);
  }
  return kExitOk;
}

}  // namespace

Json MachineJson(const Machine& machine, Isa isa, const MachineRates* rates) {
  Json json;
  json["fingerprint"] = Fingerprint(machine);
  json["isa"] = Name(isa);
  AddRates(rates, json);
  json["probe"] = ProbeJson(rates);
  json["isas"] = SupportedIsas();
  json["vendor"] = OrNull(machine.vendor);
  json["cpu_model"] = OrNull(machine.cpu_model);
  json["cpu_features"] = machine.cpu_features;
  json["virtual_machine"] = machine.virtual_machine;
  json["logical_cpus"] = machine.logical_cpus;
  json["physical_cores"] = OrNull(machine.physical_cores);
  json["allowed_cpus"] = machine.allowed_cpus;
  json["cpu_quota"] = OrNull(machine.cpu_quota);
  json["usable_threads"] = machine.usable_threads;
  json["default_threads"] = machine.default_threads;
  json["caches"] = CachesJson(machine.caches);
  json["memory_bytes"] = OrNull(machine.memory_bytes);
  json["memory_available_bytes"] = OrNull(machine.memory_available_bytes);
  json["memory_limit_bytes"] = OrNull(machine.memory_limit_bytes);
  json["os"] = OrNull(machine.os);
  json["kernel"] = OrNull(machine.kernel);
  json["huge_pages"] = OrNull(machine.huge_pages);
  return json;
}

RunRow DescribeRun(const Machine& machine, Isa isa, int n_threads, uint64_t seed) {
  return {
      .machine_fingerprint = Fingerprint(machine),
      .cpu = machine.cpu_model.empty() ? std::nullopt : std::optional(machine.cpu_model),
      .memory_bytes = machine.memory_bytes,
      .machine_facts = MachineJson(machine, isa, nullptr).dump(),
      .build = VersionText(),
      .isa = std::string(Name(isa)),
      .threads = n_threads,
      .seed = seed,
      .oom_kills = OomKills()};
}

Command AddMachine(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--threads", flags->threads, "Measure with this many threads as well as with one")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--facts", flags->facts, "Only what the system states: measure nothing");
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir machine\n"
      "  weir machine --json --threads 4\n"
      "  WEIR_ISA=avx2 weir machine --facts\n\n"
      "GB/s: 1e9 bytes per second. GMAC/s: 1e9 multiplications with their additions per second.");
  return [flags] { return RunMachine(*flags); };
}

}  // namespace weir
