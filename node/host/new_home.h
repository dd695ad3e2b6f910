// What init, join and restore share: a new home, and a new node in it.
#pragma once

#include <filesystem>
#include <functional>

#include "node/desk/file_kind.h"
#include "node/host/host.h"
#include "node/store/codes.h"
#include "node/store/home.h"
#include "node/store/keystore.h"
#include "protocol/replica.h"

namespace tocsin::host {

using desk::kRecoveryPrefix;

// The public half of the recovery key stays in the home, so that backups can be sealed to it; the key itself is only
// printed: its text is the answer.
Result<std::string> make_recovery_key(const std::filesystem::path& keys, crypto::Random& random);

// The node's own part of a certificate; the organisation adds its signatures.
protocol::NodeCertificate new_certificate(const protocol::OrgId& org, std::string name, const store::Tier1& tier1,
                                          const store::Tier2& tier2, protocol::Time now, crypto::Random& random);

// A node of an organisation that is there already: its keys in the home, and what it asks the organisation to sign.
struct FurtherNode {
  store::Keystore keystore;
  protocol::NodeId id;
  std::string request;       // text for `org certify`
  std::string recovery_key;  // text, shown once
};
Result<FurtherNode> make_further_node(const store::Home& home, const protocol::OrgId& org, const std::string& name,
                                      const crypto::SecretBuffer& passphrase, protocol::Time now,
                                      crypto::Random& random);

// `make(replica, done)` writes the first records of a new store.
using MakeRecords = std::function<Result<void>(protocol::Replica&, protocol::Done<void>)>;
Result<void> fill_store(const store::Home& home, const store::Keystore& keystore, crypto::Random& random,
                        const MakeRecords& make);

void remove_contents(const std::filesystem::path& folder, bool folder_too);

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

}  // namespace tocsin::host
