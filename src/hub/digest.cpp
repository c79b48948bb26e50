#include "hub/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "util/error.h"

namespace weir {

struct BlobDigest::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

bool BlobDigest::Knows(std::string_view etag) {
  return (etag.size() == 64 || etag.size() == 40) &&
         etag.find_first_not_of("0123456789abcdef") == etag.npos;
}

BlobDigest::BlobDigest(std::string_view etag, int64_t n_bytes)
    : context_(std::make_unique<Context>()) {
  const bool git = etag.size() == 40;
  WEIR_CHECK(context_->evp &&
             EVP_DigestInit_ex(context_->evp, git ? EVP_sha1() : EVP_sha256(), nullptr));
  if (!git) return;
  const std::string head = fmt::format("blob {}", n_bytes);
  Add(head.c_str(), head.size() + 1);
}

BlobDigest::~BlobDigest() = default;

void BlobDigest::Add(const void* data, size_t n_bytes) {
  WEIR_CHECK(EVP_DigestUpdate(context_->evp, data, n_bytes));
}

std::string BlobDigest::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  WEIR_CHECK(EVP_DigestFinal_ex(context_->evp, bytes, &n));
  std::string text;
  for (unsigned i = 0; i < n; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::string Sha256(std::string_view bytes) {
  BlobDigest digest(std::string(64, '0'), static_cast<int64_t>(bytes.size()));
  digest.Add(bytes.data(), bytes.size());
  return digest.Finish();
}

}  // namespace weir
