// Which rows of a database a verdict may rest on.
#include "advise/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "advise/offers.h"
#include "temp_folder.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kModel = "synth:qwen3.5-0.8b:Q8_0";

struct Cell {
  int users = 2;
  std::string target = "engine", foreign_tool = {}, isa = "avx2", flag = {}, load = {}, search = {};
  int threads = 4;
  std::vector<int64_t> step_ms = {50};  // of each repeat
  CellStatus status = CellStatus::kOk;
  double read_gb_s = 40;
  StepCost step = {800'000'000, 0, 0, 1'000'000'000, 1000};  // of all users
  int64_t prompt_ms = 100;                                   // of all users
};

/// A database with whatever cells.
class Rows {
 public:
  Rows() : store_(Store::Open(folder_ / "rows.db").value()) {}
  Store& store() { return store_; }

  /// The cell's id; the repeats' attempts by `attempts`.
  int64_t Add(const Cell& cell, std::vector<int64_t>* attempts = nullptr) {
    RunRow run{"box",  "a processor", int64_t{8} << 30, R"({"memory_available_bytes": 7000000000})",
               "weir", cell.isa,      cell.threads};
    run.foreign_tool = cell.foreign_tool;
    const int64_t run_id = *store_.BeginRun(run);
    static const ModelFootprint size = OpenCandidate(kModel)->footprint;
    const int64_t model = *store_.AddModel({kModel, "qwen35", "Q8_0", true, size.n_params, size.file_tensor_bytes,
                                            size.file_tensor_bytes, "f"});
    CellRow row{cell.users, 64, 24, 1, 3, {}};
    row.target = cell.target;
    row.search = cell.search;
    if (!cell.load.empty()) row.config = "{\"load\": \"" + cell.load + "\"}";
    const int64_t id = *store_.BeginCell(run_id, model, row);
    const auto rates = *store_.AddRates(run_id, {0, cell.read_gb_s, 40.0, 1000.0, 200.0, false});
    for (size_t i = 0; i < cell.step_ms.size(); ++i) {
      const int64_t attempt =
          AddAttempt(id, static_cast<int>(i) + 1, cell, cell.step_ms[i] * 1'000'000, rates);
      if (attempts) attempts->push_back(attempt);
    }
    std::vector<Flag> flags;
    if (!cell.flag.empty()) flags.push_back({cell.flag, "a test"});
    EXPECT_TRUE(store_.EndCell(id, cell.status, "", flags).ok());
    return id;
  }

  Evidence Read(const Home& home) {
    FigureReader figures;
    auto evidence = ReadEvidence(store_, home, figures);
    EXPECT_TRUE(evidence.ok()) << evidence.error().message;
    return *std::move(evidence);
  }

 private:
  /// 20 steps of all users, after a prompt.
  int64_t AddAttempt(int64_t cell, int repeat, const Cell& facts, int64_t step_ns, int64_t rates) {
    AttemptWriter writer = store_.BeginAttempt(cell, repeat, rates).value();
    std::vector<StepRecord> steps = {
        {0, facts.prompt_ms * 1'000'000, 0, 64 * facts.users, {1000, 0, 0, 1000, 1000}}};
    std::vector<int64_t> token_ns = {steps[0].end_ns};
    for (int i = 0; i < 20; ++i) {
      const int64_t begin = steps.back().end_ns;
      steps.push_back({begin, begin + step_ns, facts.users, 0, facts.step});
      token_ns.push_back(begin + step_ns);
    }
    for (int user = 0; user < facts.users; ++user) {
      RequestRow request{user, 0, true, 0, 0, 64, 24};
      request.ended_ns = token_ns.back();
      request.token_ns = token_ns;
      request.finish = FinishReason::kLength;
      writer.AddRequest(request);
    }
    EXPECT_TRUE(writer.Flush().ok());
    EXPECT_TRUE(writer.AddSteps(steps).ok());
    EXPECT_TRUE(writer.Finish({AttemptStatus::kOk, "", {}, {}, {}}).ok());
    return writer.id();
  }

  TempFolder folder_;
  Store store_;
};

Home Box() {
  Home home;
  home.name = home.title = "box";
  home.fingerprint = "box";
  home.isa = "avx2";
  home.threads = 4;
  home.memory = {int64_t{8} << 30, int64_t{7} << 30, {}};
  return home;
}

std::vector<int64_t> Ids(const std::vector<MeasuredCell>& cells) {
  std::vector<int64_t> ids;
  for (const MeasuredCell& cell : cells) ids.push_back(cell.id);
  return ids;
}

TEST(Evidence, RowsOfOtherToolsTargetsThreadsAndCachesAreSetAside) {
  Rows rows;
  const int64_t good =
      rows.Add({.load = "closed users=2 requests=1 prompts=auto prompt=64 gen=24 seed=1"});
  const struct {
    Cell cell;
    const char* why;
  } bad[] = {{{.foreign_tool = "llama-bench"}, "llama-bench"},
             {{.target = "http://127.0.0.1:1"}, "http://127.0.0.1:1"},
             {{.isa = "avx512vnni"}, "avx512vnni"},
             {{.threads = 1}, "1 threads"},
             {{.flag = "kv_q8_0"}, "kv_q8_0"},
             {{.flag = "answer_changed"}, "answer_changed"},
             {{.flag = "logits_differ"}, "logits_differ"},
             {{.search = "ttft_p95<1s"}, "tried by a search only: ttft_p95<1s"},
             {{.load = "poisson users=2 rate=3 prompt=64"}, "poisson"},
             {{.load = "closed users=2 prompt=64 shared=32 gen=24"}, "shared=32"},
             {{.load = "closed users=2 prompt=64 depth=4096"}, "depth=4096"}};
  for (const auto& each : bad) rows.Add(each.cell);
  rows.Add({.status = CellStatus::kTooShort});
  const Evidence evidence = rows.Read(Box());
  EXPECT_THAT(Ids(evidence.cells), ElementsAre(good));
  ASSERT_EQ(evidence.set_aside.size(), std::size(bad));
  for (size_t i = 0; i < std::size(bad); ++i)
    EXPECT_THAT(evidence.set_aside[i].why, HasSubstr(bad[i].why));
}

TEST(Evidence, TheNewestOfEqualCellsCountsAndSaysItsFlags) {
  Rows rows;
  rows.Add({.step_ms = {50}});
  const int64_t newer = rows.Add({.flag = "noisy", .step_ms = {40, 50, 80}});
  const int64_t other = rows.Add({.users = 4});
  const Evidence evidence = rows.Read(Box());
  EXPECT_THAT(Ids(evidence.cells), ElementsAre(newer, other));
  EXPECT_THAT(evidence.cells[0].caveats, ElementsAre("noisy"));
  EXPECT_DOUBLE_EQ(evidence.cells[0].decode_tok_s.median, 2 / 0.050);
  EXPECT_DOUBLE_EQ(evidence.cells[0].decode_tok_s.least, 2 / 0.080);
  EXPECT_DOUBLE_EQ(evidence.cells[0].decode_tok_s.greatest, 2 / 0.040);
}

TEST(Evidence, RejectedRepeatsAreInNoFigure) {
  Rows rows;
  std::vector<int64_t> attempts;
  rows.Add({.step_ms = {50, 1}}, &attempts);
  ASSERT_TRUE(rows.store().RejectAttempt(attempts[1], "faster than the hardware").ok());
  EXPECT_DOUBLE_EQ(rows.Read(Box()).cells.at(0).decode_tok_s.greatest, 2 / 0.050);
}

TEST(Evidence, ARowAnswersForItsCellAsTheDatabaseHasIt) {
  Rows rows;
  const int64_t id = rows.Add({.step_ms = {40, 50, 80}});
  const Home home = Box();
  const Evidence evidence = rows.Read(home);
  SpeedSource speeds(home, evidence);
  Need need;
  need.users = 2;
  need.prompt_tokens = 64;
  const Speed speed = speeds.Of(*OpenCandidate(kModel), need);
  EXPECT_EQ(speed.basis, Basis::kMeasured);
  EXPECT_THAT(speed.cells, ElementsAre(id));
  EXPECT_DOUBLE_EQ(*speed.median_tok_s_each, 20);
  EXPECT_DOUBLE_EQ(speed.tok_s_each.low, 12.5);
  EXPECT_DOUBLE_EQ(speed.ttft_ms.high, 100);
}

// A machine's bandwidth doubles and halves while it is measured, as that of a rented one does, and speeds do not
// follow.
TEST(Evidence, APredictionHoldsTheRowsItRestsOnWhereRatesMoved) {
  Rows rows;
  const Candidate model = *OpenCandidate(kModel);
  std::vector<std::pair<SpeedQuestion, double>> measured;
  for (const int users : {1, 2, 4, 8, 16}) {
    const SpeedQuestion question{model.config, model.footprint, model.cost, KvType::kF16, users, 64};
    const std::vector<SliceShape> slices(static_cast<size_t>(users), {1, 64, 1});
    Cell cell{.users = users};
    cell.step = model.cost.Step(model.config, KvType::kF16, slices, 0);
    cell.prompt_ms = 60 * users;  // about a millisecond a token
    cell.step_ms = {std::llround(std::pow(users, 0.1) * (30 + users))};
    cell.read_gb_s = users == 1 || users == 4 || users == 8 ? 40 : 80;
    rows.Add(cell);
    measured.emplace_back(question, 1e3 * users / static_cast<double>(cell.step_ms[0]));
  }
  const Evidence evidence = rows.Read(Box());
  ASSERT_TRUE(evidence.experience.rates.has_value());
  EXPECT_EQ(evidence.experience.rates->read_gb_s, 80);
  int n_predicted = 0;
  for (const auto& [question, tok_s] : measured) {
    const auto predicted = Predict(question, *evidence.experience.rates, evidence.experience);
    if (!predicted) continue;  // at the end of the rows they may teach too little
    ++n_predicted;
    EXPECT_LE(predicted->decode_tok_s.low, tok_s) << question.users;
    EXPECT_GE(predicted->decode_tok_s.high, tok_s) << question.users;
  }
  EXPECT_GE(n_predicted, 3);
}

TEST(Evidence, TheHomeOfTheNewestRowIsWhereItWasMeasured) {
  Rows rows;
  EXPECT_FALSE(HomeOfNewestRow(rows.store())->has_value());
  rows.Add({});
  rows.Add({.foreign_tool = "llama-bench", .isa = "other"});
  const auto home = *HomeOfNewestRow(rows.store());
  ASSERT_TRUE(home.has_value());
  EXPECT_EQ(home->fingerprint, "box");
  EXPECT_EQ(home->isa, "avx2");
  EXPECT_EQ(home->threads, 4);
  EXPECT_EQ(home->memory.available_bytes, 7'000'000'000);
  EXPECT_EQ(home->memory.memory_bytes, int64_t{8} << 30);
}

TEST(FigureReader, FiguresAreThoseOfTheSummary) {
  Rows rows;
  const int64_t id = rows.Add({.users = 3, .step_ms = {40, 50, 80}});
  FigureReader reader;
  ASSERT_TRUE(reader.Read(rows.store().database(), "box", "avx2", 4).ok());
  const CellFigures* figures = reader.Find(id);
  ASSERT_NE(figures, nullptr);
  const CellResult cell = *rows.store().ResultOfCell(id);
  for (const auto& [name, figure] : {std::pair("decode_tok_s", figures->decode_tok_s), {"limit_tok_s", figures->limit_tok_s},
                                     {"step_macs", figures->step_macs}, {"prefill_tok_s", figures->prefill_tok_s},
                                     {"ttft_ms", figures->ttft_ms}}) {
    const Figure* expected = cell.Find(name);
    ASSERT_TRUE(expected && figure) << name;
    EXPECT_EQ(figure->n, expected->n) << name;
    EXPECT_EQ(figure->median, expected->median) << name;
    EXPECT_EQ(figure->p95, expected->p95) << name;
    EXPECT_EQ(figure->least, expected->least) << name;
    EXPECT_EQ(figure->greatest, expected->greatest) << name;
  }
  EXPECT_EQ(reader.Find(id + 1), nullptr);
}

TEST(FigureReader, ReadsEachCellOnceAndSaysHowFarItIs) {
  Rows rows;
  for (int i = 0; i < 3; ++i) rows.Add({});
  rows.Add({.target = "http://127.0.0.1:1"});
  rows.Add({.search = "ttft_p95<1s"});
  std::vector<std::pair<int64_t, int64_t>> seen;
  FigureReader reader([&](int64_t done, int64_t total) {
    seen.emplace_back(done, total);
    return true;
  });
  using Seen = std::vector<std::pair<int64_t, int64_t>>;
  const auto read = [&](Rows& from) {
    seen.clear();
    EXPECT_TRUE(reader.Read(from.store().database(), "box", "avx2", 4).ok());
    return seen;
  };
  EXPECT_EQ(read(rows), (Seen{{0, 3}, {1, 3}, {2, 3}}));
  EXPECT_EQ(read(rows), Seen());
  const int64_t next = rows.Add({.step_ms = {25}});
  EXPECT_EQ(read(rows), (Seen{{0, 1}}));
  EXPECT_DOUBLE_EQ(reader.Find(next)->decode_tok_s->median, 80);
  // Another file, of another day, in which the cell with that id is another one.
  Rows others;
  others.Add({.step_ms = {100}});
  ASSERT_TRUE(others.store().database().Run("UPDATE run SET started_at = '2001-01-01 00:00:00'").ok());
  EXPECT_EQ(read(others), (Seen{{0, 1}}));
  EXPECT_DOUBLE_EQ(reader.Find(1)->decode_tok_s->median, 20);
  EXPECT_EQ(reader.Find(next), nullptr);
}

TEST(FigureReader, StopsWhereTheUserWantsIt) {
  Rows rows;
  for (int i = 0; i < 3; ++i) rows.Add({});
  FigureReader reader([](int64_t done, int64_t) { return done < 1; });
  const Status status = reader.Read(rows.store().database(), "box", "avx2", 4);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
}

// Gaps between tokens are by far the most rows of a cell, and no advice rests on them.
TEST(FigureReader, DoesNotComputeWhatItDoesNotNeed) {
  Rows rows;
  const int64_t id = rows.Add({.users = 500, .step_ms = {50, 50, 50}});
  Store reading = Store::OpenReadOnly(rows.store().path()).value();
  reading.database().Confine(/*most_steps=*/1'000'000);
  EXPECT_FALSE(reading.database().Prepare(fmt::format("SELECT * FROM summary WHERE cell = {}", id))->Step().ok());
  FigureReader reader;
  EXPECT_TRUE(reader.Read(reading.database(), "box", "avx2", 4).ok());
  EXPECT_DOUBLE_EQ(reader.Find(id)->decode_tok_s->median, 10'000);
}

TEST(Evidence, QualityIsReadWithItsReference) {
  Rows rows;
  rows.Add({});
  const int64_t model = *rows.store().AddModel({"q4.gguf", "llama", "Q4_K_M", false, 1, 1, 1, "a"});
  const int64_t original =
      *rows.store().AddModel({"f16.gguf", "llama", "F16", false, 1, 1, 1, "b"});
  DistanceFromReference distance;
  distance.reference = {original, "int8", "f16", {2.0, 0.1}, {7.4, 0.2}};
  distance.kl_mean = {0.05, 0.01};
  ASSERT_TRUE(rows.store()
                  .AddQuality(1, {"book.txt", "00", 512, 1, 4, 2000},
                              {model, "int8", "f16", {2.1, 0.1}, {8.2, 0.2}}, distance)
                  .ok());
  const Evidence evidence = rows.Read(Box());
  ASSERT_EQ(evidence.quality.size(), 1u);
  EXPECT_EQ(evidence.quality[0].name, "q4.gguf");
  EXPECT_EQ(evidence.quality[0].reference, "f16.gguf");
  EXPECT_DOUBLE_EQ(evidence.quality[0].kl_mean->value, 0.05);
  EXPECT_DOUBLE_EQ(*evidence.quality[0].ppl.error, 0.2);
}

}  // namespace
}  // namespace weir
