// An organisation, its roots and nodes, and a card, all from one seed: equal on every machine. For tests and vector
// files.
#pragma once

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "protocol/card.h"
#include "protocol/identity.h"
#include "protocol/names.h"
#include "tests/support/seeded_random.h"

namespace tocsin::test {

inline const bool kCryptoReady = crypto::init().ok();

// 2026-01-05T08:00:00Z, and the year after which example certificates are STALE.
inline constexpr protocol::Time kExampleTime{1'767'600'000'000};
inline constexpr protocol::Time kExampleExpiry{1'799'136'000'000};

// Must not fail: the input is ours.
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::cerr << "unexpected: " << result.error().code.text() << ": " << result.error().detail << "\n";
    std::abort();
  }
  return std::move(*result);
}
inline void must(Result<void> result) {
  if (!result) {
    std::cerr << "unexpected: " << result.error().code.text() << ": " << result.error().detail << "\n";
    std::abort();
  }
}

struct Roots {
  std::vector<crypto::SigningKey> keys;
  std::uint8_t threshold = 1;

  static Roots generate(std::size_t count, std::uint8_t threshold, crypto::Random& random) {
    Roots out;
    out.threshold = threshold;
    for (std::size_t i = 0; i < count; ++i) out.keys.push_back(crypto::SigningKey::generate(random));
    return out;
  }
  protocol::RootSet set() const {
    protocol::RootSet out;
    out.threshold = threshold;
    for (const auto& key : keys) out.keys.push_back(key.verify_key());
    return out;
  }
  std::vector<protocol::RootSigner> signers(std::initializer_list<std::uint8_t> indices) const {
    std::vector<protocol::RootSigner> out;
    for (const std::uint8_t index : indices) out.push_back({index, &keys[index]});
    return out;
  }
  // The first threshold-many.
  std::vector<protocol::RootSigner> signers() const {
    std::vector<protocol::RootSigner> out;
    for (std::uint8_t i = 0; i < threshold; ++i) out.push_back({i, &keys[i]});
    return out;
  }
};

struct ExampleNode {
  protocol::NodeCertificate certificate;
  crypto::SigningKey signing;
  crypto::TransportKeyPair transport;
  crypto::EncryptionKeyPair encryption;
};

// Keys of a new node of `org` and the certificate that they belong in.
inline ExampleNode make_node(const protocol::OrgId& org, std::string name, crypto::Random& random) {
  ExampleNode out{{},
                  crypto::SigningKey::generate(random),
                  crypto::TransportKeyPair::generate(random),
                  crypto::EncryptionKeyPair::generate(random)};
  protocol::NodeCertificate& certificate = out.certificate;
  certificate.org = org;
  random.fill(certificate.node_random);
  certificate.first_signing = out.signing.verify_key();
  certificate.signing = out.signing.verify_key();
  certificate.transport = out.transport.public_key();
  certificate.encryption = out.encryption.public_key();
  certificate.issued = kExampleTime;
  certificate.expires = kExampleExpiry;
  certificate.name = std::move(name);
  certificate.node = protocol::make_node_id(org, certificate.node_random, certificate.first_signing);
  return out;
}

class ExampleOrg {
 public:
  explicit ExampleOrg(std::uint64_t seed, std::size_t root_count = 1, std::uint8_t threshold = 1)
      : random(seed),
        roots(Roots::generate(root_count, threshold, random)),
        next_roots(Roots::generate(root_count, threshold, random)),
        entries{must(protocol::make_genesis(genesis(), roots.signers(), random))},
        log(must(protocol::OrgLog::from_genesis(entries[0].view(), verifier))) {}

  protocol::NewOrg genesis() const {
    return {"Example Relief", protocol::OrgKind::kNgo,       "KEN",       "tocsin-test",
            roots.set(),      next_roots.set().commitment(), kExampleTime};
  }
  // Appends an entry that must verify.
  void append(protocol::Entry entry) {
    must(log.apply(entry.view(), verifier));
    entries.push_back(std::move(entry));
  }
  ExampleNode add_node(std::string name) {
    ExampleNode node = make_node(log.id(), std::move(name), random);
    append(log.make_certify(node.certificate, node.signing, kExampleTime, roots.signers()));
    return node;
  }

  SeededRandom random;
  crypto::Verifier verifier;
  Roots roots;
  Roots next_roots;
  std::vector<protocol::Entry> entries;
  protocol::OrgLog log;
};

// Twelve months of prekeys from January 2026.
inline protocol::PrekeyList make_prekeys(const protocol::NodeId& node, crypto::Random& random, std::size_t count = 12) {
  protocol::PrekeyList out;
  out.node = node;
  out.first_month = protocol::month_of(kExampleTime);
  for (std::size_t i = 0; i < count; ++i) {
    out.keys.push_back(crypto::EncryptionKeyPair::generate(random).public_key());
  }
  return out;
}

struct ExampleCard {
  ExampleOrg org;
  ExampleNode node;
  protocol::Card card;
  std::string text;
};

// The card of an organisation with one node, two addresses and a year of prekeys. The same for the same seed, on every
// machine.
inline ExampleCard example_card(std::uint64_t seed, std::size_t root_count = 1, std::uint8_t threshold = 1) {
  ExampleOrg org(seed, root_count, threshold);
  ExampleNode node = org.add_node("Nairobi 1");
  protocol::Card card;
  card.network = "tocsin-test";
  card.node = node.certificate.node;
  card.addresses = {"node.example.org:7447", "[2001:db8::7]:7447"};
  card.org_log = org.entries;
  card.prekeys = protocol::sign_prekeys(make_prekeys(node.certificate.node, org.random), node.signing);
  card.issued = kExampleTime;
  std::string text = must(protocol::encode_card(card, node.signing));
  return {std::move(org), std::move(node), std::move(card), std::move(text)};
}

}  // namespace tocsin::test
