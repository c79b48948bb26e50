// A model's header, read from afar.
#include "hub/remote_header.h"

#include <gtest/gtest.h>

#include "gguf/gguf_bytes.h"
#include "hub/fake_hub.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

class RemoteHeaderTest : public testing::Test {
 protected:
  Result<RemoteModel> Open(const std::string& name) {
    const HubSettings settings{.endpoint = hub_.url(), .token = "", .cache = "/nonexistent"};
    return OpenRemoteHeader(settings, options_, *ParseHubReference(name), {});
  }
  /// A header of about n_bytes, with one tensor behind it.
  static std::string Model(size_t n_bytes) {
    GgufBytes bytes;
    bytes.Header(1, 2).Key("general.architecture", MetadataType::kString).Text("test");
    bytes.Array("padding", MetadataType::kU8, n_bytes);
    for (size_t i = 0; i < n_bytes; ++i) bytes.Put<uint8_t>(7);
    bytes.Tensor("weight", {32, 1000}, 0, 0).Data(32 * 1000 * 4);
    return std::string(bytes.bytes().begin(), bytes.bytes().end());
  }

  FakeHub hub_;
  NetworkOptions options_{.max_failures = 2, .first_wait_ms = 1};
};

TEST_F(RemoteHeaderTest, OneRequestForASmallHeader) {
  const std::string file = ReadText(TestData("weir-tiny-q8_0.gguf"));
  hub_.Add("weir-tiny-q8_0.gguf", file);
  const Result<RemoteModel> remote = Open("hf:org/model:q8_0");
  ASSERT_TRUE(remote.ok()) << remote.error().message;
  const auto local = GgufFile::Open(TestData("weir-tiny-q8_0.gguf"));
  ASSERT_TRUE(local.ok());
  ASSERT_EQ(remote->source->tensors().size(), (*local)->tensors().size());
  EXPECT_EQ(remote->source->tensors().back().name, (*local)->tensors().back().name);
  EXPECT_EQ(remote->source->metadata().entries().size(), (*local)->metadata().entries().size());
  EXPECT_EQ(remote->source->file_bytes(), static_cast<int64_t>(file.size()));
  EXPECT_EQ(remote->n_requests, 1);
  EXPECT_LT(remote->bytes_fetched, static_cast<int64_t>(file.size()) / 4);
}

TEST_F(RemoteHeaderTest, AsksForMoreAsLongAsNeeded) {
  hub_.Add("m-F32.gguf", Model(3 << 20));
  const Result<RemoteModel> remote = Open("hf:org/model");
  ASSERT_TRUE(remote.ok()) << remote.error().message;
  EXPECT_EQ(remote->source->tensors()[0].ne[1], 1000);
  EXPECT_EQ(remote->n_requests, 3);  // up to 256 kB, 1 MB, and the end before 4 MB
  // No byte twice.
  EXPECT_LE(remote->bytes_fetched, remote->source->file_bytes());
}

TEST_F(RemoteHeaderTest, WhatIsWrongWithAFileIsSaid) {
  hub_.Add("cut-Q8_0.gguf", Model(1000).substr(0, 2000));
  hub_.Add("text-F16.gguf", "no GGUF at all");
  hub_.Add("empty-F32.gguf", "");
  const Result<RemoteModel> cut = Open("hf:org/model:Q8_0");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, ErrorCode::kBadInput);
  EXPECT_NE(cut.error().message.find("bytes are missing"), std::string::npos)
      << cut.error().message;
  const Result<RemoteModel> text = Open("hf:org/model:F16");
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message.find("not a GGUF file"), std::string::npos)
      << text.error().message;
  EXPECT_FALSE(Open("hf:org/model:F32").ok());
}

TEST_F(RemoteHeaderTest, ServersThatLieAreRefused) {
  hub_.Add("m-F32.gguf", Model(1 << 20));
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (request.has("/resolve/")) reply.headers["Content-Range"] = "bytes 5-9/10";
  });
  EXPECT_FALSE(Open("hf:org/model").ok());
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (request.has("/resolve/")) reply.status = 200;
  });
  const Result<RemoteModel> whole = Open("hf:org/model");
  ASSERT_FALSE(whole.ok());
  EXPECT_NE(whole.error().message.find("ranges"), std::string::npos) << whole.error().message;
}

TEST_F(RemoteHeaderTest, AllPartsOfASplitModel) {
  const auto part = [](uint16_t number, const char* tensor) {
    GgufBytes bytes;
    bytes.Header(1, 3).Key("split.no", MetadataType::kU16).Put<uint16_t>(number);
    bytes.Key("split.count", MetadataType::kU16).Put<uint16_t>(2);
    bytes.Key("split.tensors.count", MetadataType::kI32).Put<int32_t>(2);
    bytes.Tensor(tensor, {32}, 0, 0).Data(128);
    return std::string(bytes.bytes().begin(), bytes.bytes().end());
  };
  hub_.Add("m-F32-00001-of-00002.gguf", part(0, "a"));
  hub_.Add("m-F32-00002-of-00002.gguf", part(1, "b"));
  const Result<RemoteModel> remote = Open("hf:org/model");
  ASSERT_TRUE(remote.ok()) << remote.error().message;
  EXPECT_EQ(remote->source->tensors().size(), 2u);
  EXPECT_EQ(remote->n_requests, 2);
  hub_.Add("m-F32-00002-of-00002.gguf", part(0, "b"));
  EXPECT_FALSE(Open("hf:org/model").ok());
}

/// Every cut of a header is a wish for more, and nothing else.
TEST(GgufPrefix, AsksForMoreAtEveryCut) {
  GgufBytes bytes;
  bytes.Header(1, 3).Key("name", MetadataType::kString).Text("a model");
  bytes.Array("words", MetadataType::kString, 2).Text("one").Text("");
  bytes.Key("alignment", MetadataType::kU32).U32(32).Tensor("weight", {32, 2}, 8, 0);
  const size_t header = bytes.bytes().size();
  bytes.Data(68);
  const auto parse = [&](size_t n, bool* wants_more) {
    const std::vector<uint8_t> known(bytes.bytes().begin(),
                                     bytes.bytes().begin() + static_cast<std::ptrdiff_t>(n));
    return ParseGgufPrefix("x", known.data(), n, bytes.bytes().size(), wants_more).ok();
  };
  for (size_t n = 0; n <= bytes.bytes().size(); ++n) {
    bool wants_more = false;
    EXPECT_EQ(parse(n, &wants_more), n >= header) << n;
    EXPECT_EQ(wants_more, n < header) << n;
  }
}

}  // namespace
}  // namespace weir
