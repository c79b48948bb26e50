#include "machine/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <vector>

#include "util/error.h"

namespace weir {
namespace {

// What of the library's interface is used. A device is an opaque pointer, all functions return 0 for success.
using Device = void*;
constexpr unsigned kGpuSensor = 0;
constexpr unsigned kMostDevices = 256;

}  // namespace

struct Nvml::Library {
  void* handle = nullptr;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*device)(unsigned, Device*) = nullptr;
  // These may be missing: old drivers, small GPUs.
  int (*energy_mj)(Device, unsigned long long*) = nullptr;  // since the driver was loaded
  int (*power_mw)(Device, unsigned*) = nullptr;
  int (*temperature_c)(Device, unsigned, unsigned*) = nullptr;
  bool is_started = false;
  std::vector<Device> devices;

  ~Library() {
    if (is_started) (void)shutdown();
    if (handle) dlclose(handle);
  }

  template <class Function>
  void Find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(handle, name));
  }

  bool Load(const std::string& path) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) return false;
    Find("nvmlInit_v2", init);
    Find("nvmlShutdown", shutdown);
    Find("nvmlDeviceGetCount_v2", count);
    Find("nvmlDeviceGetHandleByIndex_v2", device);
    Find("nvmlDeviceGetTotalEnergyConsumption", energy_mj);
    Find("nvmlDeviceGetPowerUsage", power_mw);
    Find("nvmlDeviceGetTemperature", temperature_c);
    return init && shutdown && count && device;
  }

  bool Start() {
    unsigned n = 0;
    is_started = init() == 0;
    if (!is_started || count(&n) != 0 || n == 0 || n > kMostDevices) return false;
    devices.resize(n);
    for (unsigned i = 0; i < n; ++i) {
      if (device(i, &devices[i]) != 0) return false;
    }
    return true;
  }

  /// Over all devices, times `scale`; nothing if one of them does not say.
  template <class Value, class Function>
  std::optional<double> Sum(Function* read, double scale) const {
    if (!read) return std::nullopt;
    double sum = 0;
    for (const Device gpu : devices) {
      Value value = 0;
      if (read(gpu, &value) != 0) return std::nullopt;
      sum += static_cast<double>(value) * scale;
    }
    return sum;
  }
};

Nvml::Nvml(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Nvml::~Nvml() = default;

std::unique_ptr<Nvml> Nvml::Open(const std::string& library) {
  auto loaded = std::make_unique<Library>();
  if (!loaded->Load(library) || !loaded->Start()) return nullptr;
  return std::unique_ptr<Nvml>(new Nvml(std::move(loaded)));
}

void Nvml::AddTo(Counters& counters) const {
  // The meter is there even when it shows nothing: one that vanished would take the others of this reading with it.
  const size_t n = library_->devices.size();
  EnergyMeter meter{"gpu", n == 1 ? "nvml" : fmt::format("nvml, {} GPUs", n), {}, 0, {}};
  meter.joules = library_->Sum<unsigned long long>(library_->energy_mj, 1e-3);
  meter.watts = library_->Sum<unsigned>(library_->power_mw, 1e-3);
  counters.meters.push_back(std::move(meter));
  if (!library_->temperature_c) return;
  for (const Device gpu : library_->devices) {
    unsigned degrees = 0;
    if (library_->temperature_c(gpu, kGpuSensor, &degrees) != 0) continue;
    counters.temperature_c = std::max(counters.temperature_c.value_or(0), static_cast<double>(degrees));
  }
}

}  // namespace weir
