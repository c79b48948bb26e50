// Real text to make prompts of: what random tokens ask of experts, caches and speculation is not
// what people ask.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

/// A novel, one paragraph per line, in ASCII (src/bench/text/README.md).
std::string_view NovelText();

/// At least n_bytes of the novel's paragraphs in an order that depends on seed and index. It begins
/// with a line that no other seed and index have, so that no cache knows more than its first words.
std::string Recombined(uint64_t seed, int64_t index, size_t n_bytes);

}  // namespace weir
