// The table of commands: parsing, help, man page and completion are all made from it.
//
// A command is `tocsin <noun> <verb>`, or a verb alone (`init`, `run`, `status`). Its handler gets the parsed words and
// gives the exit code: 0 ok, 1 failure, 2 usage, 3 partial, 4 denied, 5 unreachable, 6 integrity.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitPartial = 3;
inline constexpr int kExitDenied = 4;
inline constexpr int kExitUnreachable = 5;
inline constexpr int kExitIntegrity = 6;

enum class Arity { kFlag, kOne, kMany };

struct Option {
  std::string_view name;   // without the dashes
  std::string_view value;  // placeholder; empty for a flag
  std::string_view help;
  Arity arity = Arity::kOne;
  bool required = false;
  std::string_view choices = {};  // "a|b|c": anything else is a usage error, and completion offers them
};

struct Argument {
  std::string_view name;
  std::string_view help;
  bool required = true;
  bool rest = false;  // takes all words that are left
};

class Context;
using Handler = int (*)(Context&);

struct Command {
  std::string_view noun;  // empty for a verb alone
  std::string_view verb;
  std::string_view summary;  // one line, no full stop
  std::vector<Argument> arguments;
  std::vector<Option> options;
  std::string_view example;
  Handler handler;
  bool dry_run = true;  // false: it acts without the node, and --dry-run is refused
};

// All commands, in the order in which help shows them. Each noun's file adds its own.
const std::vector<Command>& commands();
void add_node_commands(std::vector<Command>& out);  // init, run, status, doctor, config
void add_care_commands(std::vector<Command>& out);  // fsck, index
void add_lock_commands(std::vector<Command>& out);  // lock, unlock, wipe, key
void add_backup_commands(std::vector<Command>& out);
void add_org_commands(std::vector<Command>& out);   // org
void add_peer_commands(std::vector<Command>& out);  // card, peer
void add_channel_commands(std::vector<Command>& out);
void add_proposal_commands(std::vector<Command>& out);
void add_fork_commands(std::vector<Command>& out);
void add_report_commands(std::vector<Command>& out);
void add_hold_commands(std::vector<Command>& out);      // report withdrawal, report recall, hold
void add_exchange_commands(std::vector<Command>& out);  // report import, report export
void add_bundle_commands(std::vector<Command>& out);
void add_source_commands(std::vector<Command>& out);
void add_user_commands(std::vector<Command>& out);   // user, audit
void add_alert_commands(std::vector<Command>& out);  // alert, inbox
void add_sync_commands(std::vector<Command>& out);
void add_text_commands(std::vector<Command>& out);  // man, completion

// What stands in front of or behind every command.
const std::vector<Option>& global_options();

}  // namespace tocsin::cli
