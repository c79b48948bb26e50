#include "hub/select.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

std::vector<HubModel> Models(const std::vector<std::string>& paths) {
  std::vector<HubFile> files;
  for (const std::string& path : paths) files.push_back({path, 1, {}});
  return ModelsAmong(files);
}

std::string Chosen(const std::vector<std::string>& paths, const std::string& selector) {
  HubReference reference{.org = "o", .repo = "r", .revision = "main", .selector = selector};
  const Result<HubModel> model = SelectModel(Models(paths), reference);
  return model ? model->files.front().path
               : "error: " + model.error().message + " " + model.error().hint;
}

TEST(HubSelect, QuantisationsInNames) {
  const std::pair<const char*, const char*> cases[] = {{"Qwen3.5-2B-Q4_K_M.gguf", "Q4_K_M"},
                                                       {"Qwen3.5-2B-UD-IQ2_XXS.gguf", "UD-IQ2_XXS"},
                                                       {"llama.Q8_0.gguf", "Q8_0"},
                                                       {"m-bf16.gguf", "bf16"},
                                                       {"m-Q4_K_M-00001-of-00003.gguf", "Q4_K_M"},
                                                       {"dir/M-F16.gguf", "F16"},
                                                       {"Q8_0.gguf", "Q8_0"},
                                                       {"model.gguf", ""},
                                                       {"CLOUD-Q4_0.gguf", "Q4_0"},
                                                       {"gpt-oss-20b-mxfp4.gguf", "mxfp4"},
                                                       {"m-TQ1_0.gguf", "TQ1_0"},
                                                       {"Q1-model.gguf", "Q1"},
                                                       {"notes.txt", ""}};
  for (const auto& [path, quant] : cases) EXPECT_EQ(QuantInName(path), quant) << path;
}

TEST(HubSelect, ByQuantisation) {
  const std::vector<std::string> repo = {"m-Q4_K_M.gguf", "m-Q4_K_S.gguf",     "m-UD-Q4_K_XL.gguf",
                                         "m-Q8_0.gguf",   "m-UD-IQ2_XXS.gguf", "mmproj-F16.gguf",
                                         "imatrix.gguf",  "README.md"};
  EXPECT_EQ(Chosen(repo, ""), "m-Q4_K_M.gguf");
  EXPECT_EQ(Chosen(repo, "q4_k_m"), "m-Q4_K_M.gguf");
  EXPECT_EQ(Chosen(repo, "Q4_K_XL"), "m-UD-Q4_K_XL.gguf");
  EXPECT_EQ(Chosen(repo, "UD-IQ2_XXS"), "m-UD-IQ2_XXS.gguf");
  EXPECT_EQ(Chosen(repo, "m-Q8_0.gguf"), "m-Q8_0.gguf");
  // Q4_K is part of three names, and the name of none.
  EXPECT_NE(Chosen(repo, "Q4_K").find("there is no such"), std::string::npos);
  EXPECT_NE(Chosen(repo, "F16").find("there is no such"), std::string::npos);
  EXPECT_NE(Chosen(repo, "Q5_0").find("Q4_K_M, Q4_K_S"), std::string::npos) << Chosen(repo, "Q5_0");
}

TEST(HubSelect, TheExactNameBeforeTheDynamicOne) {
  EXPECT_EQ(Chosen({"m-IQ2_M.gguf", "m-UD-IQ2_M.gguf"}, "IQ2_M"), "m-IQ2_M.gguf");
}

TEST(HubSelect, AmbiguityIsListed) {
  const std::string chosen = Chosen({"a/m-Q8_0.gguf", "b/m-Q8_0.gguf"}, "Q8_0");
  EXPECT_NE(chosen.find("2 files fit"), std::string::npos) << chosen;
  EXPECT_NE(chosen.find("a/m-Q8_0.gguf, b/m-Q8_0.gguf"), std::string::npos) << chosen;
  EXPECT_EQ(Chosen({"a/m-Q8_0.gguf", "b/m-Q8_0.gguf"}, "b/m-Q8_0.gguf"), "b/m-Q8_0.gguf");
  EXPECT_NE(Chosen({"a.gguf", "b.gguf"}, "").find("none of which is the usual choice"),
            std::string::npos);
  EXPECT_EQ(Chosen({"a.gguf"}, ""), "a.gguf");
  EXPECT_NE(Chosen({"model.safetensors"}, "").find("no .gguf models"), std::string::npos);
}

TEST(HubSelect, SplitFilesAreOneModel) {
  const std::vector<std::string> repo = {"m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf",
                                         "m-Q4_0-00001-of-00002.gguf"};
  ASSERT_EQ(Models(repo).size(), 1u);  // of Q4_0 a part is missing
  EXPECT_EQ(Models(repo)[0].files.size(), 2u);
  EXPECT_EQ(Chosen(repo, "Q8_0"), "m-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(Chosen(repo, "m-Q8_0-00002-of-00002.gguf"), "m-Q8_0-00001-of-00002.gguf");
  // Names that only look like parts.
  EXPECT_EQ(Models({"m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-0000x-of-00002.gguf",
                    ".gguf", "-00001-of-00001.gguf"})
                .size(),
            5u);
}

}  // namespace
}  // namespace weir
