// The home folder of a node: one node, one home, one process. Files in it (folders 0700, files 0600, all of one user):
//
//   home            "tocsin home 1": written last by `init`; a folder without it is no home
//   lock            held with flock as long as a process has the home open; its text is that process's id
//   machine         where this home was made (rule 21), see MachineRecord
//   config.toml     configuration; may be missing
//   keys/           the node's secrets, see keystore.h
//   roots/          root key files, where `init` was told to keep them here; they belong elsewhere (rule 17)
//   store/          entries and records, see store.h
//   index.snapshot  sealed copy of the query index; may be missing (rule 50)
//   api.sock        the API, while the node runs
//   wiped           after `wipe`: the keys were destroyed, and nothing opens this home any more
//
// Errors are named in codes.h; those of origin caller say in the detail what to do.
#pragma once

#include <filesystem>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "node/store/files.h"

namespace tocsin::store {

// Where a home lives. A home that was copied, restored or put into another machine differs, and then the node must not
// go on signing as if nothing had happened (rule 21).
struct MachineRecord {
  std::string machine;     // BLAKE2b of /etc/machine-id (the id itself is not for passing on); "none" without one
  std::string filesystem;  // UUID of the file system; "device <major>:<minor>" where the system does not tell
  std::string inode;       // of the home folder
  friend bool operator==(const MachineRecord&, const MachineRecord&) = default;
};

// Three lines "name=value": what the file holds.
std::string to_text(const MachineRecord& machine);
// What differs between two records, for the message: empty when nothing does.
std::vector<std::string> differences(const MachineRecord& recorded, const MachineRecord& current);
// Reads the machine under a folder. `system`: where /dev, /etc, /proc, /run and /sys stand.
Result<MachineRecord> read_machine(const std::filesystem::path& home, const std::filesystem::path& system = "/");

// Once every key of a home is destroyed; and what is said of it from then on. Error of check_not_wiped: kHomeWiped.
Result<void> mark_wiped(const std::filesystem::path& home);
Result<void> check_not_wiped(const std::filesystem::path& home);

// Move-only. Holds the lock until destroyed; outlives everything that was opened from it.
class Home {
 public:
  static constexpr std::uint32_t kVersion = 1;  // of the folder as described above; open() takes no other

  // Makes the folder (its parent exists) and its subfolders, takes the lock and records the machine. An empty folder of
  // ours may be there already; anything else is kHomeExists. The home counts only after complete().
  static Result<Home> create(const std::filesystem::path& path);
  Result<void> complete();

  // Errors: kHomeMissing, kHomeIncomplete, kHomeWiped, kHomeTooNew, kHomeNotOurs, kHomePermissions, kHomeInUse (names
  // the process).
  static Result<Home> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.toml"; }
  std::filesystem::path keys() const { return path_ / "keys"; }
  std::filesystem::path roots() const { return path_ / "roots"; }
  std::filesystem::path store() const { return path_ / "store"; }
  std::filesystem::path index_snapshot() const { return path_ / "index.snapshot"; }
  std::filesystem::path api_socket() const { return path_ / "api.sock"; }

  Result<MachineRecord> recorded_machine() const;
  Result<MachineRecord> current_machine() const { return read_machine(path_); }
  // After a person or a peer has confirmed that this home is the one and only (rule 21).
  Result<void> record_machine();

 private:
  Home(std::filesystem::path path, FileHandle lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  FileHandle lock_;
};

}  // namespace tocsin::store
