// For whom a machine is the right choice and for whom the wrong one: sentences by named rules over
// measured rows and the catalogue, each with what it rests on and with what would turn it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advise/evidence.h"
#include "advise/need.h"
#include "advise/offers.h"

namespace weir {

enum class Side { kRight, kWrong, kOpen };  // kOpen: there is not enough evidence
std::string_view Name(Side side);

/// What would turn a sentence: an input beyond a value.
struct Flip {
  /// A flag of weir verdict without its dashes ("min-tps", in that flag's unit), or "row 12
  /// decode_tok_s".
  std::string input;
  double at = 0;
  bool above = true;    // it turns above `at`; else below it
  std::string becomes;  // what it says then
};

struct Sentence {
  std::string_view rule;  // its name
  Side side = Side::kOpen;
  std::string subject;    // a machine other than the one that is judged; empty: that one
  std::string condition;  // "4 users want 10 tok/s each"
  std::string because;
  std::vector<int64_t> cells, quality;  // ids of the rows that it rests on
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<Flip> flips;
  std::string wanted;  // the command that would give the evidence that is missing
};

/// The catalogue it was made with must outlive it.
struct MachineVerdict {
  Need need;  // with what was assumed where nothing was said: the prompt, the speed at which people
              // read
  Home home;
  std::vector<Sentence> sentences;
  std::vector<Offer>
      here;  // of each model the best quantisation, or the fastest where none will do
  std::vector<Offer>
      elsewhere;  // of each machine of the catalogue that may do and can be paid; cheapest first
  std::vector<SetAside> set_aside;
  std::shared_ptr<const std::vector<Candidate>> candidates;  // that the offers point to
};

/// What people read: about 240 words a minute. Needed of each user where nothing else is said.
inline constexpr double kReadingTokS = 5;

/// "Right choice if 4 users want 10 tok/s each: ...", without evidence and flips.
std::string SentenceText(const Sentence& sentence);
/// "flips above 12.3 tok/s for each user: then ..."
std::string FlipText(const Flip& flip);
/// Three digits, without exponents; large numbers whole.
std::string Digits(double value);

/// All that rules look at.
struct Facts {
  Need need;
  const Home& home;
  const Evidence& evidence;
  const MachineCatalogue& catalogue;
  std::span<const Candidate> candidates;  // of all sizes
  SpeedSource& speeds;
  std::vector<Offer> here;                    // of all candidates as large as needed
  std::vector<std::vector<Offer>> elsewhere;  // of each machine of the catalogue but this one

  const Offer* choice() const { return Choose(here); }
};

/// One rule: at most some sentences, in the order in which they are read.
struct Rule {
  std::string_view name;
  std::string_view reads;  // for the reader of docs and --rules
  std::string_view says;
  std::string_view flips;
  std::vector<Sentence> (*apply)(const Facts& facts);
};
std::span<const Rule> VerdictRules();

/// kBadInput for what nobody can need.
Result<MachineVerdict> JudgeMachine(Need need, const Home& home, const Evidence& evidence,
                                    const MachineCatalogue& catalogue,
                                    std::vector<Candidate> candidates);
/// The same from the database, with all models that FindCandidates knows.
Result<MachineVerdict> JudgeMachine(const Need& need, const Home& home, Store& store,
                                    const MachineCatalogue& catalogue, FigureReader& figures);

}  // namespace weir
