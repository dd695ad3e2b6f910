#include "node/api/views.h"

#include <algorithm>
#include <charconv>

#include "node/index/cursor.h"
#include "node/reports/time_text.h"
#include "node/reports/vocab.h"

namespace tocsin::api {

using namespace protocol;

std::string time_text(Time time) { return reports::format_time(time); }
Json time_or_null(const std::optional<Time>& time) { return time ? Json(time_text(*time)) : Json(nullptr); }

Json hex_list(const std::vector<ChannelId>& ids) {
  Json out = Json::array();
  for (const auto& id : ids) out.push_back(hex(id));
  return out;
}

Json page_json(Json items, const std::string& next) {
  return Json{{"items", std::move(items)}, {"next", next.empty() ? Json(nullptr) : Json(next)}};
}

Json standing_json(App& app, const index::ReportRow& row) {
  const auto& s = row.standing;
  // Its writer showed two histories, and this stands where they part or above (rule 12).
  const bool forked = app.replica().is_disputed(row.location.log, row.location.number);
  std::string current = s.withdrawn || row.erased ? "withdrawn"
                        : forked                  ? "forked"
                        : s.conflict              ? "conflict"
                        : s.corrected             ? "corrected"
                                                  : "current";
  Json out{{"current", current},
           {"disputed", s.disputed},
           {"corroborated", s.corroborated},
           {"acknowledged", s.acknowledged}};
  if (s.withdrawn) out["reason"] = s.withdrawal_reason;
  return out;
}

namespace {

template <class Enum>
Json word(Enum value) {
  const auto key = reports::stated_key(value);
  return key ? Json(*key) : Json(nullptr);
}

}  // namespace

Json row_json(App& app, const index::ReportRow& row) {
  Json place{{"iso3", row.iso3.empty() ? Json(nullptr) : Json(row.iso3)},
             {"name", row.place.empty() ? Json(nullptr) : Json(row.place)}};
  place["latitude"] = row.point ? Json(row.point->latitude) : Json(nullptr);
  place["longitude"] = row.point ? Json(row.point->longitude) : Json(nullptr);
  Json out{{"id", hex(row.id)},
           {"kind", reports::key_of(row.kind)},
           {"status", reports::key_of(row.status)},
           {"author", hex(row.author)},
           {"author_name", app.desk.org_name(row.author)},
           {"created", time_text(row.created)},
           {"observed_from", time_or_null(row.observed_from)},
           {"observed_to", time_or_null(row.observed_to)},
           {"country", place["iso3"]},
           {"place", place},
           {"tlp", word(row.tlp)},
           {"severity", word(row.severity)},
           {"urgency", word(row.urgency)},
           {"certainty", word(row.certainty)},
           {"likelihood", word(row.likelihood)},
           {"confidence", word(row.confidence)},
           {"title", row.title},
           {"state", standing_json(app, row)["current"]}};
  if (row.target) out["target"] = hex(*row.target);
  return out;
}

Json readers_json(App& app, const std::vector<reports::Reader>& readers) {
  std::map<OrgId, std::vector<NodeId>> nodes;
  nodes[app.replica().own_org().id()] = {app.replica().own_node()};
  for (const auto& peer : app.replica().peers())
    for (const auto& node : peer.nodes)
      if (!node.revoked) nodes[peer.org].push_back(node.node);
  Json out = Json::array();
  for (const auto& reader : readers) {
    Json ids = Json::array();
    for (const auto& node : nodes[reader.org]) ids.push_back(hex(node));
    out.push_back({{"org_id", reader.org.is_zero() ? Json(nullptr) : Json(hex(reader.org))},
                   {"name", reader.name},
                   {"kind", to_string(reader.kind)},
                   {"country", reader.country},
                   {"nodes", ids}});
  }
  return out;
}

Json advice_json(const std::vector<reports::Problem>& advice) {
  Json out = Json::array();
  for (const auto& a : advice) out.push_back({{"field", a.field}, {"code", a.code.text()}, {"detail", a.detail}});
  return out;
}

namespace {

// By word of mouth, not by the signed entry: a revoked node gets no organisation log from anybody.
std::optional<std::string> told_revoked(App& app) {
  std::vector<std::string> by;
  bool own = false;
  for (const auto& link : app.hub.connections()) {
    if (link.connected || !link.last_error || link.last_error->code != engine::kSaysRevoked) continue;
    own |= link.org == app.replica().own_org().id();
    const auto name = app.desk.org_name(link.org);
    if (std::ranges::find(by, name) == by.end()) by.push_back(name);
  }
  if (by.empty()) return std::nullopt;
  constexpr std::size_t kNamed = 3;
  std::string who;
  for (std::size_t i = 0; i < by.size() && i < kNamed; ++i) who += (i == 0 ? "" : ", ") + by[i];
  if (by.size() > kNamed) who += " and " + std::to_string(by.size() - kNamed) + " more";
  return who + (by.size() == 1 ? " says" : " say") +
         " that this node was revoked by its own organisation: what is written here reaches nobody" +
         (own ? "" : " of them") +
         ". Ask whoever keeps the root keys, over another line; on another node of the organisation: tocsin org show";
}

}  // namespace

std::optional<std::string> reaches_nobody(App& app) {
  if (const auto certified = app.replica().check_certified(); !certified) return certified.error().detail;
  return told_revoked(app);
}

Json made_json(App& app, const desk::Made& made) {
  Json out{{"id", hex(made.id)}, {"channels", hex_list(made.channels)}};
  if (!made.held.empty()) {
    Json held = Json::array();
    for (const auto& h : made.held)
      held.push_back({{"channel_id", hex(h.channel)},
                      {"channel", app.replica().channel(h.channel)->name},
                      {"code", h.code.text()},
                      {"readers", readers_json(app, h.readers)}});
    out["held"] = held;
  }
  if (!made.advice.empty()) out["advice"] = advice_json(made.advice);
  const auto shared = [&](const ChannelId& channel) { return channel != app.replica().private_channel(); };
  if (std::ranges::any_of(made.channels, shared))
    if (const auto nobody = reaches_nobody(app)) out["warnings"] = Json::array({*nobody});
  if (!made.waiting.empty()) {
    out["state"] = "waiting";
    out["code"] = made.until_home ? protocol::kHomeUnconfirmed.text() : "waiting";
    out["waiting_for"] = hex_list(made.waiting);
    out["detail"] =
        made.until_home
            ? std::string(
                  "this home was copied or moved: it goes out by itself once a peer has confirmed the home; "
                  "see: tocsin doctor")
            : "others read it once a second person has released it: tocsin report release " +
                  hex(made.id).substr(0, 12);
  }
  return out;
}

int made_status(const desk::Made& made, int whole) { return made.waiting.empty() ? whole : 207; }

Json peer_json(App& app, const Peer& peer) {
  std::uint64_t shared = 0;
  for (const auto& channel : app.replica().channels())
    shared +=
        std::any_of(channel.members.begin(), channel.members.end(), [&](const auto& m) { return m.org == peer.org; });
  Json out{{"org_id", hex(peer.org)},
           {"node_id", peer.nodes.empty() ? Json(nullptr) : Json(hex(peer.nodes.front().node))},
           {"name", peer.local_name.empty() ? peer.profile.name : peer.local_name},
           {"kind", to_string(peer.profile.kind)},
           {"country", peer.profile.country},
           {"state", to_string(peer.state)},
           {"connected", false},
           {"address", nullptr},
           {"last_seen", nullptr},
           {"last_error", nullptr},
           {"shared_channels", shared}};
  for (const auto& link : app.hub.connections()) {
    if (link.org != peer.org) continue;
    if (out["connected"] == true && !link.connected) continue;
    out["node_id"] = hex(link.node);
    // A block ends the link a moment after it is written down.
    out["connected"] = link.connected && peer.state != PeerState::kBlocked;
    out["address"] = link.address.empty() ? Json(nullptr) : Json(link.address);
    out["last_seen"] = time_or_null(link.last_seen);
    out["last_error"] = link.last_error ? Json(link.last_error->code.text()) : Json(nullptr);
    if (link.next_try_in_ms) out["next_try_seconds"] = *link.next_try_in_ms / 1000;
  }
  return out;
}

Json member_json(const MemberInfo& member) {
  Json nodes = Json::array();
  for (const auto& node : member.nodes) nodes.push_back(hex(node));
  return {{"org_id", hex(member.org)},      {"name", member.name},       {"role", to_string(member.role)},
          {"kind", to_string(member.kind)}, {"country", member.country}, {"nodes", nodes}};
}

Json channel_json(App&, const ChannelInfo& c) {
  return {{"channel_id", hex(c.id)},
          {"name", c.name},
          {"class", to_string(c.channel_class)},
          {"state", to_string(c.standing)},
          {"role", to_string(c.own_role)},
          {"epoch", count_of(c.epoch)},
          {"members", c.members.size()}};
}

Result<std::size_t> limit_from(const Request& request) {
  const auto text = request.get("limit");
  if (text.empty()) return std::size_t{50};
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > 500)
    return caller_error(Code{"bad_parameter"}, "limit is a number from 1 to 500");
  return value;
}

Result<desk::AllowedGovernments> governments_from(const Json& body) {
  desk::AllowedGovernments out;
  const auto found = body.find("allow_government");
  if (found == body.end() || found->is_null()) return out;
  if (!found->is_array())
    return caller_error(Code{"wrong_type"}, "allow_government is a list of ISO 3166-1 alpha-3 codes");
  for (const auto& item : *found) {
    const auto* country = item.is_string() ? reports::parse_country(item.get<std::string>()) : nullptr;
    if (!country)
      return caller_error(Code{"bad_parameter"}, "allow_government takes ISO 3166-1 alpha-3 codes, such as MMR");
    out.insert(country->iso3);
  }
  return out;
}

namespace {

Result<index::Near> near_from(const std::string& text) {
  index::Near out;
  double* parts[] = {&out.centre.latitude, &out.centre.longitude, &out.km};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, *parts[i]);
    if (error != std::errc{} || (i < 2 ? next == end || *next != ',' : next != end))
      return caller_error(Code{"bad_parameter"}, "near takes LATITUDE,LONGITUDE,KILOMETRES, such as 20.8,92.4,50");
    at = next + 1;
  }
  return out;
}

struct StateWord {
  std::string_view word;
  index::StateFilter filter;
};
constexpr StateWord kStates[] = {{"withdrawn", index::StateFilter::kWithdrawn},
                                 {"corrected", index::StateFilter::kCorrected},
                                 {"disputed", index::StateFilter::kDisputed},
                                 {"corroborated", index::StateFilter::kCorroborated},
                                 {"conflict", index::StateFilter::kConflict}};

template <class Enum>
Result<Enum> word_from(const Request& request, std::string_view name) {
  const auto value = reports::parse_key<Enum>(request.get(name));
  if (!value)
    return caller_error(Code{"bad_parameter"},
                        std::string(name) + " is one of " + reports::vocabulary_of<Enum>().choices());
  return *value;
}

}  // namespace

std::string changes_cursor(App& app, Arrival cursor) {
  return index::make_cursor(index::fingerprint_of_changes(app.replica().own_node()),
                            {0, static_cast<std::int64_t>(cursor.value)});
}

Result<index::ReportQuery> query_from(App& app, const Request& request) {
  index::ReportQuery out;
  TOCSIN_ASSIGN(limit, limit_from(request));
  out.limit = limit;
  out.after = request.get("after");
  out.text = request.get("text");
  if (const auto text = request.get("kind"); !text.empty()) {
    TOCSIN_ASSIGN(kind, word_from<ReportKind>(request, "kind"));
    out.kinds.push_back(kind);
  }
  if (const auto text = request.get("status"); !text.empty()) {
    TOCSIN_ASSIGN(status, word_from<ReportStatus>(request, "status"));
    out.statuses.push_back(status);
  }
  if (const auto text = request.get("severity"); !text.empty()) {
    TOCSIN_ASSIGN(severity, word_from<Severity>(request, "severity"));
    out.severity_min = severity;
  }
  if (const auto text = request.get("country"); !text.empty()) {
    const auto* country = reports::parse_country(text);
    if (!country) return caller_error(Code{"bad_parameter"}, "country is an ISO 3166-1 code, such as MMR");
    out.countries.push_back(country->iso3);
  }
  if (const auto text = request.get("since"); !text.empty()) {
    out.since = reports::parse_time(text);
    if (!out.since) return caller_error(Code{"bad_parameter"}, "since is a date or an RFC 3339 time");
  }
  if (const auto text = request.get("until"); !text.empty()) {
    out.until = reports::parse_time_end(text);
    if (!out.until) return caller_error(Code{"bad_parameter"}, "until is a date or an RFC 3339 time");
  }
  if (const auto text = request.get("channel"); !text.empty()) {
    TOCSIN_ASSIGN(channel, app.desk.find_channel(text));
    out.channel = channel;
  }
  if (const auto text = request.get("author"); !text.empty()) {
    TOCSIN_ASSIGN(author, app.desk.find_org(text));
    out.author = author;
  }
  if (const auto text = request.get("near"); !text.empty()) {
    TOCSIN_ASSIGN(near, near_from(text));
    out.near = near;
  }
  if (const auto text = request.get("state"); !text.empty()) {
    const auto state = std::ranges::find(kStates, text, &StateWord::word);
    if (state == std::end(kStates))
      return caller_error(Code{"bad_parameter"},
                          "state is one of withdrawn, corrected, disputed, corroborated and conflict");
    out.state = state->filter;
  }
  if (const auto text = request.get("since_cursor"); !text.empty()) {
    TOCSIN_ASSIGN(position, index::read_cursor(index::fingerprint_of_changes(app.replica().own_node()), text));
    out.changed_since = Arrival{static_cast<std::uint64_t>(position.row)};
  }
  return out;
}

Json warnings_json(const std::vector<reports::Reader>& governments) {
  Json out = Json::array();
  for (const auto& reader : governments)
    out.push_back(reader.name + " is a government of " + reader.country + ", which the report names");
  return out;
}

void answer_plan(App& app, const ResponderPtr& responder, const ReportId& about, const Result<desk::Made>& made) {
  if (!made) return responder->problem(made.error());
  std::map<OrgId, reports::Reader> readers;
  for (const auto& channel : made->channels)
    for (const auto& reader : app.desk.readers_of(channel)) readers[reader.org] = reader;
  std::vector<reports::Reader> list;
  for (const auto& [org, reader] : readers) list.push_back(reader);
  std::vector<reports::Reader> governments;
  for (const auto& held : made->held) governments.insert(governments.end(), held.readers.begin(), held.readers.end());
  responder->json({{"id", hex(about)},
                   {"channels", hex_list(made->channels)},
                   {"readers", readers_json(app, list)},
                   {"warnings", warnings_json(governments)}});
}

}  // namespace tocsin::api
