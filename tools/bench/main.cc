// tocsin-bench: each figure with the bound that was measured in the same run. See docs/performance.md.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "crypto/body.h"
#include "crypto/random.h"
#include "tools/bench/bench_node.h"
#include "tools/bench/child.h"
#include "tools/bench/local.h"
#include "tools/bench/parts.h"

namespace {

using namespace tocsin;
using namespace tocsin::bench;
using Json = nlohmann::ordered_json;

constexpr char kHelp[] =
    R"(Usage: tocsin-bench sync|append|open|query|rotate [--entries N] [--size B] [--nodes N] [--dir DIR] [--json]

  sync    two processes on loopback, the receiver starts empty; from connect to the last commit; then the sync when
          nothing is new
  append  seal, sign and store entries durably
  open    decrypt entries and put reports into the query index
  query   list, page, search, filter and count among reports

  rotate  make a new key for a channel, wrapped to each node of its members, and take it up

  --entries N  entries or reports (default 100000)
  --size B     bytes of a body before sealing (default 1000; sync and append)
  --nodes N    nodes of the channel, 1 to 256 (default 128; rotate)
  --dir DIR    folder for the stores (default: TMPDIR or /tmp)
  --json       one object, for scripts (default: the same, indented)

Beside each figure stand `bound_...`, what its bare parts reach in the same run (LMDB, libsodium, sockets, SQLite with
nothing of ours around them), and `ratio...`, the share of the bound that is reached: 1 is as good as the bare parts.
)";

// A child process with a pipe each way.
class Process {
 public:
  Process(const std::string& folder, const std::string& name) {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) fail("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execl("/proc/self/exe", "tocsin-bench", "--child", folder.c_str(), name.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  ~Process() {
    std::fclose(to_);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    std::fclose(from_);
  }
  Json tell(const std::string& line) {
    std::fprintf(to_, "%s\n", line.c_str());
    std::fflush(to_);
    std::string answer;
    for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
      if (c == EOF) fail("a child ended early");
      answer += static_cast<char>(c);
    }
    return Json::parse(answer);
  }

 private:
  pid_t pid_;
  FILE* to_;
  FILE* from_;
};

Json bench_sync(const std::string& folder, std::size_t entries, std::size_t size) {
  Process sender(folder + "/sender", "Sender"), receiver(folder + "/receiver", "Receiver");
  const auto a = sender.tell("who"), b = receiver.tell("who");
  sender.tell("add " + b["card"].get<std::string>() + " " + b["words"].get<std::string>());
  receiver.tell("add " + a["card"].get<std::string>() + " " + a["words"].get<std::string>());
  sender.tell("create");
  sender.tell("invite " + b["org"].get<std::string>());
  receiver.tell("sync " + a["node"].get<std::string>());
  receiver.tell("accept");
  receiver.tell("block " + a["org"].get<std::string>());
  sender.tell("append " + std::to_string(entries) + " " + std::to_string(size));
  receiver.tell("unblock " + a["org"].get<std::string>());
  sender.tell("reset-peak");
  receiver.tell("reset-peak");
  const auto bulk = receiver.tell("sync " + a["node"].get<std::string>());
  if (bulk["entries"].get<std::size_t>() < entries) fail("only " + bulk["entries"].dump() + " entries arrived");
  const auto sender_peak = sender.tell("peak")["kib"].get<std::uint64_t>(),
             receiver_peak = receiver.tell("peak")["kib"].get<std::uint64_t>();
  // The first ones bring the receipts of the bulk; the last finds nothing new.
  Json idle;
  for (int round = 0; round < 5; ++round) {
    receiver.tell("block " + a["org"].get<std::string>());
    receiver.tell("unblock " + a["org"].get<std::string>());
    idle = receiver.tell("sync " + a["node"].get<std::string>());
    ::sleep(1);
  }
  const double seconds = bulk["seconds"].get<double>();
  const auto body = crypto::sealed_body_size(size + 6);
  const auto wire = bulk["bytes_in"].get<std::uint64_t>();
  const auto parts = measure_parts(folder, entries, 152 + 64 + body, body, wire / entries);
  const double rate = static_cast<double>(entries) / seconds;
  return {{"entries", entries},
          {"size", size},
          {"entries_per_s", rate},
          {"mb_per_s", rate * static_cast<double>(size) / 1e6},
          {"seconds", seconds},
          {"wire_bytes", wire},
          {"wire_bytes_per_entry", static_cast<double>(wire) / static_cast<double>(entries)},
          {"round_trips", bulk["round_trips"]},
          {"sender_peak_kib", sender_peak},
          {"receiver_peak_kib", receiver_peak},
          {"bound_entries_per_s", parts.entries_per_s()},
          {"ratio", rate / parts.entries_per_s()},
          {"parts",
           {{"lmdb_us", parts.lmdb_us},
            {"blake2b_us", parts.blake2b_us},
            {"seal_open_us", parts.seal_open_us},
            {"loopback_us", parts.loopback_us}}},
          {"idle_bytes_in", idle["bytes_in"]},
          {"idle_bytes_out", idle["bytes_out"]},
          {"idle_round_trips", idle["round_trips"]}};
}

}  // namespace

int main(int argc, char** argv) {
  if (!crypto::init()) fail("libsodium does not start");
  if (argc == 4 && std::strcmp(argv[1], "--child") == 0) return run_child(argv[2], argv[3]);
  std::string what, dir;
  std::size_t entries = 100'000, size = 1000, nodes = 128;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool takes_value = word == "--entries" || word == "--size" || word == "--nodes" || word == "--dir";
    if (takes_value && i + 1 >= argc) return std::fputs(kHelp, stderr), 2;
    if (word == "--help" || word == "-h") return std::fputs(kHelp, stdout), 0;
    if (word == "--json")
      json = true;
    else if (word == "--dir")
      dir = argv[++i];
    else if (word == "--entries" || word == "--size" || word == "--nodes") {
      const auto value = std::strtoull(argv[++i], nullptr, 10);
      if (value == 0 || value > 100'000'000 || (word == "--nodes" && value > 256)) return std::fputs(kHelp, stderr), 2;
      (word == "--entries" ? entries : word == "--size" ? size : nodes) = value;
    } else if (what.empty() && !word.starts_with("-"))
      what = word;
    else
      return std::fputs(kHelp, stderr), 2;
  }
  if (size > 47'000) return std::fputs("error: --size is at most 47000: a body fits one entry\n", stderr), 2;
  if (dir.empty()) dir = std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp";
  auto folder = dir + "/tocsin-bench.XXXXXX";
  if (!::mkdtemp(folder.data())) fail("cannot make a folder in " + dir);
  Json out;
  if (what == "sync")
    out = bench_sync(folder, entries, size);
  else if (what == "append")
    out = bench_append(folder, entries, size);
  else if (what == "open")
    out = bench_open(folder, entries);
  else if (what == "query")
    out = bench_query(folder, entries);
  else if (what == "rotate")
    out = bench_rotate(nodes);
  std::filesystem::remove_all(folder);
  if (out.is_null()) return std::fputs(kHelp, stderr), 2;
  std::printf("%s\n", out.dump(json ? -1 : 2).c_str());
  return 0;
}
