// Where tests find their data: small files in tests/data, always; larger ones beside the repository,
// where present. A test that needs an absent one says so by being skipped.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace weir {

/// Path of `name` in tests/data.
std::string TestData(const std::string& name);

/// Path of `name` in data/articles.
std::string ArticleData(const std::string& name);

/// Path of `name` in the shared folder (WEIR_SHARED, or ../shared beside the repository).
std::string SharedData(const std::string& name);

inline nlohmann::json ReadJson(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The seed of randomised tests: fixed, or WEIR_SEED. Print it in failure messages.
inline uint64_t TestSeed() {
  const char* seed = std::getenv("WEIR_SEED");
  return seed ? std::strtoull(seed, nullptr, 10) : 20261122;
}

}  // namespace weir

#define WEIR_SKIP_WITHOUT(path)                                            \
  if (!std::filesystem::exists(path)) {                                    \
    GTEST_SKIP() << "skipped: " << (path) << " is not on this machine"; \
  }
