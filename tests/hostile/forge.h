// Entries that no honest node would write, made with the real keys of the home.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/hostile/hostile_home.h"

namespace tocsin::hostile {

// Where a feed of this node stands.
struct Chain {
  std::shared_ptr<const crypto::SigningKey> key;
  std::uint32_t generation = 1;
  protocol::Number head;
  protocol::EntryHash head_hash;
  protocol::Epoch epoch;  // of the head; the first entry in a later one carries the certificate

  protocol::LogKey log() const { return protocol::LogKey{key->verify_key().bytes()}; }
};

// A channel in which this node forges.
class Forge {
 public:
  Forge(HostileHome& home, const protocol::ChannelId& channel);

  const protocol::ChannelState& state() const { return state_; }
  protocol::Epoch epoch() const { return state_.newest_epoch(); }
  // Of the node's real feed, as the store has it.
  Chain own_feed();
  // Of a key that nobody has seen.
  Chain new_feed();
  // The next entry: a report with this title, sealed under `key` (nothing: that of `epoch`).
  protocol::Entry report(Chain& chain, const std::string& title, protocol::Epoch epoch,
                         const crypto::EpochKey* key = nullptr);
  // Goes on behind entries that were made before.
  static void follow(Chain& chain, const protocol::Entry& last);
  // A chair's next epoch: the same members, another key each time.
  std::vector<protocol::Entry> control_epoch(const crypto::SigningKey& key, const protocol::LogKey& log,
                                             protocol::Number number, const protocol::EntryHash& previous,
                                             protocol::Epoch epoch);
  crypto::EpochKey epoch_key(protocol::Epoch epoch);

 private:
  HostileHome& home_;
  protocol::ChannelState state_;
};

// The same entries in another process: u32 size ‖ entry byte string, one after the other.
void save(const std::string& path, const std::vector<protocol::Entry>& entries);
std::vector<protocol::Entry> load(const std::string& path);  // empty: there is no such file

}  // namespace tocsin::hostile
