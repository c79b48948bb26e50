// Text whose every part knows who wrote it: what a chat template renders, and what is tokenised with control
// tokens only where the template itself wrote them.
#pragma once

#include <string>
#include <vector>

namespace weir {

/// kTemplate: the model's own template wrote it. kData: users, tools, documents or an answer did.
enum class Origin { kTemplate, kData };

struct TextSegment {
  std::string text;
  Origin origin = Origin::kData;
};

using TypedText = std::vector<TextSegment>;

}  // namespace weir
