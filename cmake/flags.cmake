# Compiler flags of our own targets: link tocsin_flags, never set CMAKE_CXX_FLAGS.
add_library(tocsin_flags INTERFACE)
# Line tables are all that a stack trace needs; full debug information doubles the time of a build.
string(REGEX REPLACE "-g( |$)" "-g1\\1" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
string(REGEX REPLACE "-g( |$)" "-g1\\1" CMAKE_CXX_FLAGS_DEBUG "${CMAKE_CXX_FLAGS_DEBUG}")
target_compile_options(tocsin_flags INTERFACE -Wall -Wextra $<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow> -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # gcc 12 sees impossible sizes in comparisons of the standard library that it has inlined.
  target_compile_options(tocsin_flags INTERFACE -Wno-stringop-overread)
endif()
target_link_libraries(tocsin_flags INTERFACE Threads::Threads)
if(TOCSIN_SANITIZE)
  # -fno-sanitize=function: clang reports coroutine frames of Asio falsely.
  set(san -fsanitize=address,undefined -fno-sanitize=function -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${san})
  add_link_options(${san})
endif()

# Headers that nearly every source includes, precompiled once for all libraries and once for all test programs.
if(TOCSIN_PCH)
  add_library(tocsin_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(tocsin_pch PRIVATE tocsin_flags)
  target_precompile_headers(tocsin_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
endif()

# What builds JSON all day takes the sanitizers' optimiser three times as long as anything else, and runs fast enough without it.
set(TOCSIN_PLAIN_WHEN_SANITIZED tocsin_node_desk tocsin_node_api tocsin_node_host tocsin_node_cli)
if(TOCSIN_SANITIZE AND TOCSIN_PCH)
  add_library(tocsin_pch_plain OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(tocsin_pch_plain PRIVATE tocsin_flags)
  target_compile_options(tocsin_pch_plain PRIVATE -O0)
  target_precompile_headers(tocsin_pch_plain PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
endif()

# tocsin_library(NAME [DEPS…]): a static library from every .cc of the current folder.
function(tocsin_library name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC tocsin_flags ${ARGN})
    set(pch tocsin_pch)
    if(TOCSIN_SANITIZE AND name IN_LIST TOCSIN_PLAIN_WHEN_SANITIZED)
      target_compile_options(${name} PRIVATE -O0)
      set(pch tocsin_pch_plain)
    endif()
    if(TOCSIN_PCH)
      target_precompile_headers(${name} REUSE_FROM ${pch})
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE tocsin_flags ${ARGN})
  endif()
endfunction()
