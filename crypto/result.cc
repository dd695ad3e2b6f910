#include "crypto/result.h"

namespace tocsin {

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::kPeer:
      return "peer";
    case Origin::kCaller:
      return "caller";
    case Origin::kEnvironment:
      return "environment";
    case Origin::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace tocsin
