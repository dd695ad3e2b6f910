// Who a source is. Reports carry 16 random bytes; what they stand for is here, and nowhere else (rule 51). The caller
// keeps the bytes of serialize() sealed under the reading tier and never lets them leave the node; erasing a record, or
// all, makes the references in sent reports mean nothing for ever.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/report.h"

namespace tocsin::reports {

struct SourceRecord {
  std::string name;     // who
  std::string contact;  // how to reach them
  std::string note;     // what to mind: danger, language, whom not to ask
  friend bool operator==(const SourceRecord&, const SourceRecord&) = default;
};

inline constexpr Code kSourceBookFull{"source_book_full"};
inline constexpr Code kSourceBookMalformed{"source_book_malformed"};
inline constexpr Code kSourceRecordTooLong{"source_record_too_long"};
inline constexpr Code kSourceReferenceTaken{"source_reference_taken"};
inline constexpr std::size_t kSourceRecordsMax = 100'000;
inline constexpr std::size_t kSourceFieldBytesMax = 4096;  // each field

// Not thread-safe; copies are wiped when destroyed, and so is each record when erased. Move it, do not copy it.
class SourceBook {
 public:
  SourceBook() = default;
  SourceBook(SourceBook&&) noexcept = default;
  SourceBook& operator=(SourceBook&& other) noexcept;
  SourceBook(const SourceBook&) = delete;
  SourceBook& operator=(const SourceBook&) = delete;
  ~SourceBook();

  // `reference` is fresh randomness of the caller's. Errors (origin caller): source_book_full, source_record_too_long,
  // source_reference_taken.
  Result<void> add(const protocol::SourceReference& reference, SourceRecord record);
  // Null when unknown or erased; valid until the next change.
  const SourceRecord* find(const protocol::SourceReference& reference) const;
  // By exact name, so that one person keeps one reference. Nothing when there is none.
  std::optional<protocol::SourceReference> find_name(std::string_view name) const;
  // False when there was none.
  bool erase(const protocol::SourceReference& reference);
  void erase_all();
  std::size_t size() const { return records_.size(); }
  std::vector<protocol::SourceReference> references() const;

  // version u8 = 1, count u32, then for each by rising reference: reference 16, three times (u16 size, bytes).
  // Little-endian. SECRET: to be sealed by the caller and wiped.
  Bytes serialize() const;
  // Errors (origin environment): source_book_malformed.
  static Result<SourceBook> parse(ByteView bytes);

 private:
  std::map<protocol::SourceReference, SourceRecord> records_;
};

}  // namespace tocsin::reports
