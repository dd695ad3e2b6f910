// card, peer.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/given_text.h"
#include "node/cli/qr.h"

namespace tocsin::cli {
namespace {

constexpr Column kPeerColumns[] = {{"name", "NAME", Show::kText, 0, true},
                                   {"state", "STATE"},
                                   {"connected", "LINKED"},
                                   {"address", "ADDRESS"},
                                   {"last_seen", "LAST SEEN", Show::kAge},
                                   {"last_error", "LAST ERROR", Show::kText, 40},
                                   {"shared_channels", "CHANNELS", Show::kCount},
                                   {"org_id", "ORGANISATION", Show::kId}};
constexpr Field kPeerFields[] = {{"name", "name"},
                                 {"org_id", "organisation id"},
                                 {"kind", "kind"},
                                 {"country", "country"},
                                 {"state", "state"},
                                 {"words", "safety words"},
                                 {"connected", "connected"},
                                 {"address", "address"},
                                 {"last_seen", "last seen", Show::kAge},
                                 {"last_error", "last error"},
                                 {"shared_channels", "shared channels"},
                                 {"node_id", "node"}};

int card_show(Context& c) {
  if (!may_draw_qr(c)) return c.exit_code();
  auto answer = c.call("GET", "/card");
  if (!answer) return c.exit_code();
  if (c.has("qr")) {
    if (const int exit = draw_qr(c, answer->json.value("card", std::string())); exit != kExitOk) return exit;
    std::printf("words: %s\n", answer->json.value("words", std::string()).c_str());
    return kExitOk;
  }
  if (c.mode() != OutputMode::kTable) return c.show_object(*answer, {});
  std::printf("%s\n\n", answer->json.value("card", std::string()).c_str());
  static constexpr Field fields[] = {{"words", "safety words"},
                                     {"org_id", "organisation"},
                                     {"node_id", "node"},
                                     {"addresses", "addresses", Show::kList}};
  c.show_object(*answer, fields);
  if (answer->json.contains("addresses") && answer->json["addresses"].empty()) {
    c.say("");
    c.say("This node advertises no address: it dials out only. Name one with `advertise` in the configuration.");
  }
  return kExitOk;
}

int peer_add(Context& c) {
  auto card = read_card(c.get("file"));
  if (!card) return c.fail(card.error());
  auto answer = c.call("POST", "/peers", Json{{"card", *card}});
  if (!answer) return c.exit_code();
  c.show_object(*answer, kPeerFields);
  if (c.mode() == OutputMode::kTable && answer->json.value("state", std::string()) == "introduced") {
    c.say("");
    c.say("Now compare the eight words over another line (phone, in person), then: tocsin peer verify " +
          answer->json.value("org_id", std::string()).substr(0, 12) + " WORDS");
  }
  if (c.mode() == OutputMode::kTable && answer->json.value("state", std::string()) == "own") {
    c.say("");
    c.say("Another node of this organisation: it is in no list of peers, and nothing has to be verified.");
  }
  return kExitOk;
}

std::string peer_path(Context& c, std::string_view verb = {}) {
  return "/peers/" + url_encode(c.get("peer")) + (verb.empty() ? "" : "/" + std::string(verb));
}

int peer_list(Context& c) {
  auto answer = c.call("GET", "/peers" + query_string({{"limit", c.get("limit")}, {"after", c.get("after")}}));
  return answer ? c.show_list(*answer, kPeerColumns,
                              "No peers yet. Exchange cards: tocsin card show, tocsin peer add FILE")
                : c.exit_code();
}

int peer_show(Context& c) {
  auto answer = c.call("GET", peer_path(c));
  return answer ? c.show_object(*answer, kPeerFields) : c.exit_code();
}

int peer_verify(Context& c) {
  std::string words;
  for (const auto& word : c.all("words")) words += (words.empty() ? "" : " ") + word;
  auto answer = c.call("POST", peer_path(c, "verify"), Json{{"words", words}});
  return answer ? c.show_object(*answer, kPeerFields) : c.exit_code();
}

int peer_act(Context& c) {
  Json body = Json::object();
  if (c.command().verb == "rename") body["name"] = c.get("name");
  if (c.command().verb == "connect" && !c.get("address").empty()) body["address"] = c.get("address");
  auto answer = c.call("POST", peer_path(c, c.command().verb), body);
  return answer ? c.show_object(*answer, kPeerFields) : c.exit_code();
}

int peer_remove(Context& c) {
  if (!c.dry_run() && !c.confirm("Forget this peer? Its card is needed to add it again.")) return c.exit_code();
  auto answer = c.call("DELETE", peer_path(c));
  static constexpr Field fields[] = {{"removed", "removed"}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

}  // namespace

void add_peer_commands(std::vector<Command>& out) {
  const Argument peer{"peer", "its name, or the id of organisation or node (the first eight digits or more will do)"};
  const std::vector<Option> paging = {{"limit", "N", "at most so many (default 50)"},
                                      {"after", "CURSOR", "go on behind an earlier answer"}};
  out.push_back({"card",
                 "show",
                 "Show this node's card: one line of text to give to a partner",
                 {},
                 {{"qr", "", "as a QR code", Arity::kFlag}},
                 "tocsin card show --qr",
                 card_show});
  out.push_back({"peer",
                 "add",
                 "Add or renew a peer from its card",
                 {{"file", "file with the card, or - for standard input"}},
                 {},
                 "tocsin peer add ohchr.card",
                 peer_add});
  out.push_back({"peer", "list", "List peers: trust, connection, what went wrong last", {}, paging, "", peer_list});
  out.push_back({"peer", "show", "Show one peer", {peer}, {}, "", peer_show});
  out.push_back({"peer",
                 "verify",
                 "Confirm a peer by the eight words that it read out",
                 {peer, {"words", "the eight words", true, true}},
                 {},
                 "tocsin peer verify 5f0c6a1b able acid aged also area army away baby",
                 peer_verify});
  out.push_back({"peer", "block", "Neither dial nor answer this peer", {peer}, {}, "", peer_act});
  out.push_back({"peer", "unblock", "End a block", {peer}, {}, "", peer_act});
  out.push_back(
      {"peer", "rename", "Call a peer by another name on this node", {peer, {"name", "the name"}}, {}, "", peer_act});
  out.push_back({"peer",
                 "connect",
                 "Dial a peer now, at another address if one is given",
                 {peer, {"address", "HOST:PORT", false}},
                 {},
                 "",
                 peer_act});
  out.push_back({"peer", "remove", "Forget a peer that shares no channel", {peer}, {}, "", peer_remove});
}

}  // namespace tocsin::cli
