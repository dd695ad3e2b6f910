// The snapshot's bytes (rule 50).
//
//   magic (16) "tocsin index 1" ‖ sealed stream (crypto/seal.h) under the reading key, label tocsin.index.snapshot,
//   associated data = magic ‖ binding, over
//     u16 schema version ‖ u16 size of build ‖ u64 cursor ‖ u64 bytes of the database ‖ build ‖ database, little-endian
//
// The database goes from its own memory into the stream and back: neither way is there a second copy.
#pragma once

#include "node/index/database.h"
#include "node/index/index.h"

namespace tocsin::index {

inline constexpr std::size_t kBuildBytesMax = 256;

// Leaves the old file when it fails.
Result<void> write_snapshot(SnapshotFile& file, const SnapshotContext& context, crypto::Random& random,
                            protocol::Arrival cursor, ByteView image);

// Version of the file's format by its magic; nothing where there is no file, or none that says one.
std::optional<std::uint32_t> snapshot_version(SnapshotFile& file);

struct LoadedSnapshot {
  protocol::Arrival cursor;
  std::unique_ptr<Database> db;
};
Result<LoadedSnapshot> read_snapshot(SnapshotFile& file, const SnapshotContext& context, protocol::Arrival newest,
                                     std::uint64_t bytes_max);

}  // namespace tocsin::index
