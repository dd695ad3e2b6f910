// The source of "randomness" of tests.
#pragma once

#include "tools/founding/seeded_random.h"

namespace tocsin::test {

using tools::SeededRandom;

}  // namespace tocsin::test
