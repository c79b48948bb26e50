#include "server/page.h"

#include <fmt/format.h>

// WEIR_PAGE_FILE is the path of the built page.
asm(".pushsection .rodata\n"
    ".hidden weir_page_begin\n"
    ".hidden weir_page_end\n"
    ".global weir_page_begin\n"
    ".global weir_page_end\n"
    "weir_page_begin:\n"
    ".incbin \"" WEIR_PAGE_FILE "\"\n"
    "weir_page_end:\n"
    ".popsection\n");

extern "C" {
extern const char weir_page_begin[], weir_page_end[];  // NOLINT: names of the assembler
}

namespace weir {
namespace {

std::string_view Page() { return {weir_page_begin, static_cast<size_t>(weir_page_end - weir_page_begin)}; }

/// The build has written into the page which script and style may run, by their hashes. As a header the
/// same policy holds from the first byte, and can also keep the page out of other sites' frames.
std::string Policy() {
  constexpr std::string_view kBefore = "http-equiv=\"Content-Security-Policy\" content=\"";
  std::string_view policy = Page();
  policy.remove_prefix(policy.find(kBefore) + kBefore.size());
  return fmt::format("{}; frame-ancestors 'none'", policy.substr(0, policy.find('"')));
}

/// FNV-1a: changes whenever the page does.
std::string Tag() {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : Page()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("\"{:016x}\"", hash);
}

}  // namespace

HttpAnswer PageAnswer(const HttpRequest& request) {
  static const std::string tag = Tag(), policy = Policy();
  HttpAnswer answer{200, "", "text/html; charset=utf-8",
                    {{"ETag", tag},
                     {"Cache-Control", "no-cache"},  // kept, but asked for each time
                     {"Content-Security-Policy", policy},
                     {"Referrer-Policy", "no-referrer"}}};
  if (request.Header("if-none-match") == tag) {
    answer.status = 304;
  } else {
    answer.body = Page();
  }
  return answer;
}

}  // namespace weir
