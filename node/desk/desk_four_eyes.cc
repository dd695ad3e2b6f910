// What waits for a second person before others read it. An alert never does (rule 52).
#include <algorithm>

#include "crypto/hash.h"
#include "node/desk/desk.h"
#include "node/desk/id_prefix.h"
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
                                         std::vector<protocol::ChannelId> channels, const Actor& by,
                                         std::optional<protocol::ReportId> version) const {
  protocol::WaitingRecord out;
  out.id = crypto::random_fixed<protocol::WaitingId>(random_);
  out.written = out.asked_at = clock_.now();
  out.subject = subject;
  out.correction = correction;
  out.channels = std::move(channels);
  out.asked_by_id = by.user;
  out.asked_by = by.name;
  out.version = version;
  out.readers = readers_hash(out.channels);
  return out;
}

namespace {

// False: no place for another asker.
bool replace(protocol::WaitingRecord& record, const std::optional<protocol::ReportId>& version, const Actor& by,
             protocol::Time now) {
  auto& earlier = record.earlier_askers;
  if (std::ranges::find(earlier, record.asked_by_id) == earlier.end()) {
    if (earlier.size() == protocol::kWaitingAskersMax) return false;
    earlier.push_back(record.asked_by_id);
  }
  record.asked_by_id = by.user;
  record.asked_by = by.name;
  record.asked_at = now;
  record.written = std::max(now, protocol::Time{record.written.ms + 1});
  record.version = version;
  return true;
}

const protocol::Report* find_act(const Loaded& loaded, const protocol::ReportId& id) {
  const auto found = std::ranges::find_if(loaded.acts, [&](const auto& act) { return act.first == id; });
  return found == loaded.acts.end() ? nullptr : &found->second;
}

}  // namespace

std::vector<protocol::WaitingRecord> Desk::ask_to_share(const Loaded& loaded, const protocol::ChannelId& channel,
                                                        const Actor& by, bool until_home) const {
  const auto& subject = loaded.found.row.id;
  const auto& version = loaded.state.corrected_by;
  std::vector<protocol::WaitingRecord> out;
  bool waits = false;
  for (auto& record : users_->waiting()) {
    if (record.subject != subject || record.correction ||
        std::ranges::find(record.channels, channel) == record.channels.end())
      continue;
    waits = true;
    const bool more = !until_home && record.until_home;  // by now a second person is needed
    if (more) record.until_home.reset();
    if ((record.version == version && !more) || !replace(record, version, by, clock_.now())) continue;
    record.readers = readers_hash(record.channels);
    out.push_back(std::move(record));
  }
  if (waits) return out;
  out.push_back(ask_second(subject, std::nullopt, {channel}, by, version));
  if (until_home) out.back().until_home = replica_.own_node();
  return out;
}

std::vector<protocol::WaitingRecord> Desk::ask_again(const Loaded& loaded, const protocol::ReportId& correction,
                                                     const std::vector<protocol::ChannelId>& channels, const Actor& by,
                                                     bool until_home) const {
  std::vector<protocol::WaitingRecord> out;
  if (!users_) return out;
  auto missing = channels;
  for (auto& record : users_->waiting()) {
    if (record.subject != loaded.found.row.id) continue;
    if (record.correction) {
      const auto* act = find_act(loaded, *record.correction);
      if (act == nullptr || act->kind != protocol::ReportKind::kCorrect) continue;  // a note stays as it is
      record.correction = correction;
    }
    if (!replace(record, correction, by, clock_.now())) continue;
    if (record.correction)
      std::erase_if(missing, [&](const auto& channel) {
        return std::ranges::find(record.channels, channel) != record.channels.end();
      });
    record.readers = readers_hash(record.channels);
    out.push_back(std::move(record));
  }
  if (missing.empty()) return out;
  out.push_back(ask_second(loaded.found.row.id, correction, std::move(missing), by, correction));
  if (until_home) out.back().until_home = replica_.own_node();
  return out;
}

std::vector<reports::Reader> Desk::readers_of(const std::vector<protocol::ChannelId>& channels) const {
  std::vector<reports::Reader> out;
  for (const auto& channel : channels)
    for (auto& reader : readers_of(channel)) out.push_back(std::move(reader));
  std::ranges::sort(out, {}, &reports::Reader::org);
  const auto same = [](const auto& x, const auto& y) { return x.org == y.org; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

crypto::Hash Desk::readers_hash(const std::vector<protocol::ChannelId>& channels) const {
  crypto::Hasher hasher(crypto::kPersonalReaders);
  for (const auto& reader : readers_of(channels)) hasher.update(reader.org.view());
  return hasher.finish();
}

void Desk::release(const protocol::ReportId& report, AllowedGovernments allowed, const Actor& by,
                   Done<std::pair<Made, std::vector<protocol::WaitingRecord>>> done, const Seen& seen, bool dry_run) {
  std::vector<protocol::WaitingRecord> waiting;
  if (users_) waiting = users_->waiting();
  std::erase_if(waiting, [&](const auto& each) { return each.subject != report && each.correction != report; });
  if (waiting.empty())
    return done(caller_error(kNothingWaits,
                             "nothing of this report waits for a second person; see: tocsin report list "
                             "--state waiting"));
  for (const auto& each : waiting)
    if (!each.until_home && protocol::asked(each, by.user))
      return done(caller_error(kSamePerson, by.name + " wants to share this, or asked for it before; a person who did "
                                                      "neither releases it: tocsin report release"));
  std::vector<protocol::ChannelId> all;
  std::vector<crypto::Hash> readers;
  bool others_read = false;
  for (const auto& each : waiting) {
    all.insert(all.end(), each.channels.begin(), each.channels.end());
    readers.push_back(readers_hash(each.channels));
    others_read |= each.readers != readers.back();
  }
  if (const auto now = readers_hash(all); others_read && !is_prefix(seen.readers, now.view())) {
    std::string names;
    for (const auto& reader : readers_of(all)) names += (names.empty() ? "" : ", ") + reader.name;
    return done(
        caller_error(kReadersChanged, "other organisations read there than when this was asked for; now: " + names +
                                          ". If they may: --readers-changed " + to_hex(now.view()).substr(0, 16)));
  }
  // First all of it is looked at, so that a refusal leaves nothing half released. Then one after the other: a report
  // before its corrections.
  std::vector<std::size_t> order;
  for (const bool corrections : {false, true})
    for (std::size_t i = 0; i < waiting.size(); ++i)
      if (waiting[i].correction.has_value() == corrections) order.push_back(i);
  struct Run {
    std::vector<protocol::WaitingRecord> waiting;
    std::vector<crypto::Hash> readers;
    std::vector<std::size_t> order;
    Release what = Release::kLook;
    std::size_t next = 0;
    Made made;
  };
  auto run = std::make_shared<Run>(Run{std::move(waiting),
                                       std::move(readers),
                                       std::move(order),
                                       dry_run ? Release::kShow : Release::kLook,
                                       0,
                                       {report, {}, {}, {}}});
  auto step = std::make_shared<std::function<void()>>();
  *step = [this, run, report, allowed = std::move(allowed), by, seen, done = std::move(done), step] {
    if (run->next == run->waiting.size() && run->what == Release::kLook) {
      if (!run->made.held.empty()) {
        auto again = std::exchange(*step, nullptr);
        std::vector<reports::Reader> governments;
        for (const auto& held : run->made.held)
          for (const auto& reader : held.readers)
            if (std::ranges::find(governments, reader.org, &reports::Reader::org) == governments.end())
              governments.push_back(reader);
        return done(government_error(governments));
      }
      run->what = Release::kShare;
      run->next = 0;
      run->made = {report, {}, {}, {}};
    }
    if (run->next == run->waiting.size()) {
      auto again = std::exchange(*step, nullptr);  // it holds itself
      return done(std::pair(std::move(run->made), std::move(run->waiting)));
    }
    const auto at = run->order[run->next];
    release_one(run->waiting[at], run->what, allowed, by, seen, run->readers[at], [run, done, step](Result<Made> made) {
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

void Desk::release_one(protocol::WaitingRecord record, Release what, AllowedGovernments allowed, Actor by, Seen seen,
                       const crypto::Hash& readers, Done<Made> done) {
  load(record.subject, [this, record, what, allowed = std::move(allowed), by = std::move(by), seen = std::move(seen),
                        readers, done = std::move(done)](Result<Loaded> loaded) mutable {
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
    const bool gone = loaded->state.withdrawn || loaded->found.row.erased;
    if (gone && what == Release::kShow)
      return done(caller_error(reports::kAlreadyWithdrawn, "it was withdrawn meanwhile: nothing would be shared"));
    if (gone)
      return write_items(decided(protocol::WaitingState::kDropped), {}, [done](Result<Made> written) {
        done(written ? caller_error(reports::kAlreadyWithdrawn,
                                    "it was withdrawn meanwhile: nothing is shared, and it "
                                    "waits no more")
                     : written.error());
      });
    std::vector<Bytes> canonical;
    bool note = false;  // a dispute or a corroboration: it stays what it is, whatever becomes of the report
    if (record.correction) {
      const auto* act = find_act(*loaded, *record.correction);
      if (act == nullptr) return done(caller_error(kBodyErased, "what waits is not held here"));
      note = act->kind != protocol::ReportKind::kCorrect;
      auto bytes = protocol::encode_report(*act);
      if (!bytes) return done(bytes.error());
      canonical.push_back(std::move(*bytes));
    }
    if (!note) {
      const auto& asked_for = record.correction ? record.correction : record.version;
      const auto& shown = asked_for.value_or(record.subject);
      if (loaded->state.conflict())
        return done(caller_error(kChangedSince, "two corrections of this report are in force; withdraw one of them"));
      if (loaded->state.corrected_by != asked_for)
        return done(caller_error(kChangedSince,
                                 "it was corrected since this was asked for, or a correction withdrawn; "
                                 "read it and ask again: tocsin report share, or correct"));
      if (seen.version.empty() ? !record.earlier_askers.empty() : !is_prefix(seen.version, shown.view()))
        return done(caller_error(kChangedSince, "it was corrected while it waited, or asked for again, last by " +
                                                    record.asked_by + "; read it (tocsin report show), then: --seen " +
                                                    to_hex(shown.view()).substr(0, 16)));
    }
    if (readers_hash(record.channels) != readers)
      return done(caller_error(kReadersChanged, "somebody joined or left just now; release it again"));
    if (!record.correction) {
      auto bytes = shared_bytes(*loaded);
      if (!bytes) return done(bytes.error());
      canonical = std::move(*bytes);
    }
    auto finish = [this, record, decided, done](Result<Made> shared) {
      if (!shared) return done(shared.error());
      auto items = decided(protocol::WaitingState::kReleased);
      if (!shared->held.empty()) {  // for the channels that failed it waits on
        auto left = record;
        left.channels.clear();
        for (const auto& held : shared->held) left.channels.push_back(held.channel);
        left.readers = readers_hash(left.channels);
        left.written = std::max(clock_.now(), protocol::Time{record.written.ms + 1});
        items.front().second = {{protocol::FeedKind::kWaiting, protocol::encode_waiting_record(left)}};
      }
      // Where a power cut comes between the two, it waits still, and is released again: where it is by then, it does
      // not go again.
      write_items(std::move(items), {},
                  [shared, done](Result<Made> written) { written ? done(std::move(shared)) : done(written.error()); });
    };
    auto go = [this, record, what, note, finish, done, canonical = std::move(canonical), allowed = std::move(allowed),
               held = std::make_shared<Loaded>(std::move(*loaded))](const std::vector<index::Location>& sent) {
      std::vector<protocol::ChannelId> channels;
      for (const auto& channel : record.channels) {
        const auto is_there = [&](const index::Location& copy) { return copy.channel == channel; };
        // A correction goes where its report still is, and itself is not yet; a report where it is not yet.
        const bool report_there = std::ranges::any_of(held->found.copies, is_there);
        if (report_there == record.correction.has_value() && std::ranges::none_of(sent, is_there))
          channels.push_back(channel);
      }
      Made would{record.subject, channels, {}, {}};
      for (const auto& channel : channels) {
        if (auto may = note ? replica_.may_append(channel) : may_share(*held, channel); !may) return done(may.error());
        auto against = governments_against(shared_countries(*held), channel, allowed);
        if (!against.empty() && what == Release::kShare) return done(government_error(against));
        if (!against.empty()) would.held.push_back({channel, kGovernmentNamed, std::move(against)});
      }
      if (what != Release::kShare) return done(std::move(would));
      if (channels.empty()) return finish(Made{record.subject, {}, {}, {}});
      write(canonical, channels, {record.subject, {}, {}, {}}, finish);
    };
    if (!record.correction) return go({});
    index_.ask([id = *record.correction](index::Index& i) { return i.copies(id); },
               [go, done](Result<std::vector<index::Location>> sent) { sent ? go(*sent) : done(sent.error()); });
  });
}

}  // namespace tocsin::desk
