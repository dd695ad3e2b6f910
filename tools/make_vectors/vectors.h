// What the files of this folder share. Each function makes one file of docs/vectors, the same bytes each time.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "protocol/entry.h"

namespace tocsin::tools {

using Json = nlohmann::ordered_json;

inline std::string hex(ByteView bytes) { return to_hex(bytes); }

inline Json entry_json(const protocol::EntryView& entry) {
  return {{"entry", hex(protocol::encode_entry(entry))},
          {"header", hex(entry.header)},
          {"signature", hex(entry.signature)},
          {"body", hex(entry.body)},
          {"body_hash", hex(protocol::hash_body(entry.body).view())},
          {"entry_hash", hex(protocol::hash_entry(entry.header, entry.signature).view())}};
}

// Sections 4 and 6: what a contributor is told, what it seals, what is refused, an answer.
Json contribution_vectors();
// Section 11: one bundle.
Json bundle_vectors();

}  // namespace tocsin::tools
