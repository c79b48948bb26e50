#include "kernels/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(Isa, PlainIsBuiltLastAndAlwaysSupported) {
  ASSERT_FALSE(BuiltIsas().empty());
  EXPECT_EQ(BuiltIsas().back(), Isa::kPlain);
  EXPECT_TRUE(Supported(Isa::kPlain));
}

TEST(Isa, NotForcedIsTheFirstSupported) {
  Isa expected = Isa::kPlain;
  for (auto isa = BuiltIsas().rbegin(); isa != BuiltIsas().rend(); ++isa) {
    if (Supported(*isa)) expected = *isa;
  }
  for (const char* forced : {static_cast<const char*>(nullptr), ""}) {
    auto isa = SelectIsa(forced);
    ASSERT_TRUE(isa.ok());
    EXPECT_EQ(*isa, expected);
  }
}

TEST(Isa, EverySupportedOneCanBeForcedByItsName) {
  std::set<std::string_view> names;
  for (Isa isa : BuiltIsas()) {
    names.insert(Name(isa));
    auto selected = SelectIsa(std::string(Name(isa)).c_str());
    ASSERT_EQ(selected.ok(), Supported(isa)) << Name(isa);
    if (selected.ok()) {
      EXPECT_EQ(*selected, isa);
    } else {
      EXPECT_EQ(selected.error().code, ErrorCode::kBadInput);
      EXPECT_THAT(selected.error().message, HasSubstr(Name(isa)));
    }
  }
  EXPECT_EQ(names.size(), BuiltIsas().size());
}

TEST(Isa, AnUnknownNameIsRefusedWithTheNamesThereAre) {
  auto isa = SelectIsa("mmx");
  ASSERT_FALSE(isa.ok());
  EXPECT_EQ(isa.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(isa.error().message, HasSubstr("mmx"));
  EXPECT_THAT(isa.error().message, HasSubstr("plain"));
}

// The kernel's own reading of cpuid is the second opinion; valgrind, which answers cpuid for itself, makes
// the two differ.
TEST(Isa, AgreesWithTheKernelsFlags) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line) && !line.starts_with("flags")) {
  }
  const char* preload = std::getenv("LD_PRELOAD");
  if (line.empty() || (preload && std::string_view(preload).find("vgpreload") != std::string::npos)) {
    GTEST_SKIP() << "skipped: no x86 flags, or not the processor's";
  }
  std::istringstream words(line);
  const std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  const auto has_all = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (!flags.contains(name)) return false;
    }
    return true;
  };
  const bool avx2 = has_all({"avx2", "fma", "f16c"});
  EXPECT_EQ(Supported(Isa::kAvx2), avx2);
  EXPECT_EQ(Supported(Isa::kAvxVnni), avx2 && has_all({"avx_vnni"}));
  const bool avx512 = avx2 && has_all({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"});
  EXPECT_EQ(Supported(Isa::kAvx512Vnni), avx512);
  // The kernel may still refuse what the processor has.
  EXPECT_TRUE(!Supported(Isa::kAmx) || (avx512 && has_all({"amx_tile", "amx_int8"})));
}

}  // namespace
}  // namespace weir
