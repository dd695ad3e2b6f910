#include "protocol/entry_sign.h"

#include <cassert>

#include "protocol/entry_peek.h"

namespace tocsin::protocol {

Entry sign_entry(EntryHeader header, ByteView body, const crypto::SigningKey& key) {
  assert(header.log.bytes() == key.verify_key().bytes());
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_hash = hash_body(body);
  const auto encoded = header.encode();
  const auto signature = key.sign(crypto::kLabelEntry, {ByteView(encoded)});
  return Entry(encoded, signature.view(), body);
}

bool verify_entry(const EntryView& entry, crypto::Verifier& verifier) {
  if (entry.header.size() != kEntryHeaderBytes || peek_in_organisation_log(entry.header)) return false;
  const auto signature = crypto::Signature::from(entry.signature);
  return signature && verifier.verify(*crypto::VerifyKey::from(peek_log(entry.header)), crypto::kLabelEntry,
                                      {entry.header}, *signature);
}

}  // namespace tocsin::protocol
