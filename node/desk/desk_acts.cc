// Acts on reports that are there already, and alerts.
#include <algorithm>

#include "node/desk/desk.h"
#include "node/reports/report_json.h"
#include "node/reports/validate.h"

namespace tocsin::desk {

std::vector<protocol::ChannelId> Desk::writable(const std::vector<index::Location>& copies) const {
  std::vector<protocol::ChannelId> out;
  for (const auto& copy : copies) {
    const auto channel = replica_.channel(copy.channel);
    if (channel && channel->standing == protocol::ChannelStanding::kJoined && protocol::may_report(channel->own_role) &&
        std::find(out.begin(), out.end(), copy.channel) == out.end())
      out.push_back(copy.channel);
  }
  return out;
}

protocol::Haste haste_of(const Loaded& loaded) {
  return loaded.original.kind == protocol::ReportKind::kAlert ? protocol::Haste::kAlert : protocol::Haste::kOrdinary;
}

std::set<std::string> shared_countries(const Loaded& loaded) {
  auto out = reports::named_countries(loaded.original);
  for (const auto& [id, act] : loaded.acts)
    if (act.kind == protocol::ReportKind::kCorrect && act.author == loaded.original.author)
      out.merge(reports::named_countries(act));
  return out;
}

Result<std::vector<Bytes>> shared_bytes(const Loaded& loaded) {
  std::vector<Bytes> out{loaded.canonical};
  for (const auto& [id, act] : loaded.acts) {
    if (act.kind != protocol::ReportKind::kCorrect || act.author != loaded.original.author) continue;
    TOCSIN_ASSIGN(bytes, protocol::encode_report(act));
    out.push_back(std::move(bytes));
  }
  return out;
}

void Desk::share(const protocol::ReportId& report, const protocol::ChannelId& channel, AllowedGovernments allowed,
                 Done<Made> done, const Actor& by) {
  load(report, [this, channel, allowed = std::move(allowed), by, done = std::move(done)](Result<Loaded> loaded) {
    if (!loaded) return done(loaded.error());
    if (loaded->found.row.author != replica_.own_org().id())
      return done(
          caller_error(reports::kNotTheAuthor, "only its author's organisation shares a report in another channel"));
    for (const auto& copy : loaded->found.copies)
      if (copy.channel == channel) return done(caller_error(kAlreadyShared, "that channel has this report already"));
    if (loaded->state.withdrawn)
      return done(caller_error(reports::kAlreadyWithdrawn, "this report has been withdrawn"));
    if (auto may = may_share(*loaded, channel); !may) return done(may.error());
    auto canonical = shared_bytes(*loaded);
    if (!canonical) return done(canonical.error());
    if (auto against = governments_against(shared_countries(*loaded), channel, allowed); !against.empty())
      return done(government_error(against));
    Made made{loaded->found.row.id, {}, {}, {}};
    const bool two = needs_two(*loaded, channel);
    if (two || waits_for_home(loaded->original, channel)) {
      made.waiting = {channel};
      made.until_home = !two;
      Items items;
      std::vector<Item> of;
      for (const auto& record : ask_to_share(*loaded, channel, by, !two))
        of.push_back({protocol::FeedKind::kWaiting, protocol::encode_waiting_record(record)});
      if (!of.empty()) items.emplace_back(replica_.private_channel(), std::move(of));
      return items.empty() ? done(std::move(made)) : write_items(std::move(items), std::move(made), done);
    }
    write(std::move(*canonical), {channel}, std::move(made), done, haste_of(*loaded));
  });
}

// Makes a report about another and writes it wherever that one went.
void Desk::act_on(const protocol::ReportId& report, std::function<Result<protocol::Report>(const Loaded&)> make,
                  std::optional<AllowedGovernments> allowed, bool dry_run, Done<Made> done, const Actor& by) {
  load(report, [this, make = std::move(make), allowed = std::move(allowed), dry_run, by,
                done = std::move(done)](Result<Loaded> loaded) {
    if (!loaded) return done(loaded.error());
    if (loaded->found.row.erased)
      return done(caller_error(reports::kAlreadyWithdrawn, "this report has been withdrawn, and its text erased"));
    auto act = make(*loaded);
    if (!act) return done(act.error());
    auto canonical = protocol::encode_report(*act);
    if (!canonical) return done(canonical.error());
    const auto channels = writable(loaded->found.copies);
    if (channels.empty())
      return done(caller_error(Code{"not_a_writer"}, "this node may not write in any channel that has the report"));
    if (auto outside = narrowed(*act, channels); !outside.empty())
      return narrow(*loaded, std::move(*canonical), std::move(outside), dry_run, done);
    for (const auto& channel : channels)
      if (auto may = may_share(*act, channel); !may) return done(may.error());
    Made made{protocol::report_id(*canonical), {}, {}, {}};
    if (allowed) {
      auto countries = reports::named_countries(*act);
      countries.merge(reports::named_countries(loaded->original));
      countries.merge(reports::named_countries(loaded->content));
      for (const auto& channel : channels) {
        auto against = governments_against(countries, channel, *allowed);
        if (!against.empty() && !dry_run) return done(government_error(against));
        if (!against.empty()) made.held.push_back({channel, kGovernmentNamed, std::move(against)});
      }
    }
    if (dry_run) {
      made.channels = channels;
      return done(std::move(made));
    }
    // A correction, a dispute and a corroboration say more: they are looked at like what they are about. What is about
    // an alert goes at once (rule 52).
    std::vector<protocol::ChannelId> now = channels;
    std::vector<protocol::WaitingRecord> records;
    const bool urgent = haste_of(*loaded) == protocol::Haste::kAlert;
    if (!urgent) {
      const auto* correction = std::get_if<protocol::CorrectDetails>(&act->details);
      const auto replacement = correction ? protocol::decode_replacement(*correction) : Result<protocol::Report>(*act);
      for (const auto& channel : channels)
        if (needs_two(*loaded, channel) || (replacement && needs_two(*replacement, channel)))
          made.waiting.push_back(channel);
      // Where both are waited for, a second person releases all of it.
      made.until_home = made.waiting.empty() && replica_.home_in_doubt();
      for (const auto& channel : channels)
        if (waits_for_home(loaded->original, channel) && std::ranges::find(made.waiting, channel) == made.waiting.end())
          made.waiting.push_back(channel);
      std::erase_if(
          now, [&](const auto& channel) { return std::ranges::find(made.waiting, channel) != made.waiting.end(); });
      if (correction)
        records = ask_again(*loaded, made.id, made.waiting, by, made.until_home);
      else if (!made.waiting.empty())
        records.push_back(ask_second(loaded->found.row.id, made.id, made.waiting, by, loaded->state.corrected_by));
      if (!correction && made.until_home)
        for (auto& record : records) record.until_home = replica_.own_node();
      // As corrected it may need a second person where it waited for this home alone.
      for (auto& record : records)
        if (std::ranges::any_of(record.channels, [&](const auto& channel) {
              return needs_two(*loaded, channel) || (replacement && needs_two(*replacement, channel));
            }))
          record.until_home.reset();
    }
    if (records.empty()) {
      made.until_home = false;
      return write({std::move(*canonical)}, channels, std::move(made), done,
                   urgent ? protocol::Haste::kAlert : protocol::Haste::kOrdinary);
    }
    made.until_home = std::ranges::all_of(records, [](const auto& record) { return record.until_home.has_value(); });
    for (const auto& record : records)
      for (const auto& channel : record.channels)
        if (std::ranges::find(made.waiting, channel) == made.waiting.end()) made.waiting.push_back(channel);
    if (std::ranges::find(now, replica_.private_channel()) == now.end()) now.push_back(replica_.private_channel());
    Items items;
    for (const auto& channel : now) {
      std::vector<Item> of{{protocol::FeedKind::kReport, *canonical}};
      if (channel == replica_.private_channel())
        for (const auto& record : records)
          of.push_back({protocol::FeedKind::kWaiting, protocol::encode_waiting_record(record)});
      items.emplace_back(channel, std::move(of));
    }
    write_items(std::move(items), std::move(made), done);
  });
}

void Desk::correct(const protocol::ReportId& report, std::string patch, std::string reason, AllowedGovernments allowed,
                   bool dry_run, Done<Made> done, const Actor& by) {
  act_on(
      report,
      [this, patch = std::move(patch), reason = std::move(reason)](const Loaded& loaded) -> Result<protocol::Report> {
        TOCSIN_ASSIGN(parsed, reports::apply_json_patch(loaded.content, patch));
        if (!parsed.findings.ok()) return caller_error(kInvalidReport, reports::to_string(parsed.findings.problems));
        if (parsed.report.attachments != loaded.content.attachments)
          return caller_error(kInvalidReport, std::string(kNoAttachmentsByHand));
        if (const auto findings = reports::validate(parsed.report); !findings.ok())
          return caller_error(kInvalidReport, reports::to_string(findings.problems));
        return reports::make_correction(
            {loaded.found.row.id, loaded.found.row.author, &loaded.original}, loaded.state, std::move(parsed.report),
            {crypto::random_fixed<protocol::ReportSalt>(random_), crypto::random_fixed<protocol::ReportSalt>(random_),
             replica_.own_org().id(), clock_.now(), reason});
      },
      std::move(allowed), dry_run, std::move(done), by);
}

protocol::Report about(const Loaded& loaded, protocol::ReportKind kind) {
  protocol::Report out;
  out.kind = kind;
  out.status = loaded.content.status;
  out.tlp = loaded.content.tlp;
  out.language = loaded.content.language;
  return out;
}

void Desk::corroborate(const protocol::ReportId& report, std::string note, AllowedGovernments allowed, bool dry_run,
                       Done<Made> done, const Actor& by) {
  act_on(
      report,
      [this, note = std::move(note)](const Loaded& loaded) -> Result<protocol::Report> {
        auto out = about(loaded, protocol::ReportKind::kCorroborate);
        out.details = protocol::CorroborateDetails{loaded.found.row.id, note};
        finish(out);
        return out;
      },
      std::move(allowed), dry_run, std::move(done), by);
}

void Desk::dispute(const protocol::ReportId& report, std::string reason, AllowedGovernments allowed, bool dry_run,
                   Done<Made> done, const Actor& by) {
  act_on(
      report,
      [this, reason = std::move(reason)](const Loaded& loaded) -> Result<protocol::Report> {
        auto out = about(loaded, protocol::ReportKind::kDispute);
        out.details = protocol::DisputeDetails{loaded.found.row.id, reason};
        finish(out);
        return out;
      },
      std::move(allowed), dry_run, std::move(done), by);
}

void Desk::acknowledge(const protocol::ReportId& alert, std::string note, bool dry_run, Done<Made> done) {
  act_on(
      alert,
      [this, note = std::move(note)](const Loaded& loaded) -> Result<protocol::Report> {
        if (loaded.original.kind != protocol::ReportKind::kAlert)
          return caller_error(kNotAnAlert, "that report is no alert");
        auto out = about(loaded, protocol::ReportKind::kAcknowledge);
        out.details = protocol::AcknowledgeDetails{loaded.found.row.id, note};
        finish(out);
        return out;
      },
      std::nullopt, dry_run,
      [this, alert, dry_run, done = std::move(done)](Result<Made> made) {
        if (!made || dry_run) return done(std::move(made));
        inbox_done(alert, [made = *made, done](Result<void> marked) { marked ? done(made) : done(marked.error()); });
      });
}

Result<Made> Desk::plan_alert(const protocol::Report& alert, std::vector<protocol::ChannelId> channels,
                              const AllowedGovernments& allowed) const {
  if (channels.empty()) {
    for (const auto& channel : replica_.channels())
      if (channel.channel_class == protocol::ChannelClass::kAlert &&
          channel.standing == protocol::ChannelStanding::kJoined && protocol::may_report(channel.own_role))
        channels.push_back(channel.id);
    if (channels.empty())
      return caller_error(
          kNoAlertChannel,
          "this node has joined no channel of class alert; name one with --channel, or make one: tocsin channel "
          "create NAME --class alert");
  }
  Made plan;
  const auto countries = reports::named_countries(alert);
  for (const auto& channel : channels) {
    auto against = governments_against(countries, channel, allowed);
    if (against.empty())
      plan.channels.push_back(channel);
    else
      plan.held.push_back({channel, kGovernmentNamed, std::move(against)});
  }
  return plan;
}

void Desk::raise(protocol::Report alert, std::vector<protocol::ChannelId> channels, AllowedGovernments allowed,
                 Done<Made> done) {
  alert.kind = protocol::ReportKind::kAlert;
  reports::apply_defaults(alert);
  auto advice = reports::repair_alert(alert);
  if (!alert.attachments.empty()) {
    alert.attachments.clear();
    advice.push_back({"attachments", kInvalidReport, "left out: their parts are not here"});
  }
  alert.created = {};
  finish(alert);
  auto plan = plan_alert(alert, std::move(channels), allowed);
  if (!plan) return done(plan.error());
  if (plan->channels.empty()) return done(government_error(plan->held.front().readers));
  auto canonical = protocol::encode_report(alert);
  if (!canonical) return done(canonical.error());
  const auto go = std::move(plan->channels);
  plan->channels.clear();
  plan->id = protocol::report_id(*canonical);
  plan->advice = std::move(advice);
  write({std::move(*canonical)}, go, std::move(*plan), std::move(done), protocol::Haste::kAlert);
}

void Desk::inbox_done(const protocol::ReportId& report, Done<void> done) {
  static constexpr std::uint8_t kDone[] = {1};
  replica_.put_record(protocol::Table::kInbox, report.view(), kDone,
                      [this, report, done = std::move(done)](Result<void> stored) {
                        if (!stored) return done(stored.error());
                        index_.ask([report](index::Index& i) { return i.mark_done(report, true); }, done);
                      });
}

}  // namespace tocsin::desk
