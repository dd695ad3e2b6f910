#include "node/cli/table.h"

namespace tocsin::cli {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> out;
    add_node_commands(out);
    add_org_commands(out);
    add_peer_commands(out);
    add_channel_commands(out);
    add_proposal_commands(out);
    add_fork_commands(out);
    add_report_commands(out);
    add_hold_commands(out);
    add_exchange_commands(out);
    add_bundle_commands(out);
    add_source_commands(out);
    add_alert_commands(out);
    add_user_commands(out);
    add_sync_commands(out);
    add_care_commands(out);
    add_lock_commands(out);
    add_backup_commands(out);
    add_text_commands(out);
    return out;
  }();
  return all;
}

const std::vector<Option>& global_options() {
  static const std::vector<Option> all = {
      {"home", "DIR", "the node's home folder (default: TOCSIN_HOME, else ~/.tocsin)"},
      {"output", "table|json|ndjson", "form of the answer (default: table on a terminal, json otherwise)", Arity::kOne,
       false, "table|json|ndjson"},
      {"dry-run", "", "say what would be shared, removed or imported, and do nothing", Arity::kFlag},
      {"yes", "", "answer questions with yes (never the one about governments, see report share)", Arity::kFlag},
  };
  return all;
}

}  // namespace tocsin::cli
