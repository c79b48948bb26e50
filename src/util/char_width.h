// How many columns of a terminal a character takes.
#pragma once

#include <cstdint>

namespace weir {

/// 0: combining marks, joiners and other format characters; 2: East Asian wide and full-width ones,
/// and emoji that are pictures by default; 1: everything else, control characters too. Terminals
/// disagree about emoji that are joined to one picture: they show at most the sum.
///
/// From tables of our own (scripts/generate_width_table.py), not wcwidth(): that one knows nothing
/// before a UTF-8 locale is installed and set, and what it knows differs between C libraries. With
/// glibc 2.36 the two agree on every character that both have.
int CharWidth(uint32_t code_point);

}  // namespace weir
