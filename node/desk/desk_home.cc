// What waits until this home is confirmed (rule 21). It stands in the private channel, as what waits for a second
// person does, and goes out by itself.
#include <algorithm>

#include "node/desk/desk.h"

namespace tocsin::desk {

bool Desk::waits_for_home(const protocol::Report& report, const protocol::ChannelId& channel) const {
  return replica_.home_in_doubt() && users_ && report.kind != protocol::ReportKind::kAlert &&
         channel != replica_.private_channel();
}

void Desk::release_home(std::function<void()> done) {
  std::vector<protocol::WaitingRecord> waiting;
  if (users_ && !replica_.home_in_doubt()) waiting = users_->waiting();
  std::erase_if(waiting, [this](const auto& each) { return each.until_home != replica_.own_node(); });
  // A report before its corrections.
  std::stable_partition(waiting.begin(), waiting.end(), [](const auto& each) { return !each.correction; });
  release_next(std::make_shared<std::vector<protocol::WaitingRecord>>(std::move(waiting)), 0, std::move(done));
}

void Desk::release_next(std::shared_ptr<std::vector<protocol::WaitingRecord>> waiting, std::size_t at,
                        std::function<void()> done) {
  if (at == waiting->size()) {
    if (done) done();
    return;
  }
  const auto& record = (*waiting)[at];
  const auto readers = readers_hash(record.channels);
  const auto next = [this, waiting, at, done = std::move(done)](const Result<Made>&) {
    release_next(waiting, at + 1, done);
  };
  // Whoever asked was shown who reads there, and said yes to those; others are for a person to judge.
  if (record.readers != readers) return next(Made{record.subject, {}, {}, {}});
  AllowedGovernments allowed;
  for (const auto& reader : readers_of(record.channels)) allowed.insert(reader.country);
  const auto shown = (record.correction ? record.correction : record.version).value_or(record.subject);
  release_one(record, std::move(allowed), owner_actor(), {to_hex(shown.view()), {}}, readers, next);
}

}  // namespace tocsin::desk
