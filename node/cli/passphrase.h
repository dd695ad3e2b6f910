// Where passphrases come from: a file named by the environment, or the terminal; never an argument, never a credential.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::cli {

// The node's passphrase: first line of TOCSIN_PASSPHRASE_FILE, else asked for on the terminal (twice when `fresh`).
// Errors: no_passphrase (neither there), passphrases_differ, weak_passphrase, file_not_readable, exposed_file (the file
// is readable by others).
Result<crypto::SecretBuffer> node_passphrase(bool fresh);
// The new one of `key passphrase`: TOCSIN_NEW_PASSPHRASE_FILE, else asked for twice.
Result<crypto::SecretBuffer> new_passphrase();
std::string passphrase_file();  // what TOCSIN_PASSPHRASE_FILE names; empty: it is not set
// What the service manager holds for `run`: CREDENTIALS_DIRECTORY/tocsin.storage; empty when there is none (rule 48).
// Error: file_not_readable.
Result<crypto::SecretBuffer> storage_credential();
// Line `index` (0: the root, 1: the next root) of TOCSIN_ROOT_PASSPHRASE_FILE, else asked for. Nothing when there is
// neither and `fallback_allowed`.
Result<std::optional<crypto::SecretBuffer>> root_passphrase(std::size_t index, std::string_view what,
                                                            bool fallback_allowed);

// Of a key file that is there already: the same line, else asked for once.
Result<crypto::SecretBuffer> known_root_passphrase(std::size_t index, const std::string& file);

// Of a user that is added: the first line of TOCSIN_USER_PASSWORD_FILE, else asked for twice.
Result<crypto::SecretBuffer> user_password(const std::string& user);
// What is sent as Bearer: the first line of the file that TOCSIN_TOKEN_FILE names; empty when it is not set. Errors:
// file_not_readable, exposed_file, no_passphrase (it is empty).
Result<crypto::SecretBuffer> token();

}  // namespace tocsin::cli
