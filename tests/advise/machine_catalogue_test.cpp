#include "advise/machine_catalogue.h"

#include <gmock/gmock.h>

#include <fstream>

#include "temp_folder.h"

namespace weir {
namespace {

using testing::HasSubstr;

constexpr const char* kGood = R"(title = "A card"
kind = "card"
memory_gib = 16
keeps_gib = 1
bandwidth_gb_s = 448
int8_tops = 190
float_tflops = 47
[sources]
memory_gib = "somebody, 2025"
keeps_gib = "estimate, 2025"
bandwidth_gb_s = "somebody, 2025"
int8_tops = "somebody, 2025"
float_tflops = "somebody, 2025"
)";

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(MachineCatalogue, HasTheMachinesThatPeopleAskAbout) {
  const auto catalogue = MachineCatalogue::Load("");
  ASSERT_TRUE(catalogue.ok()) << catalogue.error().message;
  for (const char* name :
       {"mac-mini-m4-16gb", "mac-mini-m4-pro-24gb", "mac-mini-m4-pro-48gb", "mac-mini-m4-pro-64gb",
        "mac-studio-m4-max-128gb", "mac-studio-m3-ultra-512gb", "macbook-pro-m5-32gb", "strix-halo-128gb",
        "dgx-spark-128gb", "rtx-3090-24gb", "rtx-4090-24gb", "rtx-5060-ti-16gb", "rtx-5070-ti-16gb", "rtx-5090-32gb",
        "rx-7900-xtx-24gb", "arc-b580-12gb", "intel-n100-16gb", "ryzen-9950x-ddr5-64gb", "epyc-9554-ddr5-384gb",
        "h200-141gb"}) {
    EXPECT_TRUE(catalogue->Find(name).ok()) << name;
  }
}

TEST(MachineCatalogue, MemoryIsInBytesAndRatesInMultiplications) {
  const auto catalogue = MachineCatalogue::Load("");
  const CatalogueMachine& mac = **catalogue->Find("mac-mini-m4-pro-64gb");
  EXPECT_EQ(mac.memory_bytes, int64_t{64} << 30);
  EXPECT_EQ(mac.GpuBytes(), int64_t{48} << 30);
  EXPECT_DOUBLE_EQ(mac.Rates().read_gb_s, 273);
  // Without a figure for int8, weights are multiplied as floats.
  EXPECT_DOUBLE_EQ(mac.Rates().int8_gmac_s, mac.Rates().f32_gmac_s);
  const CatalogueMachine& card = **catalogue->Find("rtx-5090-32gb");
  EXPECT_DOUBLE_EQ(card.Rates().int8_gmac_s, 838.0 * 500);
  EXPECT_FALSE(card.GpuBytes().has_value());
}

TEST(MachineCatalogue, AnUnknownNameIsAnsweredWithThoseThatAreAlike) {
  const auto catalogue = MachineCatalogue::Load("");
  const auto found = catalogue->Find("5090");
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().hint, HasSubstr("rtx-5090-32gb"));
  EXPECT_THAT(found.error().hint, testing::Not(HasSubstr("h200")));
}

TEST(MachineCatalogue, AUsersFileReplacesAndAdds) {
  const TempFolder folder;
  std::ofstream(folder / "rtx-5090-32gb.toml") << kGood;
  std::ofstream(folder / "my-card.toml") << kGood;
  std::ofstream(folder / "notes.txt") << "not a machine";
  const auto catalogue = MachineCatalogue::Load(folder / "");
  ASSERT_TRUE(catalogue.ok()) << catalogue.error().message;
  EXPECT_EQ((*catalogue->Find("rtx-5090-32gb"))->title, "A card");
  EXPECT_EQ((*catalogue->Find("my-card"))->bandwidth_gb_s, 448);
  EXPECT_EQ(catalogue->machines().size(), MachineCatalogue::Load("")->machines().size() + 1);
}

TEST(MachineCatalogue, ATornFileIsLeftOutAndNamed) {
  const TempFolder folder;
  std::ofstream(folder / "my-card.toml") << kGood;
  std::ofstream(folder / "torn.toml") << std::string(kGood).substr(0, 40);
  const auto catalogue = MachineCatalogue::Load(folder / "");
  ASSERT_TRUE(catalogue.ok()) << catalogue.error().message;
  EXPECT_TRUE(catalogue->Find("my-card").ok());
  EXPECT_FALSE(catalogue->Find("torn").ok());
  ASSERT_EQ(catalogue->left_out().size(), 1u);
  EXPECT_THAT(catalogue->left_out()[0].message, HasSubstr("torn.toml"));
}

TEST(MachineCatalogue, WhatIsWrongIsNamedWithItsLine) {
  ASSERT_TRUE(ParseMachine(kGood, "a-card", "a.toml").ok());
  const std::pair<std::string, std::string> cases[] = {
      {Replaced(kGood, "448", "-1"), "a.toml:5: bandwidth_gb_s: expected 0.1 to"},
      {Replaced(kGood, "448", "nan"), "a.toml:5: bandwidth_gb_s"},
      {Replaced(kGood, "448", "\"fast\""), "a.toml:5: bandwidth_gb_s: expected a number"},
      {Replaced(kGood, "bandwidth_gb_s = 448", "bandwith_gb_s = 448"), "bandwidth_gb_s is missing"},
      {Replaced(kGood, "kind = \"card\"", "kind = \"toaster\""), "a.toml:2: kind: expected"},
      {Replaced(kGood, "title = \"A card\"", "title = \"A card\"\ncolour = \"red\""), "a.toml:2: colour: no such key"},
      {Replaced(kGood, "keeps_gib = 1", "keeps_gib = 16"), "keeps_gib: expected less than memory_gib"},
      {Replaced(kGood, "int8_tops = \"somebody, 2025\"\n", ""), "int8_tops is missing"},
      {Replaced(kGood, "[sources]", "[sources]\nprice_usd = \"a shop\""), "price_usd: no such key"},
      {Replaced(kGood, "[sources]", "[source]"), "a.toml:8: source: no such key"},
      {std::string(kGood).substr(0, std::string(kGood).find("[sources]")), "[sources] is missing"},
      {Replaced(kGood, "\"A card\"", "\"A card"), "a.toml:1:"},
      {"\xff\xfe", "a.toml:1:"},
      {"", "title is missing"},
  };
  for (const auto& [text, message] : cases) {
    const auto machine = ParseMachine(text, "a-card", "a.toml");
    ASSERT_FALSE(machine.ok()) << text;
    EXPECT_THAT(machine.error().message, HasSubstr(message)) << text;
    EXPECT_EQ(machine.error().code, ErrorCode::kBadInput);
  }
}

}  // namespace
}  // namespace weir
