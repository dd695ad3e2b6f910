#include "node/reports/sources.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using reports::SourceBook;
using reports::SourceRecord;

RC_GTEST_PROP(Sources, the_book_comes_back_as_it_was, ()) {
  SourceBook book;
  std::vector<std::pair<SourceReference, SourceRecord>> records;
  const int n = *rc::gen::inRange(0, 20);
  for (int i = 0; i < n; ++i) {
    SourceReference reference = any_fixed<SourceReference>();
    reference.data()[1] = static_cast<std::uint8_t>(i);
    const SourceRecord record{*rc::gen::arbitrary<std::string>(), any_text(9), any_text(9)};
    RC_ASSERT(book.add(reference, record).ok());
    records.emplace_back(reference, record);
  }
  auto back = SourceBook::parse(book.serialize());
  RC_ASSERT(back.ok());
  RC_ASSERT(back->size() == records.size());
  for (const auto& [reference, record] : records) RC_ASSERT(*back->find(reference) == record);
}

RC_GTEST_PROP(Sources, damaged_books_are_refused, (const std::vector<std::uint8_t>& bytes)) {
  (void)SourceBook::parse(bytes);
  SourceBook book;
  RC_ASSERT(book.add(filled<SourceReference>(1), {"name", "contact", "note"}).ok());
  Bytes good = book.serialize();
  good.resize(*rc::gen::inRange<std::size_t>(0, good.size()));
  RC_ASSERT(!SourceBook::parse(good).ok());
}

TEST(Sources, rule_51_an_erased_source_is_gone_for_good) {
  SourceBook book;
  const auto reference = filled<SourceReference>(5);
  ASSERT_TRUE(book.add(reference, {"Ma Aye", "by way of the clinic", ""}));
  EXPECT_EQ(book.find_name("Ma Aye"), reference);
  EXPECT_TRUE(book.erase(reference));
  EXPECT_FALSE(book.erase(reference));
  EXPECT_EQ(book.find(reference), nullptr);
  EXPECT_EQ(book.serialize().size(), 5u);
}

TEST(Sources, a_reference_is_used_once_and_limits_hold) {
  SourceBook book;
  ASSERT_TRUE(book.add(filled<SourceReference>(5), {"a", "", ""}));
  EXPECT_EQ(book.add(filled<SourceReference>(5), {"b", "", ""}).error().code, reports::kSourceReferenceTaken);
  EXPECT_EQ(book.add(SourceReference{}, {"b", "", ""}).error().code, reports::kSourceReferenceTaken);
  EXPECT_EQ(book.add(filled<SourceReference>(6), {std::string(5000, 'x'), "", ""}).error().code,
            reports::kSourceRecordTooLong);
  EXPECT_EQ(book.find(filled<SourceReference>(5))->name, "a");
}

TEST(Sources, rule_51_nothing_of_the_book_is_in_the_bytes_of_a_report) {
  SourceBook book;
  const auto reference = filled<SourceReference>(5);
  ASSERT_TRUE(book.add(reference, {"Ma Aye of Tula Toli", "clinic", "do not call"}));
  Report report = plain_report();
  report.sources = {{reference, Reliability::kB, Credibility::k2}};
  const Bytes bytes = *encode_report(report);
  const std::string_view text = as_text(bytes);
  for (const char* secret : {"Ma Aye", "clinic", "call"}) EXPECT_EQ(text.find(secret), std::string_view::npos);
}

}  // namespace
}  // namespace tocsin::tests
