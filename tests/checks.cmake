# Checks of the sources and of what was built, each a script with a reason at its head.
if(NOT WEIR_SANITIZE)  # instrumented objects carry symbols that are not ours
  add_test(NAME checks.isa_symbols COMMAND ${CMAKE_SOURCE_DIR}/scripts/check_isa_symbols.sh ${CMAKE_BINARY_DIR})
endif()
add_test(NAME checks.floors COMMAND python3 ${CMAKE_SOURCE_DIR}/scripts/check_floors.py ${CMAKE_SOURCE_DIR}/src)
