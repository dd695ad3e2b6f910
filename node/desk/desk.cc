#include "node/desk/desk.h"

#include <algorithm>

#include "node/desk/id_prefix.h"
#include "node/reports/report_json.h"
#include "node/reports/validate.h"
#include "node/reports/vocab.h"

namespace tocsin::desk {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

Desk::Desk(protocol::Replica& replica, index::IndexThread& index, Feeder& feeder, protocol::Clock& clock,
           crypto::Random& random)
    : replica_(replica),
      index_(index),
      feeder_(feeder),
      clock_(clock),
      random_(random),
      opener_(replica.reading_table()) {}

Desk::~Desk() = default;

Error government_error(const std::vector<reports::Reader>& against) {
  const auto& reader = against.front();
  return caller_error(kGovernmentNamed, reader.name + " is a government of " + reader.country +
                                            ", which the report names, and would read it; say --allow-government " +
                                            reader.country + " if that is meant");
}

Result<protocol::ChannelId> Desk::find_channel(std::string_view text) const {
  std::vector<protocol::ChannelId> by_name, by_id;
  bool joined_by_name = false;
  for (const auto& channel : replica_.channels()) {
    if (is_prefix(text, channel.id.view())) by_id.push_back(channel.id);
    if (!same_name(text, channel.name)) continue;
    const bool joined = channel.standing == protocol::ChannelStanding::kJoined;
    if (joined && !joined_by_name) by_name.clear();
    if (joined || !joined_by_name) by_name.push_back(channel.id);
    joined_by_name |= joined;
  }
  const auto& found = by_id.empty() ? by_name : by_id;
  if (found.empty()) {
    if (replica_.channels().empty()) TOCSIN_TRY(replica_.check_certified());
    return caller_error(kUnknownChannel, "no channel is called or begins with that; see: tocsin channel list");
  }
  if (found.size() > 1) return caller_error(kChannelAmbiguous, "several channels fit; give more of the id");
  return found.front();
}

Result<protocol::OrgId> Desk::find_org(std::string_view text) const {
  std::vector<protocol::OrgId> by_id, by_name;
  auto consider = [&](const protocol::OrgId& org, std::string_view name) {
    if (is_prefix(text, org.view()) && std::find(by_id.begin(), by_id.end(), org) == by_id.end()) by_id.push_back(org);
    if (same_name(text, name) && std::find(by_name.begin(), by_name.end(), org) == by_name.end())
      by_name.push_back(org);
  };
  consider(replica_.own_org().id(), replica_.own_org().profile().name);
  for (const auto& peer : replica_.peers()) {
    consider(peer.org, peer.profile.name);
    if (!peer.local_name.empty()) consider(peer.org, peer.local_name);
    for (const auto& node : peer.nodes)
      if (is_prefix(text, node.node.view()) && std::find(by_id.begin(), by_id.end(), peer.org) == by_id.end())
        by_id.push_back(peer.org);
  }
  for (const auto& channel : replica_.channels())
    for (const auto& member : channel.members) consider(member.org, member.name);
  const auto& found = by_id.empty() ? by_name : by_id;
  if (found.empty())
    return caller_error(kUnknownPeer, "no organisation or node here has that id or name; see: tocsin peer list");
  if (found.size() > 1) return caller_error(kPeerAmbiguous, "several organisations fit; give more of the id");
  return found.front();
}

std::string Desk::org_name(const protocol::OrgId& org) const {
  if (org == replica_.own_org().id()) return replica_.own_org().profile().name;
  if (const auto peer = replica_.peer(org)) return peer->local_name.empty() ? peer->profile.name : peer->local_name;
  for (const auto& channel : replica_.channels())
    for (const auto& member : channel.members)
      if (member.org == org) return member.name;
  return {};
}

std::vector<reports::Reader> Desk::readers_of(const protocol::ChannelId& channel) const {
  std::vector<reports::Reader> out;
  const auto info = replica_.channel(channel);
  if (!info) return out;
  for (const auto& member : info->members)
    if (member.role != protocol::Role::kContributor)
      out.push_back({member.org, member.name, member.kind, member.country});
  if (info->own_role != protocol::Role::kContributor) return out;
  // Rule 24: it is shown who leads the channel, and whether governments read it.
  if (const auto* chair = replica_.org_log(info->chair_org))
    out.push_back({info->chair_org, chair->profile().name, chair->profile().kind, chair->profile().country});
  if (info->hides_governments)
    out.push_back({{}, "governments among its readers", protocol::OrgKind::kGovernment, {}, true});
  return out;
}

std::vector<reports::Reader> Desk::governments_against(const std::set<std::string>& countries,
                                                       const protocol::ChannelId& channel,
                                                       const AllowedGovernments& allowed) const {
  auto readers = readers_of(channel);
  std::erase_if(readers, [&](const auto& reader) { return reader.org == replica_.own_org().id(); });
  std::set<std::string> asked_about;
  std::ranges::set_difference(countries, allowed, std::inserter(asked_about, asked_about.end()));
  return reports::government_warning(asked_about, readers);
}

Result<void> Desk::may_share(const protocol::Report& report, const protocol::ChannelId& channel) const {
  if (report.kind == protocol::ReportKind::kAlert) return kOk;
  TOCSIN_TRY(replica_.may_append(channel, protocol::Haste::kAlert));
  if (channel != replica_.private_channel()) TOCSIN_TRY(replica_.check_certified());  // it would reach nobody
  return may_be_read(report, readers_of(channel));
}

Result<void> Desk::may_be_read(const protocol::Report& report, std::span<const reports::Reader> readers) const {
  if (report.kind == protocol::ReportKind::kAlert) return kOk;
  const bool inside =
      std::ranges::all_of(readers, [&](const auto& reader) { return reader.org == replica_.own_org().id(); });
  if (inside) return kOk;
  if (const auto* correction = std::get_if<protocol::CorrectDetails>(&report.details)) {
    TOCSIN_ASSIGN(replacement, protocol::decode_replacement(*correction));
    return may_be_read(replacement, readers);
  }
  if (protocol::acts_on_report(report.kind)) return kOk;  // says nothing that the report does not
  if (report.status == protocol::ReportStatus::kDraft)
    return caller_error(
        kDraftStays,
        "a draft stays in the organisation, and its text with it; write a new report with the status Actual");
  if (report.tlp == protocol::Tlp::kAmberStrict)
    return caller_error(kMarkingStays,
                        "TLP:AMBER+STRICT is for this organisation alone, and others read that channel; what they may "
                        "know, write as a new report");
  return kOk;
}

Result<void> Desk::may_share(const Loaded& loaded, const protocol::ChannelId& channel) const {
  TOCSIN_TRY(may_share(loaded.original, channel));
  for (const auto& [id, act] : loaded.acts)
    if (act.kind == protocol::ReportKind::kCorrect && act.author == loaded.original.author)
      TOCSIN_TRY(may_share(act, channel));
  return kOk;
}

Result<void> Desk::check_channel_name(std::string_view name) const {
  for (const auto& channel : replica_.channels())
    if (channel.standing == protocol::ChannelStanding::kJoined && same_name(name, channel.name))
      return caller_error(kChannelNameTaken, "a channel of this node is called that already; choose another name");
  return kOk;
}

void Desk::finish(protocol::Report& report) const {
  report.salt = crypto::random_fixed<protocol::ReportSalt>(random_);
  report.author = replica_.own_org().id();
  if (report.created.ms == 0) report.created = clock_.now();
}

Result<protocol::Report> Desk::prepare(protocol::Report report) const {
  if (!report.attachments.empty()) return caller_error(kInvalidReport, std::string(kNoAttachmentsByHand));
  reports::apply_defaults(report);
  const auto findings = reports::validate(report);
  if (!findings.ok()) return caller_error(kInvalidReport, reports::to_string(findings.problems));
  report.created = clock_.now();
  report.author = replica_.own_org().id();
  return report;
}

void Desk::create(protocol::Report report, std::optional<protocol::ChannelId> channel, AllowedGovernments allowed,
                  Done<Made> done, const Actor& by) {
  auto ready = prepare(std::move(report));
  if (!ready) return done(ready.error());
  finish(*ready);
  const auto target = channel.value_or(replica_.private_channel());
  if (auto may = may_share(*ready, target); !may) return done(may.error());
  if (auto against = governments_against(reports::named_countries(*ready), target, allowed); !against.empty())
    return done(government_error(against));
  auto canonical = protocol::encode_report(*ready);
  if (!canonical) return done(canonical.error());
  Made made{protocol::report_id(*canonical), {}, {}, reports::validate(*ready).advice};
  const bool two = needs_two(*ready, target);
  if (two || waits_for_home(*ready, target)) {
    made.waiting = {target};
    made.until_home = !two;
    auto record = ask_second(made.id, std::nullopt, made.waiting, by);
    if (!two) record.until_home = replica_.own_node();
    std::vector<Item> of{{protocol::FeedKind::kReport, std::move(*canonical)},
                         {protocol::FeedKind::kWaiting, protocol::encode_waiting_record(record)}};
    Items items;
    items.emplace_back(replica_.private_channel(), std::move(of));
    return write_items(std::move(items), std::move(made), std::move(done));
  }
  const bool alert = ready->kind == protocol::ReportKind::kAlert;
  write({std::move(*canonical)}, {target}, made, std::move(done),
        alert ? protocol::Haste::kAlert : protocol::Haste::kOrdinary);
}

void Desk::write(std::vector<Bytes> canonical, std::vector<protocol::ChannelId> channels, Made made, Done<Made> done,
                 protocol::Haste haste) {
  Items items;
  for (const auto& channel : channels) {
    auto& of = items.emplace_back(channel, std::vector<Item>{}).second;
    for (const auto& bytes : canonical) of.push_back({protocol::FeedKind::kReport, bytes});
  }
  write_items(std::move(items), std::move(made), std::move(done), haste);
}

void Desk::write_items(Items items, Made made, Done<Made> done, protocol::Haste haste) {
  struct Pending {
    Made made;
    std::optional<Error> failed;
    std::size_t waiting = 0;
    Done<Made> done;
  };
  auto pending = std::make_shared<Pending>();
  pending->made = std::move(made);
  pending->done = std::move(done);
  pending->waiting = items.size();
  auto one_ended = [this, pending](const protocol::ChannelId& channel, const std::optional<Error>& error) {
    if (error) {
      pending->failed = error;
      pending->made.held.push_back({channel, error->code, {}});
    } else {
      pending->made.channels.push_back(channel);
    }
    if (--pending->waiting > 0) return;
    if (pending->made.channels.empty()) return pending->done(*pending->failed);
    feeder_.when_indexed([pending] { pending->done(std::move(pending->made)); });
  };
  for (const auto& [channel, of] : items) {
    std::vector<protocol::FeedItem> views;
    for (const auto& item : of) views.push_back({item.kind, item.payload});
    auto queued = replica_.append(
        channel, views,
        [channel = channel, one_ended](const Result<std::vector<protocol::EntryRef>>& refs) {
          one_ended(channel, refs ? std::nullopt : std::optional(refs.error()));
        },
        haste);
    if (!queued) one_ended(channel, queued.error());
  }
}

Result<protocol::Report> Desk::read_at(const index::Location& location, Bytes* canonical) {
  TOCSIN_ASSIGN(entry, replica_.read_entry(location.log, location.number));
  if (entry.view().body.empty()) return caller_error(kBodyErased, "the text of this report is no longer held here");
  TOCSIN_ASSIGN(opened, opener_.open(entry.view()));
  if (canonical) *canonical = to_bytes(opened.payload);
  return protocol::decode_report(opened.payload);
}

Result<protocol::Report> Desk::read_shown(const index::ReportRow& row) {
  TOCSIN_ASSIGN(report, read_at(row.content));
  const auto* correction = std::get_if<protocol::CorrectDetails>(&report.details);
  if (correction == nullptr || row.kind == protocol::ReportKind::kCorrect) return report;
  return protocol::decode_replacement(*correction);
}

void Desk::load(const protocol::ReportId& report, Done<Loaded> done) { load_once(report, true, std::move(done)); }

void Desk::load_once(const protocol::ReportId& report, bool again, Done<Loaded> done) {
  struct Answer {
    index::ReportFound found;
    index::ReportHistory history;
  };
  index_.ask(
      [report](index::Index& i) -> Result<Answer> {
        TOCSIN_ASSIGN(found, i.find(report));
        TOCSIN_ASSIGN(history, i.history(report));
        return Answer{std::move(found), std::move(history)};
      },
      [this, report, again, done = std::move(done)](Result<Answer> answer) {
        if (!answer) return done(answer.error());
        Loaded out;
        if (answer->found.row.erased) {  // that it was taken back is all that is known of it
          out.original.author = answer->found.row.author;
          out.content = out.original;
          out.state.withdrawn = true;
          out.state.withdrawal_reason = answer->found.row.standing.withdrawal_reason;
          out.found = std::move(answer->found);
          return done(std::move(out));
        }
        auto original = read_at(answer->found.row.location, &out.canonical);
        const auto& place = answer->found.row.location;
        // Taken back since the index was asked, which is about to forget it.
        if (!original && again && replica_.is_taken_back(place.log, place.number))
          return feeder_.when_indexed([this, report, done] { load_once(report, false, done); });
        if (!original) return done(original.error());
        out.original = std::move(*original);
        std::vector<protocol::OrgId> authors;
        for (const auto& act : answer->history.acts) {
          auto related = read_at(act.location);
          if (!related) continue;  // erased: it no longer bears on the state
          out.acts.emplace_back(act.id, std::move(*related));
          authors.push_back(act.author);
        }
        std::vector<reports::KnownReport> known;
        for (std::size_t i = 0; i < out.acts.size(); ++i)
          known.push_back({out.acts[i].first, authors[i], &out.acts[i].second});
        const auto& row = answer->found.row;
        out.state = reports::current_state({row.id, row.author, &out.original}, known);
        out.content = out.original;
        if (out.state.corrected_by)
          for (const auto& [id, act] : out.acts)
            if (id == *out.state.corrected_by)
              if (const auto* correction = std::get_if<protocol::CorrectDetails>(&act.details))
                if (auto replacement = protocol::decode_replacement(*correction)) out.content = std::move(*replacement);
        out.found = std::move(answer->found);
        done(std::move(out));
      });
}

}  // namespace tocsin::desk
