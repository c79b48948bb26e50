// A directory that looks like the file system of another machine.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace weir {

class FakeTree {
 public:
  FakeTree() {
    std::string name = testing::TempDir() + "weir_tree_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~FakeTree() { std::filesystem::remove_all(root_); }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  const std::string& root() const { return root_; }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  /// One logical processor: its siblings in the core and its first-level data cache.
  void WriteCpu(int cpu, const std::string& siblings, const std::string& cache_size) {
    const std::string directory = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    Write(directory + "/topology/core_cpus_list", siblings + "\n");
    WriteCache(cpu, 0, 1, "Data", cache_size, siblings);
  }

  void WriteCache(int cpu, int index, int level, const std::string& type, const std::string& size,
                  const std::string& sharers) {
    const std::string cache = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index" +
                              std::to_string(index);
    Write(cache + "/level", std::to_string(level) + "\n");
    Write(cache + "/type", type + "\n");
    Write(cache + "/size", size + "\n");
    Write(cache + "/shared_cpu_list", sharers + "\n");
  }

 private:
  std::string root_;
};

}  // namespace weir
