// A person's desk over a replica in memory: the index on its thread, the feeder, the desk, and the loop that they post
// to. What an act answers is awaited here, with the store pumped meanwhile.
#pragma once

#include <gtest/gtest.h>

#include "node/desk/desk.h"
#include "node/desk/importer.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/task_loop.h"

namespace tocsin::desk {

using protocol::ChannelId;
using protocol::Report;
using test::code_of;
using test::must;
using test::Party;
using test::WorldClock;

class DeskWorld {
 public:
  DeskWorld(Party& party, WorldClock& clock)
      : party(party),
        index(party.table(), {}, loop.post()),
        feeder(party.replica(), index, {}, {}),
        desk(party.replica(), index, feeder, clock, party.random()),
        importer(desk, loop.post()) {
    must(index.made());
    party.replica().set_listener(&feeder);
    feeder.start();
  }
  ~DeskWorld() {
    feeder.stop();
    party.replica().set_listener(nullptr);
    importer.stop();
    index.stop();
  }

  // Runs the loop and the disk until `condition` holds.
  template <class Condition>
  void run_until(Condition condition) {
    loop.run_until([&] {
      party.store.sync();
      return condition();
    });
  }
  // The answer of `act(done)`.
  template <class T, class Act>
  Result<T> await(Act act) {
    std::optional<Result<T>> answer;
    act([&](Result<T> result) { answer.emplace(std::move(result)); });
    run_until([&] { return answer.has_value(); });
    return std::move(*answer);
  }
  Result<Made> create(Report report, std::optional<ChannelId> channel = {}, AllowedGovernments allowed = {}) {
    return await<Made>([&](auto done) { desk.create(std::move(report), channel, allowed, done); });
  }
  Result<Made> share(const protocol::ReportId& report, const ChannelId& channel, AllowedGovernments allowed = {}) {
    return await<Made>([&](auto done) { desk.share(report, channel, allowed, done); });
  }
  Result<ImportOutcome> import(std::string json, std::optional<ChannelId> channel = {}, bool partial = false,
                               bool dry_run = false) {
    return await<ImportOutcome>([&](auto done) {
      importer.run(import_request(std::move(json), channel, partial, dry_run), std::make_shared<ImportProgress>(),
                   done);
    });
  }
  static ImportRequest import_request(std::string json, std::optional<ChannelId> channel, bool partial = false,
                                      bool dry_run = false) {
    ImportRequest request;
    request.format = exchange::find_format("json");
    request.file = std::make_shared<const std::string>(std::move(json));
    request.channel = channel;
    request.partial = partial;
    request.dry_run = dry_run;
    return request;
  }
  void settle() {
    bool done = false;
    feeder.when_indexed([&] { done = true; });
    run_until([&] { return done; });
  }
  // Titles of what the index lists, sorted; of one channel where it is named.
  std::vector<std::string> titles(std::optional<ChannelId> channel = {}) {
    settle();
    index::ReportQuery query;
    query.channel = channel;
    const auto page = must(await<index::ReportPage>(
        [&](auto done) { index.ask([query](index::Index& i) { return i.list(query); }, done); }));
    std::vector<std::string> out;
    for (const auto& row : page.rows) out.push_back(row.title);
    std::sort(out.begin(), out.end());
    return out;
  }

  Party& party;
  test::TaskLoop loop;
  index::IndexThread index;
  Feeder feeder;
  Desk desk;
  Importer importer;
};

inline Report incident(std::string title, std::string country = {}) {
  Report out;
  out.kind = protocol::ReportKind::kIncident;
  out.details = protocol::IncidentDetails{};
  out.title = std::move(title);
  if (!country.empty()) {
    protocol::Place place;
    place.iso3 = std::move(country);
    out.places.push_back(std::move(place));
  }
  return out;
}

inline Report alert(std::string title, std::string country) {
  Report out = incident(std::move(title), std::move(country));
  out.kind = protocol::ReportKind::kAlert;
  out.details = protocol::AlertDetails{};
  out.severity = protocol::Severity::kExtreme;
  out.urgency = protocol::Urgency::kImmediate;
  return out;
}

}  // namespace tocsin::desk
