#include <map>
#include <memory>

#include "crypto/sign.h"
#include "node/host/checks.h"
#include "protocol/identity.h"

namespace tocsin::host {
namespace {

// Organisation logs are checked as they are read: entry 1 makes the state, each later one must apply to it.
struct Checker {
  crypto::Verifier verifier;
  std::map<protocol::LogKey, protocol::OrgLog> orgs;

  bool check(const protocol::LogRecord& log, const protocol::StoredEntry& entry) {
    if (log.type != protocol::LogType::kOrganisation) {
      const auto signature = crypto::Signature::from(entry.entry.signature);
      return signature &&
             verifier.verify(crypto::VerifyKey(log.log.bytes()), crypto::kLabelEntry, {entry.entry.header}, *signature);
    }
    if (entry.number.value == 1) {
      auto made = protocol::OrgLog::from_genesis(entry.entry, verifier);
      if (!made) return false;
      orgs.insert_or_assign(log.log, std::move(*made));
      return true;
    }
    const auto found = orgs.find(log.log);
    // Asked about an entry again (the head): it has been applied before.
    if (found != orgs.end() && entry.number <= found->second.head()) return true;
    return found != orgs.end() && found->second.apply(entry.entry, verifier).ok();
  }
};

}  // namespace

SignatureCheck make_signature_check() {
  auto checker = std::make_shared<Checker>();
  return [checker](const protocol::LogRecord& log, const protocol::StoredEntry& entry) {
    return checker->check(log, entry);
  };
}

}  // namespace tocsin::host
