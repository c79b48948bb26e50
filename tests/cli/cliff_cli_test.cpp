// Where the memory ends, in a place that is hostile to those who want much of it.
#include <gmock/gmock.h>

#include "store/store.h"
#include "weir_process.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

TEST(CliffCli, FindsTheEndInAProcessOfItsOwnAndLives) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than a limit leaves";
#endif
  const TempFolder folder;
  const std::string db = folder / "r.db", out = folder / "out";
  // The limit is of address space: the plan, which asks how much memory there is, knows nothing of it.
  const std::string command = "ulimit -v 400000; XDG_DATA_HOME=" + (folder / "data") + " " WEIR_BINARY " cliff " + kTiny +
                              " --threads 1 --users 64 --context 512 --json --db " + db + " >" + out + " 2>" +
                              (folder / "err");
  ASSERT_EQ(std::system(("sh -c '" + command + "'").c_str()), 0) << ReadText(folder / "err");
  const Json json = Json::parse(ReadText(out), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  ASSERT_EQ(json["capacities"].size(), 2u);
  int n_died = 0;
  for (const Json& capacity : json["capacities"]) {
    EXPECT_EQ(capacity["objective"], "memory");
    EXPECT_GT(capacity["predicted"].get<double>(), 0);
    EXPECT_GT(capacity["best"].get<double>(), 0);
    n_died += capacity["broken"].is_number();
  }
  EXPECT_EQ(json["capacities"][0]["unit"], "context_tokens");
  EXPECT_EQ(json["capacities"][1]["unit"], "users");
  ASSERT_GE(n_died, 1);
  for (const Json& probe : json["probes"]) {
    if (probe["status"] == "ok") {
      // What was taken is what was planned, and the program itself.
      EXPECT_GT(probe["peak_memory_bytes"].get<int64_t>(), probe["planned_bytes"].get<int64_t>() * 9 / 10);
      EXPECT_LT(probe["peak_memory_bytes"].get<int64_t>(), probe["planned_bytes"].get<int64_t>() * 11 / 10 + 60'000'000);
    } else {
      EXPECT_EQ(probe["status"], "failed");
      EXPECT_FALSE(probe["reason"].get<std::string>().empty());
      EXPECT_TRUE(probe["peak_memory_bytes"].is_null());
    }
  }
  Store store = Store::OpenReadOnly(db).value();
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM cell"), static_cast<int64_t>(json["probes"].size()));
}

}  // namespace
}  // namespace weir
