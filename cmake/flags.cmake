# Compiler flags of our own targets: link tocsin_flags, never set CMAKE_CXX_FLAGS.
add_library(tocsin_flags INTERFACE)
target_compile_options(tocsin_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
target_link_libraries(tocsin_flags INTERFACE Threads::Threads)
if(TOCSIN_SANITIZE)
  # -fno-sanitize=function: clang reports coroutine frames of Asio falsely.
  set(san -fsanitize=address,undefined -fno-sanitize=function -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${san})
  add_link_options(${san})
endif()

# tocsin_library(NAME [DEPS…]): a static library from every .cc of the current folder.
function(tocsin_library name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC tocsin_flags ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE tocsin_flags ${ARGN})
  endif()
endfunction()

# tocsin_test(FOLDER DEPS…): one test program <folder>_test from every *_test.cc of tests/FOLDER, known to ctest case by case.
function(tocsin_test folder)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_compile_definitions(${name}_test PRIVATE TOCSIN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    TOCSIN_BUILD="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name}_test PRIVATE ${ARGN} GTest::gtest GTest::gtest_main GTest::gmock ${RAPIDCHECK})
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()
