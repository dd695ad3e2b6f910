#include "node/host/backup_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/codes.h"
#include "crypto/passphrase.h"
#include "crypto/text_code.h"
#include "node/host/new_home.h"
#include "node/store/files.h"
#include "node/store/format.h"

namespace tocsin::host {
namespace {

using namespace protocol;

constexpr auto kMagic = desk::kBackupMagic;
constexpr std::size_t kSlotMax = 4096;
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBeginBytes = 4 + 8 + 2 * 32;
constexpr std::size_t kEndBytes = 3 * 8 + 32;
constexpr std::size_t kFrameHead = 5;
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kStreamKeyBytes = 32;
constexpr std::size_t kSlotBytes = kStreamKeyBytes + ReadingKey::kSize;

Error damaged(std::string why) {
  return environment_error(kBackupDamaged, "the backup is damaged: " + std::move(why) + "; use another one");
}

void append_le32(Bytes& out, std::uint32_t value) {
  out.resize(out.size() + 4);
  store_le32(&out[out.size() - 4], value);
}
void append_le64(Bytes& out, std::uint64_t value) {
  out.resize(out.size() + 8);
  store_le64(&out[out.size() - 8], value);
}

}  // namespace

void BackupDigest::add_log(const LogRecord& log) {
  hasher_.update(store::encode_log(log));
  ++end_.logs;
}

void BackupDigest::add_entry(const StoredEntry& stored) {
  const EntryView& entry = stored.entry;
  hasher_.update(entry.header);
  hasher_.update(entry.signature);
  const std::uint8_t present = entry.body.empty() ? 0 : 1;
  hasher_.update({&present, 1});
  hasher_.update(hash_body(entry.body).view());
  ++end_.entries;
}

BackupEnd BackupDigest::finish() {
  end_.digest = hasher_.finish();
  return end_;
}

Result<BackupHead> make_backup_head(std::string_view passphrase, const crypto::EncryptionPublic& recovery,
                                    crypto::Random& random) {
  crypto::SecretBuffer keys(kSlotBytes);
  random.fill(keys.mutable_view());
  BackupHead out{to_bytes(as_bytes(kMagic)), crypto::SecretBuffer::copy_of(keys.view().first(kStreamKeyBytes)),
                 *ReadingKey::from(keys.view().subspan(kStreamKeyBytes))};
  TOCSIN_ASSIGN(by_passphrase, crypto::seal_with_passphrase(passphrase, crypto::kLabelBackup, keys.view(), random));
  TOCSIN_ASSIGN(by_recovery, crypto::seal_to(recovery, crypto::kLabelBackup, {}, keys.view(), random));
  for (const Bytes& slot : {by_passphrase, by_recovery}) {
    append_le32(out.bytes, static_cast<std::uint32_t>(slot.size()));
    append(out.bytes, slot);
  }
  return out;
}

// ---- Writing

void BackupWriter::frame(BackupFrame type, ByteView payload, Bytes& out) {
  std::uint8_t head[kFrameHead] = {static_cast<std::uint8_t>(type)};
  store_le32(head + 1, static_cast<std::uint32_t>(payload.size()));
  stream_.write(head, out);
  stream_.write(payload, out);
}

void BackupWriter::begin(const BackupBegin& begin, Bytes& out) {
  Bytes payload;
  append_le32(payload, kVersion);
  append_le64(payload, static_cast<std::uint64_t>(begin.made.ms));
  append(payload, begin.org.view());
  append(payload, begin.node.view());
  frame(BackupFrame::kBegin, payload, out);
}

void BackupWriter::record(const store::StoreImage::Record& record, Bytes& out) {
  Bytes payload(3);
  payload[0] = static_cast<std::uint8_t>(record.table);
  store_le16(&payload[1], static_cast<std::uint16_t>(record.name.size()));
  append(payload, record.name);
  append(payload, record.value);
  digest_.count_record();
  frame(BackupFrame::kRecord, payload, out);
}

void BackupWriter::log(const LogRecord& log, Bytes& out) {
  digest_.add_log(log);
  frame(BackupFrame::kLog, store::encode_log(log), out);
}

void BackupWriter::entry(const StoredEntry& stored, Bytes& out) {
  digest_.add_entry(stored);
  const EntryView& entry = stored.entry;
  Bytes payload(3);
  payload[0] = static_cast<std::uint8_t>(stored.checked);
  store_le16(&payload[1], static_cast<std::uint16_t>(entry.signature.size()));
  append(payload, entry.header);
  append(payload, entry.signature);
  append(payload, entry.body);
  frame(BackupFrame::kEntry, payload, out);
}

void BackupWriter::end(Bytes& out) {
  const BackupEnd end = digest_.finish();
  Bytes payload;
  for (const auto count : {end.logs, end.entries, end.records}) append_le64(payload, count);
  append(payload, end.digest.view());
  frame(BackupFrame::kEnd, payload, out);
  stream_.finish(out);
}

// ---- Reading

namespace {

class BackupReader {
 public:
  BackupReader(store::FileHandle file, const BackupVisitor& visitor) : file_(std::move(file)), visitor_(visitor) {}

  Result<BackupEnd> run(const BackupKey& key) {
    TOCSIN_ASSIGN(keys, open_head(key));
    reading_ = ReadingKey::from(keys.view().subspan(kStreamKeyBytes));
    crypto::SealedReader stream(keys.view().first(kStreamKeyBytes), crypto::kLabelBackupStream, head_);
    Bytes sealed(kReadBytes);
    for (;;) {
      TOCSIN_ASSIGN(got, read_some(sealed));
      if (got == 0) break;
      if (!stream.read(ByteView(sealed).first(got), plain_)) return damaged("its bytes were changed");
      TOCSIN_TRY(take_frames());
    }
    if (!stream.finish(plain_)) return damaged("its end is missing");
    TOCSIN_TRY(take_frames());
    if (!end_ || !plain_.empty()) return damaged("its end is missing");
    return *end_;
  }

 private:
  Result<std::size_t> read_some(MutableByteView into) {
    for (;;) {
      const ssize_t got = ::read(file_.get(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return environment_error(store::file_error(errno, "", "").code, "cannot read the backup");
    }
  }
  Result<void> read_exactly(MutableByteView into) {
    while (!into.empty()) {
      TOCSIN_ASSIGN(got, read_some(into));
      if (got == 0) return damaged("it is cut");
      into = into.subspan(got);
    }
    return kOk;
  }

  Result<Bytes> read_slot() {
    std::uint8_t size[4];
    TOCSIN_TRY(read_exactly(size));
    const std::size_t bytes = load_le32(size);
    if (bytes > kSlotMax) return damaged("its head");
    Bytes slot(bytes);
    TOCSIN_TRY(read_exactly(slot));
    append(head_, size);
    append(head_, slot);
    return slot;
  }

  Result<crypto::SecretBuffer> open_head(const BackupKey& key) {
    head_.resize(kMagic.size());
    if (!read_exactly(head_) || as_text(head_) != kMagic)
      return caller_error(kNotABackup, "this is no backup of Tocsin, or one of a later version");
    TOCSIN_ASSIGN(by_passphrase, read_slot());
    TOCSIN_ASSIGN(by_recovery, read_slot());
    Result<crypto::SecretBuffer> opened = caller_error(crypto::kWrongPassphrase);
    if (key.recovery_key.empty()) {
      opened = crypto::open_with_passphrase(as_text(key.passphrase->view()), crypto::kLabelBackup, by_passphrase);
      if (!opened && opened.error().code == crypto::kWrongPassphrase)
        return caller_error(crypto::kWrongPassphrase,
                            "that passphrase does not open the backup: it is the one that the node had when the backup "
                            "was made; without it, give the recovery key");
    } else {
      auto secret = crypto::decode_text(kRecoveryPrefix, key.recovery_key);
      auto bytes = secret ? crypto::EncryptionSecret::from(*secret) : std::nullopt;
      if (!bytes) return caller_error(kWrongRecoveryKey, "that is no recovery key: it begins with tocsinrecovery");
      const auto pair = crypto::EncryptionKeyPair::from_secret(std::move(*bytes));
      opened = crypto::open_sealed(pair, crypto::kLabelBackup, {}, by_recovery);
      if (!opened) return caller_error(kWrongRecoveryKey, "that is the recovery key of another home");
    }
    if (opened && opened->size() != kSlotBytes) return damaged("its head");
    return opened;
  }

  Result<void> take_frames() {
    std::size_t at = 0;
    while (plain_.size() - at >= kFrameHead) {
      const std::size_t size = load_le32(&plain_[at + 1]);
      if (size > kBackupFrameMax) return damaged("a part of it is too large");
      if (plain_.size() - at - kFrameHead < size) break;
      if (end_) return damaged("something stands behind its end");
      TOCSIN_TRY(take(static_cast<BackupFrame>(plain_[at]), ByteView(plain_).subspan(at + kFrameHead, size)));
      at += kFrameHead + size;
    }
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(at));
    return kOk;
  }

  Result<void> take(BackupFrame type, ByteView payload) {
    if (!begun_ && type != BackupFrame::kBegin) return damaged("its beginning");
    switch (type) {
      case BackupFrame::kBegin:
        return take_begin(payload);
      case BackupFrame::kConfig:
        return visitor_.config(as_text(payload));
      case BackupFrame::kRecord: {
        if (payload.size() < 3) return damaged("a record");
        const std::size_t name = load_le16(&payload[1]);
        if (payload.size() < 3 + name) return damaged("a record");
        return visitor_.record(static_cast<Table>(payload[0]), payload.subspan(3, name), payload.subspan(3 + name));
      }
      case BackupFrame::kLog: {
        auto log = store::decode_log(payload);
        return log ? visitor_.log(*log) : damaged("a log");
      }
      case BackupFrame::kEntry:
        return take_entry(payload);
      case BackupFrame::kEnd: {
        if (payload.size() != kEndBytes) return damaged("its end");
        end_ = BackupEnd{load_le64(&payload[0]), load_le64(&payload[8]), load_le64(&payload[16]),
                         *crypto::Hash::from(payload.subspan(24))};
        return kOk;
      }
    }
    return damaged("a part of it is unknown");
  }

  Result<void> take_begin(ByteView payload) {
    if (begun_ || payload.size() != kBeginBytes) return damaged("its beginning");
    if (load_le32(payload.data()) != kVersion)
      return caller_error(kNotABackup, "this backup was made by a later version of Tocsin");
    begun_ = true;
    return visitor_.begin({{static_cast<std::int64_t>(load_le64(&payload[4]))},
                           *OrgId::from(payload.subspan(12, 32)),
                           *NodeId::from(payload.subspan(44, 32))},
                          *reading_);
  }

  Result<void> take_entry(ByteView payload) {
    if (payload.size() < 3 + kEntryHeaderBytes) return damaged("an entry");
    const std::size_t signature = load_le16(&payload[1]);
    const ByteView rest = payload.subspan(3);
    if (rest.size() < kEntryHeaderBytes + signature) return damaged("an entry");
    StoredEntry stored;
    stored.checked = static_cast<Checked>(payload[0]);
    stored.entry = {rest.first(kEntryHeaderBytes), rest.subspan(kEntryHeaderBytes, signature),
                    rest.subspan(kEntryHeaderBytes + signature)};
    const auto header = EntryHeader::decode(stored.entry.header);
    if (!header) return damaged("an entry");
    stored.number = header->number;
    return visitor_.entry(stored);
  }

  store::FileHandle file_;
  const BackupVisitor& visitor_;
  Bytes head_;
  Bytes plain_;
  std::optional<ReadingKey> reading_;
  bool begun_ = false;
  std::optional<BackupEnd> end_;
};

}  // namespace

Result<BackupEnd> read_backup(const std::string& path, const BackupKey& key, const BackupVisitor& visitor) {
  store::FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return store::file_error(errno, "cannot open", path);
  return BackupReader(std::move(file), visitor).run(key);
}

}  // namespace tocsin::host
