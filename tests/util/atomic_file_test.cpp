#include "util/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

TEST(AtomicFile, AppearsOnCommit) {
  const TempFolder folder;
  const std::string path = folder / "out";
  std::ofstream(path) << "old";
  auto file = AtomicFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_TRUE(file->Write("new", 3).ok());
  EXPECT_EQ(ReadText(path), "old");
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadText(path), "new");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  const std::string path = folder / "out";
  {
    auto file = AtomicFile::Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write("half", 4).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  EXPECT_THAT(AtomicFile::Create("/dev/null").error().message,
              testing::HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace weir
