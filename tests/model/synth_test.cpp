#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "kernels/dequantize.h"
#include "model/cache.h"
#include "model/model.h"
#include "model/synth/random_rows.h"
#include "model/mixture.h"
#include "model/synth/synth_metadata.h"
#include "model/synth/synth_source.h"
#include "model/synth/tensor_table.h"

namespace weir {
namespace {

using ::testing::HasSubstr;

std::vector<TensorInfo> Tensors(std::string_view model, std::string_view quant) {
  return SynthTensors(*FindSynthModel(model).value(), *FindMixture(quant).value());
}

int64_t Params(const std::vector<TensorInfo>& tensors) {
  int64_t n = 0;
  for (const TensorInfo& tensor : tensors) n += tensor.n_elements();
  return n;
}

int64_t Bytes(const std::vector<TensorInfo>& tensors) {
  int64_t n = 0;
  for (const TensorInfo& tensor : tensors) n += tensor.n_bytes();
  return n;
}

std::map<TensorType, int> CountByType(const std::vector<TensorInfo>& tensors) {
  std::map<TensorType, int> counts;
  for (const TensorInfo& tensor : tensors) ++counts[tensor.type];
  return counts;
}

TensorType TypeOf(const std::vector<TensorInfo>& tensors, std::string_view name) {
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name == name) return tensor.type;
  }
  ADD_FAILURE() << "no tensor " << name;
  return TensorType::kF32;
}

struct ExactTotals {
  std::string_view model;
  int64_t q8_0_bytes, q4_k_m_bytes;  // spec 12.1
  size_t n_tensors;                  // spec 3
  int n_f32, n_q6_k, n_q4_k;         // of Q4_K_M, spec 12.1
};
constexpr ExactTotals kExactTotals[] = {
    {"qwen3.5-0.8b", 800'881'920, 518'335'744, 320, 133, 25, 162},
    {"qwen3.5-2b", 2'001'050'880, 1'263'435'008, 320, 133, 25, 162},
    {"qwen3.5-4b", 4'471'435'264, 2'697'836'544, 426, 177, 33, 216},
    {"qwen3.5-9b", 9'516'533'760, 5'618'141'184, 427, 177, 33, 217},
    {"qwen3.5-27b", 28'584'769'536, 16'536'406'016, 851, 353, 65, 433},
};

TEST(SynthCatalogue, BytesAndCountsAreThoseOfTheSpec) {
  for (const ExactTotals& exact : kExactTotals) {
    SCOPED_TRACE(exact.model);
    const auto q8 = Tensors(exact.model, "Q8_0"), q4 = Tensors(exact.model, "Q4_K_M");
    EXPECT_EQ(Bytes(q8), exact.q8_0_bytes);
    EXPECT_EQ(Bytes(q4), exact.q4_k_m_bytes);
    EXPECT_EQ(q8.size(), exact.n_tensors);
    auto counts = CountByType(q4);
    EXPECT_EQ(counts[TensorType::kF32], exact.n_f32);
    EXPECT_EQ(counts[TensorType::kQ6_K], exact.n_q6_k);
    EXPECT_EQ(counts[TensorType::kQ4_K], exact.n_q4_k);
    EXPECT_EQ(counts.size(), 3u);
  }
}

TEST(SynthCatalogue, ParametersAreThoseOfTheRealModels) {
  const auto billions = [](std::string_view model) {
    return static_cast<double>(Params(Tensors(model, "F16"))) / 1e9;
  };
  EXPECT_NEAR(billions("qwen3.5-0.8b"), 0.7524, 5e-5);  // spec 4
  EXPECT_NEAR(billions("qwen3.5-2b"), 1.8818, 5e-5);
  EXPECT_NEAR(billions("qwen3.5-4b"), 4.2058, 5e-5);
  EXPECT_NEAR(billions("qwen3.5-9b"), 8.9538, 5e-5);
  EXPECT_NEAR(billions("qwen3.5-27b"), 26.896, 5e-4);
  EXPECT_NEAR(billions("qwen3.5-35b-a3b"), 34.66, 5e-3);
  // As published with the weights; rope_freqs is not a parameter there.
  EXPECT_EQ(Params(Tensors("qwen3-0.6b", "F16")), 596'049'920);
  EXPECT_EQ(Params(Tensors("llama-3.2-1b", "F16")), 1'235'814'400 + 32);
  EXPECT_EQ(Params(Tensors("llama-3.1-8b", "F16")), 8'030'261'248 + 64);
}

TEST(SynthRecipes, UdIq2XxsIsAsDefined) {
  const auto tensors = Tensors("qwen3.5-2b", "UD-IQ2_XXS");
  EXPECT_NEAR(static_cast<double>(Bytes(tensors)), 786e6, 1e6);
  EXPECT_EQ(TypeOf(tensors, "token_embd.weight"), TensorType::kQ5_K);
  EXPECT_EQ(TypeOf(tensors, "blk.3.attn_k.weight"), TensorType::kQ4_K);
  EXPECT_EQ(TypeOf(tensors, "blk.3.attn_v.weight"), TensorType::kQ4_K);
  for (const char* name : {"blk.3.attn_q", "blk.3.attn_output", "blk.0.attn_qkv", "blk.0.attn_gate",
                           "blk.0.ssm_out"}) {
    EXPECT_EQ(TypeOf(tensors, std::string(name) + ".weight"), TensorType::kIQ3_XXS) << name;
  }
  EXPECT_EQ(TypeOf(tensors, "blk.0.ssm_alpha.weight"), TensorType::kQ8_0);
  EXPECT_EQ(TypeOf(tensors, "blk.0.ssm_beta.weight"), TensorType::kQ8_0);
  EXPECT_EQ(TypeOf(tensors, "blk.0.ffn_gate.weight"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeOf(tensors, "blk.0.ffn_up.weight"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeOf(tensors, "blk.23.ffn_down.weight"), TensorType::kIQ2_S);
  EXPECT_EQ(CountByType(tensors)[TensorType::kF32], 133);

  const auto moe = Tensors("qwen3.5-35b-a3b", "UD-IQ2_XXS");
  EXPECT_EQ(TypeOf(moe, "output.weight"), TensorType::kQ5_K);
  EXPECT_EQ(TypeOf(moe, "blk.0.ffn_down_exps.weight"), TensorType::kIQ2_S);
  EXPECT_EQ(TypeOf(moe, "blk.0.ffn_up_shexp.weight"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeOf(moe, "blk.0.ffn_gate_inp.weight"), TensorType::kF32);
}

TEST(SynthRecipes, StockIq2XxsIsThatOfTheSpec) {
  const auto tied = Tensors("qwen3.5-0.8b", "IQ2_XXS"), untied = Tensors("qwen3.5-9b", "IQ2_XXS");
  EXPECT_EQ(TypeOf(tied, "token_embd.weight"), TensorType::kQ5_K);
  EXPECT_EQ(TypeOf(untied, "token_embd.weight"), TensorType::kQ2_K);
  EXPECT_EQ(TypeOf(untied, "output.weight"), TensorType::kQ5_K);
  EXPECT_EQ(TypeOf(tied, "blk.0.attn_qkv.weight"), TensorType::kQ4_K);
  EXPECT_EQ(TypeOf(tied, "blk.3.attn_v.weight"), TensorType::kQ4_K);
  EXPECT_EQ(TypeOf(tied, "blk.2.ffn_down.weight"), TensorType::kQ2_K);
  EXPECT_EQ(TypeOf(tied, "blk.3.ffn_down.weight"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeOf(tied, "blk.0.ssm_alpha.weight"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeOf(Tensors("qwen3-0.6b", "IQ2_XXS"), "blk.0.attn_v.weight"), TensorType::kQ2_K);
}

TEST(SynthSource, ConfigurationAndStateAreThoseOfTheRealModel) {
  for (const SynthModel& model : SynthModels()) {
    SCOPED_TRACE(model.name);
    auto source = SynthSource::Create(model.name, "Q8_0");
    ASSERT_TRUE(source.ok());
    const auto config = ReadConfig(**source);
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->arch, model.arch);
    EXPECT_EQ(config->n_layers, model.n_layers);
    EXPECT_EQ(config->n_vocab, model.n_vocab);
    EXPECT_EQ(config->n_heads, model.n_heads);
    EXPECT_EQ(config->n_experts_used, model.n_experts_used);
  }
  auto source = SynthSource::Create("qwen3.5-27b", "Q8_0");  // spec 4.1
  const auto config = ReadConfig(**source);
  EXPECT_EQ(StateBytesPerSequence(*config), 156'893'184);
  EXPECT_EQ(KvBytesPerToken(*config, KvType::kF16), 65'536);
  EXPECT_EQ(KvBytesPerToken(*config, KvType::kQ8_0), 34'816);
}

TEST(SynthSource, VocabularyIsFullSizedAndDistinct) {
  for (const SynthModel& model : SynthModels()) {
    SCOPED_TRACE(model.name);
    const Metadata metadata = SynthMetadata(model, Mixtures()[0]);
    const auto& tokens = **metadata.Strings("tokenizer.ggml.tokens");
    ASSERT_EQ(static_cast<int64_t>(tokens.size()), model.n_vocab);
    EXPECT_EQ(metadata.Ints("tokenizer.ggml.token_type")->size(), tokens.size());
    const std::set<std::string_view> distinct(tokens.begin(), tokens.end());
    EXPECT_EQ(distinct.size(), tokens.size());
    for (const std::string& merge : **metadata.Strings("tokenizer.ggml.merges")) {
      const size_t space = merge.find(' ');
      for (const auto& part : {merge.substr(0, space), merge.substr(space + 1),
                               merge.substr(0, space) + merge.substr(space + 1)}) {
        EXPECT_TRUE(distinct.contains(part)) << part;
      }
    }
  }
}

TEST(SynthSource, SpecialTokensAreAtTheirRealIds) {
  const auto check = [](std::string_view model, size_t id, std::string_view token) {
    const Metadata metadata = SynthMetadata(**FindSynthModel(model), Mixtures()[0]);
    EXPECT_EQ((**metadata.Strings("tokenizer.ggml.tokens"))[id], token);
  };
  check("qwen3.5-0.8b", 0, "!");
  check("qwen3.5-0.8b", 248044, "<|endoftext|>");
  check("qwen3.5-0.8b", 248046, "<|im_end|>");
  check("qwen3.5-0.8b", 248054, "<|vision_end|>");
  check("qwen3-0.6b", 151645, "<|im_end|>");
  check("qwen3-0.6b", 151668, "</think>");
  check("llama-3.1-8b", 128000, "<|begin_of_text|>");
  check("llama-3.1-8b", 128009, "<|eot_id|>");
}

struct Moments {
  double mean = 0, rms = 0;
};

Moments MomentsOf(const std::vector<float>& values) {
  Moments m;
  for (float v : values) {
    EXPECT_TRUE(std::isfinite(v));
    m.mean += v;
    m.rms += double{v} * v;
  }
  const double n = static_cast<double>(values.size());
  return {m.mean / n, std::sqrt(m.rms / n)};
}

TEST(RandomRows, EveryTypeIsFiniteAndHasTheSpreadAskedFor) {
  constexpr int64_t kElements = 1 << 15;
  for (const TypeTraits& traits : AllTypes()) {
    for (const double std : {1.0 / std::sqrt(1024.0), 1.0 / std::sqrt(17408.0)}) {
      SCOPED_TRACE(fmt::format("{}, std {}", traits.name, std));
      std::vector<uint8_t> row(static_cast<size_t>(RowBytes(traits.type, kElements)));
      RandomRows(traits.type, std).Fill(7, kElements, row.data());
      std::vector<float> values(kElements);
      DequantizeRow(traits.type, row.data(), kElements, values.data());
      const Moments m = MomentsOf(values);
      const bool power_of_two = traits.type == TensorType::kMXFP4;
      EXPECT_NEAR(m.rms / std, 1.0, power_of_two ? 0.42 : 0.05);
      EXPECT_NEAR(m.mean / std, 0.0, 0.15);  // Q4_0, IQ4_NL: codes are not quite symmetric
    }
  }
}

TEST(RandomRows, WritesNoByteTooMany) {
  for (const TypeTraits& traits : AllTypes()) {
    const int64_t n =
        3 * traits.block_size;  // three F32 values are less than the generator's stride
    const size_t bytes = static_cast<size_t>(RowBytes(traits.type, n));
    std::vector<uint8_t> row(bytes + 64, 0xab);
    RandomRows(traits.type, 1.0).Fill(7, n, row.data());
    EXPECT_TRUE(std::all_of(row.begin() + static_cast<int64_t>(bytes), row.end(), [](uint8_t b) {
      return b == 0xab;
    })) << traits.name;
  }
}

std::vector<float> Values(const SynthSource& source, size_t index, int64_t row) {
  const TensorInfo& tensor = source.tensors()[index];
  std::vector<uint8_t> scratch(static_cast<size_t>(tensor.row_bytes()));
  const uint8_t* bytes = source.Rows(index, row, 1, scratch.data());
  std::vector<float> values(static_cast<size_t>(tensor.ne[0]));
  DequantizeRow(tensor.type, bytes, tensor.ne[0], values.data());
  return values;
}

TEST(SynthSource, RowsDoNotDependOnHowTheyAreAskedFor) {
  auto a = SynthSource::Create("qwen3.5-0.8b", "UD-IQ2_XXS");
  auto b = SynthSource::Create("QWEN3.5-0.8B", "ud-iq2_xxs");
  ASSERT_TRUE(a.ok() && b.ok());
  for (size_t i = 0; i < (*a)->tensors().size(); i += 5) {
    const TensorInfo& tensor = (*a)->tensors()[i];
    const int64_t n = std::min<int64_t>(16, tensor.n_rows());
    std::vector<uint8_t> all(static_cast<size_t>(n * tensor.row_bytes())), one(all.size());
    const uint8_t* rows = (*a)->Rows(i, 0, n, all.data());
    const uint8_t* last = (*b)->Rows(i, n - 1, 1, one.data());
    EXPECT_EQ(std::memcmp(rows + (n - 1) * tensor.row_bytes(), last,
                          static_cast<size_t>(tensor.row_bytes())),
              0)
        << tensor.name;
    if (n > 1) {
      EXPECT_NE(std::memcmp(rows, last, static_cast<size_t>(tensor.row_bytes())), 0)
          << tensor.name << ": rows repeat";
    }
  }
}

TEST(SynthSource, WeightsAreSane) {
  for (const char* model : {"qwen3.5-0.8b", "qwen3.5-35b-a3b", "llama-3.2-1b"}) {
    auto source = SynthSource::Create(model, "Q4_K_M");
    ASSERT_TRUE(source.ok());
    for (size_t i = 0; i < std::min<size_t>((*source)->tensors().size(), 64); ++i) {
      const TensorInfo& tensor = (*source)->tensors()[i];
      SCOPED_TRACE(tensor.name);
      const std::vector<float> values = Values(**source, i, tensor.n_rows() - 1);
      const Moments m = MomentsOf(values);
      if (tensor.name.ends_with("norm.weight")) {
        EXPECT_EQ(m.mean, 1.0);
      } else if (tensor.name.ends_with("ssm_a")) {
        EXPECT_EQ(*std::max_element(values.begin(), values.end()), -1.0f);
      } else if (tensor.n_dims > 1 && tensor.ne[0] >= 256) {
        EXPECT_NEAR(m.rms * std::sqrt(static_cast<double>(tensor.ne[0])), 1.0, 0.35);
      }
    }
  }
}

TEST(SynthSource, RopeFreqsFollowTheLlama31Rule) {
  auto source = SynthSource::Create("llama-3.1-8b", "F16");
  const auto& tensors = (*source)->tensors();
  const size_t index = static_cast<size_t>(
      std::find_if(tensors.begin(), tensors.end(),
                   [](const TensorInfo& t) { return t.name == "rope_freqs.weight"; }) -
      tensors.begin());
  ASSERT_LT(index, tensors.size());
  const std::vector<float> divisors = Values(**source, index, 0);
  EXPECT_EQ(divisors.front(), 1.0f);
  EXPECT_EQ(divisors.back(), 8.0f);
  EXPECT_TRUE(std::is_sorted(divisors.begin(), divisors.end()));
}

TEST(OpenModel, SyntheticNamesAreCaseInsensitive) {
  auto source = OpenModel("synth:Qwen3.5-2B:ud-iq2_xxs");
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->name(), "synth:qwen3.5-2b:UD-IQ2_XXS");
  EXPECT_TRUE((*source)->synthetic());
}

TEST(OpenModel, ErrorsListWhatExists) {
  for (const auto& [name, listed] : std::initializer_list<std::pair<const char*, const char*>>{
           {"synth:qwen9-1b:Q8_0", "qwen3.5-35b-a3b"},
           {"synth:qwen3.5-2b:Q9", "UD-IQ2_XXS"},
           {"synth:qwen3.5-2b", "synth:qwen3.5-2b:QUANT"},
           {"synth:", "llama-3.2-1b"},
           {"synth:qwen3.5-2b:", "Q4_K_M"},
           {"hf:org/repo:Q8_0", "weir pull"}}) {
    const auto source = OpenModel(name);
    ASSERT_FALSE(source.ok()) << name;
    EXPECT_EQ(source.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(source.error().hint, HasSubstr(listed));
  }
  EXPECT_FALSE(OpenModel("/no/such/file.gguf").ok());
}

}  // namespace
}  // namespace weir
