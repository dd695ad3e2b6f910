#include "protocol/session.h"

namespace tocsin::protocol {

bool WantTable::take(const LogKey& log, const Session* session, std::int64_t now_ms) {
  const auto [at, added] = held_.try_emplace(log, Held{session, now_ms, 0});
  if (added || at->second.session == session) return true;
  if (now_ms - at->second.progress_ms < kRangeStallMs) return false;
  at->second = Held{session, now_ms, 0};
  return true;
}

bool WantTable::holds(const LogKey& log, const Session* session) const {
  const auto at = held_.find(log);
  return at != held_.end() && at->second.session == session;
}

void WantTable::progress(const LogKey& log, const Session* session, std::int64_t now_ms, std::size_t bytes) {
  const auto at = held_.find(log);
  if (at == held_.end() || at->second.session != session) return;
  at->second.bytes += bytes;
  if (at->second.bytes < kRangeProgressBytes) return;
  at->second.bytes = 0;
  at->second.progress_ms = now_ms;
}

void WantTable::release(const LogKey& log, const Session* session) {
  const auto at = held_.find(log);
  if (at != held_.end() && at->second.session == session) held_.erase(at);
}

void WantTable::release_all(const Session* session) {
  std::erase_if(held_, [&](const auto& each) { return each.second.session == session; });
}

}  // namespace tocsin::protocol
