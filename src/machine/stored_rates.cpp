#include "machine/stored_rates.h"

#include <cmath>
#include <cstdlib>

#include "machine/text_files.h"
#include "util/atomic_file.h"

namespace weir {

Status StoreRates(const std::string& path, const std::string& fingerprint, const MachineRates& rates) {
  const std::string text = fmt::format(
      "machine: {}\nisa: {}\nthreads: {}\nread_gb_s: {}\nread_write_gb_s: {}\nint8_gmac_s: {}\nf32_gmac_s: {}\n",
      fingerprint, rates.isa, rates.threads, rates.read_gb_s, rates.read_write_gb_s, rates.int8_gmac_s,
      rates.f32_gmac_s);
  WEIR_TRY(AtomicFile file, AtomicFile::Create(path));
  WEIR_RETURN_IF_ERROR(file.Write(text.data(), text.size()));
  return file.Commit();
}

std::optional<MachineRates> ReadStoredRates(const std::string& path, const std::string& fingerprint, int n_threads) {
  const std::string text = ReadTextFile(path);
  if (Field(text, "machine") != fingerprint) return std::nullopt;
  if (ParseInt(Field(text, "threads").value_or("")) != n_threads) return std::nullopt;
  MachineRates rates;
  rates.threads = n_threads;
  rates.isa = Field(text, "isa").value_or("");
  const std::pair<const char*, double*> fields[] = {{"read_gb_s", &rates.read_gb_s},
                                                    {"read_write_gb_s", &rates.read_write_gb_s},
                                                    {"int8_gmac_s", &rates.int8_gmac_s},
                                                    {"f32_gmac_s", &rates.f32_gmac_s}};
  for (const auto& [name, rate] : fields) {
    const std::string value(Field(text, name).value_or(""));
    *rate = std::strtod(value.c_str(), nullptr);
    if (!std::isfinite(*rate) || *rate <= 0) return std::nullopt;
  }
  return rates;
}

}  // namespace weir
