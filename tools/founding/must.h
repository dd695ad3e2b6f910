// How a tool ends when it cannot go on: one line on standard error, and an exit code.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "crypto/result.h"

namespace tocsin::tools {

// At once, without destructors: other threads may be running.
[[noreturn]] inline void fail(const std::string& text, int exit_code = 1) {
  std::fprintf(stderr, "error: %s\n", text.c_str());
  std::_Exit(exit_code);
}

[[noreturn]] inline void fail(const char* what, const Error& error) {
  fail(std::string(what) + ": " + std::string(error.code.text()) + " " + error.detail);
}

// The value of a result that has to be there; `what` says what was tried.
template <class T>
T must(Result<T> result, const char* what) {
  if (!result) fail(what, result.error());
  return std::move(*result);
}
inline void must(const Result<void>& result, const char* what) {
  if (!result) fail(what, result.error());
}

}  // namespace tocsin::tools
