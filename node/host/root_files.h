// Root keys of an organisation as files, each under a passphrase of its own (rule 17). They are made on the node's
// machine once, and then kept elsewhere: what signs with them needs no home.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/secret.h"
#include "node/host/keys.h"
#include "protocol/org_request.h"

namespace tocsin::host {

// Where a set of roots is to be written: into one folder, or each key into a folder of its own. `name` is "root" or
// "next-root": the files are NAME.key, or NAME-1.key, NAME-2.key, ... The public half of the set is NAME.set, in each
// folder: a rotation needs it whole.
struct RootFiles {
  std::vector<std::string> folders;  // one, or as many as keys; made where they are missing
  std::string name;
  std::vector<crypto::SecretBuffer> passphrases;  // one for each key
};
struct WrittenRoots {
  protocol::RootSet set;
  std::vector<crypto::SigningKey> keys;
  std::vector<std::string> files;  // of the keys, in their order
  std::string set_file;            // the first of them
};
// Makes keys and files; what was written is removed again after an error. Errors (caller): bad_roots (count, threshold,
// folders), weak_passphrase, keys_exist; environment: those of the files.
Result<WrittenRoots> write_roots(const RootFiles& where, std::uint8_t threshold, crypto::Random& random);
// For what fails later.
void remove_roots(const WrittenRoots& roots);

// The paths of all root key files stand in the home, one a line, so that `status` can say which still lie on this
// machine.
inline constexpr std::string_view kRootFilesNote = "files";
Result<void> note_root_files(const std::string& home, const std::vector<std::string>& files);

// `root_file` under `passphrase` signs; the answer is the text of the signature. Errors: those of decode_org_request
// and read_root_key; wrong_root.
Result<std::string> sign_request(std::string_view request, const std::string& root_file,
                                 const crypto::SecretBuffer& passphrase);

// The public halves in a .set file. Errors: those of the file; bad_request.
Result<protocol::RootSet> read_root_set(const std::string& file);

}  // namespace tocsin::host
