// Reason codes of node/store, beside kDiskFull, kStoreFailed and kNotHeld of protocol/entry_store.h.
#pragma once

#include "crypto/result.h"

namespace tocsin::store {

// The home folder.
inline constexpr Code kHomeMissing{"home_missing"};          // caller: no home at that place
inline constexpr Code kHomeExists{"home_exists"};            // caller: something is there already
inline constexpr Code kHomeIncomplete{"home_incomplete"};    // caller: its creation never finished
inline constexpr Code kHomeWiped{"home_wiped"};              // caller: its keys were destroyed
inline constexpr Code kHomeInUse{"home_in_use"};             // caller: another process has it open
inline constexpr Code kHomeNotOurs{"home_not_ours"};         // caller: belongs to another user
inline constexpr Code kHomePermissions{"home_permissions"};  // caller: others may read it; the detail names the fix
inline constexpr Code kHomeTooNew{"home_too_new"};           // caller: made by a later version
inline constexpr Code kFileFailed{"file_failed"};            // environment: a file could not be read or written
inline constexpr Code kFileMissing{"file_missing"};          // environment: no such file
inline constexpr Code kFileTooLarge{"file_too_large"};       // environment: above the limit that the reader named

// The secrets, beside crypto::kWrongPassphrase.
inline constexpr Code kKeysExist{"keys_exist"};              // caller: never overwritten
inline constexpr Code kWrongCredential{"wrong_credential"};  // caller: of another home
inline constexpr Code kBadKeyFile{"bad_key_file"};           // environment: changed or cut; the detail names the file
inline constexpr Code kKeysLocked{"keys_locked"};            // caller: needs the passphrase

// The store.
inline constexpr Code kStoreMissing{"store_missing"};       // environment: gone; never made anew by itself (rule 9)
inline constexpr Code kStoreExists{"store_exists"};         // caller
inline constexpr Code kStoreDamaged{"store_damaged"};       // environment: found before LMDB was let near it
inline constexpr Code kWrongStoreKey{"wrong_store_key"};    // environment: store and keys are not of one home
inline constexpr Code kSchemaTooNew{"schema_too_new"};      // caller: written by a later version
inline constexpr Code kStoreClosed{"store_closed"};         // internal: commit after close
inline constexpr Code kQueueFull{"queue_full"};             // internal: the caller did not look at queued_bytes()
inline constexpr Code kRecordTooLarge{"record_too_large"};  // internal
inline constexpr Code kLogUnknown{"log_unknown"};           // internal: see protocol/memory_store.h, promise 1
inline constexpr Code kEntryGap{"entry_gap"};               // internal: promise 2
inline constexpr Code kEntryHeld{"entry_held"};             // internal: promise 3
inline constexpr Code kEntryMismatch{"entry_mismatch"};     // internal: entry and what it is written under differ

}  // namespace tocsin::store
