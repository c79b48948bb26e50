#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace weir {

/// An empty folder of this test alone, gone when it ends.
class TempFolder {
 public:
  TempFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "weir_" + test->test_suite_name() + "_" + test->name() + "_" +
            std::to_string(getpid()) + "_" + std::to_string(n_made_++) + "/";
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + name; }

 private:
  static inline int n_made_ = 0;
  std::string path_;
};

}  // namespace weir
