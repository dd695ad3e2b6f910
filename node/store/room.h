// Is there room on the disk? Asked before a transaction, so that a disk that fills up is met before a write fails half
// way, and after a failed write, to tell a full disk from a broken one. Inside node/store only.
#pragma once

#include <cstdint>

#include "crypto/result.h"

namespace tocsin::store {

// Bytes that this user may still write to the file system of `fd`; nothing when the system does not say.
std::uint64_t free_bytes(int fd);

// kDiskFull when writing `bytes` more would leave less than `reserve` free, or take the file over the process's file
// size limit.
Result<void> check_room(int fd, std::uint64_t bytes, std::uint64_t reserve);

// After a write failed without saying so (LMDB answers EIO for a write that was cut short): is it the room? Tries to
// reserve `bytes` behind the end of the file.
bool looks_full(int fd, std::uint64_t bytes);

}  // namespace tocsin::store
