# Checks of the sources and of what was built, each a script with a reason at its head.
if(NOT WEIR_SANITIZE)  # instrumented objects carry symbols that are not ours
  add_test(NAME checks.isa_symbols COMMAND ${CMAKE_SOURCE_DIR}/scripts/check_isa_symbols.sh ${CMAKE_BINARY_DIR})
endif()
add_test(NAME checks.floors COMMAND python3 ${CMAKE_SOURCE_DIR}/scripts/check_floors.py ${CMAKE_SOURCE_DIR}/src)

# The page in a browser. It says so and is skipped where there is none.
if(NOT WEIR_SANITIZE)
  add_test(NAME page.browser COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/page/run $<TARGET_FILE:weir>)
  set_tests_properties(page.browser PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900 RUN_SERIAL ON)
endif()

# The API as the client that most programs use sees it. Skipped, as it says, where npm has not installed that.
if(NOT WEIR_SANITIZE)
  add_test(NAME openai.client COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/openai/run $<TARGET_FILE:weir>)
  set_tests_properties(openai.client PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()

# weir mcp as the protocol's own client sees it. Skipped, as it says, where npm has not installed that.
if(NOT WEIR_SANITIZE)
  add_test(NAME mcp.client COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/mcp/run $<TARGET_FILE:weir>)
  set_tests_properties(mcp.client PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()

# What weir exports as Parquet, as another program reads it. Skipped, as it says, where npm has not installed that.
if(NOT WEIR_SANITIZE)
  add_executable(parquet_sample parquet/sample.cpp)
  target_link_libraries(parquet_sample PRIVATE weir_util)
  add_test(NAME parquet.reader COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/parquet/run $<TARGET_FILE:weir> $<TARGET_FILE:parquet_sample>)
  set_tests_properties(parquet.reader PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()

# weir serve on a bad day, for a moment, and what is left behind. Its times are for whoever has the machine alone.
add_dependencies(cli_tests overload)
add_test(NAME serve.overload COMMAND overload $<TARGET_FILE:weir> ${CMAKE_CURRENT_SOURCE_DIR}/data/weir-tiny-q8_0.gguf
  --seconds 4 --connections 100 --users 8 --no-times)
set_tests_properties(serve.overload PROPERTIES TIMEOUT 300)
