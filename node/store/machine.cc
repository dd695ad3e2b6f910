// The part of home.h that asks the system where the home lives (rule 21).
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <sstream>

#include "crypto/hash.h"
#include "node/store/codes.h"
#include "node/store/home.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSystemFileMax = 1024 * 1024;  // mountinfo grows with the number of mounts
constexpr std::size_t kRecordFileMax = 4096;

std::string trimmed(std::string text) {
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  while (!text.empty() && space(text.back())) text.pop_back();
  return text;
}

std::string hashed_machine_id(const fs::path& system) {
  for (const char* file : {"etc/machine-id", "var/lib/dbus/machine-id"}) {
    const Result<Bytes> bytes = read_file(system / file, kRecordFileMax);
    if (!bytes) continue;
    const std::string id = trimmed(std::string(as_text(*bytes)));
    if (!id.empty()) return to_hex(crypto::hash256(crypto::kPersonalMachine, {as_bytes(id)}).view());
  }
  return "none";
}

std::string device_text(dev_t device) { return std::to_string(major(device)) + ":" + std::to_string(minor(device)); }

// A block device by its name in /dev or /dev/mapper, as the kernel lists it.
std::optional<dev_t> device_by_name(const fs::path& system, const std::string& name) {
  std::error_code error;
  for (fs::directory_iterator at(system / "sys/class/block", error), end; !error && at != end; at.increment(error)) {
    const auto line = [&](const char* file) {
      const Result<Bytes> bytes = read_file(at->path() / file, kRecordFileMax);
      return bytes ? trimmed(std::string(as_text(*bytes))) : std::string();
    };
    if (at->path().filename() != name && line("dm/name") != name) continue;
    unsigned high = 0, low = 0;
    if (std::sscanf(line("dev").c_str(), "%u:%u", &high, &low) == 2) return makedev(high, low);
  }
  return std::nullopt;
}

// Block device behind a file system: st_dev itself, or what mountinfo names as the source, since btrfs and others
// report a made-up number. Line: id parent major:minor root mount-point options… - type source options.
std::optional<dev_t> block_device(const fs::path& system, dev_t device) {
  const Result<Bytes> bytes = read_file(system / "proc/self/mountinfo", kSystemFileMax);
  if (!bytes) return std::nullopt;
  std::istringstream lines{std::string(as_text(*bytes))};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, numbers, word, type, source;
    words >> id >> parent >> numbers;
    if (numbers != device_text(device)) continue;
    while (words >> word && word != "-") {
    }
    words >> type >> source;
    struct stat info;
    if (::stat(source.c_str(), &info) == 0 && S_ISBLK(info.st_mode)) return info.st_rdev;
    if (const auto found = device_by_name(system, fs::path(source).filename().string())) return found;
  }
  return std::nullopt;
}

// UUID by what udev knows of a block device.
std::optional<std::string> uuid_by_udev(const fs::path& system, dev_t block) {
  const Result<Bytes> bytes = read_file(system / "run/udev/data" / ("b" + device_text(block)), kSystemFileMax);
  if (!bytes) return std::nullopt;
  constexpr std::string_view kStart = "E:ID_FS_UUID_ENC=";  // as the links in by-uuid are named
  std::istringstream lines{std::string(as_text(*bytes))};
  for (std::string line; std::getline(lines, line);)
    if (line.size() > kStart.size() && line.starts_with(kStart)) return line.substr(kStart.size());
  return std::nullopt;
}

// A service whose /dev shows no disks asks udev, and gets the same answer.
std::string filesystem_name(const fs::path& system, dev_t device) {
  const dev_t block = block_device(system, device).value_or(device);
  std::error_code error;
  for (fs::directory_iterator link(system / "dev/disk/by-uuid", error), end; !error && link != end;
       link.increment(error)) {
    struct stat info;
    if (::stat(link->path().c_str(), &info) == 0 && S_ISBLK(info.st_mode) && info.st_rdev == block) {
      return link->path().filename().string();
    }
  }
  return uuid_by_udev(system, block).value_or("device " + device_text(device));
}

// The file: three lines "name=value", in this order.
constexpr std::string_view kNames[] = {"machine", "filesystem", "inode"};

}  // namespace

std::string to_text(const MachineRecord& machine) {
  return "machine=" + machine.machine + "\nfilesystem=" + machine.filesystem + "\ninode=" + machine.inode + "\n";
}

std::vector<std::string> differences(const MachineRecord& recorded, const MachineRecord& current) {
  std::vector<std::string> out;
  if (recorded.machine != current.machine) out.emplace_back("machine-id");
  if (recorded.filesystem != current.filesystem) out.emplace_back("file system");
  if (recorded.inode != current.inode) out.emplace_back("inode of the home folder");
  return out;
}

Result<MachineRecord> read_machine(const fs::path& home, const fs::path& system) {
  struct stat info;
  if (::stat(home.c_str(), &info) != 0) return file_error(errno, "cannot look at", home);
  return MachineRecord{hashed_machine_id(system), filesystem_name(system, info.st_dev), std::to_string(info.st_ino)};
}

Result<void> Home::record_machine() {
  TOCSIN_ASSIGN(current, current_machine());
  return write_file(path_ / "machine", as_bytes(to_text(current)));
}

Result<MachineRecord> Home::recorded_machine() const {
  TOCSIN_ASSIGN(bytes, read_private_file(path_ / "machine", kRecordFileMax));
  MachineRecord out;
  std::string* const fields[] = {&out.machine, &out.filesystem, &out.inode};
  std::istringstream lines{std::string(as_text(bytes))};
  std::string line;
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    const std::string start = std::string(kNames[i]) + "=";
    if (!std::getline(lines, line) || !line.starts_with(start)) {
      return environment_error(kFileFailed, (path_ / "machine").string() + " does not hold what it should");
    }
    *fields[i] = line.substr(start.size());
  }
  return out;
}

}  // namespace tocsin::store
