// tocsin-sim: see README.md of this folder.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "crypto/random.h"
#include "tools/sim/run.h"

namespace {

constexpr char kHelp[] =
    "Usage: tocsin-sim [--nodes N] [--seed S] [--faults LIST] [--hours H] [--json]\n\n"
    "  --nodes N      organisations, 3 to 1000 (default 20); one in ten is in no channel\n"
    "  --seed S       the same seed gives the same run (default 1)\n"
    "  --faults LIST  words with commas between them (default all)\n"
    "                 of the network: crash,power,cut,reorder,duplicate,corrupt,loss; network: all of these\n"
    "                 of people: join,removal,rotation,chair,restore,hostile\n"
    "                 all: everything; none: nothing\n"
    "  --hours H      virtual time in which reports are written (default 1)\n"
    "  --json         one object, for scripts\n\nExit: 0 all invariants hold, 6 one is broken (invariant, seed, phase, "
    "step and virtual time are\nnamed; the same words give the same run), 2 usage.\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace tocsin;
  sim::RunOptions options;
  std::string faults = "all";
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") return std::fputs(kHelp, stdout), 0;
    if (word == "--json") {
      json = true;
      continue;
    }
    if (i + 1 >= argc) return std::fputs(kHelp, stderr), 2;
    const char* value = argv[++i];
    char* end = nullptr;
    if (word == "--nodes")
      options.nodes = std::strtoul(value, &end, 10);
    else if (word == "--seed")
      options.seed = std::strtoull(value, &end, 10);
    else if (word == "--hours")
      options.hours = std::strtod(value, &end);
    else if (word == "--faults")
      faults = value;
    else
      return std::fputs(kHelp, stderr), 2;
    if (end && *end) return std::fputs(kHelp, stderr), 2;
  }
  const auto parsed = sim::parse_faults(faults);
  if (!parsed || options.nodes < 3 || options.nodes > 1000 || options.hours < 0 || options.hours > 10'000)
    return std::fputs(kHelp, stderr), 2;
  options.faults = *parsed;
  if (!crypto::init()) return std::fputs("error: libsodium does not start\n", stderr), 1;
  const auto result = sim::run(options);
  nlohmann::ordered_json out{{"nodes", options.nodes},     {"seed", options.seed},      {"faults", faults},
                             {"hours", options.hours},     {"ok", !result.broken},      {"written", result.written},
                             {"entries", result.entries},  {"crashes", result.crashes}, {"cuts", result.cuts},
                             {"damaged", result.damaged},  {"frames", result.frames},   {"bytes", result.bytes},
                             {"epochs", result.epochs},    {"forks", result.forks},     {"attempts", result.attempts},
                             {"events", result.events},    {"members", result.members}, {"heal_ms", result.heal_ms},
                             {"virtual_ms", result.at_ms}, {"step", result.steps},      {"trace", result.trace}};
  if (result.broken) out["broken"] = *result.broken, out["invariant"] = result.invariant, out["phase"] = result.phase;
  std::printf("%s\n", out.dump(json ? -1 : 2).c_str());
  std::fputs(result.overview.c_str(), stderr);
  return result.broken ? 6 : 0;
}
