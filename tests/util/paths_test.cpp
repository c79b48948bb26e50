#include "util/paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace weir {
namespace {

namespace fs = std::filesystem;

class PathsTest : public testing::Test {
 protected:
  PathsTest() : root_(testing::TempDir() + "weir_paths_" + std::to_string(getpid())) {
    fs::create_directories(root_);
    for (const char* name : {"XDG_DATA_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      saved_.emplace_back(name, value ? value : "");
      unsetenv(name);
    }
  }
  ~PathsTest() override {
    for (const auto& [name, value] : saved_) setenv(name.c_str(), value.c_str(), 1);
    fs::remove_all(root_);
  }

  std::string root_;
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(PathsTest, XdgDataHomeComesFirst) {
  setenv("HOME", (root_ + "/home").c_str(), 1);
  setenv("XDG_DATA_HOME", (root_ + "/data").c_str(), 1);
  auto directory = DataDirectory();
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(*directory, root_ + "/data/weir");
  EXPECT_TRUE(fs::is_directory(*directory));
}

TEST_F(PathsTest, ARelativeXdgDataHomeIsIgnored) {
  setenv("HOME", (root_ + "/home").c_str(), 1);
  setenv("XDG_DATA_HOME", "data", 1);
  auto directory = DataDirectory();
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(*directory, root_ + "/home/.local/share/weir");
}

TEST_F(PathsTest, NoVariableIsBadInputAndAFileInTheWayIsAFailure) {
  auto none = DataDirectory();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kBadInput);

  std::ofstream(root_ + "/file") << "in the way";
  setenv("XDG_DATA_HOME", (root_ + "/file").c_str(), 1);
  auto blocked = DataDirectory();
  ASSERT_FALSE(blocked.ok());
  EXPECT_EQ(blocked.error().code, ErrorCode::kFailed);
}

}  // namespace
}  // namespace weir
