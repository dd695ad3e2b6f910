#include "tools/founding/founding.h"

namespace tocsin::tools {
namespace {

constexpr protocol::Time kIssued{1'000'000'000'000};
constexpr protocol::Time kExpires{4'000'000'000'000};

}  // namespace

protocol::NodeSecrets make_secrets(crypto::Random& random) {
  // One after the other: the vectors pin which bytes become which key.
  auto signing = crypto::SigningKey::generate(random);
  auto transport = crypto::TransportKeyPair::generate(random);
  auto encryption = crypto::EncryptionKeyPair::generate(random);
  return {std::move(transport),
          protocol::SecondTier{std::move(signing), std::move(encryption), {}, protocol::ReadingKey::random(random)}};
}

Result<Founded> found_org(const std::string& name, const std::string& network, const protocol::NodeSecrets& secrets,
                          crypto::Random& random) {
  auto root = crypto::SigningKey::generate(random);
  const auto next = crypto::SigningKey::generate(random);
  const protocol::RootSigner signer[] = {{0, &root}};
  protocol::NewOrg org;
  org.name = name;
  org.kind = protocol::OrgKind::kNgo;
  org.country = "BGD";
  org.network = network;
  org.roots = {{root.verify_key()}, 1};
  org.next_roots = protocol::RootSet{{next.verify_key()}, 1}.commitment();
  org.created = kIssued;
  TOCSIN_ASSIGN(genesis, protocol::make_genesis(org, signer, random));
  crypto::Verifier verifier;
  TOCSIN_ASSIGN(log, protocol::OrgLog::from_genesis(genesis.view(), verifier));
  protocol::NodeCertificate certificate;
  certificate.org = log.id();
  random.fill(certificate.node_random);
  certificate.first_signing = certificate.signing = secrets.tier2->signing.verify_key();
  certificate.transport = secrets.transport.public_key();
  certificate.encryption = secrets.tier2->encryption.public_key();
  certificate.node = protocol::make_node_id(log.id(), certificate.node_random, certificate.first_signing);
  certificate.issued = kIssued;
  certificate.expires = kExpires;
  certificate.name = name;
  auto certify = log.make_certify(certificate, secrets.tier2->signing, kIssued, signer);
  Founded out{{}, log.id(), certificate.node, std::move(root)};
  out.org_log.push_back(std::move(genesis));
  out.org_log.push_back(std::move(certify));
  return out;
}

}  // namespace tocsin::tools
