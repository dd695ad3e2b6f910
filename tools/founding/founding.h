// An organisation with one root and one node, made on the spot: for programs that need real identities but no home
// (bench, simulator).
#pragma once

#include <string>
#include <vector>

#include "protocol/identity.h"
#include "protocol/node_secrets.h"

namespace tocsin::tools {

struct Founded {
  std::vector<protocol::Entry> org_log;  // genesis and the node's certificate
  protocol::OrgId org;
  protocol::NodeId node;
  crypto::SigningKey root;  // the one that signs whatever comes next
};

protocol::NodeSecrets make_secrets(crypto::Random& random);
Result<Founded> found_org(const std::string& name, const std::string& network, const protocol::NodeSecrets& secrets,
                          crypto::Random& random);

}  // namespace tocsin::tools
