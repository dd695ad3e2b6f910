// A new home: keys, organisation log, private channel.
#include <algorithm>
#include <filesystem>

#include "crypto/text_code.h"
#include "node/engine/system_clock.h"
#include "node/host/config.h"
#include "node/host/host.h"
#include "node/host/identity.h"
#include "node/host/post_queue.h"
#include "node/host/root_files.h"
#include "node/reports/vocab.h"
#include "node/store/codes.h"
#include "node/store/store.h"
#include "protocol/names.h"
#include "protocol/replica.h"

namespace tocsin::host {
namespace {

constexpr std::string_view kRecoveryPrefix = "tocsinrecovery";

std::string_view text_of(const crypto::SecretBuffer& secret) { return as_text(secret.view()); }

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

// The public half of the recovery key stays in the home, so that backups can be sealed to it; the key itself is only
// printed.
Result<std::string> make_recovery_key(const std::filesystem::path& keys, crypto::Random& random) {
  const auto key = crypto::EncryptionKeyPair::generate(random);
  TOCSIN_TRY(store::write_file(keys / "recovery", key.public_key().view()));
  return crypto::encode_text(kRecoveryPrefix, key.secret().view());
}

struct Founded {
  std::vector<protocol::Entry> log;
  protocol::OrgId org;
  protocol::NodeId node;
};

// The node's own part of a certificate; the organisation adds its signatures.
protocol::NodeCertificate new_certificate(const protocol::OrgId& org, std::string name, const store::Tier1& tier1,
                                          const store::Tier2& tier2, protocol::Time now, crypto::Random& random) {
  protocol::NodeCertificate certificate;
  certificate.org = org;
  random.fill(certificate.node_random);
  certificate.first_signing = certificate.signing = crypto::SigningKey::from_seed(tier2.signing).verify_key();
  certificate.transport = crypto::TransportKeyPair::from_secret(tier1.transport.clone()).public_key();
  certificate.encryption = crypto::EncryptionKeyPair::from_secret(tier2.encryption.clone()).public_key();
  certificate.node = protocol::make_node_id(org, certificate.node_random, certificate.first_signing);
  certificate.issued = now;
  certificate.expires = {now.ms + kCertificateMs};
  certificate.name = std::move(name);
  return certificate;
}

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

// `make(replica, done)` writes the first records.
Result<void> fill_store(const store::Home& home, const store::Keystore& keystore, crypto::Random& random,
                        const std::function<Result<void>(protocol::Replica&, protocol::Done<void>)>& make) {
  PostQueue queue;
  TOCSIN_ASSIGN(opened, store::Store::create(home, keystore.tier1().store, queue.poster()));
  engine::SystemClock clock;
  protocol::ReadingTable table;
  const auto secrets = secrets_of(keystore);
  std::optional<Result<void>> made;
  {
    protocol::Replica replica(*opened, clock, random, secrets, table);
    TOCSIN_TRY(make(replica, [&](Result<void> result) { made = std::move(result); }));
    opened->flush();
    queue.drain();
  }
  opened->close();
  if (!made) return internal_error(Code{"init_incomplete"}, "the store did not answer");
  return *made;
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
  TOCSIN_ASSIGN(keystore, store::Keystore::create(home.keys(), text_of(request.passphrase), std::move(tier1),
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

void remove_contents(const std::filesystem::path& folder, bool folder_too) {
  std::error_code ignored;
  if (folder_too) {
    std::filesystem::remove_all(folder, ignored);
    return;
  }
  for (const auto& item : std::filesystem::directory_iterator(folder, ignored))
    std::filesystem::remove_all(item.path(), ignored);
}

}  // namespace

namespace {

// Runs `make(home)` on a new home in `path`; what is half done is not left behind.
template <class Made, class Make>
Result<Made> in_new_home(const std::string& at, Make make) {
  std::error_code error;
  const auto path = std::filesystem::absolute(at, error);
  const bool folder_was_there = std::filesystem::exists(path, error);
  // What is in somebody else's folder is not ours to remove, whatever fails.
  const bool ours = !error && (!folder_was_there || std::filesystem::is_empty(path, error)) && !error;
  auto home = store::Home::create(path);
  auto made = home ? make(*home) : Result<Made>(home.error());
  // A home in use is that of a second `init` at the same moment.
  if (!made && ours && made.error().code != store::kHomeInUse && made.error().code != store::kHomeExists)
    remove_contents(path, !folder_was_there);
  return made;
}

Result<JoinResult> make_further(store::Home& home, const JoinRequest& request, const protocol::OpenCard& card,
                                protocol::Time now) {
  crypto::SystemRandom random;
  auto tier1 = store::Tier1::generate(random);
  auto tier2 = store::Tier2::generate(random);
  add_prekeys(tier2, now, random);
  const auto certificate = new_certificate(card.org.id(), request.name, tier1, tier2, now, random);
  const auto text = protocol::encode_node_request(certificate, crypto::SigningKey::from_seed(tier2.signing));
  TOCSIN_ASSIGN(keystore, store::Keystore::create(home.keys(), text_of(request.passphrase), std::move(tier1),
                                                  std::move(tier2), random));
  TOCSIN_ASSIGN(recovery, make_recovery_key(home.keys(), random));
  TOCSIN_TRY(note_node(home.keys(), certificate.node));
  TOCSIN_TRY(fill_store(home, keystore, random, [&](protocol::Replica& replica, protocol::Done<void> done) {
    return replica.create_further(card.card.org_log, certificate.node, card.card.node, card.card.addresses,
                                  std::move(done));
  }));
  TOCSIN_TRY(note_root_files(home.path().string(), {}));  // it has none, and never had
  TOCSIN_TRY(store::write_file(home.config_file(), as_bytes(initial_config(request.listen, request.advertise))));
  TOCSIN_TRY(home.complete());
  return JoinResult{card.org.id(), certificate.node, card.org.profile().name, home.path().string(), text, recovery};
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
