#include "util/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "temp_folder.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(Buffer, IsZeroedAlignedAndWritable) {
  auto buffer = Buffer::Allocate(5 << 20);
  ASSERT_TRUE(buffer.ok());
  ASSERT_EQ(buffer->size(), size_t{5} << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
  EXPECT_TRUE(std::all_of(buffer->data(), buffer->data() + buffer->size(),
                          [](uint8_t byte) { return byte == 0; }));
  buffer->as<float>()[1] = 2.f;
  EXPECT_EQ(buffer->as<float>()[1], 2.f);
}

TEST(Buffer, MovesItsMemory) {
  Buffer a = Buffer::Allocate(100).value();
  Buffer b = Buffer::Allocate(200).value();
  const uint8_t* data = a.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 100u);
  const Buffer c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(b.data(), nullptr);
}

TEST(Buffer, NothingIsNothing) {
  auto buffer = Buffer::Allocate(0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(buffer->size(), 0u);
}

TEST(Buffer, TooMuchIsARefusal) {
  const auto buffer = Buffer::Allocate(size_t{1} << 60);
  ASSERT_FALSE(buffer.ok());
  EXPECT_EQ(buffer.error().code, ErrorCode::kRefused);
  EXPECT_THAT(buffer.error().message, HasSubstr("1152921504606846976 bytes"));
}

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  const TempFolder folder;
  const std::string path = folder / "bytes";
  std::ofstream(path) << "weir";
  auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const MappedFile moved = std::move(*file);
  EXPECT_EQ(std::string(moved.data(), moved.data() + moved.size()), "weir");
}

#ifdef __linux__
int64_t FileBackedMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stoll(line.substr(8)) * 1024;
  }
  return -1;
}

TEST(MappedFile, DroppedPagesAreNotResidentAndStayReadable) {
  const TempFolder folder;
  const std::string path = folder / "bytes";
  constexpr int64_t kBytes = 16 << 20;
  std::ofstream(path) << std::string(kBytes, 'w');
  auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto all_there = [&] {
    return std::count(file->data(), file->data() + file->size(), 'w') == kBytes;
  };
  const int64_t before = FileBackedMemory();
  ASSERT_TRUE(all_there());
  EXPECT_GT(FileBackedMemory() - before, kBytes * 9 / 10);
  MappedFile::Drop(file->data(), file->size());
  EXPECT_LT(FileBackedMemory() - before, kBytes / 10);
  MappedFile::Drop(file->data() + 1, 4095);  // not one whole page
  EXPECT_TRUE(all_there());
}
#endif

TEST(MappedFile, AnEmptyFileIsEmpty) {
  const TempFolder folder;
  std::ofstream(folder / "empty").close();
  auto file = MappedFile::Open(folder / "empty");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size(), 0u);
}

TEST(MappedFile, WhatIsNoFileIsAnError) {
  const TempFolder folder;
  EXPECT_THAT(MappedFile::Open(folder / "absent").error().message, HasSubstr("No such file"));
  EXPECT_THAT(MappedFile::Open(folder / "").error().message, HasSubstr("found a directory"));
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(MappedFile::Open(folder / "pipe").error().message, HasSubstr("pipe"));
}

TEST(MappedFileDeathTest, BytesThatAreCutAwayEndTheProcessWithWords) {
  const TempFolder folder;
  std::ofstream(folder / "model") << std::string(1 << 20, 'w');
  const MappedFile file = MappedFile::Open(folder / "model").value();
  EXPECT_EXIT(
      {
        SayWhenMappedBytesAreGone();
        std::filesystem::resize_file(folder / "model", 100);
        _exit(file.data()[file.size() - 1] == 'w' ? 2 : 3);
      },
      testing::ExitedWithCode(1), "it became shorter");
}

}  // namespace
}  // namespace weir
