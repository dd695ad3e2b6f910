// The byte form of a report: report.capnp and protocol/report.h.
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize-packed.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <kj/io.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <set>

#include "protocol/report.capnp.h"
#include "protocol/report.h"
#include "tests/node/reports/generators.h"
#include "tests/support/expect.h"

namespace tocsin::tests {
namespace {

using test::code_of;

namespace schema = report_schema;

Bytes encoded(const Report& report) {
  auto bytes = encode_report(report);
  EXPECT_TRUE(bytes) << bytes.error().detail;
  return bytes ? *bytes : Bytes{};
}

// A plain report as a schema message, for changes that protocol/report.h cannot make.
Bytes changed(const std::function<void(schema::Report::Builder)>& change, const Report& base = plain_report()) {
  const Bytes bytes = encoded(base);
  auto words = kj::heapArray<capnp::word>(bytes.size() / 8);
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  const kj::ArrayPtr<const capnp::word> segment = words.asPtr();
  capnp::SegmentArrayMessageReader reader(kj::arrayPtr(&segment, 1));
  capnp::MallocMessageBuilder builder;
  builder.setRoot(reader.getRoot<schema::Report>());
  change(builder.getRoot<schema::Report>());
  const auto canonical = capnp::canonicalize(builder.getRoot<schema::Report>().asReader());
  const auto out = canonical.asBytes();
  return Bytes(out.begin(), out.end());
}

RC_GTEST_PROP(ReportBytes, every_valid_report_comes_back_as_it_was, ()) {
  const Report report = any_report();
  const auto bytes = encode_report(report);
  RC_ASSERT(bytes.ok());
  const auto back = decode_report(*bytes);
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == report);
  RC_ASSERT(*encode_report(*back) == *bytes);
}

RC_GTEST_PROP(ReportBytes, random_bytes_give_an_error_and_nothing_else, (const std::vector<std::uint8_t>& bytes)) {
  RC_ASSERT(!decode_report(bytes).ok());
}

RC_GTEST_PROP(ReportBytes, flipped_and_cut_bytes_never_crash_the_decoder, ()) {
  Bytes bytes = *encode_report(any_report());
  const int flips = *rc::gen::inRange(1, 6);
  for (int i = 0; i < flips; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] ^= *rc::gen::inRange<std::uint8_t>(1, 255);
  }
  if (coin()) bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size()));
  if (const auto report = decode_report(bytes)) RC_ASSERT(check_report_fields(*report).ok());
}

TEST(ReportBytes, rule_05_only_the_canonical_form_is_a_report) {
  const Bytes good = encoded(plain_report());
  ASSERT_TRUE(decode_report(good));

  Bytes longer = good;  // an unused word at the end
  longer.resize(good.size() + 8);
  EXPECT_EQ(code_of(decode_report(longer)), kReportNotCanonical.text());

  Bytes odd = good;
  odd.push_back(0);
  EXPECT_EQ(code_of(decode_report(odd)), kReportNotCanonical.text());

  Bytes cut(good.begin(), good.end() - 8);
  EXPECT_FALSE(decode_report(cut));

  capnp::MallocMessageBuilder builder;  // as built: with a segment table, and not laid out in canonical order
  auto root = builder.initRoot<schema::Report>();
  root.setText("later");
  root.setTitle("earlier");
  root.setFormatVersion(kReportFormatVersion);
  const auto segment = builder.getSegmentsForOutput()[0].asBytes();
  EXPECT_EQ(code_of(decode_report({segment.begin(), segment.size()})), kReportNotCanonical.text());
  const auto flat = capnp::messageToFlatArray(builder);
  EXPECT_FALSE(decode_report({flat.asBytes().begin(), flat.asBytes().size()}));

  kj::VectorOutputStream packed;
  capnp::writePackedMessage(packed, builder);
  EXPECT_FALSE(decode_report({packed.getArray().begin(), packed.getArray().size()}));
}

TEST(ReportBytes, rule_05_lists_that_claim_to_be_endless_are_refused) {
  // Items without fields take no bytes: a list of them may claim half a billion in one word, which tells count and item
  // size.
  const Bytes good = changed([](schema::Report::Builder report) { report.initPlaces(1); });
  ASSERT_TRUE(decode_report(good));
  int lists = 0;
  for (std::size_t at = 0; at < good.size(); at += 8) {
    if (load_le64(good.data() + at) != 1 << 2) continue;  // one item of no words
    ++lists;
    for (const std::uint32_t count : {33u, 100'000u, 0x1fffffffu}) {
      Bytes bytes = good;
      store_le32(bytes.data() + at, count << 2);
      EXPECT_FALSE(decode_report(bytes)) << count;
    }
  }
  EXPECT_EQ(lists, 1);
}

TEST(ReportBytes, rule_16_an_unknown_kind_and_unknown_words_are_kept_and_shown_as_unknown) {
  const Bytes bytes = changed(
      [](schema::Report::Builder report) {
        report.setKind(static_cast<schema::Kind>(900));
        report.setSeverity(static_cast<schema::Severity>(77));
      },
      plain_report(ReportKind::kMeasure));
  const auto report = decode_report(bytes);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(static_cast<int>(report->kind), 900);
  EXPECT_EQ(static_cast<int>(report->severity), 77);
  EXPECT_EQ(report->title, "Village burnt");
  EXPECT_EQ(reports::key_of(report->kind), "unknown");
  EXPECT_EQ(reports::key_of(report->severity), "unknown");
  EXPECT_EQ(encoded(*report), bytes);
}

TEST(ReportBytes, rule_16_fields_of_a_later_version_do_not_make_a_report_unreadable) {
  // The discriminant of `details` is the only place where 1 stands for "incident"; a later version's member has a
  // greater number.
  const Bytes as_incident = encoded(plain_report(ReportKind::kIncident));
  Bytes later = changed([](schema::Report::Builder report) { report.setKind(static_cast<schema::Kind>(900)); });
  const auto before = decode_report(later);
  ASSERT_TRUE(before) << before.error().detail;
  ASSERT_TRUE(std::holds_alternative<IncidentDetails>(before->details));
  bool found = false;
  for (std::size_t at = 8; at + 2 <= later.size() && !found; at += 2) {
    Bytes bytes = later;
    if (load_le16(bytes.data() + at) != 1) continue;
    store_le16(bytes.data() + at, 700);
    const auto report = decode_report(bytes);
    if (!report || !std::holds_alternative<UnknownDetails>(report->details)) continue;
    found = true;
    EXPECT_EQ(std::get<UnknownDetails>(report->details).discriminant, 700);
    EXPECT_EQ(code_of(encode_report(*report)), kReportDetailsMismatch.text())
        << "what is not understood is not made again";
  }
  EXPECT_TRUE(found);
}

TEST(ReportBytes, another_format_version_is_refused_by_name) {
  const Bytes bytes = changed([](schema::Report::Builder report) { report.setFormatVersion(2); });
  EXPECT_EQ(code_of(decode_report(bytes)), kReportVersion.text());
}

// Walks every struct that a report can hold.
void walk(capnp::StructSchema at, std::set<std::string>& seen,
          std::vector<std::pair<std::string, std::string>>& fields) {
  const std::string name = at.getShortDisplayName().cStr();
  if (!seen.insert(name).second) return;
  for (const auto field : at.getFields()) {
    fields.emplace_back(name, field.getProto().getName().cStr());
    auto type = field.getType();
    while (type.isList()) type = type.asList().getElementType();
    if (type.isStruct()) walk(type.asStruct(), seen, fields);
  }
}

TEST(ReportBytes, rule_51_no_field_of_a_report_says_who_a_source_is) {
  std::set<std::string> structs;
  std::vector<std::pair<std::string, std::string>> fields;
  walk(capnp::Schema::from<schema::Report>(), structs, fields);
  ASSERT_TRUE(structs.contains("Source"));
  ASSERT_GT(fields.size(), 100u);

  std::vector<std::string> of_source;
  for (const auto& [owner, field] : fields) {
    if (owner == "Source") of_source.push_back(field);
    for (const char* word : {"person", "informant", "witness", "reporter", "contact", "phone", "email", "address",
                             "identity", "sourceName", "user", "submitter", "interview"}) {
      std::string lower = field;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
      std::string wanted = word;
      std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return std::tolower(c); });
      EXPECT_EQ(lower.find(wanted), std::string::npos) << owner << "." << field;
    }
  }
  EXPECT_EQ(of_source, (std::vector<std::string>{"reference", "reliability", "credibility"}));
  const auto source = capnp::Schema::from<schema::Source>().asStruct();
  EXPECT_TRUE(source.getFieldByName("reference").getType().isData());
  EXPECT_TRUE(source.getFieldByName("reliability").getType().isEnum());
  EXPECT_TRUE(source.getFieldByName("credibility").getType().isEnum());
}

TEST(ReportBytes, rule_51_a_reference_to_a_source_is_sixteen_bytes_and_no_more) {
  for (const std::size_t size : {0u, 15u, 17u, 400u}) {
    const Bytes bytes = changed([&](schema::Report::Builder report) {
      auto source = report.initSources(1)[0];
      source.initReference(static_cast<unsigned>(size));
    });
    EXPECT_FALSE(decode_report(bytes)) << size;
  }
}

TEST(ReportBytes, rule_37_the_same_words_have_another_id_each_time_and_the_same_content_digest) {
  Report first = plain_report();
  Report second = first;
  second.salt = filled<ReportSalt>(9);
  second.created = Time{5};
  EXPECT_NE(report_id(encoded(first)), report_id(encoded(second)));
  EXPECT_EQ(*content_digest(first), *content_digest(second));
  second.title = "Another";
  EXPECT_NE(*content_digest(first), *content_digest(second));
}

TEST(ReportBytes, what_is_missing_is_named) {
  const auto detail_without = [](auto remove) {
    Report report = plain_report();
    remove(report);
    const auto bytes = encode_report(report);
    return bytes ? std::string("encoded")
                 : std::string(bytes.error().code.text()) + " " + bytes.error().detail.substr(0, 6);
  };
  EXPECT_EQ(detail_without([](Report& r) { r.salt = {}; }), "report_field_missing salt: ");
  EXPECT_EQ(detail_without([](Report& r) { r.kind = ReportKind::kUnknown; }), "report_field_missing kind: ");
  EXPECT_EQ(detail_without([](Report& r) { r.status = ReportStatus::kUnknown; }), "report_field_missing status");
  EXPECT_EQ(detail_without([](Report& r) { r.author = {}; }), "report_field_missing author");
  EXPECT_EQ(detail_without([](Report& r) { r.tlp = Tlp::kUnknown; }), "report_field_missing tlp: R");
  EXPECT_EQ(detail_without([](Report& r) { r.details = AlertDetails{}; }), "report_details_mismatch kind: ");
}

TEST(ReportBytes, what_is_too_long_is_named_with_its_limit) {
  Report report = plain_report();
  report.title.assign(kTitleBytesMax + 1, 'x');
  EXPECT_EQ(code_of(encode_report(report)), kReportFieldTooLong.text());
  EXPECT_EQ(encode_report(report).error().detail, "title: 513 bytes, at most 512; shorten it");
  report.title = "two\nlines";
  EXPECT_EQ(code_of(encode_report(report)), kReportFieldInvalid.text());
}

TEST(ReportBytes, a_report_too_large_as_a_whole_names_the_field_to_shorten) {
  Report report = plain_report(ReportKind::kAlert);
  report.text.assign(20'000, 'x');
  auto& alert = std::get<AlertDetails>(report.details);
  alert.lines_tried.assign(40, std::string(1000, 'y'));
  const auto bytes = encode_report(report);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, kReportTooLarge);
  EXPECT_EQ(bytes.error().detail.substr(0, 18), "alert.lines_tried:");
}

TEST(ReportBytes, text_that_is_no_text_is_refused_in_both_directions) {
  for (const std::string& bad :
       {std::string("\xff"), std::string("a\0b", 3), std::string("\x1b[2J"), std::string("\xc0\xaf"),
        std::string("\xed\xa0\x80"), std::string("\xc2\x9b"), std::string("\xf4\x90\x80\x80"), std::string("\x7f")}) {
    Report report = plain_report();
    report.text = bad;
    EXPECT_EQ(code_of(encode_report(report)), kReportFieldInvalid.text());
    const Bytes bytes = changed([&](schema::Report::Builder to) { to.setText({bad.c_str(), bad.size()}); });
    EXPECT_EQ(code_of(decode_report(bytes)), kReportFieldInvalid.text());
  }
}

TEST(ReportBytes, a_correction_carries_a_whole_report_of_the_same_author) {
  Report correction = plain_report(ReportKind::kCorrect);
  const Report replacement = plain_report();
  correction.details = CorrectDetails{filled<ReportId>(3), std::nullopt, "wrong day", encoded(replacement)};
  const auto back = decode_report(encoded(correction));
  ASSERT_TRUE(back);
  EXPECT_EQ(*decode_replacement(std::get<CorrectDetails>(back->details)), replacement);

  Report foreign = replacement;
  foreign.author = filled<OrgId>(2);
  std::get<CorrectDetails>(correction.details).replacement = encoded(foreign);
  EXPECT_EQ(code_of(encode_report(correction)), kReportFieldInvalid.text());
  Report nested = plain_report(ReportKind::kWithdraw);
  nested.details = WithdrawDetails{filled<ReportId>(3), "no"};
  std::get<CorrectDetails>(correction.details).replacement = encoded(nested);
  EXPECT_EQ(code_of(encode_report(correction)), kReportFieldInvalid.text());
  std::get<CorrectDetails>(correction.details).replacement = Bytes(64, 1);
  EXPECT_FALSE(encode_report(correction));
}

TEST(ReportBytes, the_largest_report_can_still_be_corrected) {
  Report report = plain_report();
  report.text.assign(kTextBytesMax, 'x');
  report.provenance = Provenance{};
  const std::size_t spare = kPlainReportBytesMax - encoded(report).size();
  report.provenance->citation.assign(spare - 64, 'c');
  while (encode_report(report)) report.provenance->citation += 'c';
  report.provenance->citation.pop_back();
  ASSERT_GT(encoded(report).size(), kPlainReportBytesMax - 16);
  Report correction = plain_report(ReportKind::kCorrect);
  correction.title.clear();
  correction.details = CorrectDetails{filled<ReportId>(3), filled<ReportId>(4),
                                      std::string(kCorrectionReasonBytesMax, 'r'), encoded(report)};
  EXPECT_LE(encoded(correction).size(), kReportBytesMax);
}

}  // namespace
}  // namespace tocsin::tests
