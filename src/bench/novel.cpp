#include "bench/novel.h"

#include <fmt/format.h>

#include <vector>

#include "bench/random.h"

// WEIR_NOVEL_FILE is the path of the text.
asm(".pushsection .rodata\n"
    ".hidden weir_novel_begin\n"
    ".hidden weir_novel_end\n"
    ".global weir_novel_begin\n"
    ".global weir_novel_end\n"
    "weir_novel_begin:\n"
    ".incbin \"" WEIR_NOVEL_FILE "\"\n"
    "weir_novel_end:\n"
    ".popsection\n");

extern "C" {
extern const char weir_novel_begin[], weir_novel_end[];  // NOLINT: names of the assembler
}

namespace weir {
namespace {

constexpr uint64_t kPrompts = 0x70726f6d;  // the stream of random numbers

std::vector<std::string_view> Paragraphs() {
  std::vector<std::string_view> paragraphs;
  std::string_view rest = NovelText();
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    paragraphs.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return paragraphs;
}

}  // namespace

std::string_view NovelText() {
  return {weir_novel_begin, static_cast<size_t>(weir_novel_end - weir_novel_begin)};
}

std::string Recombined(uint64_t seed, int64_t index, size_t n_bytes) {
  static const std::vector<std::string_view> paragraphs = Paragraphs();
  Random random(seed, kPrompts + static_cast<uint64_t>(index));
  std::string text = fmt::format("{:06} {}.\n", random.Below(1'000'000), index);
  do {
    text += paragraphs[random.Below(paragraphs.size())];
    text += '\n';
  } while (text.size() < n_bytes);
  return text;
}

}  // namespace weir
