// A libnvidia-ml.so.1 of the tests: $WEIR_FAKE_NVML says what its GPUs are like, at each call anew.
//   "N", N GPUs; then letters: e no energy counters, p no power, t no temperature, i does not start, h no handles,
//   l the last GPU is lost
// Energy is 1000 J of each GPU and 1 J more with each reading, power 50 W, temperature 40 and 1 more for each GPU.
#include <cstdlib>
#include <cstring>

namespace {

char devices[16];  // a device is the address of one of these

const char* Script() {
  const char* script = std::getenv("WEIR_FAKE_NVML");
  return script ? script : "0";
}
bool Has(char letter) { return std::strchr(Script(), letter) != nullptr; }
unsigned Count() { return static_cast<unsigned>(Script()[0] - '0'); }
constexpr int kUninitialised = 1, kNotSupported = 3, kLost = 15;
int StateOf(void* device, char unsupported) {
  if (Has(unsupported)) return kNotSupported;
  return Has('l') && device == &devices[Count() - 1] ? kLost : 0;
}

}  // namespace

extern "C" {
#ifndef WEIR_FAKE_NVML_WITHOUT_INIT
int nvmlInit_v2() { return Has('i') ? kUninitialised : 0; }
#endif
int nvmlShutdown() { return 0; }
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = Count();
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = &devices[index];
  return Has('h') ? kLost : 0;
}
#ifndef WEIR_FAKE_NVML_OLD
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  static unsigned long long readings = 0;
  *millijoules = 1'000'000 + 1000 * readings++;
  return StateOf(device, 'e');
}
#endif
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  *milliwatts = 50'000;
  return StateOf(device, 'p');
}
int nvmlDeviceGetTemperature(void* device, unsigned, unsigned* degrees) {
  *degrees = 40 + static_cast<unsigned>(static_cast<char*>(device) - devices);
  return StateOf(device, 't');
}
}
