// The node's configuration: HOME/config.toml, overridden by TOCSIN_* of the environment. Every key with its default and
// meaning stands in one table (config.cc), from which `config show` and docs/operator.md are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/result.h"
#include "node/host/host.h"

namespace tocsin::host {

struct Config {
  std::vector<std::string> listen = {"0.0.0.0:4870"};
  std::vector<std::string> advertise;
  bool dial = true;
  std::string socks5;  // "host:port"
  std::string socks5_user;
  std::string socks5_password_file;
  std::string log_level = "info";
  std::string log_format = "auto";
  std::uint64_t reserve_mib = 64;  // left free on the disk
  // What waits for a second person (desk.h, FourEyes), as written; empty: nothing.
  std::string four_eyes_above_tlp;
  std::string four_eyes_from_severity;
};

// Reads and checks everything. Problems are in the report; `config` has the good values and the defaults for the
// others.
struct LoadedConfig {
  Config config;
  ConfigReport report;
};
// A missing file is an empty one; one that cannot be read is an error (environment): file_failed.
Result<LoadedConfig> load_config(const std::string& home);
// Whether the two would be taken from a file. Error (caller): bad_address.
Result<void> check_addresses(const std::string& listen, const std::vector<std::string>& advertise);
// The file that `init` writes: every key with its meaning, the ones given set, the others as comments.
std::string initial_config(const std::string& listen, const std::vector<std::string>& advertise);

}  // namespace tocsin::host
