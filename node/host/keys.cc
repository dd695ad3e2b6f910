// What `key` and `wipe` do to the key files of a home, with a node running on it or not.
#include "node/host/keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "node/host/host.h"
#include "node/host/key_acts.h"
#include "node/store/codes.h"
#include "node/store/home.h"
#include "node/store/keystore.h"

namespace tocsin::host {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyFileBytesMax = 1024 * 1024;

fs::path keys_of(const std::string& home) { return fs::absolute(home) / "keys"; }

// Overwritten before it goes: that reaches the disk's own page on a plain file system, and is no promise on others.
Result<void> destroy(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno != ENOENT) {
    if (::unlink(file.c_str()) != 0) return store::file_error(errno, "cannot remove", file);
    return kOk;
  }
  if (fd < 0) return kOk;
  store::FileHandle handle(fd);
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    Bytes noise(std::min<std::size_t>(static_cast<std::size_t>(info.st_size), kKeyFileBytesMax));
    crypto::SystemRandom random;
    random.fill(noise);
    [[maybe_unused]] const auto written = ::pwrite(fd, noise.data(), noise.size(), 0);
    ::fdatasync(fd);
  }
  if (::unlink(file.c_str()) != 0) return store::file_error(errno, "cannot remove", file);
  return kOk;
}

// Keeps on after a failure: what can go goes. The first failure is told.
Result<void> destroy_all(const fs::path& folder) {
  Result<void> out = kOk;
  std::error_code error;
  // What stands behind a link is somewhere else, and may be somebody else's.
  if (fs::is_symlink(fs::symlink_status(folder, error)))
    return caller_error(store::kHomeNotOurs, folder.string() + " is a link: what it leads to was not touched");
  std::vector<fs::path> files;
  for (const auto& item : fs::directory_iterator(folder, error))
    if (!item.is_directory(error)) files.push_back(item.path());
  for (const auto& file : files)
    if (auto gone = destroy(file); !gone && out) out = gone.error();
  if (auto synced = store::sync_folder(folder); !synced && out && fs::exists(folder, error)) out = synced.error();
  return out;
}

}  // namespace

Result<void> change_passphrase(const std::string& home, const crypto::SecretBuffer& from,
                               const crypto::SecretBuffer& to) {
  if (to.size() < kPassphraseBytesMin) return weak_passphrase();
  TOCSIN_ASSIGN(keystore, store::Keystore::open(keys_of(home), as_text(from.view())));
  TOCSIN_ASSIGN(note, note_key_act(keys_of(home), KeyAct::kPassphrase));
  crypto::SystemRandom random;
  auto changed = keystore.change_passphrase(as_text(to.view()), random);
  if (!changed) drop_key_act(note);
  return changed;
}

Result<void> write_credential(const std::string& home, const crypto::SecretBuffer& passphrase, const std::string& out) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(out, error)))
    return caller_error(store::kKeysExist, out + " is there already; choose another name, or remove it");
  TOCSIN_ASSIGN(keystore, store::Keystore::open(keys_of(home), as_text(passphrase.view())));
  TOCSIN_ASSIGN(note, note_key_act(keys_of(home), KeyAct::kCredential));
  const auto credential = keystore.credential();
  auto written = store::write_file(out, credential.view());
  if (!written) drop_key_act(note);
  return written;
}

Error weak_passphrase() {
  return caller_error(Code{"weak_passphrase"}, "a passphrase has at least 8 characters; five random words are good");
}

Result<void> note_node(const fs::path& keys, const protocol::NodeId& node) {
  return store::write_file(keys / kNodeNote, crypto::hash256(crypto::kPersonalNodeNote, {node.view()}).view());
}

Result<void> wipe_files(const fs::path& home) {
  // The keyring first: without it the other two are noise.
  auto keyring = destroy(home / "keys" / "keyring");
  auto keys = destroy_all(home / "keys");
  auto roots = destroy_all(home / "roots");
  auto snapshot = destroy(home / "index.snapshot");
  for (const auto* each : {&keyring, &keys, &roots, &snapshot})
    if (!*each) return each->error();
  // Without room for it the home is as good as wiped; it only cannot say so.
  [[maybe_unused]] const auto marked = store::mark_wiped(home);
  return kOk;
}

Result<void> wipe_home(const std::string& path, const std::string& confirm) {
  TOCSIN_ASSIGN(home, store::Home::open(fs::absolute(path)));
  const auto note = store::read_file(home.keys() / kNodeNote, crypto::Hash::kSize);
  const auto bytes = from_hex(confirm);
  const auto node = bytes ? protocol::NodeId::from(*bytes) : std::nullopt;
  if (!note)
    return caller_error(Code{"wrong_node"}, "this home does not say which node it is; start it, and wipe it then");
  if (!node || crypto::Hash::from(*note) != crypto::hash256(crypto::kPersonalNodeNote, {node->view()}))
    return caller_error(Code{"wrong_node"}, "that is not this node's id, and nothing was destroyed");
  return wipe_files(home.path());
}

}  // namespace tocsin::host
