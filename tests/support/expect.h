// What tests say of a Result.
#pragma once

#include <gtest/gtest.h>

#include "crypto/result.h"

namespace tocsin::test {

// Code of the error, or "ok": so that a failed comparison prints both.
template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(result.error().code.text());
}

}  // namespace tocsin::test
