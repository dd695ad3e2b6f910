// What a change of an organisation's log does, in words: for the admin who asks for it, and for whoever signs it with a
// root key on another machine (rules 17 to 20).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/org_request.h"

namespace tocsin::desk {

struct OrgChangeText {
  protocol::OrgId org;
  std::string org_name;
  std::string_view change;  // "certify", "revoke", "rotate_roots"
  std::uint64_t entry = 0;  // its number in the log
  std::size_t signatures_needed = 0;
  std::string says;
  std::optional<protocol::NodeId> node;  // that is certified or revoked
};
// Error: bad_request.
Result<OrgChangeText> describe_change(const protocol::OrgRequest& request);

}  // namespace tocsin::desk
