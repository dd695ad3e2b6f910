// tocsin-vectors: see help.cc.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string_view>

#include "crypto/random.h"
#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

namespace fs = std::filesystem;

constexpr int kExitOk = 0;
constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kExitIntegrity = 6;
constexpr std::uintmax_t kFileMax = 256u * 1024 * 1024;  // the largest known file has 10 MiB

struct Runner {
  bool (*knows)(const Json& document);
  Outcome (*run)(const Json& document);
};

constexpr Runner kRunners[] = {
    {is_noise, run_noise}, {is_wycheproof, run_wycheproof}, {is_blake2, run_blake2},
    {is_cctv, run_cctv},   {is_speccheck, run_speccheck},
};

std::optional<std::string> read_text(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error || size > kFileMax) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text(size, '\0');
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (in.gcount() != static_cast<std::streamsize>(size)) return std::nullopt;
  return text;
}

bool looks_like_json(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return at != std::string_view::npos && (text[at] == '{' || text[at] == '[');
}

void print(const fs::path& path, const Outcome& outcome) {
  nlohmann::ordered_json line;
  line["file"] = path.string();
  line["kind"] = outcome.kind;
  line["run"] = outcome.run;
  line["accepted"] = outcome.accepted;
  line["rejected"] = outcome.rejected;
  line["skipped"] = outcome.skipped;
  line["mismatches"] = outcome.mismatches;
  for (const auto& [name, count] : outcome.more) line[name] = count;
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  for (const std::string& reason : outcome.reasons) {
    std::cerr << "mismatch: " << path.string() << ": " << reason << '\n';
  }
}

int complain(const fs::path& path, const char* what) {
  std::cerr << "error: " << path.string() << ": " << what << '\n';
  return kExitUsage;
}

// `from_folder`: found by walking, where files that are no JSON are passed over (nothing is returned).
std::optional<int> run_file(const fs::path& path, bool from_folder) {
  const auto text = read_text(path);
  if (!text) return complain(path, "cannot be read");
  if (from_folder && !looks_like_json(*text)) return std::nullopt;
  const Json document = Json::parse(*text, nullptr, false);
  if (document.is_discarded()) return complain(path, "is not JSON");
  const auto runner = std::ranges::find_if(kRunners, [&](const Runner& r) { return r.knows(document); });
  if (runner == std::end(kRunners)) return complain(path, "is no kind of test vectors that is known here (see --help)");
  const Outcome outcome = runner->run(document);
  print(path, outcome);
  return outcome.mismatches == 0 ? kExitOk : kExitIntegrity;
}

// Files of a folder and of those below it, in the order of their names.
std::set<fs::path> files_below(const fs::path& folder, std::error_code& error) {
  std::set<fs::path> out;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error)) out.insert(at->path());
  }
  return out;
}

int run_path(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return *run_file(path, false);
  const std::set<fs::path> files = files_below(path, error);
  if (error) return complain(path, "cannot be read");
  int exit = kExitOk;
  bool any = false;
  for (const fs::path& file : files) {
    const auto done = run_file(file, true);
    any = any || done;
    exit = std::max(exit, done.value_or(kExitOk));
  }
  return any ? exit : complain(path, "holds no test vectors");
}

int run(const std::vector<std::string_view>& arguments) {
  const bool help = std::ranges::find(arguments, "--help") != arguments.end();
  if (help || arguments.empty()) {
    (help ? std::cout : std::cerr) << kHelp;
    return help ? kExitOk : kExitUsage;
  }
  if (const auto ready = crypto::init(); !ready) {
    std::cerr << "error: " << ready.error().detail << '\n';
    return kExitFailure;
  }
  int exit = kExitOk;  // the codes are ordered by weight: a mismatch outweighs an unknown file
  for (const std::string_view argument : arguments) {
    if (argument.starts_with("-")) return complain(argument, "is no option of this program (see --help)");
    exit = std::max(exit, run_path(argument));
  }
  return exit;
}

}  // namespace
}  // namespace tocsin::vectors

int main(int argc, char** argv) {
  try {
    return tocsin::vectors::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << '\n';
    return 1;
  }
}
