#include "node/host/key_acts.h"

#include <charconv>
#include <optional>
#include <string>

#include "node/api/views.h"
#include "node/engine/system_clock.h"
#include "node/store/files.h"

namespace tocsin::host {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNotesMax = 64;
constexpr std::string_view kNotePrefix = "act-";
struct Kind {
  KeyAct act;
  std::string_view name, line;
};
constexpr Kind kKinds[] = {{KeyAct::kPassphrase, "passphrase", "Change the passphrase of this node"},
                           {KeyAct::kCredential, "credential", "Write the credential that starts this node locked"}};

struct Note {
  std::string_view line;
  protocol::Time at;
};

// Nothing: not a note, and not ours to remove.
std::optional<Note> read_note(std::string_view name) {
  if (!name.starts_with(kNotePrefix)) return std::nullopt;
  name.remove_prefix(kNotePrefix.size());
  for (const Kind& kind : kKinds) {
    if (!name.starts_with(kind.name) || name.substr(kind.name.size(), 1) != "-") continue;
    const auto digits = name.substr(kind.name.size() + 1);
    Note out{kind.line, {}};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.at.ms);
    if (error == std::errc{} && end == digits.data() + digits.size()) return out;
  }
  return std::nullopt;
}

}  // namespace

Result<fs::path> note_key_act(const fs::path& keys, KeyAct act) {
  engine::SystemClock clock;
  for (const Kind& kind : kKinds) {
    if (kind.act != act) continue;
    auto file = keys / (std::string(kNotePrefix) + std::string(kind.name) + "-" + std::to_string(clock.now().ms));
    TOCSIN_TRY(store::write_file(file, {}));
    return file;
  }
  return internal_error(Code{"unknown_key_act"});
}

void drop_key_act(const fs::path& note) {
  std::error_code ignored;
  fs::remove(note, ignored);
}

void take_key_acts(const fs::path& keys, desk::Users& users) {
  std::error_code error;
  std::size_t taken = 0;
  for (fs::directory_iterator at(keys, error), end; !error && at != end && taken < kNotesMax; at.increment(error)) {
    const auto note = read_note(at->path().filename().string());
    if (!note) continue;
    ++taken;
    users.record(desk::owner_actor(), std::string(note->line), {api::time_text(note->at)},
                 protocol::AuditOutcome::kDone, [file = at->path()](Result<void> written) {
                   if (written) drop_key_act(file);
                 });
  }
}

}  // namespace tocsin::host
