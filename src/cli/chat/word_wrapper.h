// Breaks a text that comes in pieces into lines of a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

/// What it returns, concatenated, is the text in lines of at most `width` columns (a single
/// character that is wider stands alone), broken at white space and beside East Asian characters,
/// and within a word only where it is longer than a line. It holds no control characters but line
/// feeds, whatever was pushed: what a model writes cannot steer a terminal. White space at a break
/// and at the end of a line is left out, tabs become spaces, and of more marks on one character
/// than any script uses the first ones stay. A word is held back until it is complete.
class WordWrapper {
 public:
  /// In columns; less than 1 counts as 1.
  explicit WordWrapper(int width) { SetWidth(width); }

  /// The terminal's width has changed: lines that begin from now on have this one.
  void SetWidth(int width);
  /// What can be shown now. Bytes of a character that is not complete wait for the rest.
  std::string Push(std::string_view text);
  /// The rest, at the end of the text or before other text is printed. The line goes on.
  std::string Flush();

  /// Columns taken on the line that is being written.
  int column() const { return column_; }

 private:
  void Put(uint32_t c, std::string_view bytes);
  void PutMark(uint32_t c, std::string_view bytes);
  void PutVisible(uint32_t c, std::string_view bytes, int width);
  void EndWord();
  void EndLine();

  int width_ = 1, next_width_ = 1;
  int column_ = 0;
  int spaces_ = 0;  // after what is written, before the word
  std::string word_;
  int word_columns_ = 0;
  int n_marks_ = 0;             // on the last character
  uint32_t last_visible_ = 0;   // of the word
  size_t last_begin_ = 0;       // where it is in the word
  int last_width_ = 0;          // its columns
  std::string partial_character_;
  std::string out_;
};

/// A whole text in lines of at most `width` columns.
std::string WordWrapped(std::string_view text, int width);

}  // namespace weir
