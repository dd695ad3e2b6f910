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
  if (releasing_home_) {  // what came meanwhile goes with the next turn
    home_again_ = true;
    if (done) done();
    return;
  }
  releasing_home_ = true;
  home_again_ = false;
  unsent_.clear();
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
    releasing_home_ = false;
    if (done) done();
    return;
  }
  const auto& record = (*waiting)[at];
  const auto readers = readers_hash(record.channels);
  const auto next = [this, waiting, at, done = std::move(done)](const Result<Made>& made) {
    if (!made) {
      const Error& error = made.error();
      // What a person has to judge stays theirs; anything else is tried again.
      const bool passes = error.origin != Origin::kCaller || error.code == protocol::kHomeUnconfirmed ||
                          error.code == protocol::kLocked;
      home_again_ |= passes;
      unsent_.emplace_back((*waiting)[at].id, error.detail.empty() ? std::string(error.code.text()) : error.detail);
    } else if (!made->held.empty()) {
      home_again_ = true;
    }
    release_next(waiting, at + 1, done);
  };
  // Whoever asked was shown who reads there, and said yes to those; others are for a person to judge.
  if (record.readers != readers)
    return next(caller_error(kReadersChanged, "other organisations read there than when it was asked for"));
  AllowedGovernments allowed;
  for (const auto& reader : readers_of(record.channels)) allowed.insert(reader.country);
  const auto shown = (record.correction ? record.correction : record.version).value_or(record.subject);
  release_one(record, Release::kShare, std::move(allowed), owner_actor(), {to_hex(shown.view()), {}}, readers, next);
}

std::vector<std::string> Desk::home_warnings() const {
  std::vector<std::string> out;
  if (unsent_.empty() || !users_) return out;
  const auto waiting = users_->waiting();
  for (const auto& [id, why] : unsent_) {
    const auto at = std::ranges::find(waiting, id, &protocol::WaitingRecord::id);
    if (at == waiting.end()) continue;  // a person has decided since
    const auto shown = to_hex(at->subject.view()).substr(0, 16);
    out.push_back("report " + shown + " waited for this home and was not sent: " + why +
                  (home_again_ ? "; it is tried again" : "") + "; to send it by hand: tocsin report release " + shown);
  }
  return out;
}

}  // namespace tocsin::desk
