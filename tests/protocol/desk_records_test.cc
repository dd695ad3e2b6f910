// Records of people and of what they did: their bytes, their bounds, and which of two is in force.
#include "protocol/desk_records.h"

#include "tests/support/expect.h"
#include "tests/support/seeded_random.h"

namespace tocsin::protocol {
namespace {

using test::code_of;

UserRecord example_user() {
  test::SeededRandom random(3);
  UserRecord out;
  out.id = crypto::random_fixed<UserId>(random);
  out.name = "Ada K";
  out.role = UserRole::kAnalyst;
  out.password = PasswordVerifier{crypto::random_fixed<crypto::PassphraseSalt>(random), crypto::kPassphraseModerate,
                                  crypto::random_fixed<crypto::Hash>(random)};
  out.created = {1000};
  out.written = {2000};
  out.by = "owner";
  return out;
}

TokenRecord example_token() {
  test::SeededRandom random(4);
  TokenRecord out;
  out.id = crypto::random_fixed<TokenId>(random);
  out.user = example_user().id;
  out.secret_hash = crypto::random_fixed<crypto::Hash>(random);
  out.scope = TokenScope::kWrite;
  out.created = out.written = {1000};
  out.expires = {9000};
  out.by = "owner";
  return out;
}

TEST(DeskRecords, what_is_written_is_read_and_nothing_cut_or_turned) {
  auto user = example_user();
  EXPECT_EQ(std::get<UserRecord>(*decode_people_record(encode_people_record(user))), user);
  user.password.reset();
  EXPECT_EQ(std::get<UserRecord>(*decode_people_record(encode_people_record(user))), user);
  const auto token = example_token();
  EXPECT_EQ(std::get<TokenRecord>(*decode_people_record(encode_people_record(token))), token);
  const auto bytes = encode_people_record(token);
  for (std::size_t n = 0; n < bytes.size(); n += 8)
    EXPECT_NE(code_of(decode_people_record(ByteView(bytes).first(n))), "ok") << n;
  EXPECT_EQ(code_of(decode_people_record(Bytes(kPeopleRecordBytesMax + 8, 0))), "not_canonical");
}

TEST(DeskRecords, fields_out_of_bounds_are_refused) {
  const auto code = [](auto change) {
    auto user = example_user();
    change(user);
    return code_of(decode_people_record(encode_people_record(user)));
  };
  EXPECT_EQ(code([](UserRecord&) {}), "ok");
  EXPECT_EQ(code([](UserRecord& u) { u.name = ""; }), "bad_people_record");
  EXPECT_EQ(code([](UserRecord& u) { u.name = "two\nlines"; }), "bad_people_record");
  EXPECT_EQ(code([](UserRecord& u) { u.name = std::string(201, 'a'); }), "bad_people_record");
  EXPECT_EQ(code([](UserRecord& u) { u.role = static_cast<UserRole>(9); }), "bad_people_record");
  EXPECT_EQ(code([](UserRecord& u) { u.by = ""; }), "bad_people_record");
  EXPECT_EQ(code([](UserRecord& u) { u.password->params.mem_kib = 2u << 20; }), "bad_people_record");
  auto token = example_token();
  token.scope = static_cast<TokenScope>(0);
  EXPECT_EQ(code_of(decode_people_record(encode_people_record(token))), "bad_people_record");
}

TEST(DeskRecords, of_two_one_is_in_force_and_a_removal_always) {
  const auto first = example_user();
  auto later = first, removed = first, same_time = first;
  later.written = {3000};
  removed.written = {1};
  removed.removed = true;
  same_time.role = UserRole::kReader;
  EXPECT_TRUE(outranks(later, first) && !outranks(first, later));
  EXPECT_TRUE(outranks(removed, later) && !outranks(later, removed));
  EXPECT_NE(outranks(first, same_time), outranks(same_time, first));
  EXPECT_FALSE(outranks(first, first));
}

TEST(DeskRecords, a_waiting_record_keeps_all_who_asked) {
  test::SeededRandom random(5);
  WaitingRecord record;
  record.id = crypto::random_fixed<WaitingId>(random);
  record.written = record.asked_at = {7};
  record.subject = crypto::random_fixed<ReportId>(random);
  record.channels = {crypto::random_fixed<ChannelId>(random)};
  record.asked_by = "Ada K";
  record.asked_by_id = example_user().id;
  EXPECT_EQ(*decode_waiting_record(encode_waiting_record(record)), record);
  EXPECT_TRUE(asked(record, example_user().id));
  EXPECT_FALSE(asked(record, std::nullopt));
  record.earlier_askers = {std::nullopt, crypto::random_fixed<UserId>(random)};
  record.version = crypto::random_fixed<ReportId>(random);
  record.readers = crypto::random_fixed<crypto::Hash>(random);
  record.until_home = crypto::random_fixed<NodeId>(random);
  EXPECT_EQ(*decode_waiting_record(encode_waiting_record(record)), record);
  EXPECT_TRUE(asked(record, std::nullopt));
  EXPECT_TRUE(asked(record, record.earlier_askers[1]));
  record.earlier_askers.resize(kWaitingAskersMax + 1);
  EXPECT_EQ(code_of(decode_waiting_record(encode_waiting_record(record))), "bad_waiting_record");
}

TEST(DeskRecords, an_audit_record_is_cut_to_its_bounds_when_written) {
  AuditRecord record{example_user().id, "Ada K", {5}, "Invite a verified peer", {"a", "b"}, AuditOutcome::kDone};
  EXPECT_EQ(*decode_audit_record(encode_audit_record(record)), record);
  record.user.reset();
  record.names = {std::string(199, 'a') + "é", "two\nlines", "c"};
  const auto read = *decode_audit_record(encode_audit_record(record));
  EXPECT_EQ(read.names, (std::vector<std::string>{std::string(199, 'a'), "c"}));
  EXPECT_FALSE(read.user);
  record.names.assign(20, "x");
  EXPECT_EQ(decode_audit_record(encode_audit_record(record))->names.size(), kAuditNamesMax);
}

}  // namespace
}  // namespace tocsin::protocol
