// The state of one channel as this node holds it, and what one more entry of the control log does to it
// (docs/protocol.md, section 4; rules 16, 20, 22, 26 to 29). No store, no clock: the replica feeds it.
//
// Invariants:
//   1. `epochs` names every epoch whose entry stands in the copy of the control log; the ones that were opened have a
//   key.
//   2. `newest` is the state of the newest epoch that was opened, and null before the first.
//   3. a pin, once here, only falls (of two pins the lower wins).
//   4. `terms` rises; its last is the one in force. Epochs of terms that are over stay, also those past the end of a
//      term: what members wrote under them stays readable to whom they were given.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "protocol/channel_messages.h"
#include "protocol/contributor.h"
#include "protocol/epoch.h"
#include "protocol/stewards.h"

namespace tocsin::protocol {

inline constexpr Code kWrongEpoch{"wrong_epoch"};
inline constexpr Code kWrongChannel{"wrong_channel"};

struct EpochInfo {
  Number first;  // of its entries in the control log `log`
  Number last;
  // Null: no slot for this node (rule 29), from before it joined, or the node is locked.
  std::shared_ptr<const crypto::EpochKey> key;
  std::shared_ptr<const crypto::AccessSecret> access;  // first tier (rule 48); null where the epoch was never opened
  Time first_seen;                                     // local clock when its last entry was taken; 0: not known
  LogKey log;
};

struct OpenInvite {
  RosterMember member;
  Number entry;    // the adding entry; 0: it is not held here, so this node cannot carry the invitation
  EntryHash hash;  // of that entry
  Epoch epoch;     // of that entry
  LogKey log;      // control log that it stands in
};

// Older epochs that an organisation was granted (rule 34): from this one to before it joined.
struct HistoryGrant {
  Epoch from;
  Time granted;  // as claimed
};

// A value: copy it to try something. Keys are shared, not copied.
struct ChannelState {
  std::shared_ptr<const ChannelGenesis> genesis;
  ChannelStanding standing = ChannelStanding::kInvited;

  // The chair's terms as far as they are known, the newest last; empty: term 1 alone, as the genesis says it.
  std::vector<Term> terms;
  Bytes certificate;                // signed, of the newest term; empty in term 1
  std::vector<Proposal> decisions;  // of several stewards, since the newest epoch; the next one applies them

  // The newest term's control log, and what it says.
  Number head;
  EntryHash head_hash;
  Epoch head_epoch;
  EpochRun run;  // an epoch whose last entry is not here yet
  std::map<Epoch, EpochInfo> epochs;
  std::shared_ptr<const ControlState> newest;
  std::map<OrgId, OpenInvite> invited;
  std::map<LogKey, FeedPin> pins;
  std::map<OrgId, HistoryGrant> grants;  // to members of the newest roster; a grant ends when its organisation leaves
  std::map<OrgId, Bytes> contributor_notices;  // signed, the newest of each that the chair told of; at most kMembersMax
  bool needs_newer = false;                    // rule 16
  std::string needs_version;                   // of Tocsin, where the entry says it
  Time epoch_seen;                             // local clock when the newest epoch was taken
  Time invitation_seen;                        // local clock when `invitation` came; 0: not known
  Epoch erased_through;                        // bodies up to this epoch are past retention and erased (rule 25)

  // Of a contributor (rule 24). There is then no control log, and `genesis` and `newest` say what is shown to it.
  std::shared_ptr<const Contribution> contribution;
  Bytes claim;  // ContributorMail of another organisation that says it leads the channel now: a person decides

  // Before joining.
  Bytes invitation;  // canonical Invitation
  OrgId carrier;     // who brought it
  Bytes acceptance;  // own signed answer

  // Standing of those that are not in the channel any more.
  std::map<OrgId, Bytes> notices;  // chair: signed, for each organisation that it dropped; at most kMembersMax
  Bytes leave;                     // own signed Leave, until the chair says that it was heard of
  Time notice_seen;                // local clock when that notice came; 0: there was none
  Number notice_number;  // control entry that the newest notice to this organisation names; an older invitation is over
  std::uint32_t notice_term = 0;

  // Own writing.
  std::shared_ptr<const crypto::SigningKey> feed_key;  // null before the first entry
  std::uint32_t feed_generation = 0;
  std::shared_ptr<const crypto::SigningKey> control_key;  // chair only
  Epoch key_missing_told;
  std::vector<crypto::Hash> carried;      // acceptances that the own feed carries
  std::uint32_t opened_by = 0;            // month of the prekey that opened the newest epoch, since start; 0: none did
  std::vector<NodeId> certificate_wraps;  // chair: who got the newest epoch by its certificate's key (rule 32)

  const ChannelId& id() const { return genesis->id; }
  Term term() const;  // the one in force
  const LogKey& control_log() const { return terms.empty() ? genesis->control_key : terms.back().log; }
  const OrgId& chair_org() const { return terms.empty() ? genesis->chair_org : terms.back().chair_org; }
  const NodeId& chair_node() const { return terms.empty() ? genesis->chair_node : terms.back().chair_node; }
  // The term whose control log this is; null for another log.
  const Term* term_over(const LogKey& log) const;
  // Of those that are over: the one of this number, and the last one before it; null: none is known.
  const Term* term_numbered(std::uint32_t number) const;
  const Term* term_before(std::uint32_t number) const;
  bool joined() const { return standing == ChannelStanding::kJoined; }
  bool is_chair() const { return control_key != nullptr; }
  // Newest epoch with a key here; 0 before the first.
  Epoch newest_epoch() const { return newest == nullptr ? Epoch{} : newest->epoch; }
  // Newest epoch in the control log, opened or not.
  Epoch newest_epoch_seen() const { return epochs.empty() ? Epoch{} : epochs.rbegin()->first; }
  // First epoch that was opened here; 0 when none.
  Epoch first_epoch() const;
  bool key_missing() const { return joined() && newest_epoch_seen() > newest_epoch(); }
  const EpochInfo* epoch(Epoch epoch) const;
  // Role of an organisation in the newest roster; kUnknown when it is not there.
  Role role_of(const OrgId& org) const;
};

// What opening takes. References are read during the call.
struct ControlContext {
  const NodeSecrets& secrets;
  const OrgId& own_org;
  std::uint32_t month;  // by the clock: which prekey to try first, no more (rule 7)
  Time now;             // only kept, as `epoch_seen`
  crypto::Verifier& verifier;
  SignedByNode signed_by = {};  // empty: nothing that stewards decide can be checked, and none of it is taken
  // Of which organisation that node is, and whether it is revoked; nothing: it is not known here.
  struct NodeOf {
    OrgId org;
    bool revoked = false;
  };
  std::function<std::optional<NodeOf>(const NodeId&)> node_of = {};
  // Whose feed that is, as far as it is known here.
  std::function<std::optional<NodeId>(const LogKey&)> owner_of = {};
  // May the second roster name a lower head of that organisation's log than the first: did a rotation undo what the
  // first one names (rule 19)?
  std::function<bool(const RosterMember&, const RosterMember&)> superseded = {};
  // The first epoch of a term, at a node that holds another history of the term before: it cannot be checked against
  // what is known here. That k stewards approve the term is the guard.
  bool blind = false;
};

// The next entry of the control log. Errors (peer): those of EntryHeader::decode, wrong_log, wrong_channel,
// wrong_number, wrong_previous, bad_body_hash, bad_signature, wrong_epoch, bad_epoch, bad_control_body,
// bad_control_state, not_approved (stewards have to, and did not), and those of opening a body. After an error `state`
// is spoilt: give a copy.
Result<void> apply_control(ChannelState& state, const EntryView& entry, const ControlContext& context);

struct BegunTerm {
  ControlCertificate certificate;
  Bytes signed_certificate;
  Epoch first;  // epoch of its first entry
};
// The term that `entry`, of a control log that is not known here, begins in this channel; nothing: it does not look
// like one. Whether it may, begin_term says.
std::optional<BegunTerm> term_begun_by(const ChannelState& state, const EntryView& entry);
// Takes a term up: `state` stands where the term before ended, as the certificate says, and its log is the
// certificate's from then on, empty. Errors (peer): those of check_term; bad_term.
Result<void> begin_term(ChannelState& state, const BegunTerm& begun, const ControlContext& context);

// Back to where an epoch began: as if nothing after it had come.
void rewind_to(ChannelState& state, std::shared_ptr<const ControlState> epoch);

// What the decisions since `before` make of stewards and roles in the epoch `next.epoch` (its roster given).
void apply_decisions(const ControlState& before, const std::vector<Proposal>& decisions, ControlState& next);

// A key that somebody gave later (rule 33), for the epoch whose whole run of entries, held in the control log, is
// `run`. Of an epoch above the newest that was opened it does what opening would have done; `events` are then the
// entries that follow in it. Errors (peer): wrong_key (the run commits to another), not_entitled
// (neither its roster nor a grant names the own organisation), those of opening and of
// apply_control. After an error `state` is spoilt: give a copy.
inline constexpr Code kWrongKey{"wrong_key"};
inline constexpr Code kNotEntitled{"not_entitled"};
Result<void> take_late_key(ChannelState& state, Epoch epoch, const EpochRun& run,
                           std::shared_ptr<const crypto::EpochKey> key, std::span<const Entry> events,
                           const ControlContext& context);

// The record of Table::kChannels: the keys stand sealed under the second tier (rule 48), which encoding needs; without
// it a record is decoded with no keys but those of access. An incomplete run is named by its first entry alone; the
// caller feeds `restore_run` with the entries from there on.
Bytes encode_channel_record(const ChannelState& state, const NodeSecrets& secrets, crypto::Random& random);
struct LoadedChannel {
  ChannelState state;
  Number run_first;  // 0: no run is under way
};
// Error (environment): damaged_record.
Result<LoadedChannel> decode_channel_record(ByteView record, const NodeSecrets& secrets);
// The same record for another node: its keys sealed under `to`, and none that signs among them (rule 21). Error
// (environment): damaged_record.
Result<Bytes> reseal_channel_record(ByteView record, const ReadingKey& from, const ReadingKey& to,
                                    crypto::Random& random);
Result<void> restore_run(ChannelState& state, const EntryView& entry);

inline constexpr Code kDamagedRecord{"damaged_record"};

}  // namespace tocsin::protocol
