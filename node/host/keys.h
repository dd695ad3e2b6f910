// The key files of a home, beside host.h.
#pragma once

#include <filesystem>

#include "crypto/result.h"
#include "protocol/ids.h"

namespace tocsin::host {

inline constexpr std::size_t kPassphraseBytesMin = 8;
Error weak_passphrase();

// File in keys/: a hash of the node's id, so that `wipe` can check what it was told without any key.
inline constexpr std::string_view kNodeNote = "node";
Result<void> note_node(const std::filesystem::path& keys, const protocol::NodeId& node);

// Overwrites and removes every key file of a home: both tiers, the recovery key's public half, root keys that lie
// there, the snapshot of the index. Goes on after a failure and tells the first.
Result<void> wipe_files(const std::filesystem::path& home);

}  // namespace tocsin::host
