// weir quantise as users and scripts meet it.
#include <filesystem>

#include "weir_process.h"

namespace weir {
namespace {

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

TEST(QuantiseCli, WritesAFileThatInspectReads) {
  const TempFolder folder;
  const std::string text = folder / "text.txt", out = folder / "out.gguf";
  std::ofstream(text) << "It was a dark and stormy night; the rain fell in torrents.";
  const Outcome outcome = Weir("quantise " + kTiny + " " + out +
                               " --type q4_0 --requantise --json --calibrate " + text);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto document = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(document["type"], "Q4_0");
  EXPECT_EQ(document["file_bytes"], std::filesystem::file_size(out));
  EXPECT_EQ(document["tensors"]["Q4_0"], 31);
  EXPECT_EQ(document["tensors"]["Q6_K"], 1);
  EXPECT_EQ(document["unfitting_tensors"], 0);
  EXPECT_GT(document["calibration_tokens"], 10);

  const auto header = nlohmann::json::parse(Weir("inspect --json " + out).out);
  EXPECT_EQ(header["metadata"]["general.file_type"], 2);
  EXPECT_EQ(header["metadata"]["quantize.imatrix.dataset"], "text.txt");
}

TEST(QuantiseCli, WhatItCannotDoLeavesNothingBehind) {
  const TempFolder folder;
  const std::string out = folder / "out.gguf", old = folder / "old.gguf";
  std::ofstream(old) << "precious";
  std::ofstream(folder / "empty.txt");
  for (const std::string& arguments :
       {kTiny + " " + out + " --type Q4_0", kTiny + " " + out + " --type Q4 --requantise",
        kTiny + " " + old + " --type Q4_0 --requantise", kTiny + " " + kTiny + " --type Q4_0 --force",
        kTiny + " " + (folder / "") + " --type Q4_0 --requantise",
        kTiny + " " + (folder / "no/out.gguf") + " --type Q4_0 --requantise",
        kTiny + " " + out + " --type Q4_0 --requantise --calibrate " + (folder / "empty.txt"),
        "/no/such.gguf " + out + " --type Q4_0"}) {
    const Outcome outcome = Weir("quantise " + arguments);
    EXPECT_TRUE(outcome.exit_code == 2 || outcome.exit_code == 1) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err.find("error:"), std::string::npos) << arguments;
  }
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_FALSE(std::filesystem::exists(out + ".tmp"));
  EXPECT_EQ(ReadText(old), "precious");
}

}  // namespace
}  // namespace weir
