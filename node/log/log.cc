#include "node/log/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>

namespace tocsin {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// syslog priorities, as sd-daemon(3) reads them at the beginning of a line.
std::string_view journal_prefix(LogLevel level) {
  constexpr std::string_view kPrefixes[] = {"<7>", "<6>", "<4>", "<3>"};
  return kPrefixes[static_cast<std::size_t>(level)];
}

// The service manager names the device and inode of its journal stream; standard error may have been redirected since.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

// Keys are literals, values are codes, numbers and hexadecimal digits: nothing needs escaping.
std::string json_line(Code event, LogFields fields) {
  std::string out = "\"event\":\"" + std::string(event.text()) + "\"";
  for (const LogField& field : fields) {
    out += ",\"" + std::string(field.key()) + "\":";
    out += field.is_number() ? field.value() : "\"" + field.value() + "\"";
  }
  return out;
}

std::string journal_line(LogLevel level, Code event, LogFields fields) {
  std::string out = std::string(journal_prefix(level)) + std::string(event.text());
  for (const LogField& field : fields) out += " " + std::string(field.key()) + "=" + field.value();
  return out;
}

class StderrLog final : public Log {
 public:
  StderrLog(bool journal, LogLevel least)
      : journal_(journal), least_(least), logger_("tocsin", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(spdlog_level(least));
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        journal ? "%v" : R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc));
    logger_.flush_on(spdlog::level::debug);
  }

  void write(LogLevel level, Code event, LogFields fields) override {
    if (level < least_) return;
    const std::lock_guard lock(mutex_);
    const auto second =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    Rate& rate = rates_[event.text()];  // events are literals: there are only so many
    if (rate.second != second) {
      const std::uint64_t left_out = rate.lines > kLogLinesPerSecondMax ? rate.lines - kLogLinesPerSecondMax : 0;
      rate = {second, 0};
      if (left_out > 0) put(level, Code("log_lines_left_out"), {{"of", event}, {"lines", left_out}});
    }
    if (++rate.lines <= kLogLinesPerSecondMax) put(level, event, fields);
  }

 private:
  struct Rate {
    std::int64_t second = 0;
    std::uint64_t lines = 0;
  };

  void put(LogLevel level, Code event, LogFields fields) {
    logger_.log(spdlog_level(level), journal_ ? journal_line(level, event, fields) : json_line(event, fields));
  }

  const bool journal_;
  const LogLevel least_;
  std::mutex mutex_;
  std::map<std::string_view, Rate> rates_;
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(LogFormat format, LogLevel least) {
  const bool journal = format == LogFormat::kJournal || (format == LogFormat::kAuto && stderr_is_journal());
  return std::make_unique<StderrLog>(journal, least);
}

std::optional<LogLevel> parse_log_level(std::string_view word) {
  if (word == "debug") return LogLevel::kDebug;
  if (word == "info") return LogLevel::kInfo;
  if (word == "warning") return LogLevel::kWarning;
  if (word == "error") return LogLevel::kError;
  return std::nullopt;
}

}  // namespace tocsin
