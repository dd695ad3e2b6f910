// Taking back what was shared, and keeping a copy of it all the same (rules 25, 47; protocol/erasure.h).
#include <algorithm>

#include "node/desk/desk.h"
#include "node/desk/id_prefix.h"
#include "protocol/names.h"

namespace tocsin::desk {

void Desk::places_of(const Loaded& loaded, Done<std::vector<Place>> done) {
  std::vector<protocol::ReportId> reports{loaded.found.row.id};
  // What replaces it says the same and more: it goes along.
  for (const auto& [id, act] : loaded.acts)
    if (act.kind == protocol::ReportKind::kCorrect && act.author == loaded.original.author) reports.push_back(id);
  index_.ask(
      [reports](index::Index& i) -> Result<std::vector<Place>> {
        std::vector<Place> out;
        for (const auto& report : reports) {
          TOCSIN_ASSIGN(copies, i.copies(report));
          for (const auto& copy : copies) out.push_back({report, copy});
        }
        return out;
      },
      std::move(done));
}

Result<std::vector<Bytes>> Desk::orders_for(const std::vector<Place>& places, const protocol::ReportId& subject,
                                            const protocol::ChannelId& channel, protocol::ErasureCause cause) const {
  std::vector<Bytes> out;
  for (const auto& place : places) {
    if (place.at.channel != channel) continue;
    TOCSIN_ASSIGN(order, replica_.make_erasure_order(place.at.log, place.at.number, place.report, subject, cause));
    out.push_back(std::move(order));
  }
  return out;
}

void Desk::withdraw(const protocol::ReportId& report, std::string reason, bool dry_run, Done<Made> done) {
  load(report, [this, reason = std::move(reason), dry_run, done = std::move(done)](Result<Loaded> loaded) mutable {
    if (!loaded) return done(loaded.error());
    if (loaded->found.row.author != replica_.own_org().id())
      return done(
          caller_error(reports::kNotTheAuthor,
                       "only its author's organisation withdraws a report; to say that it is wrong: dispute it"));
    if (loaded->found.row.erased)
      return done(caller_error(reports::kAlreadyWithdrawn, "this report has been withdrawn already"));
    if (loaded->state.withdrawn) return withdraw_rest(*loaded, dry_run, std::move(done));
    const auto channels = writable(loaded->found.copies);
    if (channels.empty())
      return done(caller_error(Code{"not_a_writer"}, "this node may not write in any channel that has the report"));
    for (const auto& channel : channels)  // from all of them, or not yet
      if (auto may = replica_.may_append(channel, haste_of(*loaded));
          !may && may.error().code == protocol::kHomeUnconfirmed)
        return done(may.error());
    auto act = about(*loaded, protocol::ReportKind::kWithdraw);
    act.details = protocol::WithdrawDetails{loaded->found.row.id, std::move(reason)};
    finish(act);
    auto canonical = protocol::encode_report(act);
    if (!canonical) return done(canonical.error());
    Made made{protocol::report_id(*canonical), {}, {}, {}};
    if (dry_run) {
      made.channels = channels;
      return done(std::move(made));
    }
    places_of(*loaded, [this, subject = loaded->found.row.id, channels, canonical = std::move(*canonical), made,
                        haste = haste_of(*loaded), done](Result<std::vector<Place>> places) {
      if (!places) return done(places.error());
      Items items;
      for (const auto& channel : channels) {
        auto orders = orders_for(*places, subject, channel, protocol::ErasureCause::kWithdrawn);
        if (!orders) return done(orders.error());
        auto& of = items.emplace_back(channel, std::vector<Item>{}).second;
        of.push_back({protocol::FeedKind::kReport, canonical});
        for (auto& order : *orders) of.push_back({protocol::FeedKind::kErasureOrder, std::move(order)});
      }
      write_items(std::move(items), made, done, haste);
    });
  });
}

void Desk::withdraw_rest(const Loaded& loaded, bool dry_run, Done<Made> done) {
  Made made{loaded.state.withdrawn_by.value_or(loaded.found.row.id), {}, {}, {}};
  Bytes canonical;
  for (const auto& [id, act] : loaded.acts) {
    if (id != made.id) continue;
    auto bytes = protocol::encode_report(act);
    if (!bytes) return done(bytes.error());
    canonical = std::move(*bytes);
  }
  const auto may_write = writable(loaded.found.copies);
  places_of(loaded, [this, subject = loaded.found.row.id, made = std::move(made), canonical = std::move(canonical),
                     may_write, dry_run, haste = haste_of(loaded),
                     done = std::move(done)](Result<std::vector<Place>> places) mutable {
    if (!places) return done(places.error());
    std::erase_if(*places, [&](const Place& place) { return replica_.is_taken_back(place.at.log, place.at.number); });
    if (places->empty() || canonical.empty())
      return done(caller_error(reports::kAlreadyWithdrawn, "this report has been withdrawn already"));
    Items items;
    for (const auto& channel : may_write) {
      auto orders = orders_for(*places, subject, channel, protocol::ErasureCause::kWithdrawn);
      if (!orders) return done(orders.error());
      if (orders->empty()) continue;
      made.channels.push_back(channel);
      auto& of = items.emplace_back(channel, std::vector<Item>{}).second;
      of.push_back({protocol::FeedKind::kReport, canonical});
      for (auto& order : *orders) of.push_back({protocol::FeedKind::kErasureOrder, std::move(order)});
    }
    if (items.empty())
      return done(caller_error(Code{"not_a_writer"},
                               "this node may not write in any channel that still has a copy of the report"));
    if (dry_run) return done(std::move(made));
    made.channels.clear();
    write_items(std::move(items), std::move(made), std::move(done), haste);
  });
}

void Desk::recall(const protocol::ReportId& report, const protocol::ChannelId& channel, bool dry_run, Done<Made> done) {
  load(report, [this, channel, dry_run, done = std::move(done)](Result<Loaded> loaded) {
    if (!loaded) return done(loaded.error());
    const auto& row = loaded->found.row;
    if (row.author != replica_.own_org().id())
      return done(caller_error(reports::kNotTheAuthor, "only its author's organisation recalls a report"));
    if (row.erased)
      return done(caller_error(reports::kAlreadyWithdrawn, "this report has been withdrawn everywhere already"));
    if (channel == replica_.private_channel())
      return done(caller_error(kPrivateStays,
                               "that channel is this organisation's own; to take the report back "
                               "everywhere: tocsin report withdraw"));
    const auto is_there = [&](const index::Location& copy) { return copy.channel == channel; };
    if (std::ranges::none_of(loaded->found.copies, is_there))
      return done(caller_error(kNotSharedThere, "that channel does not have this report"));
    if (auto may = replica_.may_append(channel, haste_of(*loaded)); !may) return done(may.error());
    const Made made{row.id, {}, {}, {}};
    if (dry_run) return done(Made{row.id, {channel}, {}, {}});
    auto recall_there = [this, subject = row.id, channel, made, done, held = std::make_shared<Loaded>(*loaded)] {
      places_of(*held,
                [this, subject, channel, made, haste = haste_of(*held), done](Result<std::vector<Place>> places) {
                  if (!places) return done(places.error());
                  auto orders = orders_for(*places, subject, channel, protocol::ErasureCause::kRecalled);
                  if (!orders) return done(orders.error());
                  std::vector<Item> of;
                  for (auto& order : *orders) of.push_back({protocol::FeedKind::kErasureOrder, std::move(order)});
                  Items items;
                  items.emplace_back(channel, std::move(of));
                  write_items(std::move(items), made, done, haste);
                });
    };
    if (loaded->state.withdrawn || !std::ranges::all_of(loaded->found.copies, is_there)) return recall_there();
    // It would be gone for its author, too.
    auto canonical = shared_bytes(*loaded);
    if (!canonical) return done(canonical.error());
    write(std::move(*canonical), {replica_.private_channel()}, made,
          [recall_there, done](Result<Made> kept) { kept ? recall_there() : done(kept.error()); });
  });
}

std::vector<protocol::ChannelId> Desk::narrowed(const protocol::Report& act,
                                                const std::vector<protocol::ChannelId>& channels) const {
  std::vector<protocol::ChannelId> out;
  const auto* correction = std::get_if<protocol::CorrectDetails>(&act.details);
  const auto replacement =
      correction ? protocol::decode_replacement(*correction) : Result<protocol::Report>(caller_error(kInvalidReport));
  if (!replacement || replacement->tlp != protocol::Tlp::kAmberStrict ||
      replacement->kind == protocol::ReportKind::kAlert)
    return out;
  for (const auto& channel : channels) {
    const auto readers = readers_of(channel);
    if (!std::ranges::all_of(readers, [&](const auto& r) { return r.org == replica_.own_org().id(); }))
      out.push_back(channel);
  }
  return out;
}

void Desk::narrow(const Loaded& loaded, Bytes correction, std::vector<protocol::ChannelId> outside, bool dry_run,
                  Done<Made> done) {
  Made made{protocol::report_id(correction), {}, {}, {}};
  for (const auto& channel : outside) {
    if (auto may = replica_.may_append(channel, haste_of(loaded)); !may)
      return done(may.error());  // before half of it is done
    made.held.push_back({channel, kRecalled, {}});
  }
  if (dry_run) {
    made.channels = {replica_.private_channel()};
    return done(std::move(made));
  }
  std::vector<Bytes> at_home;
  const bool is_there = std::ranges::any_of(
      loaded.found.copies, [&](const auto& copy) { return copy.channel == replica_.private_channel(); });
  if (!is_there) {
    auto canonical = shared_bytes(loaded);
    if (!canonical) return done(canonical.error());
    at_home = std::move(*canonical);
  }
  at_home.push_back(std::move(correction));
  auto held = std::make_shared<Loaded>(loaded);
  write(std::move(at_home), {replica_.private_channel()}, std::move(made),
        [this, held, outside = std::move(outside), done](Result<Made> kept) {
          if (!kept) return done(kept.error());
          places_of(*held, [this, held, subject = held->found.row.id, outside, made = *kept,
                            done](Result<std::vector<Place>> places) {
            if (!places) return done(places.error());
            Items items;
            for (const auto& channel : outside) {
              auto orders = orders_for(*places, subject, channel, protocol::ErasureCause::kRecalled);
              if (!orders) return done(orders.error());
              auto& of = items.emplace_back(channel, std::vector<Item>{}).second;
              for (auto& order : *orders) of.push_back({protocol::FeedKind::kErasureOrder, std::move(order)});
            }
            write_items(
                std::move(items), {},
                [made, done](Result<Made> recalled) { recalled ? done(made) : done(recalled.error()); },
                haste_of(*held));
          });
        });
}

// ---- Holds

std::vector<protocol::HoldRecord> Desk::holds() const {
  auto out = replica_.holds();
  std::erase_if(out, [](const auto& hold) { return hold.removed; });
  std::ranges::sort(
      out, [](const auto& a, const auto& b) { return std::tie(b.written, b.report) < std::tie(a.written, a.report); });
  return out;
}

std::optional<protocol::HoldRecord> Desk::hold_of(const protocol::ReportId& report) const {
  for (auto& hold : replica_.holds())
    if (hold.report == report && !hold.removed) return hold;
  return std::nullopt;
}

void Desk::write_hold(protocol::HoldRecord hold, Done<protocol::HoldRecord> done) {
  // Later than what it replaces, even where the clock of the node that wrote that runs ahead.
  hold.written = clock_.now();
  for (const auto& known : replica_.holds())
    if (known.report == hold.report) hold.written = std::max(hold.written, protocol::Time{known.written.ms + 1});
  const Bytes payload = protocol::encode_hold(hold);
  const protocol::FeedItem item{protocol::FeedKind::kHold, payload};
  auto queued = replica_.append(
      replica_.private_channel(), std::span(&item, 1),
      [hold, done](const Result<std::vector<protocol::EntryRef>>& refs) { refs ? done(hold) : done(refs.error()); });
  if (!queued) done(queued.error());
}

void Desk::hold(const protocol::ReportId& report, std::string reason, std::string by, Done<protocol::HoldRecord> done) {
  if (reason.empty() || !protocol::is_line(reason, protocol::kHoldReasonBytesMax))
    return done(caller_error(kBadHoldReason, "the reason is one line of 1 to 500 bytes"));
  load(report, [this, reason = std::move(reason), by = std::move(by), done = std::move(done)](Result<Loaded> loaded) {
    if (!loaded) return done(loaded.error());
    if (loaded->found.row.erased)
      return done(caller_error(kBodyErased, "its text has been erased here: there is nothing left to keep"));
    places_of(*loaded, [this, report = loaded->found.row.id, reason, by, done](Result<std::vector<Place>> places) {
      if (!places) return done(places.error());
      protocol::HoldRecord hold;
      hold.report = report;
      hold.by = by;
      hold.reason = reason;
      for (const auto& place : *places) {
        if (hold.entries.size() == protocol::kHoldEntriesMax) break;
        hold.entries.push_back({place.at.channel, place.at.log, place.at.number});
      }
      write_hold(std::move(hold), done);
    });
  });
}

void Desk::end_hold(std::string_view report, std::string by, Done<protocol::HoldRecord> done) {
  std::optional<protocol::HoldRecord> found;
  for (auto& hold : holds()) {
    if (!is_prefix(report, hold.report.view())) continue;
    if (found) return done(caller_error(kUnknownHold, "several holds fit; give more of the id"));
    found = std::move(hold);
  }
  if (!found)
    return done(caller_error(kUnknownHold, "no evidence copy of a report with that id is kept; see: tocsin hold list"));
  found->removed = true;
  found->by = std::move(by);
  write_hold(std::move(*found), std::move(done));
}

Result<protocol::Report> Desk::read_held(const protocol::HoldRecord& hold) {
  for (const auto& place : hold.entries) {
    const auto entry = replica_.read_entry(place.feed, place.number);
    if (!entry || entry->view().body.empty()) continue;
    const auto opened = opener_.open(entry->view());
    if (!opened || opened->kind != protocol::FeedKind::kReport || protocol::report_id(opened->payload) != hold.report)
      continue;
    return protocol::decode_report(opened->payload);
  }
  return caller_error(kBodyErased, "the text of this report is no longer held here");
}

}  // namespace tocsin::desk
