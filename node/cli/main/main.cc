// tocsin: the node and its command line in one program.
#include <csignal>
#include <cstdio>
#include <iostream>

#include "crypto/random.h"
#include "node/cli/context.h"
#include "node/cli/parse.h"

int main(int argc, char** argv) {
  using namespace tocsin;
  std::signal(SIGPIPE, SIG_IGN);
  if (auto ready = crypto::init(); !ready) {
    std::fprintf(stderr, "error: libsodium does not start\n");
    return cli::kExitFailure;
  }
  if (auto hard = crypto::harden_process(); !hard) {
    std::fprintf(stderr, "error: %s\n", hard.error().detail.c_str());
    return cli::kExitFailure;
  }
  auto parsed = cli::parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!parsed.command) {
    if (!parsed.is_error) {
      std::fputs(parsed.text.c_str(), stdout);
      return cli::kExitOk;
    }
    static const cli::Command none{};
    cli::Context context(none, parsed.words);
    return context.fail("usage", parsed.text, cli::kExitUsage);
  }
  cli::Context context(*parsed.command, std::move(parsed.words));
  if (context.dry_run() && !parsed.command->dry_run)
    return context.fail("no_dry_run", "This command has no --dry-run: nothing was done.", cli::kExitUsage);
  return parsed.command->handler(context);
}
