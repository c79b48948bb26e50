# weir_embed(TARGET FUNCTION FILES...): adds a source to TARGET that defines
#   std::span<const EmbeddedFile> weir::FUNCTION()
# with the files' names (no folder, no extension) and texts, in the order given.
function(weir_embed target function)
  set(entries "")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    cmake_path(GET file STEM name)
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  set(source ${CMAKE_BINARY_DIR}/embedded/${function}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "#include <span>

#include \"util/embedded_file.h\"

namespace weir {
std::span<const EmbeddedFile> @function@();
std::span<const EmbeddedFile> @function@() {
  static constexpr EmbeddedFile kFiles[] = {
@entries@  };
  return kFiles;
}
}  // namespace weir
")
  target_sources(${target} PRIVATE ${source})
endfunction()
