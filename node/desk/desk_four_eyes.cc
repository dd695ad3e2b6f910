// What waits for a second person before others read it. An alert never does (rule 52).
#include <algorithm>

#include "node/desk/desk.h"
#include "node/reports/state.h"

namespace tocsin::desk {

bool Desk::needs_two(const protocol::Report& report, const protocol::ChannelId& channel) const {
  if (!users_ || (!four_eyes_.above_tlp && !four_eyes_.from_severity)) return false;
  if (report.kind == protocol::ReportKind::kAlert) return false;
  if (replica_.channel_class(channel) == protocol::ChannelClass::kAlert) return false;
  const auto readers = readers_of(channel);
  if (std::ranges::all_of(readers, [&](const auto& reader) { return reader.org == replica_.own_org().id(); }))
    return false;
  // The stricter a marking, the lower its number.
  const bool marked =
      four_eyes_.above_tlp && report.tlp != protocol::Tlp::kUnknown && report.tlp < *four_eyes_.above_tlp;
  return marked || (four_eyes_.from_severity && report.severity >= *four_eyes_.from_severity);
}

bool Desk::needs_two(const Loaded& loaded, const protocol::ChannelId& channel) const {
  if (loaded.original.kind == protocol::ReportKind::kAlert) return false;
  if (needs_two(loaded.original, channel) || needs_two(loaded.content, channel)) return true;
  return std::ranges::any_of(loaded.acts, [&](const auto& act) {
    const auto* correction = std::get_if<protocol::CorrectDetails>(&act.second.details);
    if (!correction || act.second.author != loaded.original.author) return false;
    const auto replacement = protocol::decode_replacement(*correction);
    return replacement && needs_two(*replacement, channel);
  });
}

protocol::WaitingRecord Desk::ask_second(const protocol::ReportId& subject,
                                         std::optional<protocol::ReportId> correction,
                                         std::vector<protocol::ChannelId> channels, const Actor& by) const {
  protocol::WaitingRecord out;
  out.id = crypto::random_fixed<protocol::WaitingId>(random_);
  out.written = out.asked_at = clock_.now();
  out.subject = subject;
  out.correction = correction;
  out.channels = std::move(channels);
  out.asked_by_id = by.user;
  out.asked_by = by.name;
  return out;
}

void Desk::release(const protocol::ReportId& report, AllowedGovernments allowed, const Actor& by,
                   Done<std::pair<Made, std::vector<protocol::WaitingRecord>>> done) {
  std::vector<protocol::WaitingRecord> waiting;
  if (users_) waiting = users_->waiting();
  std::erase_if(waiting, [&](const auto& each) { return each.subject != report && each.correction != report; });
  if (waiting.empty())
    return done(caller_error(kNothingWaits,
                             "nothing of this report waits for a second person; see: tocsin report list "
                             "--state waiting"));
  for (const auto& each : waiting)
    if (each.asked_by_id == by.user)
      return done(caller_error(kSamePerson, by.name + " wants to share this; a second person releases it: tocsin "
                                                      "report release"));
  // One after the other: a report before its corrections.
  struct Run {
    std::vector<protocol::WaitingRecord> waiting;
    std::size_t next = 0;
    Made made;
  };
  auto run = std::make_shared<Run>(Run{std::move(waiting), 0, {report, {}, {}, {}}});
  auto step = std::make_shared<std::function<void()>>();
  *step = [this, run, allowed = std::move(allowed), by, done = std::move(done), step] {
    if (run->next == run->waiting.size()) {
      auto again = std::exchange(*step, nullptr);  // it holds itself
      return done(std::pair(std::move(run->made), std::move(run->waiting)));
    }
    release_one(run->waiting[run->next], allowed, by, [run, done, step](Result<Made> made) {
      if (!made) {
        auto again = std::exchange(*step, nullptr);
        return done(made.error());
      }
      for (const auto& channel : made->channels)
        if (std::ranges::find(run->made.channels, channel) == run->made.channels.end())
          run->made.channels.push_back(channel);
      for (auto& held : made->held) run->made.held.push_back(std::move(held));
      ++run->next;
      (*step)();
    });
  };
  (*step)();
}

void Desk::release_one(protocol::WaitingRecord record, AllowedGovernments allowed, Actor by, Done<Made> done) {
  load(record.subject, [this, record, allowed = std::move(allowed), by = std::move(by),
                        done = std::move(done)](Result<Loaded> loaded) mutable {
    if (!loaded) return done(loaded.error());
    auto decided = [this, record, by](protocol::WaitingState state) {
      auto out = record;
      out.state = state;
      out.written = std::max(clock_.now(), protocol::Time{record.written.ms + 1});
      out.decided_by_id = by.user;
      out.decided_by = by.name;
      std::vector<Item> of{{protocol::FeedKind::kWaiting, protocol::encode_waiting_record(out)}};
      Items items;
      items.emplace_back(replica_.private_channel(), std::move(of));
      return items;
    };
    if (loaded->state.withdrawn || loaded->found.row.erased)
      return write_items(decided(protocol::WaitingState::kDropped), {}, [done](Result<Made> written) {
        done(written ? caller_error(reports::kAlreadyWithdrawn,
                                    "it was withdrawn meanwhile: nothing is shared, and it "
                                    "waits no more")
                     : written.error());
      });
    std::vector<Bytes> canonical;
    if (record.correction) {
      for (const auto& [id, act] : loaded->acts) {
        if (id != *record.correction) continue;
        auto bytes = protocol::encode_report(act);
        if (!bytes) return done(bytes.error());
        canonical.push_back(std::move(*bytes));
      }
      if (canonical.empty()) return done(caller_error(kBodyErased, "the correction that waits is not held here"));
    } else {
      auto bytes = shared_bytes(*loaded);
      if (!bytes) return done(bytes.error());
      canonical = std::move(*bytes);
    }
    std::vector<protocol::ChannelId> channels;
    for (const auto& channel : record.channels) {
      const bool there = std::ranges::any_of(loaded->found.copies, [&](const auto& c) { return c.channel == channel; });
      // A correction goes where its report still is; a report where it is not yet.
      if (there == record.correction.has_value()) channels.push_back(channel);
    }
    for (const auto& channel : channels) {
      if (auto may = may_share(*loaded, channel); !may) return done(may.error());
      if (auto against = governments_against(shared_countries(*loaded), channel, allowed); !against.empty())
        return done(government_error(against));
    }
    auto finish = [this, decided, done](Result<Made> shared) {
      if (!shared) return done(shared.error());
      // Where a power cut comes between the two, it waits still, and is released again: copies do no harm.
      write_items(decided(protocol::WaitingState::kReleased), {},
                  [shared, done](Result<Made> written) { written ? done(std::move(shared)) : done(written.error()); });
    };
    if (channels.empty()) return finish(Made{record.subject, {}, {}, {}});
    write(std::move(canonical), channels, {record.subject, {}, {}, {}}, finish);
  });
}

}  // namespace tocsin::desk
