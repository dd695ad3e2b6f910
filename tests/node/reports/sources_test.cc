// What a source's record is on this node (rule 51).
#include "node/reports/sources.h"

#include <gtest/gtest.h>

namespace tocsin::reports {
namespace {

TEST(Sources, rule_51_a_record_comes_back_as_it_was_written) {
  for (const SourceRecord& record : {SourceRecord{"Nurse in Maungdaw", "+880 1 234", "call only at night"},
                                     SourceRecord{"က", "", ""}, SourceRecord{std::string(4096, 'x'), "a", "b"}}) {
    const auto bytes = encode_source(record);
    ASSERT_TRUE(bytes);
    const auto back = decode_source(*bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, record);
  }
}

TEST(Sources, a_record_names_somebody_in_clean_text) {
  for (const SourceRecord& record :
       {SourceRecord{}, SourceRecord{"", "contact", ""}, SourceRecord{std::string(4097, 'x'), "", ""},
        SourceRecord{"\xff", "", ""}, SourceRecord{"x", "", "\x01"}}) {
    const auto bytes = encode_source(record);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code, kSourceRecordInvalid);
  }
}

TEST(Sources, a_damaged_record_is_refused_whatever_is_cut_off_or_added) {
  const Bytes whole = *encode_source({"name", "contact", "note"});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_source(ByteView(whole).first(size))) << size;
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(decode_source(longer));
  Bytes later = whole;
  later[0] = 2;
  EXPECT_FALSE(decode_source(later));
}

}  // namespace
}  // namespace tocsin::reports
