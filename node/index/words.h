// The full-text side: which rows have which words. SQLite's FTS5 keeps no text, no positions and no order of words.
#pragma once

#include <string>
#include <string_view>

#include "node/index/database.h"

namespace tocsin::index {

class Words {
 public:
  static Result<Words> open(Database& db);
  Words(Words&&) noexcept;
  Words& operator=(Words&&) noexcept;
  ~Words();

  Result<void> add(std::int64_t row, std::string_view text);
  // `text` is exactly what was added.
  Result<void> remove(std::int64_t row, std::string_view text);

  // What a person typed, as an expression for MATCH: each word quoted, all of them required, the last one as a
  // beginning when the text ends in it and it has kPrefixCharactersMin characters. The words come out of the tokenizer
  // that made the table, so nothing a person types reaches FTS5 as an operator. Errors (caller): query_too_long,
  // query_empty.
  Result<std::string> expression(std::string_view text) const;

 private:
  struct Tokenizer;
  Words(Database& db, std::unique_ptr<Tokenizer> tokenizer);
  Database* db_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace tocsin::index
