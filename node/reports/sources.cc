#include "node/reports/sources.h"

#include "crypto/secret.h"

namespace tocsin::reports {
namespace {

using protocol::SourceReference;
constexpr std::uint8_t kBookVersion = 1;

void wipe_text(std::string& text) {
  crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  text.clear();
}

void wipe_record(SourceRecord& record) {
  wipe_text(record.name);
  wipe_text(record.contact);
  wipe_text(record.note);
}

void put_text(Bytes& out, const std::string& text) {
  std::array<std::uint8_t, 2> size;
  store_le16(size.data(), static_cast<std::uint16_t>(text.size()));
  append(out, size);
  append(out, as_bytes(text));
}

// Takes the next u16 size and bytes off `rest`.
bool take_text(ByteView& rest, std::string& out) {
  if (rest.size() < 2) return false;
  const std::size_t size = load_le16(rest.data());
  if (size > kSourceFieldBytesMax || rest.size() - 2 < size) return false;
  out = as_text(rest.subspan(2, size));
  rest = rest.subspan(2 + size);
  return true;
}

}  // namespace

SourceBook::~SourceBook() { erase_all(); }

SourceBook& SourceBook::operator=(SourceBook&& other) noexcept {
  if (this != &other) {
    erase_all();
    records_ = std::move(other.records_);
    other.records_.clear();
  }
  return *this;
}

Result<void> SourceBook::add(const SourceReference& reference, SourceRecord record) {
  if (records_.contains(reference) || reference.is_zero()) {
    wipe_record(record);
    return caller_error(kSourceReferenceTaken, "take fresh random bytes");
  }
  if (records_.size() >= kSourceRecordsMax) {
    wipe_record(record);
    return caller_error(kSourceBookFull, "erase sources that are not needed any more");
  }
  for (const auto* field : {&record.name, &record.contact, &record.note}) {
    if (field->size() > kSourceFieldBytesMax) {
      wipe_record(record);
      return caller_error(kSourceRecordTooLong, "name, contact and note take 4096 bytes each");
    }
  }
  records_.emplace(reference, std::move(record));
  return kOk;
}

const SourceRecord* SourceBook::find(const SourceReference& reference) const {
  const auto found = records_.find(reference);
  return found == records_.end() ? nullptr : &found->second;
}

std::optional<SourceReference> SourceBook::find_name(std::string_view name) const {
  for (const auto& [reference, record] : records_) {
    if (record.name == name) return reference;
  }
  return std::nullopt;
}

bool SourceBook::erase(const SourceReference& reference) {
  const auto found = records_.find(reference);
  if (found == records_.end()) return false;
  wipe_record(found->second);
  records_.erase(found);
  return true;
}

void SourceBook::erase_all() {
  for (auto& [reference, record] : records_) wipe_record(record);
  records_.clear();
}

std::vector<SourceReference> SourceBook::references() const {
  std::vector<SourceReference> out;
  out.reserve(records_.size());
  for (const auto& [reference, record] : records_) out.push_back(reference);
  return out;
}

Bytes SourceBook::serialize() const {
  std::size_t size = 5;
  for (const auto& [reference, record] : records_) {
    size += SourceReference::kSize + 6 + record.name.size() + record.contact.size() + record.note.size();
  }
  Bytes out;
  out.reserve(size);  // so that growing leaves no copies behind
  out.push_back(kBookVersion);
  std::array<std::uint8_t, 4> count;
  store_le32(count.data(), static_cast<std::uint32_t>(records_.size()));
  append(out, count);
  for (const auto& [reference, record] : records_) {
    append(out, reference.view());
    put_text(out, record.name);
    put_text(out, record.contact);
    put_text(out, record.note);
  }
  return out;
}

Result<SourceBook> SourceBook::parse(ByteView bytes) {
  const Error malformed =
      environment_error(kSourceBookMalformed, "the book of sources is damaged; restore it from a backup");
  if (bytes.size() < 5 || bytes[0] != kBookVersion) return malformed;
  const std::uint32_t count = load_le32(bytes.data() + 1);
  if (count > kSourceRecordsMax) return malformed;
  ByteView rest = bytes.subspan(5);
  SourceBook book;
  SourceReference last;  // zero: no reference is
  for (std::uint32_t i = 0; i < count; ++i) {
    if (rest.size() < SourceReference::kSize) return malformed;
    const SourceReference reference = *SourceReference::from(rest.first(SourceReference::kSize));
    rest = rest.subspan(SourceReference::kSize);
    if (!(last < reference)) return malformed;
    last = reference;
    SourceRecord& record = book.records_[reference];
    if (!take_text(rest, record.name) || !take_text(rest, record.contact) || !take_text(rest, record.note))
      return malformed;
  }
  if (!rest.empty()) return malformed;
  return book;
}

}  // namespace tocsin::reports
