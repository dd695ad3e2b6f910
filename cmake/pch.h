// Precompiled for every library (TOCSIN_PCH): what nearly every source includes anyway. No source relies on it.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"
