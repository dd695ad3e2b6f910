#include "node/host/transport_keys.h"

namespace tocsin::host {

bool use_certified(protocol::NodeSecrets& secrets, const crypto::TransportPublic& certified) {
  if (!secrets.transport_other || secrets.transport_other->public_key() != certified) return false;
  std::swap(secrets.transport, *secrets.transport_other);
  return true;
}

// Memory first: what lies on disk are the same two, and the log decides between them at each start.
void TransportKeys::follow() {
  const auto* own = replica_.own_org().live_node(replica_.own_node());
  if (own == nullptr || !use_certified(secrets_, own->certificate.transport)) return;
  log_.info(Code{"transport_key_taken"});
  if (auto saved = save(); !saved) log_.warning(Code{"transport_key_not_saved"}, {{"reason", saved.error().code}});
}

void TransportKeys::on_org_log(const protocol::OrgId& org) {
  if (org == replica_.own_org().id()) follow();
}

Result<void> TransportKeys::make_next() {
  auto next = crypto::TransportKeyPair::generate(random_);
  TOCSIN_TRY(keystore_.save_tier1(
      {secrets_.transport.secret().clone(), keystore_.tier1().store.clone(), next.secret().clone()}, random_));
  secrets_.transport_other = std::move(next);
  return kOk;
}

const crypto::TransportPublic& TransportKeys::next() const {
  return secrets_.transport_other ? secrets_.transport_other->public_key() : secrets_.transport.public_key();
}

Result<void> TransportKeys::save() {
  return keystore_.save_tier1({secrets_.transport.secret().clone(), keystore_.tier1().store.clone(),
                               secrets_.transport_other->secret().clone()},
                              random_);
}

}  // namespace tocsin::host
