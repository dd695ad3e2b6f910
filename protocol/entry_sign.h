// Signing and checking entries of feeds and control logs, whose log key is the key that signs (docs/protocol.md,
// section 2). Organisation logs: OrgLog.
#pragma once

#include "crypto/sign.h"
#include "protocol/entry.h"

namespace tocsin::protocol {

// `header` with everything but body size and body hash filled in; its log is `key`'s (assert).
Entry sign_entry(EntryHeader header, ByteView body, const crypto::SigningKey& key);
// The signature alone; the body is not looked at. False in an organisation log.
bool verify_entry(const EntryView& entry, crypto::Verifier& verifier);

}  // namespace tocsin::protocol
