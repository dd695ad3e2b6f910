#include "node/host/backup.h"

#include <charconv>
#include <filesystem>
#include <sstream>

#include "node/store/files.h"
#include "protocol/channel.h"

namespace tocsin::host {
namespace {

using namespace protocol;

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kNoteBytesMax = 256;

std::filesystem::path note_file(const std::string& home) { return std::filesystem::path(home) / "backup"; }

}  // namespace

Result<Bytes> reseal_record(Table table, ByteView name, ByteView value, const ReadingKey& from, const ReadingKey& to,
                            crypto::Random& random) {
  if (table == Table::kChannels) return reseal_channel_record(value, from, to, random);
  if (table != Table::kSources) return to_bytes(value);
  const auto plain = crypto::open_secret(from.view(), crypto::kLabelSource, name, value);
  if (!plain) return to_bytes(value);  // damaged: it stays what it is, and can be erased
  return crypto::seal(to.view(), crypto::kLabelSource, name, plain->view(), random);
}

BackupRun::BackupRun(store::Store& store, BackupHead head, store::StoreImage image, crypto::Random& random)
    : store_(store), head_(std::move(head)), image_(std::move(image)), writer_(head_, random), ready_(head_.bytes) {}

Result<std::unique_ptr<BackupRun>> BackupRun::start(store::Store& store, const Replica& replica,
                                                    const ReadingKey& reading, BackupHead head, std::string config,
                                                    Time now, crypto::Random& random) {
  TOCSIN_ASSIGN(image, store.image());
  for (auto& record : image.records) {
    TOCSIN_ASSIGN(sealed, reseal_record(record.table, record.name, record.value, reading, head.reading, random));
    record.value = std::move(sealed);
  }
  std::unique_ptr<BackupRun> run(new BackupRun(store, std::move(head), std::move(image), random));
  run->writer_.begin({now, replica.own_org().id(), replica.own_node()}, run->ready_);
  run->writer_.config(config, run->ready_);
  return run;
}

Result<Bytes> BackupRun::next() {
  while (!ended_ && ready_.size() < kPieceBytes) {
    if (record_ < image_.records.size()) {
      writer_.record(image_.records[record_], ready_);
      image_.records[record_++] = {};
      continue;
    }
    if (log_ == image_.logs.size()) {
      writer_.end(ready_);
      ended_ = true;
      break;
    }
    const LogRecord& log = image_.logs[log_];
    if (number_.value == 0) {
      writer_.log(log, ready_);
      number_ = log.low;
    }
    const Number before = number_;
    bool other_branch = false;
    if (number_ <= log.head) {
      TOCSIN_TRY(store_.read(log.log, number_, log.head, kPieceBytes, [&](const StoredEntry& stored) {
        writer_.entry(stored, ready_);
        number_ = stored.number.next();
        other_branch =
            stored.number == log.head && hash_entry(stored.entry.header, stored.entry.signature) != log.head_hash;
        return true;
      }));
      // A pin chose another branch of a feed meanwhile (rule 12).
      if (other_branch) return environment_error(kStoreFailed, "a log was changed meanwhile; make the backup again");
      if (number_ == before) return environment_error(kStoreFailed, "a log is shorter than its record says");
    }
    if (number_ > log.head) {
      ++log_;
      number_ = {};
    }
  }
  return std::exchange(ready_, {});
}

BackupNote read_backup_note(const std::string& home) {
  BackupNote out;
  if (const auto file = store::read_file(note_file(home), kNoteBytesMax)) {
    std::istringstream in{std::string(as_text(*file))};
    if (!(in >> out.made.ms >> out.verified.ms)) return {};
  }
  return out;
}

Result<void> write_backup_note(const std::string& home, const BackupNote& note) {
  return store::write_file(note_file(home),
                           as_bytes(std::to_string(note.made.ms) + " " + std::to_string(note.verified.ms) + "\n"));
}

}  // namespace tocsin::host
