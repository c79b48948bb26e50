#include "bench/explain.h"

#include <gmock/gmock.h>

#include <sstream>

namespace weir {
namespace {

using testing::HasSubstr;

/// Ten steps of 4 ms with two threads, three quarters of it in the LM head, where one of the two waits
/// for half of the time.
CellProfile SomeProfile() {
  CellProfile cell{7, {}};
  StepProfile& decode = cell.profile.decode;
  decode.n_steps = 10;
  decode.n_rows = 80;
  decode.n_threads = 2;
  PartProfile& head = decode.parts[static_cast<size_t>(StepPart::kHead)];
  head.ns = 30'000'000;
  head.busy_ns = 45'000'000;
  head.cost.weight_bytes = 150'000'000;
  PartProfile& sampling = decode.parts[static_cast<size_t>(StepPart::kSampling)];
  sampling.ns = 10'000'000;
  sampling.busy_ns = 20'000'000;
  decode.cost = head.cost;
  return cell;
}

std::vector<CellResult> SomeCells() {
  CellResult other, cell;
  other.id = 6;
  cell.id = 7;
  cell.model = {"synth:qwen3.5-2b:Q8_0", "qwen35", "Q8_0", true, 0, 0, 0, ""};
  cell.row.users = 8;
  return {other, cell};
}

MachineRates SomeRates() {
  MachineRates rates;
  rates.read_gb_s = 10;
  rates.read_write_gb_s = 10;
  rates.int8_gmac_s = 100;
  rates.f32_gmac_s = 100;
  return rates;
}

TEST(Explain, ShowsTimeWaitingAndLimitOfEachPart) {
  const MachineRates rates = SomeRates();
  const std::string text = RenderExplanations({SomeProfile()}, &rates, SomeCells(), {});
  EXPECT_THAT(text, HasSubstr("8 users: decode, 10 steps of 8 rows"));
  // 3 ms, 0.75 of it waiting; 15 MB at 10 GB/s take 1.5 ms.
  EXPECT_THAT(text, HasSubstr("LM head                          3.000   0.750  75.0    1.500    50"));
  EXPECT_THAT(text, HasSubstr("sampling                         1.000   0.000  25.0        -     -"));
  EXPECT_THAT(text, HasSubstr("whole step                       4.000   0.750 100.0    1.500    38"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Explain, JsonHasItInTheCellThatWasMeasured) {
  nlohmann::ordered_json json = CellsJson(SomeCells());
  AddExplanations({SomeProfile()}, nullptr, SomeCells(), json);
  EXPECT_FALSE(json[0].contains("explain"));
  const auto& decode = json[1]["explain"]["decode"];
  EXPECT_EQ(decode["parts"][0]["part"], "LM head");
  EXPECT_DOUBLE_EQ(decode["step"]["waiting_ms"], 0.75);
  EXPECT_EQ(decode["parts"][0]["weight_bytes"], 15'000'000);
  EXPECT_TRUE(decode["parts"][0]["limit_ms"].is_null());
  EXPECT_TRUE(json[1]["explain"]["prefill"].is_null());
}

TEST(Explain, SaysNothingWithoutProfiles) {
  EXPECT_EQ(RenderExplanations({}, nullptr, SomeCells(), {}), "");
}

}  // namespace
}  // namespace weir
