// What a file or text is that was brought to some door: seen by its beginning, never by its name. All that Tocsin
// writes for people to carry is known here, with the command that takes it, so that whoever took the wrong file hears
// what he has in hand and what to do with it.
#pragma once

#include <string>
#include <string_view>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::desk {

inline constexpr std::string_view kRecoveryPrefix = "tocsinrecovery";
inline constexpr std::string_view kBackupMagic = "tocsin backup 1\n";

enum class FileKind : std::uint8_t {
  kUnknown,
  kEmpty,
  kCard,
  kNodeRequest,   // of a node, to be certified
  kOrgRequest,    // of a change, to root keys
  kOrgSignature,  // by a root key
  kRootSet,
  kRootKey,  // or another key file: from outside they are alike
  kRecoveryKey,
  kToken,
  kBundle,
  kBackup,
};

// More of a file need not be given.
inline constexpr std::size_t kFileKindBytes = 256 * 1024;
FileKind file_kind(ByteView file);

// Where it is none of the wanted kind: what it is and what takes it, what is wanted and where that comes from. Errors
// (caller): bad_prefix; not_a_bundle, not_a_backup, not_a_key_file, wrong_recovery_key where that is wanted. Of the
// wanted kind, but damaged, is for whoever reads it.
Result<void> expect_kind(FileKind wanted, ByteView file);

}  // namespace tocsin::desk
