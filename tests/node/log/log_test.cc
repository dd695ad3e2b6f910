#include "node/log/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/ids.h"

namespace tocsin {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(Log, json_lines_hold_event_level_time_and_fields) {
  testing::internal::CaptureStderr();
  protocol::NodeId node;
  node.data()[0] = 0xab;
  {
    const auto log = make_stderr_log(LogFormat::kJson, LogLevel::kInfo);
    log->debug(Code("too_low"));
    log->warning(Code("refused"), {{"code", Code("bad_signature")}, {"node", node}, {"count", 3}});
  }
  const auto lines = lines_of(testing::internal::GetCapturedStderr());
  ASSERT_EQ(lines.size(), 1u);
  const auto line = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(line["event"], "refused");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["code"], "bad_signature");
  EXPECT_EQ(line["node"], "ab00000000000000");
  EXPECT_EQ(line["count"], 3);
  EXPECT_EQ(line["time"].get<std::string>().size(), 24u);
}

TEST(Log, journal_lines_begin_with_the_priority) {
  testing::internal::CaptureStderr();
  make_stderr_log(LogFormat::kJournal, LogLevel::kDebug)->error(Code("store_failed"), {{"count", 1}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<3>store_failed count=1\n");
}

TEST(Log, a_flood_of_one_event_is_cut_and_leaves_others_alone) {
  testing::internal::CaptureStderr();
  {
    const auto log = make_stderr_log(LogFormat::kJournal, LogLevel::kInfo);
    for (int i = 0; i < 100'000; ++i) log->info(Code("refused"));
    log->info(Code("link_up"));
  }
  const auto lines = lines_of(testing::internal::GetCapturedStderr());
  EXPECT_LT(lines.size(), 1'000u);
  EXPECT_EQ(lines.back(), "<6>link_up");
}

TEST(Log, level_words) {
  EXPECT_EQ(parse_log_level("warning"), LogLevel::kWarning);
  EXPECT_FALSE(parse_log_level("loud"));
}

}  // namespace
}  // namespace tocsin
