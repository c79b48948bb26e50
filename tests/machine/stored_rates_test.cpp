#include "machine/stored_rates.h"

#include <gtest/gtest.h>

#include <fstream>

#include "temp_folder.h"

namespace weir {
namespace {

TEST(StoredRates, AreThoseOfTheSameMachineAndThreads) {
  const TempFolder folder;
  const std::string path = folder / "rates";
  EXPECT_FALSE(ReadStoredRates(path, "a", 2));
  MachineRates rates;
  rates.threads = 2;
  rates.isa = "amx";
  rates.read_gb_s = 7.682973817078772;
  rates.read_write_gb_s = 10.5;
  rates.int8_gmac_s = 1997;
  rates.f32_gmac_s = 57.25;
  ASSERT_TRUE(StoreRates(path, "Some CPU, 2 cores", rates).ok());
  const auto read = ReadStoredRates(path, "Some CPU, 2 cores", 2);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->read_gb_s, rates.read_gb_s);
  EXPECT_EQ(read->read_write_gb_s, rates.read_write_gb_s);
  EXPECT_EQ(read->int8_gmac_s, rates.int8_gmac_s);
  EXPECT_EQ(read->f32_gmac_s, rates.f32_gmac_s);
  EXPECT_EQ(read->isa, "amx");
  EXPECT_FALSE(ReadStoredRates(path, "Some CPU, 2 cores", 1));
  EXPECT_FALSE(ReadStoredRates(path, "Another CPU", 2));
}

TEST(StoredRates, FromWhatIsNoMeasurementThereIsNone) {
  const TempFolder folder;
  const std::string path = folder / "rates";
  const std::string good =
      "machine: m\nisa: x\nthreads: 1\nread_gb_s: 1\nread_write_gb_s: 1\nint8_gmac_s: 1\nf32_gmac_s: ";
  for (const std::string& text :
       {std::string(), good, good + "0\n", good + "nan\n", good + "-3\n", good + "1e999\n", std::string(9999, '\xff')}) {
    std::ofstream(path) << text;
    EXPECT_FALSE(ReadStoredRates(path, "m", 1)) << text.substr(0, 200);
  }
  std::ofstream(path) << good + "1\n";
  EXPECT_TRUE(ReadStoredRates(path, "m", 1));
}

}  // namespace
}  // namespace weir
