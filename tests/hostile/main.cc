// tocsin-hostile: a member that has turned hostile, for tests alone. Opens the home of a real node that stands still,
// with all its keys, and does what no honest program does, over the real transport. Never installed.
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/hostile/acts.h"
#include "tools/founding/must.h"

namespace {

using namespace tocsin;
using namespace tocsin::hostile;
using tools::fail;

constexpr char kHelp[] =
    "Attacks a node as a member that has turned hostile.\n\n"
    "Usage: tocsin-hostile --home DIR --act ACT --to NODE --address HOST:PORT --channel ID [options]\n\n"
    "  --home DIR       home of the node that attacks (passphrase: first line of TOCSIN_PASSPHRASE_FILE)\n"
    "  --act ACT        fork, past-pin, replay-control, serve-revoked, flood, foreign-slots, equivocate, take\n"
    "  --to NODE        id of the node that is attacked, which the home knows\n"
    "  --address A      where it listens\n"
    "  --channel ID     the channel that it is about\n"
    "  --title TEXT     of the reports that are made up\n"
    "  --count N        how many entries (fork) or feeds (flood)\n"
    "  --branch FILE    keeps what fork and equivocate made up, to tell it again\n"
    "  --log ID         log to serve, or to ask for as well\n\n"
    "Prints one JSON line: each step, and how the node answered. Exit: 0 done, 1 failure, 2 usage.\n";

using Act = Json (*)(HostileHome&, const Order&);
const std::map<std::string, Act>& acts() {
  static const std::map<std::string, Act> all{{"fork", fork},
                                              {"past-pin", past_pin},
                                              {"replay-control", replay_control},
                                              {"serve-revoked", serve_revoked},
                                              {"flood", flood},
                                              {"foreign-slots", foreign_slots},
                                              {"equivocate", equivocate},
                                              {"take", take}};
  return all;
}

template <class Id>
Id id_of(const std::string& name, const std::string& value) {
  const auto id = fixed_from_hex<Id>(value);
  if (!id) fail(name + " takes 64 hexadecimal digits", 2);
  return *id;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") return std::fputs(kHelp, stdout), 0;
    if (i + 1 >= argc) fail(name + " needs a value; see --help", 2);
    given[name] = argv[++i];
  }
  const auto act = acts().find(given["--act"]);
  if (act == acts().end()) fail("--act names no act; see --help", 2);
  Order order;
  order.target = {id_of<protocol::NodeId>("--to", given["--to"]), given["--address"]};
  order.channel = id_of<protocol::ChannelId>("--channel", given["--channel"]);
  if (given.contains("--title")) order.title = given["--title"];
  if (given.contains("--count")) order.count = std::strtoull(given["--count"].c_str(), nullptr, 10);
  order.branch = given["--branch"];
  if (given.contains("--log")) order.log = id_of<protocol::LogKey>("--log", given["--log"]);
  const char* passphrase_file = std::getenv("TOCSIN_PASSPHRASE_FILE");
  if (passphrase_file == nullptr) fail("name the passphrase's file in TOCSIN_PASSPHRASE_FILE");
  HostileHome home(given["--home"], passphrase_file);
  const Json out{{"act", act->first}, {"to", to_hex(order.target.node.view())}, {"steps", act->second(home, order)}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}
