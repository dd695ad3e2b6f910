#include "node/host/new_home.h"

#include "crypto/text_code.h"
#include "node/engine/system_clock.h"
#include "node/host/identity.h"
#include "node/host/keys.h"
#include "node/host/post_queue.h"
#include "node/store/store.h"

namespace tocsin::host {

Result<std::string> make_recovery_key(const std::filesystem::path& keys, crypto::Random& random) {
  const auto key = crypto::EncryptionKeyPair::generate(random);
  TOCSIN_TRY(store::write_file(keys / "recovery", key.public_key().view()));
  return crypto::encode_text(kRecoveryPrefix, key.secret().view());
}

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

Result<void> fill_store(const store::Home& home, const store::Keystore& keystore, crypto::Random& random,
                        const MakeRecords& make) {
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

void remove_contents(const std::filesystem::path& folder, bool folder_too) {
  std::error_code ignored;
  if (folder_too) {
    std::filesystem::remove_all(folder, ignored);
    return;
  }
  for (const auto& item : std::filesystem::directory_iterator(folder, ignored))
    std::filesystem::remove_all(item.path(), ignored);
}

Result<FurtherNode> make_further_node(const store::Home& home, const protocol::OrgId& org, const std::string& name,
                                      const crypto::SecretBuffer& passphrase, protocol::Time now,
                                      crypto::Random& random) {
  auto tier1 = store::Tier1::generate(random);
  auto tier2 = store::Tier2::generate(random);
  add_prekeys(tier2, now, random);
  const auto certificate = new_certificate(org, name, tier1, tier2, now, random);
  auto request = protocol::encode_node_request(certificate, crypto::SigningKey::from_seed(tier2.signing));
  TOCSIN_ASSIGN(keystore, store::Keystore::create(home.keys(), as_text(passphrase.view()), std::move(tier1),
                                                  std::move(tier2), random));
  TOCSIN_ASSIGN(recovery, make_recovery_key(home.keys(), random));
  TOCSIN_TRY(note_node(home.keys(), certificate.node));
  return FurtherNode{std::move(keystore), certificate.node, std::move(request), std::move(recovery)};
}

}  // namespace tocsin::host
