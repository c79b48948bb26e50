// Loads models and runs sequences for the tests of the model floor.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "kernels/isa.h"
#include "model/model.h"
#include "model/session.h"
#include "model/workspace.h"
#include "test_data.h"

namespace weir {

inline Isa BestIsa() {
  for (const Isa isa : BuiltIsas()) {
    if (Supported(isa)) return isa;
  }
  return Isa::kPlain;
}

inline std::unique_ptr<Model> LoadModel(const std::string& path, Dtype dtype, Isa isa,
                                        ThreadPool& threads) {
  auto file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.error().message;
  auto model = Model::Load(**file, {dtype, isa, nullptr, nullptr}, threads);
  EXPECT_TRUE(model.ok()) << model.error().message;
  return std::move(model).value();
}

inline std::unique_ptr<Session> OpenSession(const Model& model, int64_t max_tokens,
                                            int64_t max_chunk, ThreadPool& threads,
                                            std::optional<KvType> kv_type = {}) {
  auto session = Session::Open(model, kv_type.value_or(DefaultKvType(model.dtype())), max_tokens,
                               max_chunk, threads);
  EXPECT_TRUE(session.ok()) << session.error().message;
  return std::move(session).value();
}

/// Logits at every position of `tokens`, fed in chunks of at most `chunk`.
inline std::vector<std::vector<float>> AllLogits(const Model& model, std::span<const int32_t> tokens,
                                                 size_t chunk, ThreadPool& threads,
                                                 std::optional<KvType> kv_type = {}) {
  auto session = OpenSession(model, static_cast<int64_t>(tokens.size()),
                             static_cast<int64_t>(chunk), threads, kv_type);
  const size_t n_vocab = static_cast<size_t>(model.config().n_vocab);
  std::vector<std::vector<float>> all;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto part = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
    const float* logits = session->Feed(part, static_cast<int64_t>(part.size()));
    for (size_t i = 0; i < part.size(); ++i) {
      all.emplace_back(logits + i * n_vocab, logits + (i + 1) * n_vocab);
    }
  }
  return all;
}

/// ||a - b|| / ||b||.
inline double RelativeDistance(std::span<const float> a, std::span<const float> b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

}  // namespace weir
