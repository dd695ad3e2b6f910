// Epochs of a channel: a fresh key, what commits to it, and the slots that carry it to the nodes of the members
// (docs/protocol.md, section 4, "Epoch entry"; rules 27, 29 to 31, 35).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "crypto/random.h"
#include "crypto/secret.h"
#include "protocol/channel_messages.h"
#include "protocol/identity.h"
#include "protocol/node_secrets.h"

namespace tocsin::protocol {

inline constexpr Code kTooManySlots{"too_many_slots"};      // caller: more nodes than an epoch entry has places for
inline constexpr Code kTooManyMembers{"too_many_members"};  // caller: the state does not fit the parts of a run
inline constexpr Code kNoSlot{"no_slot"};  // no slot opens with a key of this node, or not to the committed one
inline constexpr Code kBadEpoch{"bad_epoch"};

crypto::Hash epoch_commitment(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch);
crypto::AccessSecret access_seed(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch);

// Where an epoch's run of entries begins.
struct EpochPlace {
  ChannelId channel;
  Epoch epoch;
  LogKey control_log;
  Number first;
  EntryHash previous;  // zero when `first` is 1
};

// The bodies of the epoch's entries (one, or a run), in order; the first holds `certificate` where a later term begins
// with it (rule 22). `state` is the canonical ControlState, `targets` one key
// for each node that gets the epoch key; one that nothing can be wrapped to goes without. Errors (caller):
// too_many_slots, too_many_members.
Result<std::vector<Bytes>> make_epoch_bodies(const EpochPlace& place, const crypto::EpochKey& key, ByteView state,
                                             std::span<const WrapTarget> targets, crypto::Random& random,
                                             ByteView certificate = {});

// The entries of one epoch as they arrive, until the last is there. A value.
class EpochRun {
 public:
  // The first entry begins the run; every later one follows it in the log. Errors (peer): bad_epoch (parts out of
  // order, or that differ in what they repeat; slots not a power of two from 8 to 1,024 in all).
  Result<void> add(const EntryHeader& header, ControlBody body);
  bool empty() const { return parts_.empty(); }
  bool complete() const { return !parts_.empty() && parts_.size() == parts_.front().body.epoch.parts; }
  Number first() const { return parts_.empty() ? Number{} : parts_.front().number; }
  // Of a complete run. The epoch key from the slot of one of this node's keys: the prekey of `month`, the other
  // prekeys, the certificate's. `opened_by`, when given, gets the month of the prekey that fitted, and stays as it was
  // after another key or an error. Errors: no_slot (peer).
  Result<crypto::EpochKey> open_key(const ChannelId& channel, const NodeSecrets& secrets, std::uint32_t month,
                                    std::uint32_t* opened_by = nullptr) const;
  // Of a complete run. Is this the key of that epoch, whoever gave it (rules 29, 33)?
  bool commits_to(const ChannelId& channel, const crypto::EpochKey& key) const;
  // Of a complete run. The canonical ControlState. Errors (peer): those of crypto::open_body.
  Result<Bytes> open_state(const ChannelId& channel, const crypto::EpochKey& key) const;

 private:
  struct Part {
    Number number;
    ControlBody body;
  };
  EpochPlace place_;  // without the channel
  std::vector<Part> parts_;
};

// What `sealed` of a control log entry holds, sealed and opened (docs/protocol.md, section 6).
Bytes seal_control(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log, Number number,
                   ByteView plaintext, crypto::Random& random);
Result<Bytes> open_control(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log,
                           Number number, ByteView sealed);
// The key that opens that one entry, for an invitation, and opening with it.
crypto::EntryKey control_entry_key(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch,
                                   const LogKey& log, Number number);
Result<Bytes> open_control_entry(const crypto::EntryKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log,
                                 Number number, ByteView sealed);

}  // namespace tocsin::protocol
