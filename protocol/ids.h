// Names of things as strong types. An id is public unless it says otherwise.
#pragma once

#include <compare>
#include <cstdint>

#include "crypto/bytes.h"

namespace tocsin::protocol {

// BLAKE2b-256 of an organisation's genesis body (docs/protocol.md, "Organisation"; rule 17).
using OrgId = FixedBytes<struct OrgIdTag, 32>;
// Names a node for life, over changes of its keys: BLAKE2b-256 over organisation, 16 random bytes and the first signing
// key.
using NodeId = FixedBytes<struct NodeIdTag, 32>;
// Names a log: the Ed25519 key of its one writer (feed, control log), or the OrgId (organisation log).
using LogKey = FixedBytes<struct LogKeyTag, 32>;
// BLAKE2b-256 of the channel's genesis. SECRET towards everybody outside the channel: who knows it can ask for the
// channel.
using ChannelId = FixedBytes<struct ChannelIdTag, 32>;
// What stands for the channel in headers, where relays see it: keyed BLAKE2b-256 of the channel id. All zero in
// organisation logs.
using ChannelPseudonym = FixedBytes<struct ChannelPseudonymTag, 32>;
// BLAKE2b-256 over header and signature of an entry (organisation log: over the header alone, rule 17).
using EntryHash = FixedBytes<struct EntryHashTag, 32>;
using BodyHash = FixedBytes<struct BodyHashTag, 32>;
// BLAKE2b-256 of the canonical report (rule 37): the same in every channel.
using ReportId = FixedBytes<struct ReportIdTag, 32>;

// A counter that does not mix with other counters.
template <class Tag>
struct Counter {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Counter, Counter) = default;
  constexpr Counter next() const { return {value + 1}; }
};
// Place of an entry in its log: the first is 1; 0 means "none".
using Number = Counter<struct NumberTag>;
// Epoch of a channel: the first is 1; 0 in organisation logs.
using Epoch = Counter<struct EpochTag>;
// Order of arrival in one store: rises by one for each entry stored, never reused. The cursor of the index and of every
// sink.
using Arrival = Counter<struct ArrivalTag>;

// Milliseconds since 1970-01-01T00:00:00Z, as claimed by whoever wrote it (rule 14) or as read from a Clock.
struct Time {
  std::int64_t ms = 0;
  friend constexpr auto operator<=>(Time, Time) = default;
};

}  // namespace tocsin::protocol
