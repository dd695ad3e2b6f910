// What was done to the key files of a home without its node: the node writes it into the audit when it next reads
// there. Who has the disk can take such a note away again, as they can the key files.
#pragma once

#include <filesystem>

#include "crypto/result.h"
#include "node/desk/users.h"

namespace tocsin::host {

enum class KeyAct { kPassphrase, kCredential };

// One file for each act, whose name says all, so that nothing has to agree about a file's content.
// `note_key_act` comes before the act, `drop_key_act` after one that failed: rather a line too many than one too few.
// Errors: those of the file system.
Result<std::filesystem::path> note_key_act(const std::filesystem::path& keys, KeyAct act);
void drop_key_act(const std::filesystem::path& note);

// Writes down the notes that lie there, at most 64 in one call, each with the time of its act as its clock said; a note
// goes once its line is durable. `users` has to outlive the calls that it makes.
void take_key_acts(const std::filesystem::path& keys, desk::Users& users);

}  // namespace tocsin::host
