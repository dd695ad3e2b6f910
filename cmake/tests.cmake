# Test programs. They stand in no default target: `layer_tests` builds them all (tools/test does so
# under the sanitizers).
add_custom_target(layer_tests)
# What is measured and attacked is the library; the test's own code is compiled as fast as it can be.
add_library(tocsin_test_flags INTERFACE)
target_compile_options(tocsin_test_flags INTERFACE -O0)
target_link_libraries(tocsin_test_flags INTERFACE GTest::gtest GTest::gtest_main GTest::gmock ${RAPIDCHECK} tocsin_flags)
if(TOCSIN_PCH)
  add_library(tocsin_test_pch OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(tocsin_test_pch PRIVATE tocsin_test_flags)
  target_precompile_headers(tocsin_test_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch_tests.h)
endif()

# tocsin_test(FOLDER DEPS…): the test program <folder>_test from every .cc of tests/FOLDER; one test of ctest.
function(tocsin_test folder)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cc)
  add_executable(${name}_test EXCLUDE_FROM_ALL ${sources})
  target_compile_definitions(${name}_test PRIVATE TOCSIN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    TOCSIN_BUILD="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name}_test PRIVATE ${ARGN} tocsin_test_flags)
  if(TOCSIN_PCH)
    target_precompile_headers(${name}_test REUSE_FROM tocsin_test_pch)
  endif()
  add_dependencies(layer_tests ${name}_test)
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES LABELS "layer;sanitized" TIMEOUT 600)
endfunction()
