// Calls without sockets: which are let in, what is wrong with them, dry runs, and answers given once.
#include "node/api/router.h"

#include "protocol/receipt.h"
#include "tests/node/desk/desk_world.h"

namespace tocsin::api {
namespace {

using desk::DeskWorld;
using test::Party;
using test::WorldClock;

class KeptAnswer final : public Responder {
 public:
  void send(Response response) override {
    answer = std::move(response);
    done = true;
  }
  void begin(int status, std::string content_type) override { answer = Response{status, std::move(content_type), {}}; }
  void write(std::string piece, std::function<void(bool)> then) override {
    answer->body += piece;
    then(true);
  }
  void end() override { done = true; }
  std::optional<Response> answer;
  bool done = false;
};

struct MoreOfCall {
  std::string key = {};  // Idempotency-Key
  desk::Actor actor = desk::owner_actor();
};

struct RouterTest : testing::Test {
  using More = MoreOfCall;
  struct Answer {
    int status;
    Json json;
    std::string type;
    std::string code() const { return json.value("code", ""); }
  };

  std::shared_ptr<KeptAnswer> begin(std::string_view method, std::string_view target, std::string body = {},
                                    const More& more = {}) {
    auto kept = std::make_shared<KeptAnswer>();
    Request request;
    request.body = std::make_shared<const std::string>(std::move(body));
    request.idempotency_key = more.key;
    request.actor = more.actor;
    router.handle(method, target, std::move(request), kept);
    return kept;
  }
  Answer call(std::string_view method, std::string_view target, std::string body = {}, const More& more = {}) {
    const auto kept = begin(method, target, std::move(body), more);
    world.run_until([&] { return kept->done; });
    return {kept->answer->status, Json::parse(kept->answer->body), kept->answer->content_type};
  }

  WorldClock clock;
  Party party{"Watch", 1, clock};
  SilentLog log;
  test::SeededRandom random{7};
  engine::Hub hub{party.replica(), clock, random, log};  // takes the replica's events; the world then does
  DeskWorld world{party, clock};
  desk::SourceRegister sources{party.replica(), party.secrets().tier2->reading, random};
  desk::Users users{party.replica(), clock, random, world.loop.post(), crypto::kPassphraseTests};
  App app{world.desk, hub};
  Router router{app};

  RouterTest() {
    app.post = world.loop.post();
    app.importer = &world.importer;
    app.sources = &sources;
    app.users = &users;
    app.log = &log;
    users.start();
  }
  // A user of that role, and a token of that scope.
  std::pair<desk::Actor, std::string> user(std::string name, protocol::UserRole role,
                                           std::optional<protocol::TokenScope> scope = {}) {
    const auto made = test::must(world.await<protocol::UserRecord>(
        [&](auto done) { users.add(name, role, std::nullopt, desk::owner_actor(), done); }));
    const auto issued = test::must(world.await<desk::Users::Issued>(
        [&](auto done) { users.issue(made.id, scope, 1000 * 3600, desk::owner_actor(), done); }));
    return {issued.actor, issued.text};
  }
  std::string admit(std::string_view method, std::string_view path, Caller caller) {
    return test::code_of(router.admit(method, path, caller));
  }
  std::vector<std::string> audited() {
    std::vector<std::string> out;
    for (const auto& item : users.audit({}).items) out.push_back(item.record.user_name + ": " + item.record.act);
    return out;
  }
  static constexpr auto kReport = R"({"report":{"kind":"incident","title":"x"}})";
};

TEST_F(RouterTest, what_is_not_there_and_what_takes_another_method_is_said) {
  EXPECT_EQ(call("GET", "/api/v1/nothing").code(), "unknown_path");
  EXPECT_EQ(call("GET", "/api/v1/nothing").status, 404);
  EXPECT_EQ(call("GET", "/reports").code(), "unknown_path");
  EXPECT_EQ(call("DELETE", "/api/v1/reports").code(), "method_not_allowed");
  EXPECT_EQ(call("DELETE", "/api/v1/reports").status, 405);
  EXPECT_EQ(call("GET", "/api/v1/reports/%ff").code(), "unknown_path") << "no UTF-8";
  EXPECT_EQ(call("GET", "/api/v1/reports").type, "application/json");
  EXPECT_EQ(call("GET", "/api/v1/nothing").type, "application/problem+json");
}

TEST_F(RouterTest, rule_13_a_receipt_of_another_history_is_not_said_to_be_held) {
  Party region{"Region", 2, clock};
  test::introduce(party, region);
  const auto channel = test::make_channel(party, {&region});
  const auto made = test::must(world.create(desk::incident("Village burnt"), channel));
  world.settle();
  const auto copies = test::must(world.await<std::vector<index::Location>>(
      [&](auto done) { world.index.ask([id = made.id](index::Index& i) { return i.copies(id); }, done); }));
  ASSERT_EQ(copies.size(), 1u);
  std::uint64_t counter = 1'000'000;
  const auto said = [&](protocol::Number head, const protocol::EntryHash& hash) {
    protocol::Receipt receipt;
    receipt.channel = channel;
    receipt.node = region.node();
    receipt.counter = ++counter;
    receipt.heads = {{copies[0].log, head, hash, head}};
    const auto info = *party.replica().channel(channel);
    const auto key = party.table().epoch_key(info.pseudonym, info.epoch);
    test::must(party.replica().handle_receipt(
        channel, info.epoch, region.node(), receipt.counter,
        protocol::seal_receipt(receipt, info.epoch, *key, region.secrets().tier2->signing, random)));
    party.store.sync();
    return call("GET", "/api/v1/sync/explain?report=" + to_hex(made.id.view()) + "&peer=Region").json;
  };
  const auto here = copies[0].number;
  const auto own = *party.replica().entry_hash(copies[0].log, here);
  const auto other = crypto::random_fixed<protocol::EntryHash>(random);
  auto answer = said(here, other);
  EXPECT_EQ(answer["state"], "forked") << answer;
  EXPECT_EQ(answer["code"], "other_history");
  answer = said(here.next(), other);
  EXPECT_EQ(answer["state"], "held") << "that entry is not here to compare";
  EXPECT_NE(answer["detail"].get<std::string>().find("number alone"), std::string::npos) << answer;
  answer = said(here, own);
  EXPECT_EQ(answer["code"], "receipt") << answer;
  EXPECT_EQ(answer["detail"].get<std::string>().find("number alone"), std::string::npos) << answer;
}

TEST_F(RouterTest, who_may_call_is_decided_before_anything_is_read) {
  const Caller owner{.owner = true}, stranger{}, tcp{.tcp = true, .host = "127.0.0.1:80"};
  EXPECT_EQ(admit("GET", "/api/v1/reports", owner), "ok");
  EXPECT_EQ(admit("GET", "/api/v1/reports", stranger), "unauthorised");
  EXPECT_EQ(admit("GET", "/api/v1/reports", tcp), "unauthorised");
  EXPECT_EQ(admit("GET", "/api/v1/nothing", tcp), "unauthorised") << "what there is, is not told either";
  EXPECT_EQ(admit("GET", "/openapi.json", tcp), "ok");
  EXPECT_EQ(admit("POST", "/api/v1/login", tcp), "ok");
  EXPECT_EQ(admit("GET", "/" + std::string(9000, 'x'), owner), "bad_query");
  EXPECT_EQ(router.admit("POST", "/api/v1/reports", owner)->body_bytes_max, kBodyBytesMax);
  EXPECT_EQ(router.admit("POST", "/api/v1/reports/import?format=ged", owner)->body_bytes_max, kImportBodyBytesMax);
  EXPECT_TRUE(router.admit("GET", "/api/v1/reports", owner)->actor.owner);
}

TEST_F(RouterTest, a_token_says_who_calls_and_goes_before_the_socket) {
  const auto [actor, text] = user("Ada", protocol::UserRole::kAnalyst);
  const std::string bearer = "Bearer " + text;
  Caller caller{.tcp = true, .authorization = bearer, .host = "localhost"};
  EXPECT_EQ(router.admit("GET", "/api/v1/reports", caller)->actor.name, "Ada");
  caller = {.owner = true, .authorization = bearer};
  EXPECT_EQ(router.admit("GET", "/api/v1/reports", caller)->actor.name, "Ada");
  EXPECT_EQ(admit("POST", "/api/v1/channels", caller), "denied") << "an analyst, although on the owner's socket";
  caller.authorization = text;
  EXPECT_EQ(admit("GET", "/api/v1/reports", caller), "unauthorised");
  const std::string other = "Bearer " + text.substr(0, text.size() - 4) + "aaaa";
  caller.authorization = other;
  EXPECT_EQ(admit("GET", "/api/v1/reports", caller), "unauthorised") << "a wrong token does not fall back to the owner";
  caller.authorization = bearer;
  clock.advance_days(1);
  EXPECT_EQ(admit("GET", "/api/v1/reports", caller), "unauthorised") << "expired";
  app.tiers.locked = true;
  EXPECT_EQ(admit("GET", "/api/v1/status", caller), "locked");
  app.tiers.locked = false;
}

TEST_F(RouterTest, each_role_may_make_the_calls_of_its_row_and_of_those_before) {
  using protocol::UserRole;
  struct Row {
    std::string_view method, path;
    std::string may;  // first letters of the roles; o: the owner
  };
  const Row rows[] = {{"GET", "/api/v1/reports", "rtaAo"},
                      {"GET", "/api/v1/inbox", "rtaAo"},
                      {"GET", "/api/v1/channels/x", "rtaAo"},
                      {"GET", "/api/v1/status", "rtaAo"},
                      {"POST", "/api/v1/reports", "taAo"},
                      {"POST", "/api/v1/reports/x/share", "aAo"},
                      {"POST", "/api/v1/reports/import", "aAo"},
                      {"GET", "/api/v1/reports/export", "aAo"},
                      {"POST", "/api/v1/alerts", "aAo"},
                      {"GET", "/api/v1/peers", "aAo"},
                      {"POST", "/api/v1/peers", "Ao"},
                      {"DELETE", "/api/v1/channels/x/members/y", "Ao"},
                      {"POST", "/api/v1/org/entries", "Ao"},
                      {"POST", "/api/v1/users", "Ao"},
                      {"GET", "/api/v1/users", "Ao"},
                      {"GET", "/api/v1/audit", "Ao"},
                      {"POST", "/api/v1/lock", "Ao"},
                      {"POST", "/api/v1/wipe", "Ao"},
                      {"POST", "/api/v1/backup", "Ao"},
                      {"GET", "/api/v1/sources", "o"},
                      {"POST", "/api/v1/sources", "o"}};
  const std::pair<char, std::string> tokens[] = {{'r', user("r", UserRole::kReader).second},
                                                 {'t', user("t", UserRole::kTrainee).second},
                                                 {'a', user("a", UserRole::kAnalyst).second},
                                                 {'A', user("admin", UserRole::kAdmin).second}};
  for (const auto& row : rows) {
    std::string may;
    for (const auto& [letter, text] : tokens) {
      const std::string bearer = "Bearer " + text;
      const auto code = admit(row.method, row.path, {.tcp = true, .authorization = bearer, .host = "localhost"});
      if (code == "ok")
        may += letter;
      else
        EXPECT_EQ(code, "denied") << row.path;
    }
    if (admit(row.method, row.path, {.owner = true}) == "ok") may += 'o';
    EXPECT_EQ(may, row.may) << row.method << " " << row.path;
  }
}

TEST_F(RouterTest, a_scope_narrows_what_the_role_may_do) {
  using protocol::TokenScope;
  const auto codes = [&](std::string name, TokenScope scope) {
    const std::string bearer = "Bearer " + user(std::move(name), protocol::UserRole::kAdmin, scope).second;
    const Caller caller{.tcp = true, .authorization = bearer, .host = "[::1]:8080"};
    return admit("GET", "/api/v1/users", caller) + " " + admit("POST", "/api/v1/reports", caller) + " " +
           admit("POST", "/api/v1/users", caller);
  };
  EXPECT_EQ(codes("one", TokenScope::kRead), "ok denied denied");
  EXPECT_EQ(codes("two", TokenScope::kWrite), "ok ok denied");
  EXPECT_EQ(codes("three", TokenScope::kAdmin), "ok ok ok");
}

TEST_F(RouterTest, tcp_answers_to_loopback_names_and_no_other_site) {
  const auto code = [&](std::string_view host, std::string_view origin = {}) {
    return admit("GET", "/healthz", {.tcp = true, .host = host, .origin = origin});
  };
  for (const auto* good : {"localhost", "localhost:80", "127.0.0.1:8080", "[::1]", "[::1]:80"})
    EXPECT_EQ(code(good), "ok") << good;
  for (const auto* bad :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "[::1]x", "[::2]"})
    EXPECT_EQ(code(bad), "wrong_host") << bad;
  EXPECT_EQ(code("localhost:80", "http://localhost:80"), "ok");
  EXPECT_EQ(code("localhost:80", "http://localhost:81"), "wrong_host");
  EXPECT_EQ(code("localhost:80", "null"), "wrong_host");
}

TEST_F(RouterTest, a_trainee_writes_nothing_that_could_be_taken_for_real) {
  const auto actor = user("Tim", protocol::UserRole::kTrainee).first;
  const auto code = [&](std::string status) {
    const auto more = status.empty() ? "" : R"(,"status":")" + status + "\"";
    return call("POST", "/api/v1/reports", R"({"report":{"kind":"incident","title":"x")" + more + "}}",
                {.actor = actor})
        .code();
  };
  for (const auto* fine : {"Exercise", "Test", "Draft"}) EXPECT_EQ(code(fine), "") << fine;
  for (const auto* real : {"", "Actual", "System"}) EXPECT_EQ(code(real), "denied") << real;
  EXPECT_EQ(call("POST", "/api/v1/alerts", R"({"title":"x"})", {.actor = actor}).code(), "denied");
  EXPECT_EQ(call("GET", "/api/v1/reports", {}, {.actor = {}}).code(), "unauthorised") << "nobody, by default";
}

TEST_F(RouterTest, acts_that_succeed_are_written_down_and_nothing_else) {
  const auto ada = user("Ada", protocol::UserRole::kAnalyst).first;
  call("POST", "/api/v1/reports", kReport);
  EXPECT_EQ(audited(), std::vector<std::string>{}) << "the owner's daily work is no act of an admin";
  const auto made = call("POST", "/api/v1/reports", kReport, {.actor = ada});
  ASSERT_EQ(made.status, 201);
  EXPECT_EQ(audited(), std::vector<std::string>{"Ada: Write a report"});
  EXPECT_EQ(users.audit({}).items[0].record.names, std::vector<std::string>{made.json["id"]});
  call("POST", "/api/v1/reports?dry_run=true", kReport, {.actor = ada});
  call("POST", "/api/v1/reports", "{}", {.actor = ada});
  call("POST", "/api/v1/channels", "{}");
  call("GET", "/api/v1/reports", {}, {.actor = ada});
  call("POST", "/api/v1/index/rebuild");
  EXPECT_EQ(audited().size(), 1u);
  clock.advance_ms(1);
  call("POST", "/api/v1/sources", R"({"name":"whom nobody may know"})");
  const auto newest = users.audit({}).items[0].record;
  EXPECT_EQ(newest.act, "Note who a source is, and get a reference for reports");
  EXPECT_EQ(newest.names, std::vector<std::string>{}) << "rule 51";
}

TEST_F(RouterTest, an_answer_is_not_kept_for_another_user) {
  const auto ada = user("Ada", protocol::UserRole::kAnalyst).first,
             bob = user("Bob", protocol::UserRole::kAnalyst).first;
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "k", .actor = ada}).status, 201);
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "k", .actor = bob}).code(), "key_reused");
}

TEST_F(RouterTest, parameters_are_known_once_and_well_encoded) {
  const auto code = [&](std::string query) { return call("GET", "/api/v1/reports?" + query).code(); };
  EXPECT_EQ(code("limit=2"), "");
  EXPECT_EQ(code("limits=2"), "unknown_parameter");
  EXPECT_EQ(code("limit=2&limit=3"), "repeated_parameter");
  EXPECT_EQ(code("limit=2&%6cimit=3"), "repeated_parameter") << "the same name, written otherwise";
  EXPECT_EQ(code("limit=%2"), "bad_query");
  EXPECT_EQ(code("kind=%c3%28"), "bad_query");
  EXPECT_EQ(code("limit=0"), "bad_parameter");
  EXPECT_EQ(code("limit=501"), "bad_parameter");
  EXPECT_EQ(code("count=yes"), "bad_parameter");
  EXPECT_EQ(code("dry_run=true"), "unknown_parameter") << "nothing would be written here";
  EXPECT_EQ(call("POST", "/api/v1/reports?dry_run=maybe", kReport).code(), "bad_query");
}

TEST_F(RouterTest, bodies_are_one_shallow_object_with_known_fields) {
  const auto code = [&](std::string body) { return call("POST", "/api/v1/reports", std::move(body)).code(); };
  EXPECT_EQ(code("[1]"), "bad_json");
  EXPECT_EQ(code("{\"report\":"), "json_syntax");
  EXPECT_EQ(code("{\"report\":" + std::string(64, '[') + std::string(64, ']') + "}"), "json_too_deep");
  EXPECT_EQ(code(R"({"report":{"kind":"incident","title":"x"},"reports":1})"), "unknown_field");
  EXPECT_EQ(code(R"({"report":{"kind":"incident","title":7}})"), "invalid_report");
  EXPECT_EQ(code(R"({"report":{"kind":"incident","title":"x"},"allow_government":"MMR"})"), "wrong_type");
  EXPECT_EQ(code(R"({"report":{"kind":"incident","title":"x"},"channel":"nowhere"})"), "unknown_channel");
  EXPECT_EQ(world.titles(), std::vector<std::string>{});
  EXPECT_EQ(code(kReport), "");
}

TEST_F(RouterTest, a_list_carries_the_whole_header_of_what_is_in_force) {
  const auto made =
      call("POST", "/api/v1/reports",
           R"({"report":{"kind":"incident","title":"x","text":"old","language":"en","indicators":["9.1"],)"
           R"("place":{"iso3":"KEN","pcodes":["KE01"]},"incident":{"deaths_best":3}}})");
  const auto id = made.json["id"].get<std::string>();
  call("POST", "/api/v1/reports/" + id + "/correct", R"({"report":{"text":"new"}})");
  const auto item = call("GET", "/api/v1/reports").json["items"][0];
  EXPECT_EQ(item["id"], id);
  EXPECT_EQ(item["text"], "new");
  EXPECT_EQ(item["language"], "en");
  EXPECT_EQ(item["indicators"], Json::array({"9.1"}));
  EXPECT_EQ(item["place"]["pcodes"], Json::array({"KE01"}));
  EXPECT_EQ(item["incident"]["deaths_best"], 3);
  EXPECT_EQ(item["state"], "corrected");
  EXPECT_EQ(item["audience"], Json::array()) << "private: nobody";
  for (const auto* field :
       {"status", "author", "created", "observed_from", "observed_to", "observed_precision", "tlp", "sources",
        "severity", "urgency", "certainty", "likelihood", "confidence", "references", "attachments", "title"})
    EXPECT_TRUE(item.contains(field)) << field;
}

TEST_F(RouterTest, a_dry_run_answers_what_would_be_and_writes_nothing) {
  const auto newest = party.replica().newest_arrival();
  const auto answer = call("POST", "/api/v1/reports?dry_run=true", kReport);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.json.contains("readers"));
  EXPECT_EQ(
      call("POST", "/api/v1/reports/import?format=json&dry_run=true", R"({"kind":"incident","title":"x"})").json["new"],
      1);
  EXPECT_EQ(party.replica().newest_arrival(), newest);
}

TEST_F(RouterTest, a_call_that_is_made_again_under_its_key_gets_the_same_answer_and_is_done_once) {
  const auto first = call("POST", "/api/v1/reports", kReport, {.key = "k"});
  EXPECT_EQ(first.status, 201);
  const auto again = call("POST", "/api/v1/reports", kReport, {.key = "k"});
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.json, first.json);
  EXPECT_EQ(world.titles().size(), 1u);
  EXPECT_EQ(call("POST", "/api/v1/reports", R"({"report":{"kind":"incident","title":"y"}})", {.key = "k"}).code(),
            "key_reused");
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "other"}).status, 201);
  EXPECT_EQ(world.titles().size(), 2u);
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = std::string(129, 'k')}).code(), "bad_query");
  clock.advance_days(2);
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "k"}).status, 201);
  EXPECT_EQ(world.titles().size(), 3u) << "a key is good for a day";
}

TEST_F(RouterTest, a_call_whose_first_attempt_still_runs_or_failed_is_not_answered_by_it) {
  const auto running = begin("POST", "/api/v1/reports", kReport, {.key = "k"});
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "k"}).code(), "operation_running");
  world.run_until([&] { return running->done; });
  party.store.set_disk_full(true);
  EXPECT_GE(call("POST", "/api/v1/reports", kReport, {.key = "full"}).status, 500);
  party.store.set_disk_full(false);
  EXPECT_EQ(call("POST", "/api/v1/reports", kReport, {.key = "full"}).status, 201) << "there is room now";
}

TEST_F(RouterTest, an_import_that_is_refused_names_each_row) {
  const auto answer = call("POST", "/api/v1/reports/import?format=json",
                           "{\"kind\":\"incident\",\"title\":\"x\"}\n{\"kind\":\"war\",\"title\":\"y\"}\n");
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.code(), "import_refused");
  ASSERT_EQ(answer.json["refused"].size(), 1u);
  EXPECT_EQ(answer.json["refused"][0]["line"], 2);
  EXPECT_EQ(answer.json["new"], 0);
  EXPECT_EQ(call("POST", "/api/v1/reports/import?format=docx", "x").code(), "unknown_format");
  EXPECT_EQ(world.titles(), std::vector<std::string>{});
}

TEST_F(RouterTest, an_export_carries_what_the_filters_find) {
  call("POST", "/api/v1/reports", R"({"report":{"kind":"incident","title":"here","place":{"iso3":"KEN"}}})");
  call("POST", "/api/v1/reports", R"({"report":{"kind":"incident","title":"there","place":{"iso3":"BGD"}}})");
  const auto answer = call("GET", "/api/v1/reports/export?format=geojson&country=KEN");
  ASSERT_EQ(answer.json["features"].size(), 1u);
  EXPECT_EQ(answer.json["features"][0]["properties"]["title"], "here");
}

TEST_F(RouterTest, every_route_stands_in_the_description_with_its_parameters) {
  const auto description = call("GET", "/openapi.json").json;
  for (const auto& route : routes()) {
    const auto path =
        route.path.starts_with("//") ? std::string(route.path.substr(1)) : "/api/v1" + std::string(route.path);
    std::string method(route.method);
    for (auto& c : method) c = static_cast<char>(std::tolower(c));
    ASSERT_TRUE(description["paths"].contains(path)) << path;
    ASSERT_TRUE(description["paths"][path].contains(method)) << method << " " << path;
    const auto text = description["paths"][path][method].dump();
    for (const auto& name : route.parameters)
      EXPECT_NE(text.find("\"" + std::string(name) + "\""), std::string::npos) << path << " " << name;
  }
}

TEST(Problem, origin_decides_where_a_code_has_no_status_of_its_own) {
  EXPECT_EQ(status_of(caller_error(Code{"some_code"}, "")), 400);
  EXPECT_EQ(status_of(environment_error(Code{"some_code"}, "")), 503);
  EXPECT_EQ(status_of(internal_error(Code{"some_code"}, "")), 500);
  EXPECT_EQ(status_of(environment_error(Code{"disk_full"}, "")), 507);
  const auto problem = Json::parse(problem_text(caller_error(Code{"no_peers"}, "add one")));
  EXPECT_EQ(problem["title"], "no peers");
  EXPECT_EQ(problem["detail"], "add one");
  EXPECT_EQ(problem["status"], 409);
}

}  // namespace
}  // namespace tocsin::api
