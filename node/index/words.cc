#include "node/index/words.h"

#include <sqlite3.h>

#include <algorithm>
#include <vector>

#include "node/index/codes.h"

namespace tocsin::index {
namespace {

fts5_api* api_of(sqlite3* db) {
  fts5_api* api = nullptr;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &statement, nullptr) != SQLITE_OK) return nullptr;
  sqlite3_bind_pointer(statement, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
  sqlite3_step(statement);
  sqlite3_finalize(statement);
  return api;
}

struct Token {
  std::string text;  // folded, as the table has it
  int end = 0;       // byte in the input
};

// SQLite is C: an exception must not pass through it, so running out of memory becomes its own code for that.
int collect(void* context, int, const char* token, int bytes, int, int end) {
  auto& out = *static_cast<std::vector<Token>*>(context);
  if (out.size() > kQueryWordsMax) return SQLITE_DONE;
  try {
    out.push_back({std::string(token, static_cast<std::size_t>(bytes)), end});
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

// A tokenizer like the table's own (schema.cc).
struct Words::Tokenizer {
  fts5_tokenizer functions{};
  Fts5Tokenizer* tokenizer = nullptr;
  ~Tokenizer() {
    if (tokenizer) functions.xDelete(tokenizer);
  }
};

Words::Words(Database& db, std::unique_ptr<Tokenizer> tokenizer) : db_(&db), tokenizer_(std::move(tokenizer)) {}
Words::Words(Words&&) noexcept = default;
Words& Words::operator=(Words&&) noexcept = default;
Words::~Words() = default;

Result<Words> Words::open(Database& db) {
  auto tokenizer = std::make_unique<Tokenizer>();
  fts5_api* api = api_of(db.handle());
  void* context = nullptr;
  if (!api || api->xFindTokenizer(api, "unicode61", &context, &tokenizer->functions) != SQLITE_OK) {
    return internal_error(kIndexBroken, "SQLite has no FTS5");
  }
  const char* arguments[] = {"remove_diacritics", "2", "categories", "L* N* Co M*"};
  const int code = tokenizer->functions.xCreate(context, arguments, 4, &tokenizer->tokenizer);
  if (code != SQLITE_OK) return sqlite_error(code);
  return Words(db, std::move(tokenizer));
}

Result<void> Words::add(std::int64_t row, std::string_view text) {
  TOCSIN_ASSIGN(insert, db_->use("INSERT INTO words(rowid, body) VALUES(?1, ?2)"));
  return insert->bind(1, row).bind_text(2, text).run();
}

Result<void> Words::remove(std::int64_t row, std::string_view text) {
  TOCSIN_ASSIGN(remove, db_->use("INSERT INTO words(words, rowid, body) VALUES('delete', ?1, ?2)"));
  return remove->bind(1, row).bind_text(2, text).run();
}

Result<std::string> Words::expression(std::string_view text) const {
  if (text.size() > kQueryBytesMax) return caller_error(kQueryTooLong, "text: at most 1,024 bytes");
  std::vector<Token> tokens;
  const int code = tokenizer_->functions.xTokenize(tokenizer_->tokenizer, &tokens, FTS5_TOKENIZE_QUERY, text.data(),
                                                   static_cast<int>(text.size()), collect);
  if (code != SQLITE_OK && code != SQLITE_DONE) return sqlite_error(code);
  if (tokens.empty()) return caller_error(kQueryEmpty, "text: holds no word to look for");
  if (tokens.size() > kQueryWordsMax) return caller_error(kQueryTooLong, "text: at most 32 words");
  const bool open_ended =
      tokens.back().end == static_cast<int>(text.size()) && characters(tokens.back().text) >= kPrefixCharactersMin;
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += " AND ";
    out += '"';
    // No token of this tokenizer has a quote; doubled all the same, since the rest of the safety hangs on it.
    for (const char c : tokens[i].text) out.append(c == '"' ? 2 : 1, c);
    out += '"';
    if (open_ended && i + 1 == tokens.size()) out += " *";
  }
  return out;
}

}  // namespace tocsin::index
