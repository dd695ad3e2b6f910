// Bundles between parties of replica_world.h.
#pragma once

#include "protocol/bundle.h"
#include "tests/support/channel_world.h"

namespace tocsin::test {

inline Result<Bytes> try_bundle(Party& from, WorldClock& clock, const protocol::BundleRequest& request) {
  for (const auto& id : request.channels) (void)from.replica().own_receipt(id);
  from.store.sync();
  TOCSIN_ASSIGN(plans, protocol::plan_bundles(from.replica(), request));
  from.store.sync();
  protocol::BundleWriter writer(from.replica(), from.random(), clock.now(), std::move(plans));
  Bytes out;
  for (;;) {
    TOCSIN_ASSIGN(more, writer.poll(out));
    if (!more) return out;
  }
}
inline Bytes bundle(Party& from, WorldClock& clock, std::vector<protocol::ChannelId> channels,
                    std::optional<protocol::OrgId> recipient = std::nullopt, bool all = false) {
  return must(try_bundle(from, clock, {std::move(channels), recipient, all}));
}

inline protocol::BundleSummary read_bundle(Party& at, ByteView file, std::size_t piece = 10'000,
                                           protocol::BundleReader::Use use = protocol::BundleReader::Use::kTake) {
  using State = protocol::BundleReader::State;
  protocol::BundleReader reader(at.replica(), use, [] {});
  for (;;) {
    const State state = reader.run();
    if (state == State::kOver) break;
    if (state == State::kWait) {
      at.store.sync();
    } else if (file.empty()) {
      reader.end();
    } else {
      const std::size_t size = std::min(piece, file.size());
      reader.give(file.first(size));
      file = file.subspan(size);
    }
  }
  at.store.sync();
  return reader.summary();
}

inline std::string error_of(const protocol::BundleSummary& summary) {
  return summary.error ? std::string(summary.error->code.text()) : "ok";
}

}  // namespace tocsin::test
