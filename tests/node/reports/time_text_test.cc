#include "node/reports/time_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "protocol/report_limits.h"

namespace tocsin::tests {
namespace {

using namespace reports;
using protocol::Time;

RC_GTEST_PROP(TimeText, every_time_comes_back, ()) {
  const Time time{*rc::gen::inRange<std::int64_t>(protocol::kTimeMsMin, protocol::kTimeMsMax)};
  RC_ASSERT(parse_time(format_time(time)) == time);
}

RC_GTEST_PROP(TimeText, any_text_is_answered, (const std::string& text)) {
  parse_time(text);
  parse_time_end(text);
}

TEST(TimeText, offsets_fractions_and_bare_days_are_read) {
  EXPECT_EQ(format_time(*parse_time("2017-08-25T06:30:00+06:30")), "2017-08-25T00:00:00Z");
  EXPECT_EQ(format_time(*parse_time("2017-08-25T00:00:00.5Z")), "2017-08-25T00:00:00.500Z");
  EXPECT_EQ(format_time(*parse_time("2017-08-25 00:00:00.123456789z")), "2017-08-25T00:00:00.123Z");
  EXPECT_EQ(format_time(*parse_time("2017-08-25")), "2017-08-25T00:00:00Z");
  EXPECT_EQ(format_time(*parse_time_end("2017-08-25")), "2017-08-25T23:59:59.999Z");
  EXPECT_EQ(parse_time_end("2017-08-25T01:00:00Z"), parse_time("2017-08-25T01:00:00Z"));
  EXPECT_EQ(parse_time("1969-12-31T23:59:59Z"), Time{-1000});
  EXPECT_EQ(format_date(Time{-1}), "1969-12-31");
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z"), parse_time("2016-12-31T23:59:59Z"));
}

TEST(TimeText, what_is_no_time_is_refused) {
  for (const char* bad :
       {"", "2017", "2017-02-29", "2017-13-01", "0000-01-01", "2017-08-25T", "2017-08-25T24:00:00Z",
        "2017-08-25T00:00:00", "2017-08-25T00:00:00.Z", "2017-08-25T00:00:00+6:30", "25.08.2017",
        "2017-08-25T00:00:00Zx", "2017/08/25", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

}  // namespace
}  // namespace tocsin::tests
