#include "bench/prompts.h"

#include <algorithm>

#include "bench/novel.h"
#include "bench/random.h"
#include "model/text/tokenizer.h"
#include "util/read_file.h"

namespace weir {
namespace {

constexpr size_t kBytesPerToken = 4;         // of English, roughly: where nobody can count
constexpr uint64_t kRandomIds = 0x69647321;  // the stream of random numbers
constexpr uint64_t kShared = 0x73686172;     // changes the seed of what all prompts have in common
constexpr std::string_view kRequest = "Go on with this story.\n\n";

}  // namespace

PromptKind ResolvePrompts(PromptKind prompts, const Subject& subject) {
  if (prompts != PromptKind::kAuto) return prompts;
  const bool ids_only = !subject.tokenizer() && !subject.prompt_ids().empty();
  return ids_only ? PromptKind::kRandomIds : PromptKind::kText;
}

Result<int64_t> LongestPrompt(const Workload& load, const Subject& subject) {
  int64_t longest = 1;
  if (subject.prompt_ids().empty()) {
    WEIR_TRY(const Prompts prompts, Prompts::Create(load, subject, 0));
    std::string longest_text;
    for (const FilePrompt& prompt : prompts.file()) {
      std::string text;
      for (const ChatTurn& turn : prompt.turns) text += turn.content;
      if (text.size() > longest_text.size()) longest_text = std::move(text);
    }
    const Tokenizer* const tokenizer = subject.tokenizer();
    const size_t n_tokens =
        tokenizer ? tokenizer->Encode(longest_text, false).size() : longest_text.size() / kBytesPerToken;
    return std::max(longest, static_cast<int64_t>(n_tokens));
  }
  for (const uint64_t seed : {load.seed, WarmUpSeed(load)}) {
    Workload one = load;
    one.seed = seed;
    WEIR_TRY(const Prompts prompts, Prompts::Create(one, subject, 0));
    const int64_t n = std::min<int64_t>(int64_t{load.users} * (load.warm_up_rounds + load.requests_per_user),
                                        static_cast<int64_t>(prompts.file().size()));
    for (int64_t i = 0; i < n; ++i) {
      WEIR_TRY(const Query query, prompts.Make(i));
      longest = std::max(longest, static_cast<int64_t>(query.ids.size()));
    }
  }
  return longest;
}

Prompts::Prompts(const Workload& load, const Subject& subject, uint64_t salt)
    : load_(load), subject_(&subject), seed_(salt == 0 ? load.seed : Random(load.seed, salt).Next()) {
  load_.prompts = ResolvePrompts(load.prompts, subject);
  first_ids_ = subject.prompt_ids();
  Random random(seed_);
  for (size_t i = first_ids_.size(); i > 1; --i) {
    std::swap(first_ids_[i - 1], first_ids_[random.Below(i)]);
  }
}

Result<Prompts> Prompts::Create(const Workload& load, const Subject& subject, uint64_t salt) {
  Prompts prompts(load, subject, salt);
  const PromptKind kind = prompts.load_.prompts;
  const bool takes_ids_only = !subject.prompt_ids().empty();
  if (kind == PromptKind::kRandomIds && subject.prompt_ids().empty()) {
    return BadInput("{}: random tokens need a tokenizer or a model in this process",
                    subject.row().name);
  }
  if (kind != PromptKind::kRandomIds && takes_ids_only && !subject.tokenizer()) {
    return WithHint(BadInput("{}: prompts of text need a tokenizer, and this model has none",
                             subject.row().name),
                    "let prompts be random tokens");
  }
  if (kind == PromptKind::kFile) {
    WEIR_TRY(const std::string text, ReadFile(load.file, size_t{256} << 20));
    WEIR_TRY(prompts.file_, ParsePromptFile(text, load.file));
  }
  return prompts;
}

Result<Query> Prompts::Make(int64_t index, bool continues) const {
  const int64_t n_tokens = (continues ? 0 : load_.depth_tokens) + load_.prompt_tokens;
  Result<Query> query = load_.prompts == PromptKind::kFile        ? FromFile(index)
                        : load_.prompts == PromptKind::kRandomIds ? MakeRandom(index, n_tokens)
                        : load_.chat                              ? MakeChat(index, n_tokens)
                                                                  : MakeText(index, n_tokens);
  WEIR_RETURN_IF_ERROR(query);
  if (load_.prompts != PromptKind::kFile) query->max_tokens = load_.gen_tokens;
  query->fixed_length = load_.fixed_length;
  return query;
}

Result<Query> Prompts::FromBlocks(int64_t index, const std::vector<int64_t>& blocks, int64_t block_tokens) const {
  Query query;
  query.max_tokens = load_.gen_tokens;
  query.fixed_length = load_.fixed_length;
  const bool random = load_.prompts == PromptKind::kRandomIds;
  const Tokenizer* const tokenizer = subject_->tokenizer();
  int64_t left = load_.prompt_tokens;
  if (!random && tokenizer && tokenizer->add_bos() && tokenizer->bos()) {
    query.ids.push_back(*tokenizer->bos());
    --left;
  }
  const auto add = [&](uint64_t seed, int64_t number, int64_t n_tokens) {
    n_tokens = std::min(n_tokens, left);
    left -= n_tokens;
    if (!random) {
      const Piece piece = CutText(seed, number, n_tokens);
      query.text += piece.text;
      query.ids.insert(query.ids.end(), piece.ids.begin(), piece.ids.end());
      return;
    }
    Random ids(seed, kRandomIds + static_cast<uint64_t>(number) + 1);
    const std::vector<int32_t>& all = subject_->prompt_ids();
    for (int64_t i = 0; i < n_tokens; ++i) query.ids.push_back(all[ids.Below(all.size())]);
  };
  for (const int64_t block : blocks) add(seed_ ^ kShared, block, block_tokens);
  add(seed_, index, left);
  query.prompt_tokens = static_cast<int64_t>(query.ids.size());
  return query;
}

Prompts::Piece Prompts::CutText(uint64_t seed, int64_t index, int64_t n_tokens) const {
  Piece piece;
  if (n_tokens <= 0) return piece;
  const Tokenizer* const tokenizer = subject_->tokenizer();
  size_t n_bytes = static_cast<size_t>(n_tokens) * kBytesPerToken;
  if (!tokenizer) {
    piece.text = Recombined(seed, index, n_bytes).substr(0, n_bytes);
    return piece;
  }
  do {
    n_bytes += n_bytes / 2 + 64;
    piece.ids = tokenizer->Encode(Recombined(seed, index, n_bytes), false);
  } while (static_cast<int64_t>(piece.ids.size()) < n_tokens);
  piece.ids.resize(static_cast<size_t>(n_tokens));
  for (int32_t id : piece.ids) piece.text += tokenizer->Piece(id);
  if (tokenizer->space_prefix() && piece.text.starts_with(' ')) piece.text.erase(0, 1);
  return piece;
}

Result<Query> Prompts::MakeText(int64_t index, int64_t n_tokens) const {
  const Tokenizer* const tokenizer = subject_->tokenizer();
  const bool bos = tokenizer && tokenizer->add_bos() && tokenizer->bos();
  const int64_t shared = std::min(load_.shared_tokens, n_tokens);
  const Piece before = CutText(seed_ ^ kShared, 0, shared);
  Piece piece = CutText(seed_, index, n_tokens - shared - (bos ? 1 : 0));
  Query query;
  query.text = before.text + piece.text;
  if (!tokenizer) return query;
  if (bos) query.ids.push_back(*tokenizer->bos());
  query.ids.insert(query.ids.end(), before.ids.begin(), before.ids.end());
  query.ids.insert(query.ids.end(), piece.ids.begin(), piece.ids.end());
  query.prompt_tokens = static_cast<int64_t>(query.ids.size());
  return query;
}

Result<Query> Prompts::MakeChat(int64_t index, int64_t n_tokens) const {
  const auto chat = [&](int64_t n_text) -> Result<Query> {
    const int64_t shared = std::min(load_.shared_tokens, n_text);
    Query query;
    query.turns = {{"user", std::string(kRequest) + CutText(seed_ ^ kShared, 0, shared).text +
                                CutText(seed_, index, n_text - shared).text}};
    WEIR_RETURN_IF_ERROR(FillIds(query));
    return query;
  };
  int64_t n_text = n_tokens;
  WEIR_TRY(Query query, chat(n_text));
  // The template adds tokens of its own, and where texts meet tokens merge: twice is near enough.
  for (int i = 0; i < 2 && !query.ids.empty(); ++i) {
    const int64_t excess = static_cast<int64_t>(query.ids.size()) - n_tokens;
    if (excess == 0) break;
    n_text = std::max<int64_t>(n_text - excess, 1);
    WEIR_TRY(query, chat(n_text));
  }
  return query;
}

/// What a target in this process needs.
Status Prompts::FillIds(Query& query) const {
  if (subject_->prompt_ids().empty()) return {};
  if (!query.turns.empty()) {
    WEIR_TRY(query.ids, subject_->ChatIds(query.turns));
  } else {
    query.ids = subject_->tokenizer()->Encode(query.text, false);
  }
  query.prompt_tokens = static_cast<int64_t>(query.ids.size());
  return {};
}

Query Prompts::MakeRandom(int64_t index, int64_t n_tokens) const {
  const std::vector<int32_t>& ids = subject_->prompt_ids();
  Query query;
  const auto add = [&](uint64_t seed, int64_t stream, int64_t first, int64_t n) {
    if (n <= 0) return;
    Random random(seed, kRandomIds + static_cast<uint64_t>(stream));
    query.ids.push_back(first_ids_[static_cast<size_t>(first) % first_ids_.size()]);
    for (int64_t i = 1; i < n; ++i) query.ids.push_back(ids[random.Below(ids.size())]);
  };
  const int64_t shared = std::min(load_.shared_tokens, n_tokens);
  add(seed_ ^ kShared, 0, 0, shared);
  add(seed_, index + 1, index, n_tokens - shared);
  query.prompt_tokens = n_tokens;
  return query;
}

Result<Query> Prompts::FromFile(int64_t index) const {
  // In the file's order from a place that depends on the seed: the same prompt comes again as late as possible.
  const size_t at = (Random(seed_).Below(file_.size()) + static_cast<size_t>(index)) % file_.size();
  const FilePrompt& prompt = file_[at];
  Query query;
  if (prompt.turns[0].role.empty() && !load_.chat) {
    query.text = prompt.turns[0].content;
  } else {
    query.turns = prompt.turns;
    if (query.turns[0].role.empty()) query.turns[0].role = "user";
  }
  query.max_tokens = load_.gen_tokens;
  WEIR_RETURN_IF_ERROR(FillIds(query));
  return query;
}

}  // namespace weir
