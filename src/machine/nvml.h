// NVIDIA's GPUs, as their driver's library counts them. It is loaded while the program runs, so that weir needs nothing of
// it where there is none.
#pragma once

#include <memory>
#include <string>

#include "machine/counters.h"

namespace weir {

class Nvml {
 public:
  /// Null where there is no such library, one without the functions needed, or no GPU.
  static std::unique_ptr<Nvml> Open(const std::string& library = "libnvidia-ml.so.1");
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// Adds one meter with the boundary "gpu" for all GPUs together, with energy and power where every one of them gives
  /// it: without one, for instance after it fell off the bus, a sum would be of something else. And their temperature, if
  /// one of them is the hottest of the machine.
  void AddTo(Counters& counters) const;

 private:
  struct Library;
  explicit Nvml(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace weir
