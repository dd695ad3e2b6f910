// The people of an organisation as the private channel makes them: at every node the same.
#include "node/desk/users.h"

#include "crypto/text_code.h"
#include "protocol/org_request.h"
#include "tests/node/desk/desk_world.h"

namespace tocsin::desk {
namespace {

using namespace protocol;
using test::TaskLoop;

// One node's register, told of what arrives by hand.
struct UsersOf {
  UsersOf(Party& party, WorldClock& clock)
      : party(party), users(party.replica(), clock, party.random(), loop.post(), crypto::kPassphraseTests) {
    users.start();
    settle();
  }
  // What was posted, and what that wrote.
  void settle() {
    for (int n = 0; n < 3; ++n) {
      while (loop.waiting() > 0) loop.run_until([&, first = true]() mutable { return !std::exchange(first, false); });
      party.store.sync();
      users.on_channels();
    }
    while (loop.waiting() > 0) loop.run_until([&, first = true]() mutable { return !std::exchange(first, false); });
    party.store.sync();
  }
  template <class T, class Act>
  Result<T> await(Act act) {
    std::optional<Result<T>> answer;
    act([&](Result<T> result) { answer.emplace(std::move(result)); });
    while (!answer) {
      party.store.sync();
      if (!answer) loop.run_until([&, first = true]() mutable { return !std::exchange(first, false); });
    }
    return std::move(*answer);
  }
  Result<UserRecord> add(std::string name, UserRole role, std::string_view password = {}) {
    std::optional<crypto::SecretBuffer> secret;
    if (!password.empty()) secret = crypto::SecretBuffer::copy_of(as_bytes(password));
    return await<UserRecord>([&](auto done) { users.add(name, role, std::move(secret), owner_actor(), done); });
  }
  Result<Users::Issued> issue(const UserId& user, std::optional<TokenScope> scope = {}, std::int64_t ms = 3'600'000) {
    return await<Users::Issued>([&](auto done) { users.issue(user, scope, ms, owner_actor(), done); });
  }
  Result<Users::Issued> login(std::string name, std::string_view password) {
    return await<Users::Issued>(
        [&](auto done) { users.login(name, crypto::SecretBuffer::copy_of(as_bytes(password)), done); });
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& user : users.list()) out.push_back(user.name);
    return out;
  }
  Party& party;
  TaskLoop loop;
  Users users;
};

struct UsersTest : testing::Test {
  WorldClock clock;
  Party party{"Watch", 1, clock};
  UsersOf here{party, clock};
};

TEST_F(UsersTest, a_user_is_found_by_name_or_id_and_a_name_is_given_once) {
  const auto ada = must(here.add("Ada", UserRole::kAnalyst));
  EXPECT_EQ(must(here.users.find("Ada")).id, ada.id);
  EXPECT_EQ(must(here.users.find(to_hex(ada.id.view()).substr(0, 8))).id, ada.id);
  EXPECT_EQ(code_of(here.users.find("ada")), "unknown_user");
  EXPECT_EQ(code_of(here.add("Ada", UserRole::kReader)), "user_exists");
  EXPECT_EQ(code_of(here.add("owner", UserRole::kReader)), "user_exists");
  for (const auto* alike : {"ada", "ADA", "Owner", "OWNER"})
    EXPECT_EQ(code_of(here.add(alike, UserRole::kReader)), "name_too_alike") << alike;
  must(here.add("Émile Σωκράτης", UserRole::kReader));
  EXPECT_EQ(code_of(here.add("ÉMILE ΣΩΚΡΆΤΗΣ", UserRole::kReader)), "name_too_alike");
  must(here.add("Emile", UserRole::kReader));
  for (const auto* bad : {"", " Ada", "two\nlines"})
    EXPECT_EQ(code_of(here.add(bad, UserRole::kReader)), "bad_user_name");
  EXPECT_EQ(code_of(here.add("Bob", UserRole::kReader, "short")), "weak_password");
}

TEST_F(UsersTest, a_token_is_good_until_it_expires_or_is_revoked_and_within_its_role) {
  const auto ada = must(here.add("Ada", UserRole::kAnalyst));
  const auto token = must(here.issue(ada.id));
  const auto actor = must(here.users.check_token(token.text));
  EXPECT_EQ(actor.name, "Ada");
  EXPECT_EQ(actor.scope, TokenScope::kWrite);
  EXPECT_EQ(code_of(here.issue(ada.id, TokenScope::kAdmin)), "scope_above_role");
  EXPECT_EQ(code_of(here.issue(ada.id, {}, 0)), "bad_expiry");
  EXPECT_EQ(code_of(here.users.check_token("tocsintoken1")), "unauthorised");
  // A token of the right id and another secret.
  const auto bytes = *crypto::decode_text(kTokenPrefix, token.text);
  auto other = bytes;
  other.back() ^= 1;
  EXPECT_EQ(code_of(here.users.check_token(crypto::encode_text(kTokenPrefix, other))), "unauthorised");
  clock.advance_ms(3'599'999);
  EXPECT_EQ(code_of(here.users.check_token(token.text)), "ok");
  clock.advance_ms(1);
  EXPECT_EQ(code_of(here.users.check_token(token.text)), "unauthorised");
  const auto second = must(here.issue(ada.id));
  const auto id = to_hex(second.token.id.view());
  must(here.await<TokenRecord>([&](auto done) { here.users.revoke(ada.id, id, owner_actor(), done); }));
  EXPECT_EQ(code_of(here.users.check_token(second.text)), "unauthorised");
}

TEST_F(UsersTest, tokens_of_a_user_are_bounded) {
  const auto ada = must(here.add("Ada", UserRole::kReader));
  for (std::size_t n = 0; n < kTokensPerUserMax; ++n) must(here.issue(ada.id));
  EXPECT_EQ(code_of(here.issue(ada.id)), "too_many_tokens");
  clock.advance_ms(3'600'000);
  EXPECT_EQ(code_of(here.issue(ada.id)), "ok") << "those that have expired do not count";
}

TEST_F(UsersTest, a_wrong_password_costs_time_and_tells_nothing) {
  must(here.add("Ada", UserRole::kReader, "horse staple battery"));
  must(here.add("Bob", UserRole::kReader));
  EXPECT_EQ(must(here.login("Ada", "horse staple battery")).token.expires.ms, clock.now().ms + kLoginMs);
  EXPECT_EQ(code_of(here.login("Ada", "horse")), "wrong_login");
  EXPECT_EQ(code_of(here.login("Ada", "horse staple battery")), "too_many_attempts");
  EXPECT_EQ(code_of(here.login("Bob", "")), "wrong_login");
  EXPECT_EQ(code_of(here.login("Nobody", "")), "wrong_login");
  clock.advance_ms(1000);
  EXPECT_EQ(code_of(here.login("Ada", "horse")), "wrong_login");
  clock.advance_ms(1000);
  EXPECT_EQ(code_of(here.login("Ada", "horse staple battery")), "too_many_attempts") << "twice as long";
  clock.advance_ms(1000);
  EXPECT_EQ(code_of(here.login("Ada", "horse staple battery")), "ok");
}

TEST_F(UsersTest, one_password_at_a_time) {
  must(here.add("Ada", UserRole::kReader, "horse staple battery"));
  std::optional<Result<Users::Issued>> first;
  const auto secret = [] { return crypto::SecretBuffer::copy_of(as_bytes("horse staple battery")); };
  here.users.login("Ada", secret(), [&](auto result) { first.emplace(std::move(result)); });
  EXPECT_EQ(code_of(here.login("Ada", "horse staple battery")), "busy");
  here.loop.run_until([&] {
    party.store.sync();
    return first.has_value();
  });
  EXPECT_EQ(code_of(*first), "ok");
}

TEST_F(UsersTest, all_of_it_outlives_a_restart) {
  const auto ada = must(here.add("Ada", UserRole::kReader, "horse staple battery"));
  const auto bob = must(here.add("Bob", UserRole::kReader));
  const auto token = must(here.issue(ada.id));
  must(here.await<void>([&](auto done) { here.users.remove(bob.id, owner_actor(), done); }));
  must(here.await<void>([&](auto done) { here.users.record(owner_actor(), "Act", {"x"}, AuditOutcome::kDone, done); }));
  UsersOf again(party, clock);
  EXPECT_EQ(again.names(), std::vector<std::string>{"Ada"});
  EXPECT_EQ(code_of(again.users.check_token(token.text)), "ok");
  EXPECT_EQ(code_of(again.login("Ada", "horse staple battery")), "ok");
  ASSERT_EQ(again.users.audit({}).items.size(), 1u);
  EXPECT_EQ(again.users.audit({}).items[0].record.names, std::vector<std::string>{"x"});
}

TEST_F(UsersTest, of_what_two_nodes_wrote_a_removal_counts_whatever_the_clocks_say) {
  const auto ada = must(here.add("Ada", UserRole::kReader));
  auto removed = ada, later = ada;
  removed.removed = true;
  removed.written = {1};
  later.role = UserRole::kAdmin;
  later.written = {ada.written.ms + 1'000'000};
  for (const auto& record : {removed, later}) {
    const auto payload = encode_people_record(record);
    const FeedItem item{FeedKind::kPeople, payload};
    must(party.replica().append(party.replica().private_channel(), std::span(&item, 1), nullptr));
  }
  party.store.sync();
  here.users.on_arrival({});
  EXPECT_EQ(here.names(), std::vector<std::string>{});
}

TEST_F(UsersTest, a_record_in_another_channel_makes_nobody) {
  const auto channel = test::make_channel(party, {});
  UserRecord mallory;
  mallory.id = crypto::random_fixed<UserId>(party.random());
  mallory.name = mallory.by = "Mallory";
  mallory.role = UserRole::kAdmin;
  const auto payload = encode_people_record(mallory);
  const FeedItem item{FeedKind::kPeople, payload};
  must(party.replica().append(channel, std::span(&item, 1), nullptr));
  party.store.sync();
  here.users.on_arrival({});
  EXPECT_EQ(here.names(), std::vector<std::string>{});
}

TEST_F(UsersTest, rule_33_a_node_that_joins_later_knows_who_was_a_user_before) {
  const auto ada = must(here.add("Ada", UserRole::kAnalyst));
  const auto token = must(here.issue(ada.id));
  Party second{party, "Watch 2", 12, clock};
  crypto::Verifier verifier;
  const auto request = must(party.replica().request_certify(must(decode_node_request(second.request, verifier))));
  std::vector<OrgSignature> signatures;
  for (const RootSigner& signer : party.roots().signers())
    signatures.push_back(must(sign_org_request(request, *signer.key)));
  const Entry entry = must(assemble_org_entry(signatures, verifier));
  must(party.replica().append_org_entry(entry.view(), false, nullptr));
  party.store.sync();
  test::sync_all({&party, &second});
  UsersOf there(second, clock);
  EXPECT_EQ(there.names(), std::vector<std::string>{"Ada"}) << "by the keys that it was given later";
  here.settle();  // and who makes the epochs says it again
  test::sync_all({&party, &second});
  there.settle();
  EXPECT_EQ(there.names(), std::vector<std::string>{"Ada"});
  EXPECT_EQ(code_of(there.users.check_token(token.text)), "ok");
  must(there.await<void>([&](auto done) { there.users.remove(ada.id, owner_actor(), done); }));
  test::sync_all({&party, &second});
  here.settle();
  EXPECT_EQ(here.names(), std::vector<std::string>{});
  EXPECT_EQ(code_of(here.users.check_token(token.text)), "unauthorised");
}

TEST_F(UsersTest, the_audit_is_read_newest_first_page_by_page) {
  for (int n = 0; n < 5; ++n) {
    clock.advance_ms(1000);
    auto actor = owner_actor();
    if (n % 2) actor.name = "Ada";
    must(here.await<void>(
        [&](auto done) { here.users.record(actor, "Act " + std::to_string(n), {}, AuditOutcome::kDone, done); }));
  }
  const auto acts = [](const Users::AuditPage& page) {
    std::string out;
    for (const auto& item : page.items) out += item.record.act.back();
    return out;
  };
  EXPECT_EQ(acts(here.users.audit({})), "43210");
  auto page = here.users.audit({.limit = 2});
  EXPECT_EQ(acts(page), "43");
  page = here.users.audit({.limit = 2, .before = page.before});
  EXPECT_EQ(acts(page), "21");
  page = here.users.audit({.limit = 2, .before = page.before});
  EXPECT_EQ(acts(page), "0");
  EXPECT_FALSE(page.before);
  EXPECT_EQ(acts(here.users.audit({.user = "Ada"})), "31");
  EXPECT_EQ(acts(here.users.audit({.since = Time{clock.now().ms - 1000}})), "43");
}

}  // namespace
}  // namespace tocsin::desk
