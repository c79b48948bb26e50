// The files in suites/, inside the program.
#include "bench/suite.h"

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

namespace weir {
namespace {

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::vector<ShippedSuite> ShippedSuites() {
  return {{"article", Between(weir_suite_article_begin, weir_suite_article_end)},
          {"quick", Between(weir_suite_quick_begin, weir_suite_quick_end)},
          {"capacity", Between(weir_suite_capacity_begin, weir_suite_capacity_end)},
          {"context", Between(weir_suite_context_begin, weir_suite_context_end)}};
}

}  // namespace weir
