// Token ids to text as they come: what Push returns is always whole characters.
#pragma once

#include <cstdint>
#include <string>

#include "model/text/tokenizer.h"

namespace weir {

/// One stream of tokens. All that it returns, concatenated, is valid UTF-8: a character whose bytes
/// are spread over several tokens comes with its last byte, and bytes that are no character as
/// U+FFFD.
class StreamDecoder {
 public:
  /// `tokenizer` outlives the decoder. Control tokens give no text unless `show_control`. Where the
  /// stream is a text from its start and not what goes on after a prompt, the space that Encode put
  /// before it is left out with `from_start`.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool show_control = false,
                         bool from_start = false)
      : tokenizer_(tokenizer),
        show_control_(show_control),
        drop_space_(from_start && tokenizer.space_prefix()) {}

  /// The text that is complete with this token; empty in the midst of a character.
  std::string Push(int32_t id);
  /// At the end of the stream: U+FFFD if it ends in the midst of a character, else nothing.
  std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  bool show_control_;
  bool drop_space_;      // if the text begins with one
  std::string pending_;  // the bytes of a character that is not complete
};

}  // namespace weir
