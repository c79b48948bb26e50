// The only file that is compiled with this machine's paths: the others' objects serve any checkout.
#include "test_data.h"

namespace weir {

std::string TestData(const std::string& name) { return WEIR_TEST_DATA "/" + name; }

std::string ArticleData(const std::string& name) { return WEIR_TEST_DATA "/../../data/articles/" + name; }

std::string SharedData(const std::string& name) {
  const char* root = std::getenv("WEIR_SHARED");
  return std::string(root ? root : WEIR_SHARED_DEFAULT) + "/" + name;
}

}  // namespace weir
