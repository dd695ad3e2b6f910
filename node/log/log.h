// What a node says about itself while it runs: an event, reason codes, numbers and hexadecimal ids. A field cannot be
// free text, so neither report content, nor a secret, nor a partner's name gets into a log by accident (rule 49).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin {

enum class LogLevel : std::uint8_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

// Ids are cut to this many hexadecimal digits: enough to find the node again, as the command line takes prefixes of
// eight or more.
inline constexpr std::size_t kLogIdDigits = 16;

class LogField {
 public:
  template <std::size_t N>
  LogField(const char (&key)[N], Code code) : key_(key, N - 1), value_(code.text()) {}
  template <std::size_t N>
  LogField(const char (&key)[N], std::uint64_t number)
      : key_(key, N - 1), value_(std::to_string(number)), number_(true) {}
  template <std::size_t N, class Tag, std::size_t Size>
  LogField(const char (&key)[N], const FixedBytes<Tag, Size>& id)
      : key_(key, N - 1), value_(to_hex(id.view()).substr(0, kLogIdDigits)) {}

  std::string_view key() const { return key_; }
  const std::string& value() const { return value_; }
  bool is_number() const { return number_; }

 private:
  std::string_view key_;
  std::string value_;
  bool number_ = false;
};
using LogFields = std::initializer_list<LogField>;

// Where events go.
class Log {
 public:
  virtual ~Log() = default;
  // Does not fail and does not wait; what is below the log's level is dropped.
  virtual void write(LogLevel level, Code event, LogFields fields) = 0;

  void debug(Code event, LogFields fields = {}) { write(LogLevel::kDebug, event, fields); }
  void info(Code event, LogFields fields = {}) { write(LogLevel::kInfo, event, fields); }
  void warning(Code event, LogFields fields = {}) { write(LogLevel::kWarning, event, fields); }
  void error(Code event, LogFields fields = {}) { write(LogLevel::kError, event, fields); }
};

// For tools and tests that say everything by their results.
class SilentLog final : public Log {
 public:
  void write(LogLevel, Code, LogFields) override {}
};

enum class LogFormat : std::uint8_t {
  kAuto,     // journal lines when standard error is the journal (JOURNAL_STREAM), else JSON lines
  kJson,     // one JSON object a line: time, level, event, fields
  kJournal,  // sd-daemon(3): "<priority>event key=value …", time and unit being the journal's affair
};

// A log on standard error; any thread. At most kLogLinesPerSecondMax lines a second of one event are written, then one
// line says how many were left out: a stranger who knocks fast cannot fill the disk.
inline constexpr std::uint64_t kLogLinesPerSecondMax = 20;
std::unique_ptr<Log> make_stderr_log(LogFormat format, LogLevel least);
// "debug", "info", "warning", "error"; nothing for another word.
std::optional<LogLevel> parse_log_level(std::string_view word);

}  // namespace tocsin
