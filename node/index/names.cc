#include "node/index/names.h"

#include "node/index/codes.h"

namespace tocsin::index {

Result<void> Names::reload() {
  numbers_.clear();
  values_.clear();
  TOCSIN_ASSIGN(select, db_.use("SELECT id, kind, value FROM name ORDER BY id"));
  for (;;) {
    TOCSIN_ASSIGN(row, select->step());
    if (!row) return kOk;
    const ByteView bytes = select->blob(2);
    if (select->integer(0) != static_cast<std::int64_t>(values_.size()) + 1 || bytes.size() != Value{}.size()) {
      return internal_error(kIndexBroken, "the table of names has a gap");
    }
    Value value;
    std::copy(bytes.begin(), bytes.end(), value.begin());
    values_.push_back(value);
    numbers_.emplace(std::pair(static_cast<NameKind>(select->integer(1)), value), values_.size());
  }
}

Result<std::int64_t> Names::put_bytes(NameKind kind, const Value& value) {
  if (const std::int64_t known = find_bytes(kind, value)) return known;
  const auto number = static_cast<std::int64_t>(values_.size()) + 1;
  TOCSIN_ASSIGN(insert, db_.use("INSERT INTO name(id, kind, value) VALUES(?1, ?2, ?3)"));
  insert->bind(1, number).bind(2, static_cast<std::int64_t>(kind)).bind_blob(3, value);
  TOCSIN_TRY(insert->run());
  values_.push_back(value);
  numbers_.emplace(std::pair(kind, value), number);
  return number;
}

std::int64_t Names::find_bytes(NameKind kind, const Value& value) const {
  const auto found = numbers_.find({kind, value});
  return found == numbers_.end() ? 0 : found->second;
}

Names::Value Names::get_bytes(std::int64_t number) const {
  if (number < 1 || static_cast<std::uint64_t>(number) > values_.size()) return {};
  return values_[static_cast<std::size_t>(number) - 1];
}

}  // namespace tocsin::index
