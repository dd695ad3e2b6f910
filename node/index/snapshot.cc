#include "node/index/snapshot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "crypto/codes.h"
#include "crypto/purpose.h"
#include "crypto/seal.h"
#include "node/index/schema.h"

namespace tocsin::index {

using protocol::Arrival;

namespace {

constexpr std::array<std::uint8_t, 16> kMagic = {'t', 'o', 'c', 's', 'i', 'n', ' ', 'i', 'n', 'd', 'e', 'x', ' ', '1'};
constexpr std::size_t kHeadBytes = 2 + 2 + 8 + 8;
constexpr std::size_t kPieceBytes = 256 * 1024;  // of the file, at a time

Bytes associated_of(const SnapshotContext& context) {
  Bytes out(kMagic.begin(), kMagic.end());
  append(out, context.binding);
  return out;
}

Bytes head_of(const SnapshotContext& context, Arrival cursor, std::uint64_t image_bytes) {
  Bytes out(kHeadBytes);
  store_le16(&out[0], kSchemaVersion);
  store_le16(&out[2], static_cast<std::uint16_t>(context.build.size()));
  store_le64(&out[4], cursor.value);
  store_le64(&out[12], image_bytes);
  append(out, as_bytes(context.build));
  return out;
}

Result<void> write_all(SnapshotFile& file, const SnapshotContext& context, crypto::Random& random, Arrival cursor,
                       ByteView image) {
  TOCSIN_TRY(file.begin());
  TOCSIN_TRY(file.append(kMagic));
  crypto::SealedWriter writer(context.key.view(), crypto::kLabelIndexSnapshot, associated_of(context), random);
  Bytes sealed;
  const auto flush = [&]() -> Result<void> {
    auto done = file.append(sealed);
    sealed.clear();
    return done;
  };
  writer.write(head_of(context, cursor, image.size()), sealed);
  for (std::size_t at = 0; at < image.size(); at += kPieceBytes) {
    writer.write(image.subspan(at, std::min(kPieceBytes, image.size() - at)), sealed);
    TOCSIN_TRY(flush());
  }
  writer.finish(sealed);
  TOCSIN_TRY(flush());
  return file.commit();
}

// Takes the plaintext piece by piece: first the head, then the database, straight into the memory where it stays.
class Receiver {
 public:
  Receiver(const SnapshotContext& context, Arrival newest, std::uint64_t file_bytes, std::uint64_t bytes_max)
      : context_(context), newest_(newest), file_bytes_(file_bytes), bytes_max_(bytes_max) {}
  ~Receiver() { Database::free(image_); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  Result<void> take(ByteView plain) {
    if (!image_) {
      append(head_, plain);
      return read_head();
    }
    return take_image(plain);
  }

  Result<LoadedSnapshot> finish() {
    if (!image_ || filled_ != image_bytes_) return environment_error(kSnapshotDamaged, "the snapshot is incomplete");
    TOCSIN_ASSIGN(db, Database::adopt(std::exchange(image_, nullptr), image_bytes_, bytes_max_));
    return LoadedSnapshot{cursor_, std::move(db)};
  }

 private:
  Result<void> read_head() {
    if (head_.size() < kHeadBytes) return kOk;
    const std::size_t build_bytes = load_le16(&head_[2]);
    if (load_le16(&head_[0]) != kSchemaVersion || build_bytes > kBuildBytesMax) return old();
    if (head_.size() < kHeadBytes + build_bytes) return kOk;
    if (as_text(ByteView(head_).subspan(kHeadBytes, build_bytes)) != context_.build) return old();
    cursor_.value = load_le64(&head_[4]);
    image_bytes_ = load_le64(&head_[12]);
    if (cursor_ > newest_) {
      return environment_error(kSnapshotAhead, "the snapshot was made from entries that the store does not have");
    }
    if (image_bytes_ > bytes_max_)
      return environment_error(kSnapshotTooLarge, "the snapshot is larger than the index may be");
    // The stream is longer than what it carries: a size above the file's cannot come true.
    if (image_bytes_ == 0 || image_bytes_ > file_bytes_) {
      return environment_error(kSnapshotDamaged, "the snapshot is incomplete");
    }
    image_ = Database::allocate(image_bytes_);
    if (!image_) return environment_error(kIndexMemory, "no memory for the index");
    const Bytes rest(head_.begin() + static_cast<std::ptrdiff_t>(kHeadBytes + build_bytes), head_.end());
    head_.clear();
    return take_image(rest);
  }

  Result<void> take_image(ByteView plain) {
    if (plain.size() > image_bytes_ - filled_) {
      return environment_error(kSnapshotDamaged, "the snapshot is longer than it says");
    }
    if (!plain.empty()) std::memcpy(image_ + filled_, plain.data(), plain.size());
    filled_ += plain.size();
    return kOk;
  }

  static Error old() {
    return environment_error(kSnapshotOld, "the snapshot was made by another version of the program");
  }

  const SnapshotContext& context_;
  const Arrival newest_;
  const std::uint64_t file_bytes_, bytes_max_;
  Bytes head_;
  Arrival cursor_;
  std::uint8_t* image_ = nullptr;
  std::uint64_t image_bytes_ = 0, filled_ = 0;
};

// The stream knows damage only; whether the key was the wrong one shows in nothing having opened.
Error stream_error(const Error& error, bool opened_any) {
  if (error.code == crypto::kDecryptionFailed && !opened_any) {
    return environment_error(kSnapshotForeign, "the snapshot does not open with this node's key and store");
  }
  return environment_error(kSnapshotDamaged, "the snapshot is damaged: " + std::string(error.code.text()));
}

// Zeroes behind the end of a shorter file.
Result<std::array<std::uint8_t, kMagic.size()>> first_bytes(SnapshotFile& file) {
  std::array<std::uint8_t, kMagic.size()> out{};
  std::size_t have = 0;
  while (have < out.size()) {
    TOCSIN_ASSIGN(more, file.read(MutableByteView(out).subspan(have)));
    if (more == 0) break;
    have += more;
  }
  return out;
}

Result<void> read_magic(SnapshotFile& file) {
  TOCSIN_ASSIGN(magic, first_bytes(file));
  if (magic == kMagic) return kOk;
  return environment_error(kSnapshotOld, "the file is no snapshot of this version");
}

}  // namespace

Result<void> write_snapshot(SnapshotFile& file, const SnapshotContext& context, crypto::Random& random, Arrival cursor,
                            ByteView image) {
  assert(context.build.size() <= kBuildBytesMax);
  auto done = write_all(file, context, random, cursor, image);
  if (!done) file.abandon();
  return done;
}

std::optional<std::uint32_t> snapshot_version(SnapshotFile& file) {
  if (!file.open()) return std::nullopt;
  const auto magic = first_bytes(file);
  file.close();
  constexpr std::string_view kStart = "tocsin index ";
  if (!magic || !as_text(*magic).starts_with(kStart)) return std::nullopt;
  const auto digits = as_text(*magic).substr(kStart.size());
  std::uint32_t version = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  return error == std::errc() ? std::optional(version) : std::nullopt;
}

Result<LoadedSnapshot> read_snapshot(SnapshotFile& file, const SnapshotContext& context, Arrival newest,
                                     std::uint64_t bytes_max) {
  TOCSIN_ASSIGN(file_bytes, file.open());
  TOCSIN_TRY(read_magic(file));
  crypto::SealedReader reader(context.key.view(), crypto::kLabelIndexSnapshot, associated_of(context));
  Receiver receiver(context, newest, file_bytes, bytes_max);
  Bytes sealed(kPieceBytes), plain;
  bool opened_any = false;
  const auto hand_over = [&](const Result<void>& read) -> Result<void> {
    if (!read) return stream_error(read.error(), opened_any);
    opened_any = opened_any || !plain.empty();
    auto taken = receiver.take(plain);
    plain.clear();
    return taken;
  };
  for (;;) {
    TOCSIN_ASSIGN(got, file.read(sealed));
    if (got == 0) break;
    TOCSIN_TRY(hand_over(reader.read(ByteView(sealed).first(got), plain)));
  }
  TOCSIN_TRY(hand_over(reader.finish(plain)));
  return receiver.finish();
}

}  // namespace tocsin::index
