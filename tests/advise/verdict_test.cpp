// Every rule's sentence is turned by changing rows, catalogue or need, and must turn exactly where
// it says.
#include "advise/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;

const std::vector<Candidate>& SomeCandidates() {
  static const std::vector<Candidate> candidates = [] {
    std::vector<Candidate> opened;
    for (const char* model : {"qwen3.5-0.8b", "qwen3.5-9b", "qwen3.5-27b"}) {
      for (const char* quant : {"Q8_0", "Q4_K_M", "UD-IQ2_XXS"}) {
        opened.push_back(*OpenCandidate(fmt::format("synth:{}:{}", model, quant)));
      }
    }
    return opened;
  }();
  return candidates;
}

const MachineCatalogue& Machines() {
  static const MachineCatalogue catalogue = *MachineCatalogue::Load("");
  return catalogue;
}

MeasuredCell Cell(int64_t id, const std::string& name, int users, double least, double median,
                  double greatest) {
  MeasuredCell cell;
  cell.id = id;
  cell.name = name;
  cell.quant = name.substr(name.rfind(':') + 1);
  cell.synthetic = name.starts_with("synth:");
  cell.users = users;
  cell.prompt_tokens = 256;
  cell.decode_tok_s = {5, median, greatest, least, greatest};
  cell.ttft_ms = Figure{10, 900, 1500, 800, 1600};
  return cell;
}

/// All that a verdict is made of, to be changed.
struct World {
  Need need;
  Home home;
  Evidence evidence;
  std::vector<Candidate> candidates = SomeCandidates();
  const MachineCatalogue* catalogue = &Machines();

  World() {
    need.users = 4;
    need.min_tok_s = 3;
    need.prompt_tokens = 256;
    home.name = "this machine";
    home.title = "a box";
    home.fingerprint = "box";
    home.isa = "avx2";
    home.threads = 4;
    home.memory = {int64_t{24} << 30, int64_t{22} << 30, {}};
    home.rates = MachineRates{};
    home.rates->read_gb_s = 80;
    home.rates->read_write_gb_s = 70;
    home.rates->int8_gmac_s = 3000;
    home.rates->f32_gmac_s = 600;
  }

  MachineVerdict Verdict() const {
    auto verdict = JudgeMachine(need, home, evidence, *catalogue, candidates);
    EXPECT_TRUE(verdict.ok()) << verdict.error().message;
    return *std::move(verdict);
  }
  /// The only sentence of a rule; a rule's name alone if it says nothing.
  Sentence Says(std::string_view rule) const {
    Sentence found;
    found.rule = "";
    for (const Sentence& sentence : Verdict().sentences) {
      if (sentence.rule == rule) found = sentence;
    }
    return found;
  }
};

/// What of a sentence must not change before it flips.
using Sign = std::function<std::string(const Sentence&)>;
std::string SideOf(const Sentence& sentence) {
  return std::string(Name(sentence.side)) + " " + sentence.subject;
}
/// The model in "qwen3.5-9b Q4_K_M gives ...", too.
std::string ModelOf(const Sentence& sentence) {
  const std::string& text = sentence.because;
  const size_t model = text.find("qwen3.5-");
  return model == std::string::npos
             ? "none"
             : text.substr(model, text.find_first_of(",:;( ", text.find(' ', model) + 1) - model);
}

using Set = std::function<void(World&, double)>;

/// Moves an input from `stays`, where the rule says what `world` makes it say, to `turned`, where
/// it says something else, by halves; the last value at which it has not turned.
double TurnsAt(const World& world, std::string_view rule, const Set& set, const Sign& sign,
               double stays, double turned, bool whole) {
  const auto said_at = [&](double value) {
    World moved = world;
    set(moved, value);
    return sign(moved.Says(rule));
  };
  const std::string said = said_at(stays);
  EXPECT_NE(said_at(turned), said) << rule << " does not turn at all";
  for (int i = 0; i < 100; ++i) {
    const double middle = whole ? std::floor((stays + turned) / 2) : stays + (turned - stays) / 2;
    if (middle == stays || middle == turned) {
      if (!whole || std::abs(stays - turned) <= 1) break;
    }
    const double next = middle == stays ? stays + (turned > stays ? 1 : -1) : middle;
    (said_at(next) == said ? stays : turned) = next;
  }
  return stays;
}

const Flip& FlipOf(const Sentence& sentence, const std::string& input, bool above,
                   size_t which = 0) {
  for (const Flip& flip : sentence.flips) {
    if (flip.input == input && flip.above == above && which-- == 0) return flip;
  }
  ADD_FAILURE() << sentence.rule << " has no such flip: " << input << ": "
                << SentenceText(sentence);
  static const Flip none;
  return none;
}

/// The rule turns at the value that its sentence states, on the way to `far`.
void ExpectTurn(const World& world, std::string_view rule, const std::string& input, const Set& set,
                double now, double far, const Sign& sign = SideOf, size_t which = 0) {
  const Sentence sentence = world.Says(rule);
  ASSERT_FALSE(sentence.rule.empty()) << rule << " says nothing";
  const Flip& flip = FlipOf(sentence, input, far > now, which);
  const bool whole = input == "ctx" || input == "prompt";
  const double found = TurnsAt(world, rule, set, sign, now, far, whole);
  if (whole) {
    EXPECT_EQ(found, flip.at) << SentenceText(sentence) << " " << FlipText(flip);
  } else {
    EXPECT_NEAR(found / flip.at, 1, 1e-9) << SentenceText(sentence) << " " << FlipText(flip);
  }
}

void SetTps(World& world, double value) { world.need.min_tok_s = value; }
void SetTtft(World& world, double value) { world.need.max_ttft_ms = value * 1e3; }
void SetContext(World& world, double value) {
  world.need.context_tokens = static_cast<int64_t>(value);
}
void SetPrompt(World& world, double value) {
  world.need.prompt_tokens = static_cast<int64_t>(value);
}
void SetBudget(World& world, double value) { world.need.budget_usd = value; }
void SetKwh(World& world, double value) { world.need.usd_per_kwh = value; }
void SetHostUsd(World& world, double value) { world.need.host_usd = value; }
void SetHostWatts(World& world, double value) { world.need.host_w = value; }
Set SetRow(size_t index, double Figure::*field) {
  return
      [=](World& world, double value) { world.evidence.cells[index].decode_tok_s.*field = value; };
}

TEST(Verdict, MemoryTurnsWithContextAndWithTheModel) {
  World world;
  world.need.least_params = 9e9;
  const Sentence fits = world.Says("memory");
  EXPECT_EQ(fits.side, Side::kRight);
  ExpectTurn(world, "memory", "ctx", SetContext, 8192, 1 << 22, SideOf, fits.flips.size() - 1);
  if (fits.flips.size() > 1) ExpectTurn(world, "memory", "ctx", SetContext, 8192, 1 << 22, ModelOf);

  world.home.memory.available_bytes = int64_t{8} << 30;
  world.need.least_params = 27e9;
  const Sentence no = world.Says("memory");
  EXPECT_EQ(no.side, Side::kWrong);
  const auto set_size = [](World& moved, double value) { moved.need.least_params = value * 1e9; };
  ExpectTurn(world, "memory", "model-at-least", set_size, 27, 0);

  world.need.least_params = 100e9;
  EXPECT_EQ(world.Says("memory").side, Side::kOpen) << "there is no such model";
  ExpectTurn(world, "memory", "model-at-least", set_size, 100, 1);

  world.need.least_params = 9e9;
  world.need.context_tokens = 1 << 20;
  EXPECT_EQ(world.Says("memory").side, Side::kWrong);
  ExpectTurn(world, "memory", "ctx", SetContext, 1 << 20, 256);
}

TEST(Verdict, SpeedTurnsAtBothEndsOfItsRange) {
  World world;
  world.need.least_params = 9e9;
  world.need.min_tok_s = 1;
  EXPECT_EQ(world.Says("speed").side, Side::kRight);
  const size_t last = world.Says("speed").flips.size() - 1;
  ExpectTurn(world, "speed", "min-tps", SetTps, 1, 100, SideOf, last);
  const double sure = FlipOf(world.Says("speed"), "min-tps", true, last).at;

  world.need.min_tok_s = sure * 1.2;
  const Sentence open = world.Says("speed");
  EXPECT_EQ(open.side, Side::kOpen);
  EXPECT_THAT(open.wanted, HasSubstr("weir bench synth:qwen3.5-"));
  EXPECT_THAT(open.wanted, HasSubstr("--users 4 --prompt-tokens 256"));
  ExpectTurn(world, "speed", "min-tps", SetTps, sure * 1.2, 0.1);
  ExpectTurn(world, "speed", "min-tps", SetTps, sure * 1.2, 1000);

  world.need.min_tok_s = 1000;
  EXPECT_EQ(world.Says("speed").side, Side::kWrong);
  ExpectTurn(world, "speed", "min-tps", SetTps, 1000, 1);
}

TEST(Verdict, ARowOfTheCellItselfIsBelievedBeforeAnEstimate) {
  World world;
  world.candidates = {SomeCandidates()[3], SomeCandidates()[4]};  // 9B, Q8_0 and Q4_K_M
  world.need.least_params = 9e9;
  world.evidence.cells = {Cell(7, "synth:qwen3.5-9b:Q8_0", 4, 50, 52, 56)};
  world.need.min_tok_s = 12;
  const Sentence speed = world.Says("speed");
  EXPECT_EQ(speed.side, Side::kRight);
  EXPECT_EQ(speed.cells, std::vector<int64_t>{7});
  EXPECT_THAT(SentenceText(speed), HasSubstr("13.0 tok/s each (measured 12.5 to 14.0, row 7)"));
  ExpectTurn(world, "speed", "min-tps", SetTps, 12, 100);
  // The row's slowest repeat decides.
  EXPECT_EQ(FlipOf(speed, "min-tps", true).at, 12.5);
  // Nor is a larger model chosen that may be faster still but was never measured.
  world.candidates = SomeCandidates();
  EXPECT_THAT(world.Says("memory").because, HasSubstr("qwen3.5-9b Q8_0"));
  // A row of much longer prompts, or of other users, does not answer.
  world.evidence.cells[0].prompt_tokens = 600;
  world.candidates = {SomeCandidates()[3], SomeCandidates()[4]};
  EXPECT_TRUE(world.Says("speed").cells.empty());
  world.evidence.cells[0].prompt_tokens = 512;
  EXPECT_FALSE(world.Says("speed").cells.empty());
  world.evidence.cells[0].users = 5;
  EXPECT_TRUE(world.Says("speed").cells.empty());
}

TEST(Verdict, FirstTokenTurnsWithTheTimeAndWithThePrompt) {
  World world;
  world.need.least_params = 9e9;
  world.need.max_ttft_ms = 60'000;
  EXPECT_EQ(world.Says("first-token").side, Side::kRight);
  ExpectTurn(world, "first-token", "max-ttft", SetTtft, 60, 0.001);
  ExpectTurn(world, "first-token", "prompt", SetPrompt, 256, 8192);

  world.need.max_ttft_ms = 1;
  EXPECT_EQ(world.Says("first-token").side, Side::kWrong);
  ExpectTurn(world, "first-token", "max-ttft", SetTtft, 0.001, 60);

  world.need.max_ttft_ms = FlipOf(world.Says("first-token"), "max-ttft", true).at * 1500;
  EXPECT_EQ(world.Says("first-token").side, Side::kOpen);
  ExpectTurn(world, "first-token", "prompt", SetPrompt, 256, 1);
  ExpectTurn(world, "first-token", "max-ttft", SetTtft, *world.need.max_ttft_ms * 1e-3, 0.001);
  world.need.max_ttft_ms.reset();
  EXPECT_TRUE(world.Says("first-token").rule.empty()) << "nobody asked";
}

TEST(Verdict, FirstTokenIsThatOfTheModelThatIsChosen) {
  World world;
  world.need.max_ttft_ms = 60'000;
  const Sentence sentence = world.Says("first-token");
  EXPECT_EQ(ModelOf(sentence), ModelOf(world.Says("speed"))) << "and not of the quickest, a small one";
  ASSERT_EQ(sentence.flips.size(), 2u);
  ExpectTurn(world, "first-token", "max-ttft", SetTtft, 60, 0.001, ModelOf);
  ExpectTurn(world, "first-token", "max-ttft", SetTtft, 60, 0.001, SideOf, 1);
}

TEST(Verdict, LimitTurnsAtTheLimit) {
  World world;
  world.need.least_params = 9e9;
  EXPECT_EQ(world.Says("limit").side, Side::kRight);
  ExpectTurn(world, "limit", "min-tps", SetTps, 1, 1000);
  world.need.min_tok_s = 1000;
  EXPECT_EQ(world.Says("limit").side, Side::kWrong);
  ExpectTurn(world, "limit", "min-tps", SetTps, 1000, 1);
  // Twice the bandwidth and rates, twice the limit.
  const double limit = FlipOf(world.Says("limit"), "min-tps", false).at;
  for (double MachineRates::*rate : {&MachineRates::read_gb_s, &MachineRates::read_write_gb_s,
                                     &MachineRates::int8_gmac_s, &MachineRates::f32_gmac_s}) {
    (*world.home.rates).*rate *= 2;
  }
  EXPECT_NEAR(FlipOf(world.Says("limit"), "min-tps", false).at / limit, 2, 1e-9);
}

TEST(Verdict, TheLimitOfARowIsThatOfTheBestRatesAndFlagsAreSaid) {
  World world;
  world.need.users = 1;
  world.need.least_params = 9e9;
  world.candidates = {SomeCandidates()[4]};
  world.evidence.cells = {Cell(7, "synth:qwen3.5-9b:Q4_K_M", 1, 10, 11, 12)};
  MeasuredCell& cell = world.evidence.cells[0];
  cell.limit_tok_s = Figure{5, 13, 20, 13, 20};
  cell.caveats = {"other_load", "rates_drifted"};
  const auto limit = [&] { return FlipOf(world.Says("limit"), "min-tps", true).at; };
  EXPECT_DOUBLE_EQ(limit(), 20);
  EXPECT_THAT(world.Says("limit").because, HasSubstr("[flagged: row 7 other_load, row 7 rates_drifted]"));
  EXPECT_THAT(world.Says("speed").because, HasSubstr("[flagged: row 7 other_load]"));
  // At another moment of the run the memory gave more.
  cell.step = StepCost{4'000'000'000, 0, 0, 1, 1};
  world.evidence.experience.rates = world.home.rates;
  world.evidence.experience.rates->read_gb_s = 120;
  EXPECT_NEAR(limit(), 30, 1e-6);
}

TEST(Verdict, UsersTurnWithTheNeedAndWithEachRow) {
  World world;
  world.need.min_tok_s = 5;
  const std::string name = "synth:qwen3.5-9b:Q4_K_M";
  world.evidence.cells = {Cell(1, name, 1, 11, 12, 13), Cell(2, name, 4, 25, 26, 27),
                          Cell(3, name, 16, 40, 41, 42)};
  const Sentence served = world.Says("users");
  EXPECT_EQ(served.side, Side::kRight);
  EXPECT_THAT(served.condition, HasSubstr("up to 4 users"));
  EXPECT_EQ(served.cells, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(served.wanted, "weir bench synth:qwen3.5-9b:Q4_K_M --users 10 --prompt-tokens 256");
  const Sign condition = [](const Sentence& sentence) {
    return sentence.condition.substr(0, sentence.condition.find(" want"));
  };
  ExpectTurn(world, "users", "min-tps", SetTps, 5, 100, condition);
  ExpectTurn(world, "users", "row 2 decode_tok_s", SetRow(1, &Figure::median), 26, 1, condition);
  ExpectTurn(world, "users", "row 3 decode_tok_s", SetRow(2, &Figure::median), 41, 1000, condition);
  world.need.min_tok_s = 50;
  EXPECT_EQ(world.Says("users").side, Side::kWrong);
  ExpectTurn(world, "users", "min-tps", SetTps, 50, 1);
  ExpectTurn(world, "users", "row 1 decode_tok_s", SetRow(0, &Figure::median), 12, 1000);
  // Of a model in two quantisations the one that serves more speaks.
  world.need.min_tok_s = 5;
  world.evidence.cells.push_back(Cell(4, "synth:qwen3.5-9b:Q8_0", 1, 7, 8, 9));
  world.evidence.cells.push_back(Cell(5, "synth:qwen3.5-9b:Q8_0", 4, 9, 10, 11));
  EXPECT_THAT(world.Says("users").condition, HasSubstr("Q4_K_M"));
}

TEST(Verdict, FewerBitsTurnWhereRepeatsOverlap) {
  World world;
  world.evidence.cells = {Cell(1, "synth:qwen3.5-9b:Q8_0", 4, 20, 21, 22),
                          Cell(2, "synth:qwen3.5-9b:Q4_K_M", 4, 30, 32, 33)};
  EXPECT_EQ(world.Says("fewer-bits").side, Side::kRight);
  ExpectTurn(world, "fewer-bits", "row 2 slowest", SetRow(1, &Figure::least), 30, 1);
  world.evidence.cells[1] = Cell(2, "synth:qwen3.5-9b:Q4_K_M", 4, 21, 32, 33);
  const Sentence tied = world.Says("fewer-bits");
  EXPECT_EQ(tied.side, Side::kOpen);
  EXPECT_THAT(tied.wanted, HasSubstr("--precision"));
  ExpectTurn(world, "fewer-bits", "row 2 slowest", SetRow(1, &Figure::least), 21, 32);
  world.evidence.cells[1] = Cell(2, "synth:qwen3.5-9b:Q4_K_M", 4, 10, 11, 12);
  EXPECT_EQ(world.Says("fewer-bits").side, Side::kWrong);
  ExpectTurn(world, "fewer-bits", "row 2 fastest", SetRow(1, &Figure::greatest), 12, 40);
  world.evidence.cells[1].users = 8;
  EXPECT_TRUE(world.Says("fewer-bits").rule.empty()) << "other loads are not compared";
}

TEST(Verdict, QualityTurnsWhereItsIntervalEndsAndIsEmptyForSyntheticModels) {
  World world;
  EXPECT_TRUE(world.Says("quality").rule.empty());
  world.need.max_kl = 0.1;
  EXPECT_EQ(world.Says("quality").side, Side::kOpen);
  world.candidates = {*OpenCandidate(TestData("weir-tiny-q8_0.gguf"))};
  world.need.context_tokens = 512;
  EXPECT_EQ(world.Says("quality").side, Side::kOpen);
  EXPECT_THAT(world.Says("quality").wanted, HasSubstr("weir perplexity"));
  world.evidence.quality = {{3,
                             world.candidates[0].name,
                             "Q8_0",
                             "book.txt",
                             {12.5, 0.2},
                             "tiny-f16.gguf",
                             Estimated{0.05, 0.01}}};
  const Sentence close = world.Says("quality");
  EXPECT_EQ(close.side, Side::kRight);
  EXPECT_EQ(close.quality, std::vector<int64_t>{3});
  const auto set_kl = [](World& moved, double value) { moved.need.max_kl = value; };
  ExpectTurn(world, "quality", "max-kl", set_kl, 0.1, 0.06);
  world.need.max_kl = 0.06;
  ExpectTurn(world, "quality", "max-kl", set_kl, 0.06, 1);
  EXPECT_TRUE(world.Verdict().here[0].quality.has_value());
}

TEST(Verdict, PurchaseTurnsWithTheBudgetTheSpeedAndTheContext) {
  World world;
  world.need.least_params = 9e9;
  world.need.budget_usd = 3000;
  world.need.min_tok_s = 6;
  const Sentence buy = world.Says("purchase");
  ASSERT_EQ(buy.side, Side::kRight);
  EXPECT_FALSE(buy.subject.empty());
  ExpectTurn(world, "purchase", "budget", SetBudget, 3000, 0);
  const auto n_flips = [&](const char* input) {
    return static_cast<size_t>(std::count_if(buy.flips.begin(), buy.flips.end(),
                                             [&](const Flip& flip) { return flip.input == input; }));
  };
  ExpectTurn(world, "purchase", "min-tps", SetTps, 6, 1e5, SideOf, n_flips("min-tps") - 1);
  ExpectTurn(world, "purchase", "ctx", SetContext, 8192, 1 << 22, SideOf, n_flips("ctx") - 1);
  ASSERT_EQ(n_flips("min-tps"), 2u);
  ExpectTurn(world, "purchase", "min-tps", SetTps, 6, 1e5, ModelOf);
  world.need.budget_usd = 10;
  EXPECT_EQ(world.Says("purchase").side, Side::kOpen);
  EXPECT_THAT(world.Says("purchase").because, HasSubstr("costs "));
  ExpectTurn(world, "purchase", "budget", SetBudget, 10, 3000);
}

TEST(Verdict, WhatCannotBePaidIsNotListed) {
  World world;
  world.need.budget_usd = 1500;
  world.need.host_usd = 600;
  const std::vector<Offer> offers = world.Verdict().elsewhere;
  ASSERT_FALSE(offers.empty());
  for (const Offer& offer : offers) {
    const CatalogueMachine& machine = *offer.catalogued;
    const double host = machine.price_of == "system" ? 0 : 600;
    EXPECT_LE(machine.price_usd.value_or(0) + host, machine.price_usd ? 1500 : 600) << machine.name;
  }
}

TEST(Verdict, NumbersHaveSeparators) {
  EXPECT_EQ(Digits(1109.4), "1,109");
  EXPECT_EQ(Digits(-1234567), "-1,234,567");
  EXPECT_EQ(Digits(999.4), "999");
  EXPECT_EQ(FlipText({"ctx", 262144, true, "none fits"}),
            "flips above 262,144 tokens of context for each user: then none fits");
}

TEST(Verdict, APurchaseThatNobodyIsSureOfSaysWhatIsMissing) {
  World world;
  world.need.least_params = 9e9;
  world.need.max_kl = 0.01;
  EXPECT_THAT(world.Says("purchase").because, HasSubstr("divergence of 0.01 nats"));
  world.need.max_ttft_ms = 0.01;
  EXPECT_THAT(world.Says("purchase").because, HasSubstr("answer in time"));
  world.need.min_tok_s = 1e5;
  EXPECT_THAT(world.Says("purchase").because, HasSubstr("fast enough"));
  world.need.least_params = 1e12;
  EXPECT_THAT(world.Says("purchase").because, HasSubstr("no model is known that is as large"));
}

TEST(Verdict, ASmallerFasterCardLosesWhereTheContextNoLongerFits) {
  World world;
  world.home = HomeOf(**Machines().Find("mac-mini-m4-pro-64gb"));
  world.need.users = 1;
  world.need.budget_usd = 500;
  world.candidates.clear();
  for (const Candidate& candidate : SomeCandidates()) {
    if (candidate.quant == "Q8_0") world.candidates.push_back(candidate);
  }
  // The catalogue's estimates overlap; a card with ten times the bandwidth is faster for certain.
  const TempFolder folder;
  std::ofstream(folder / "card-16gb.toml")
      << "title = \"A card\"\nkind = \"card\"\nmemory_gib = 16\nkeeps_gib = 0.7\nbandwidth_gb_s = "
         "4000\nfloat_tflops = 400\n"
         "price_usd = 429\nprice_of = \"card\"\n[sources]\nmemory_gib = \"a test\"\nkeeps_gib = "
         "\"a test\"\n"
         "bandwidth_gb_s = \"a test\"\nfloat_tflops = \"a test\"\nprice_usd = \"a test\"\n";
  const MachineCatalogue catalogue = *MachineCatalogue::Load(folder / "");
  world.catalogue = &catalogue;
  world.need.budget_usd = 430;
  const Sentence loses = world.Says("smaller-faster");
  ASSERT_EQ(loses.side, Side::kWrong);
  EXPECT_THAT(SentenceText(loses), HasSubstr("A card"));
  EXPECT_THAT(loses.condition, HasSubstr("qwen3.5-9b Q8_0 is the largest"));
  EXPECT_THAT(loses.because,
              HasSubstr("qwen3.5-27b, which this machine holds, does not fit there"));
  EXPECT_THAT(loses.because, HasSubstr("(429 USD for the card)"));
  World with_host = world;
  with_host.need.host_usd = 2000;
  EXPECT_EQ(with_host.Says("smaller-faster").because.find("A card"), std::string::npos) << "429 + 2000 is too much";
  with_host.need.budget_usd = 2430;
  EXPECT_THAT(with_host.Says("smaller-faster").because,
              HasSubstr("(2,429 USD for the card and the computer around it)"));
  const Sign largest = [](const Sentence& sentence) { return sentence.condition; };
  ExpectTurn(world, "smaller-faster", "ctx", SetContext, 8192, 1 << 18, largest);
}

TEST(Verdict, TokensPerDollarTurnWithEnergyAndWithTheComputerAroundACard) {
  World world;
  world.need.least_params = 9e9;
  world.need.min_tok_s = 1;
  world.need.usd_per_kwh = 0.30;
  const Sentence cost = world.Says("tokens-per-dollar");
  ASSERT_FALSE(cost.rule.empty());
  EXPECT_THAT(cost.because, HasSubstr("million tokens per dollar"));
  int n_turns = 0;
  for (const Flip& flip : cost.flips) {
    if (flip.input == "kwh")
      ExpectTurn(world, cost.rule, "kwh", SetKwh, 0.30,
                 flip.above ? flip.at * 1.0001 : flip.at * 0.9999),
          ++n_turns;
    if (flip.input == "host-usd")
      ExpectTurn(world, cost.rule, "host-usd", SetHostUsd, flip.at * 1.0001, flip.at * 0.9999),
          ++n_turns;
  }
  EXPECT_GE(n_turns, 2) << "the price of a kWh and of a computer both matter";
}

TEST(Verdict, TokensPerWattHourTurnWithThePowerOfTheComputerAroundACard) {
  World world;
  world.need.least_params = 9e9;
  world.need.min_tok_s = 1;
  const Sentence energy = world.Says("tokens-per-watt-hour");
  ASSERT_FALSE(energy.rule.empty());
  ASSERT_FALSE(energy.flips.empty());
  const double at = energy.flips[0].at;
  ExpectTurn(world, energy.rule, "host-watts", SetHostWatts, at * 1.0001, at * 0.9999);
}

TEST(Verdict, WithoutRowsAndRatesItSaysWhichRunWouldGiveThem) {
  World world;
  world.home.rates.reset();
  const Sentence speed = world.Says("speed");
  EXPECT_EQ(speed.side, Side::kOpen);
  EXPECT_THAT(SentenceText(speed), HasSubstr("Not enough evidence"));
  EXPECT_THAT(speed.wanted, HasSubstr("weir bench synth:"));
  for (const Offer& offer : world.Verdict().here) EXPECT_EQ(offer.speed.basis, Basis::kNone);
}

TEST(Verdict, EveryRuleIsNamedOnceAndEverySentenceHasOne) {
  World world;
  for (const Sentence& sentence : world.Verdict().sentences) {
    int n = 0;
    for (const Rule& rule : VerdictRules()) n += rule.name == sentence.rule;
    EXPECT_EQ(n, 1) << sentence.rule;
    EXPECT_FALSE(sentence.flips.empty() && sentence.wanted.empty()) << SentenceText(sentence);
  }
}

TEST(Need, SaysWhatIsWrong) {
  EXPECT_EQ(*ParseParameters("--model-at-least", "0.8B"), 0.8e9);
  EXPECT_EQ(*ParseParameters("--model-at-least", "135m"), 135e6);
  EXPECT_EQ(*ParseMilliseconds("--max-ttft", "2s"), 2000);
  EXPECT_EQ(*ParseMilliseconds("--max-ttft", "500ms"), 500);
  for (const char* text : {"", "nine b", "9", "b", "-9b", "nanb", "1e999b", "9 b", "9bb"}) {
    const auto parsed = ParseParameters("--model-at-least", text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("--model-at-least"));
  }
  EXPECT_FALSE(ParseMilliseconds("--max-ttft", "2").ok());
  Need need;
  EXPECT_TRUE(CheckNeed(need).ok());
  need.users = 0;
  EXPECT_THAT(CheckNeed(need).error().message, HasSubstr("--users"));
  need = {};
  need.min_tok_s = std::nan("");
  EXPECT_FALSE(CheckNeed(need).ok());
  need = {};
  need.prompt_tokens = 9000;
  EXPECT_THAT(CheckNeed(need).error().message, HasSubstr("--ctx"));
}

}  // namespace
}  // namespace weir
