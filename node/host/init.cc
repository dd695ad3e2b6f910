// A new home: keys, organisation log, private channel.
#include <algorithm>
#include <filesystem>

#include "node/engine/system_clock.h"
#include "node/host/config.h"
#include "node/host/host.h"
#include "node/host/identity.h"
#include "node/host/keys.h"
#include "node/host/new_home.h"
#include "node/host/root_files.h"
#include "node/reports/vocab.h"
#include "node/store/codes.h"
#include "node/store/store.h"
#include "protocol/names.h"
#include "protocol/replica.h"

namespace tocsin::host {
namespace {

Result<protocol::NewOrg> checked(const InitRequest& request, protocol::Time now) {
  const auto kind = protocol::parse_org_kind(request.kind);
  if (!kind || *kind == protocol::OrgKind::kUnknown)
    return caller_error(Code{"bad_kind"}, "kind is government, regional, un or ngo");
  std::string country = request.country;
  std::transform(country.begin(), country.end(), country.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (!reports::find_country(country))
    return caller_error(Code{"bad_country"}, "country is an ISO 3166-1 alpha-3 code, such as BGD");
  TOCSIN_TRY(check_addresses(request.listen, request.advertise));
  if (request.passphrase.size() < kPassphraseBytesMin) return weak_passphrase();
  if (request.root_passphrases.size() != request.next_root_passphrases.size())
    return caller_error(protocol::kBadRoots, "there are as many next roots as roots");
  protocol::NewOrg org;
  org.name = request.org;
  org.kind = *kind;
  org.country = country;
  org.network = request.network;
  org.created = now;
  return org;
}

struct Founded {
  std::vector<protocol::Entry> log;
  protocol::OrgId org;
  protocol::NodeId node;
};

Result<Founded> found_org(protocol::NewOrg org, const WrittenRoots& roots, const WrittenRoots& next_roots,
                          const store::Tier1& tier1, const store::Tier2& tier2, crypto::Random& random) {
  org.roots = roots.set;
  org.next_roots = next_roots.set.commitment();
  std::vector<protocol::RootSigner> signers;
  for (std::uint8_t i = 0; i < roots.set.threshold; ++i) signers.push_back({i, &roots.keys[i]});
  TOCSIN_ASSIGN(genesis, protocol::make_genesis(org, signers, random));
  crypto::Verifier verifier;
  TOCSIN_ASSIGN(log, protocol::OrgLog::from_genesis(genesis.view(), verifier));
  const auto node_key = crypto::SigningKey::from_seed(tier2.signing);
  const auto certificate = new_certificate(log.id(), "first node", tier1, tier2, org.created, random);
  auto certify = log.make_certify(certificate, node_key, org.created, signers);
  return Founded{{std::move(genesis), std::move(certify)}, log.id(), certificate.node};
}

Result<InitResult> fill_home(const store::Home& home, const InitRequest& request, bool shares_passphrase,
                             protocol::NewOrg org, const WrittenRoots& roots, const WrittenRoots& next_roots,
                             crypto::Random& random) {
  auto tier1 = store::Tier1::generate(random);
  auto tier2 = store::Tier2::generate(random);
  add_prekeys(tier2, org.created, random);
  TOCSIN_ASSIGN(founded, found_org(std::move(org), roots, next_roots, tier1, tier2, random));
  TOCSIN_TRY(note_root_files(home.path().string(), roots.files));
  TOCSIN_TRY(note_root_files(home.path().string(), next_roots.files));
  TOCSIN_ASSIGN(keystore, store::Keystore::create(home.keys(), as_text(request.passphrase.view()), std::move(tier1),
                                                  std::move(tier2), random));
  TOCSIN_ASSIGN(recovery, make_recovery_key(home.keys(), random));
  TOCSIN_TRY(note_node(home.keys(), founded.node));
  // A single root under the node's own passphrase is allowed, and `status` says so.
  if (shares_passphrase)
    TOCSIN_TRY(store::write_file(home.roots() / "shares-passphrase",
                                 as_bytes("the root key files are under the node's passphrase\n")));
  TOCSIN_TRY(fill_store(home, keystore, random, [&](protocol::Replica& replica, protocol::Done<void> done) {
    return replica.create(founded.log, founded.node, [done](Result<protocol::ChannelId> channel) {
      done(channel ? Result<void>(kOk) : Result<void>(channel.error()));
    });
  }));
  TOCSIN_TRY(store::write_file(home.config_file(), as_bytes(initial_config(request.listen, request.advertise))));
  return InitResult{founded.org, founded.node, home.path().string(), roots.files, next_roots.files, recovery};
}

Result<InitResult> complete(store::Home& home, InitResult result) {
  TOCSIN_TRY(home.complete());
  return result;
}

Result<InitResult> make_home(store::Home& home, InitRequest& request, protocol::NewOrg org) {
  crypto::SystemRandom random;
  const auto folders = [&](const std::vector<std::string>& out) {
    return out.empty() ? std::vector<std::string>{home.roots().string()} : out;
  };
  const auto same = [&](const auto& one) { return one.equal(request.passphrase.view()); };
  const bool shares_passphrase = std::ranges::any_of(request.root_passphrases, same);
  TOCSIN_ASSIGN(roots, write_roots({folders(request.roots_out), "root", std::move(request.root_passphrases)},
                                   request.threshold, random));
  auto next_roots =
      write_roots({folders(request.next_roots_out), "next-root", std::move(request.next_root_passphrases)},
                  request.threshold, random);
  auto made = next_roots ? fill_home(home, request, shares_passphrase, std::move(org), roots, *next_roots, random)
                         : Result<InitResult>(next_roots.error());
  if (made) made = complete(home, std::move(*made));
  if (!made) {
    remove_roots(roots);
    if (next_roots) remove_roots(*next_roots);
  }
  return made;
}

Result<JoinResult> make_further(store::Home& home, const JoinRequest& request, const protocol::OpenCard& card,
                                protocol::Time now) {
  crypto::SystemRandom random;
  TOCSIN_ASSIGN(node, make_further_node(home, card.org.id(), request.name, request.passphrase, now, random));
  TOCSIN_TRY(fill_store(home, node.keystore, random, [&](protocol::Replica& replica, protocol::Done<void> done) {
    return replica.create_further(card.card.org_log, node.id, card.card.node, card.card.addresses, std::move(done));
  }));
  TOCSIN_TRY(note_root_files(home.path().string(), {}));  // it has none, and never had
  TOCSIN_TRY(store::write_file(home.config_file(), as_bytes(initial_config(request.listen, request.advertise))));
  TOCSIN_TRY(home.complete());
  return JoinResult{card.org.id(),        node.id,      card.org.profile().name,
                    home.path().string(), node.request, node.recovery_key};
}

}  // namespace

Result<InitResult> init_home(InitRequest request) {
  engine::SystemClock clock;
  TOCSIN_ASSIGN(org, checked(request, clock.now()));
  return in_new_home<InitResult>(request.home,
                                 [&](store::Home& home) { return make_home(home, request, std::move(org)); });
}

Result<JoinResult> join_home(JoinRequest request) {
  engine::SystemClock clock;
  TOCSIN_TRY(check_addresses(request.listen, request.advertise));
  if (request.passphrase.size() < kPassphraseBytesMin) return weak_passphrase();
  if (request.name.empty() || !protocol::is_line(request.name, protocol::kNameBytesMax))
    return caller_error(protocol::kBadName, "the node's name is one line of 1 to 200 bytes");
  crypto::Verifier verifier;
  TOCSIN_ASSIGN(card, protocol::open_card(request.card, request.network, verifier));
  if (card.card.addresses.empty())
    return caller_error(Code{"no_address"},
                        "that card names no address, and the new node has to dial: let the other one listen, and take "
                        "its card again");
  return in_new_home<JoinResult>(request.home,
                                 [&](store::Home& home) { return make_further(home, request, card, clock.now()); });
}

}  // namespace tocsin::host
