// The files in suites/, inside the program.
#include "bench/suite.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/suggestion.h"

// WEIR_SUITES is the path of the folder.
#define WEIR_EMBED(name)                                         \
  asm(".pushsection .rodata\n"                                   \
      ".hidden weir_suite_" #name "_begin\n"                     \
      ".hidden weir_suite_" #name "_end\n"                       \
      ".global weir_suite_" #name "_begin\n"                     \
      ".global weir_suite_" #name "_end\n"                       \
      "weir_suite_" #name "_begin:\n"                            \
      ".incbin \"" WEIR_SUITES "/" #name ".toml\"\n"             \
      "weir_suite_" #name "_end:\n"                              \
      ".popsection\n");                                          \
  extern "C" const char weir_suite_##name##_begin[], weir_suite_##name##_end[]

WEIR_EMBED(article);
WEIR_EMBED(quick);
WEIR_EMBED(capacity);
WEIR_EMBED(context);
WEIR_EMBED(peers);

namespace weir {
namespace {

constexpr int64_t kMostSuiteBytes = 1 << 20;

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::vector<ShippedSuite> ShippedSuites() {
  return {{"article", Between(weir_suite_article_begin, weir_suite_article_end)},
          {"quick", Between(weir_suite_quick_begin, weir_suite_quick_end)},
          {"capacity", Between(weir_suite_capacity_begin, weir_suite_capacity_end)},
          {"context", Between(weir_suite_context_begin, weir_suite_context_end)},
          {"peers", Between(weir_suite_peers_begin, weir_suite_peers_end)}};
}

Result<SuiteText> FindSuite(const std::string& name) {
  std::error_code error;
  if (std::filesystem::is_regular_file(name, error)) {
    if (static_cast<int64_t>(std::filesystem::file_size(name, error)) > kMostSuiteBytes) {
      return BadInput("{}: a suite of more than {} bytes", name, kMostSuiteBytes);
    }
    std::ifstream file(name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return Failed("cannot read {}", name);
    return SuiteText{name, text.str()};
  }
  std::vector<std::string_view> names;
  for (const ShippedSuite& suite : ShippedSuites()) {
    if (name == suite.name || name == std::string(suite.name) + ".toml") {
      return SuiteText{std::string(suite.name) + ".toml", std::string(suite.text)};
    }
    names.push_back(suite.name);
  }
  return WithHint(BadInput("suite {}: no such file, and none of that name is shipped", name), Suggestion(name, names));
}

}  // namespace weir
