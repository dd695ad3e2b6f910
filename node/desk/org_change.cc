#include "node/desk/org_change.h"

#include "node/reports/time_text.h"

namespace tocsin::desk {
namespace {

using namespace protocol;

struct Words {
  std::string_view change;
  std::string says;
  std::optional<NodeId> node = {};
};

Words words(const CertifyChange& c) {
  return {"certify",
          "Certify the node " + to_hex(c.certificate.node.view()) + ", called \"" + c.certificate.name + "\", until " +
              reports::format_time(c.certificate.expires).substr(0, 10) + ": it will speak for the organisation.",
          c.certificate.node};
}
Words words(const RevokeChange& c) {
  return {"revoke",
          "Revoke the node " + to_hex(c.node.view()) + " for good" +
              (c.reason.empty() ? std::string(".") : ", because: " + c.reason),
          c.node};
}
Words words(const RotateRootsChange& c) {
  return {"rotate_roots",
          "Replace all root keys of the organisation by the " + std::to_string(c.roots.keys.size()) +
              " that are asked to sign this, of which " + std::to_string(c.roots.threshold) +
              " sign together. The keys before are worth nothing afterwards, and whatever they signed in the "
              "organisation's log after entry " +
              std::to_string(c.last_good.value) + " is undone. Sign one such request only: two end the organisation."};
}

}  // namespace

Result<OrgChangeText> describe_change(const OrgRequest& request) {
  TOCSIN_ASSIGN(open, open_org_request(request));
  auto said = std::visit([](const auto& change) { return words(change); }, open.change);
  return OrgChangeText{open.org.id,          open.org.name, said.change, open.number.value, request.signers.threshold,
                       std::move(said.says), said.node};
}

}  // namespace tocsin::desk
