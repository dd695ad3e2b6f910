// Further nodes of an organisation: certified and revoked by its roots, through requests as people make them.
#pragma once

#include "protocol/org_request.h"
#include "tests/support/replica_world.h"

namespace tocsin::test {

// What the roots of `first` sign, taken up by that node of its organisation where it was asked for.
inline void sign_by_roots(Party& first, Party& at, const protocol::OrgRequest& request) {
  std::vector<protocol::OrgSignature> signatures;
  for (const protocol::RootSigner& signer : first.roots().signers()) {
    signatures.push_back(must(sign_org_request(request, *signer.key)));
  }
  crypto::Verifier verifier;
  const protocol::Entry entry = must(protocol::assemble_org_entry(signatures, verifier));
  must(at.replica().append_org_entry(entry.view(), false, nullptr));
  at.store.sync();
}

inline void certify(Party& first, Party& further, Party& at) {
  crypto::Verifier verifier;
  const auto request = must(protocol::decode_node_request(further.request, verifier));
  sign_by_roots(first, at, must(at.replica().request_certify(request)));
}
inline void certify(Party& first, Party& further) { certify(first, further, first); }

inline void revoke(Party& first, const Party& lost, Party& at) {
  sign_by_roots(first, at, must(at.replica().request_revoke(lost.node(), "lost", {})));
}

// `to` hears what `from` holds of the log of its organisation, as when it is dialled.
inline void show_own_log(Party& from, Party& to) {
  std::vector<Bytes> entries;
  const protocol::LogKey log{from.org().bytes()};
  for (protocol::Number number{1}; number <= from.replica().accepted_head(log); number = number.next()) {
    entries.push_back(protocol::encode_entry(must(from.replica().read_entry(log, number)).view()));
  }
  (void)to.replica().identify(crypto::TransportPublic{}, entries);
  to.store.sync();
}

}  // namespace tocsin::test
