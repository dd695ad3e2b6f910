// Inside protocol/replica*.cc only: what a Replica holds. Start with commit() in replica.cc: everything that changes
// goes through it.
//
// A change is made in three steps: (1) check; (2) alter the *accepted* state and put the same into a Change; (3) commit
// the Change. When the store has made it durable, the *durable* state takes over what was accepted at step 3. When it
// failed, everything is read back from the store (reload), since each change was built on the one before.
#pragma once

#include <set>
#include <tuple>
#include <unordered_map>

#include "crypto/body.h"
#include "protocol/channel.h"
#include "protocol/entry_chunk.h"
#include "protocol/receipt.h"
#include "protocol/replica.h"

namespace tocsin::protocol {

inline constexpr Code kUnknownChannel{"unknown_channel"};
inline constexpr Code kUnknownPeer{"unknown_peer"};
inline constexpr Code kNotForUs{"not_for_us"};
inline constexpr Code kFrozen{"frozen"};
inline constexpr Code kNotAcceptable{"not_acceptable"};
inline constexpr Code kNotAuthorised{"not_authorised"};
inline constexpr Code kPastPin{"past_pin"};
inline constexpr Code kUnknownEpoch{"unknown_epoch"};
inline constexpr Code kQuotaExceeded{"quota_exceeded"};
inline constexpr Code kStaleReceiver{"stale_receiver"};
inline constexpr Code kFork{"fork"};
inline constexpr Code kBadEntry{"bad_entry"};
inline constexpr Code kNotAWriter{"not_a_writer"};
inline constexpr Code kNeedsNewer{"needs_newer"};
inline constexpr Code kHomeConfirmed{"home_confirmed"};
inline constexpr std::size_t kOwnFeedsToldFrom = 24;  // in one channel; members take kFeedsPerNodeMax
inline constexpr Code kAskAPeer{"ask_a_peer"};
inline constexpr Code kBehindOwnLog{"behind_own_log"};
Error needs_newer_error(const ChannelState& state);  // rule 16

// What is known of two histories of one log (rule 12); its record: replica_forks.cc.
struct Fork {
  // Where they part: both entries have this number. They name the same entry before; those of a feed may follow two,
  // and then everybody whose entry before is the same holds one history up to there. 0: not known, only that some
  // entries contradict each other or what signs them (rule 10); then all of the log is disputed, and nobody else is
  // told.
  Number number;
  EntryHash previous;  // the lower of two
  bool apart_below = false;
  std::array<EntryHash, 2> entries;  // the second is zero where one alone was kept
  std::array<Epoch, 2> epochs;
  Number seen;             // of the entries kept
  Time found;              // local clock
  bool convinces = false;  // whoever holds what comes before can check it: it is passed on
  bool ended = false;      // organisation log: two rotations of one commitment; `number` is that of the lower one
  bool cutting = false;    // a pin chose the other branch, and what is held of this one is on its way out
  std::shared_ptr<const Bytes> proof;  // the entries, without bodies unless `ended`: u32 size ‖ entry each

  bool parted() const { return number.value != 0; }
  bool disputes(Number n) const { return !parted() || n >= number; }
  // Of two proofs of one log all replicas keep the same.
  bool comes_before(const Fork& other, bool of_feed) const {
    if (ended || other.ended) return !other.ended;
    if (!parted() || !other.parted()) return parted();
    // Which entries a feed's proof follows its writer can choose again and again.
    if (of_feed) return number < other.number;
    return std::tie(number, previous) < std::tie(other.number, other.previous);
  }
};

struct LogState {
  LogRecord accepted;  // head 0: nothing yet
  LogRecord durable;
  std::optional<ChannelId> channel;  // nothing: organisation log
  std::optional<Fork> fork, durable_fork;
  EntryHash chosen;  // pin by which the branch held here was found to be the right one; zero: not looked at
  // Feeds.
  std::optional<FeedOwner> owner;  // nothing: no certificate could be opened here
  Number first_absent;             // first number held whose body never came; 0: none
  Number checkpoint;               // own feed
  Time checkpoint_time;            // own feed: of its newest checkpoint, or of its start
  // The copy is to be grown down to the first entry of this epoch or of a later one (rules 8, 33); 0: it is complete.
  Epoch down_to;
  bool feed_record_changed = false;  // the lines above are to be written with the next change of this log
};

struct OrgState {
  OrgLog accepted;
  std::shared_ptr<const OrgLog> durable;
  // Every signing key that was ever certified for a node: what it signed before a renewal stays valid.
  std::map<NodeId, std::vector<crypto::VerifyKey>> signing_keys;
  std::vector<SupersededEntry> superseded;  // history; kSupersededMax
};

struct PeerNodeData {
  std::vector<std::string> addresses;
  Bytes signed_prekeys;
  std::optional<PrekeyList> prekeys;
  Time card_issued;
};
struct PeerData {
  bool blocked = false;
  bool verified = false;
  bool by_card = false;
  std::string local_name;
  std::map<NodeId, PeerNodeData> nodes;
};

struct OwnReceiptState {
  std::uint64_t next = 1;       // counter of the next receipt
  std::uint64_t reserved = 0;   // counters below this are this node's to use, durably
  std::uint64_t reserving = 0;  // the same, once what is queued is durable
  std::optional<OwnReceipt> newest;
  std::int64_t made_ms = 0;            // steady
  std::optional<TrieDigest> frontier;  // what the newest one says
  std::map<LogKey, Leaf> told;         // heads of receipts and checkpoints so far
};

// What the feeds of one organisation take up in a channel (rule 15).
struct FeedUse {
  std::uint64_t entries = 0, bytes = 0;
};

FeedUse held_use(const LogRecord& record);
// A pin is about feeds of the node that it names; of a feed of nobody known here, about that feed.
bool ends(const FeedPin& pin, const std::optional<FeedOwner>& owner);

// A proposal of a steward with what the others answered, in any order of arrival.
struct HeldProposal {
  std::optional<Proposal> proposal;  // nothing: only answers came yet
  std::map<NodeId, Bytes> answers;   // signed Approvals
  Time seen;
  Number decided;  // control entry that enacted it; 0: none
  Epoch decided_epoch;
  std::size_t needed = 0;                 // of how many stewards the yes, when it came; 0: not known
  std::size_t approved = 0;               // once decided: yes that stand in the decision; 0: not known
  LapseCause lapsed = LapseCause::kNone;  // seen once, it stays: whom it is about may come back, and was not meant
};
// Epochs whose keys this node lacks and may have (rule 33), and how often it has asked for them.
struct KeyRange {
  Epoch from, to;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};
struct KeyAsking {
  std::optional<KeyRange> range;
  std::uint32_t attempt = 0;
  std::int64_t again_ms = 0;  // steady: when to ask once more
  std::int64_t wait_ms = 0;
};
// What a node has asked for and may have.
struct KeyAnswer {
  std::vector<Epoch> epochs;
  bool by_certificate = false;
  std::uint32_t attempt = 0;  // of the request
  std::int64_t until_ms = 0;  // steady
};
// What became of an entry that its author's organisation took back.
enum class ErasureState : std::uint8_t {
  kAwaited = 0,  // the entry is not here yet
  kErased = 1,   // as ErasureOutcome from here on
  kNotHeld = 2,
  kHeld = 3,
};
struct Erasure {
  OrgId org;
  NodeId node;  // that signed the order
  EntryHash entry;
  crypto::Hash order;
  ErasureCause cause = ErasureCause::kWithdrawn;
  bool subject = false;
  ErasureState state = ErasureState::kAwaited;
  bool confirmed = false;  // by this node, as `state` has it
};
using EntryKey = std::pair<LogKey, Number>;
// An entry that comes without its body, and the order that it goes by.
struct ErasureClaim {
  std::size_t at = 0;  // in the entries of the range
  ErasureOrder order;
  Bytes signed_order;
};

struct KeptAnswer {
  OrgId by;   // whose feed carries it
  Time seen;  // local clock when it came
  ChannelId channel;
  Bytes signed_answer;
};

struct Channel {
  ChannelState accepted;
  std::shared_ptr<const ChannelState> durable;  // null before the first commit
  Frontier frontier;                            // of durable heads
  std::set<LogKey> logs;                        // control log and feeds, accepted
  std::size_t feeds = 0;
  // Accepted, of others' feeds; the zero organisation: those whose owner cannot be told here.
  std::map<OrgId, FeedUse> used;
  std::map<NodeId, std::size_t> feeds_of;  // of the feeds whose owner is known
  std::size_t nameless = 0;                // feeds whose owner is not

  // Rosters of older epochs, as far as somebody asked; dropped when there are many.
  std::map<Epoch, std::shared_ptr<const ControlState>> rosters;
  std::map<Epoch, std::unique_ptr<EpochOpener>> openers;
  std::unique_ptr<crypto::BodySealer> sealer;
  Epoch sealer_epoch;

  OwnReceiptState own_receipt;
  // The feed key that this process made since it loaded: no copy of the home has that one (rule 21). Null: none.
  std::shared_ptr<const crypto::SigningKey> feed_made_here;
  std::map<NodeId, ReceiptInfo> receipts;

  // Chair's work that waits: acceptances by organisation, signed Leaves, and nodes that miss their slot in an epoch.
  std::map<OrgId, Bytes> pending;
  std::map<OrgId, Bytes> leaves;  // at other members: those that the own feed carries
  std::map<NodeId, Epoch> missing;
  std::map<ProposalId, HeldProposal> proposals;
  // Heads of the feeds of each contributor: what its sessions are told of (rule 24).
  std::map<OrgId, Frontier> contributions;
  // To contributors, by whom they are for and answer_id; in the private channel, those to this organisation.
  std::map<OrgId, std::map<crypto::Hash, KeptAnswer>> answers;
  // A later term that the known stewards approve follows this log, up to there; it is wanted though its chair is
  // revoked, or though another term of its number was taken here. Zero: none is known.
  LogKey named_log;
  Number named_end;
  LogKey blind_log;              // of a term that began at another history of the one before (ControlContext::blind)
  std::uint32_t rival_term = 0;  // another log claims to be that term; 0: none
  std::int64_t lead_on_ms = 0;   // steady: not before; 0: nothing waits (lead_on)
  // Feeds whose bodies have been erased up to the epoch at hand (rule 25), while the pass goes on.
  Epoch erasing;
  std::map<LogKey, Number> erased_below;

  // Entries that were taken back (erasure.h), those whose entry is awaited, and those to be confirmed.
  // Before anybody can tell whose a feed is, several organisations may claim one entry: each has its own order.
  std::map<LogKey, std::map<std::pair<Number, OrgId>, Erasure>> erasures;
  std::map<OrgId, std::size_t> erasures_of;
  std::set<EntryKey> awaited, unconfirmed;
  EntryKey awaited_next;     // where the next turn goes on
  EntryHash orders_checked;  // head of the own organisation log up to which no order needs another signature

  std::map<NodeId, std::int64_t> missing_answered_ms;  // steady: bounds how often one node makes the key new

  // Keys that were given late (rule 33): by whom, until the control log reaches down to what they are compared with.
  std::map<std::pair<Epoch, OrgId>, std::shared_ptr<const crypto::EpochKey>> given;
  std::set<OrgId> key_liars;  // gave a key that does not fit: not asked again before the next start
  KeyAsking asking;
  std::map<NodeId, KeyAnswer> key_answers;
  std::set<LogKey> short_logs;  // those with LogState::down_to
};

// One write, being put together.
struct Change {
  Batch batch;
  std::vector<LogKey> logs;         // whose accepted record changed
  std::vector<ChannelId> channels;  // whose accepted state changed
  std::vector<OrgId> orgs;          // whose log grew
  std::vector<LogKey> forks;        // of which more is known
  std::shared_ptr<EntryChunk> cut;  // what goes with the cut of the log that is named first
  std::vector<OrgId> peers;         // whose record changed or went
  bool mail = false;                // something waits to be carried
  std::vector<TakenBack> taken_back;
};

// What becomes durable with a Change.
struct Snapshot;

struct ReplicaCore {
  ReplicaCore(EntryStore& store_in, Clock& clock_in, crypto::Random& random_in, const NodeSecrets& secrets_in,
              ReadingTable& table_in);

  EntryStore& store;
  Clock& clock;
  crypto::Random& random;
  const NodeSecrets& secrets;
  ReadingTable& table;
  mutable crypto::Verifier verifier;
  ReplicaListener* listener = nullptr;
  Quotas quotas;

  OrgId own_org;
  NodeId own_node;
  ChannelId private_channel;
  std::map<OrgId, OrgState> orgs;
  std::map<OrgId, PeerData> peers;
  std::unordered_map<LogKey, LogState, FixedBytesHash> logs;
  std::map<ChannelId, std::unique_ptr<Channel>> channels;
  // Control logs of terms that were over before this node came, as the roster names them, and nothing of them is held
  // yet: anything may be named there, so that nothing but their fetching looks here (replica_keys.cc).
  std::unordered_map<LogKey, LogState, FixedBytesHash> named_copies;

  // What the machine was when this life of the home began, until somebody confirms it (rule 21).
  std::optional<Bytes> doubted_home;
  std::optional<std::int64_t> loaded_ms;  // steady; nothing: made by this process
  std::set<ChannelId> compared;           // by some session, since then
  std::set<LogKey> ended;                 // own feeds that are never written to again, whatever their key
  std::uint64_t own_taken = 0;            // how often entries of own logs came from others
  struct Claim {
    Number head;
    std::int64_t since_ms = 0;  // steady
  };
  std::map<std::pair<LogKey, NodeId>, Claim> claims;  // that a peer holds so much of an own log

  std::uint32_t newest_prekey_used =
      0;  // month of the newest prekey that ever opened an epoch of another chair (rule 32)
  // After a lock, or a key that came late: feeds that are nobody's yet, with the entries to tell by, and whether there
  // is reason to look again.
  std::map<LogKey, std::set<Number>> unnamed;
  bool unnamed_due = false;
  bool catch_up_due = false;        // it was begun, and the disk did not take it
  bool locked_noted = false;        // while locked: the note is durable
  Arrival locked_from;              // what it says
  std::size_t nameless_before = 0;  // feeds of nobody when the node was locked
  std::uint64_t failures = 0;
  std::uint64_t refused_entries = 0;
  std::set<LogKey> forked;  // logs with a `fork`
  std::uint64_t checkpoint_conflicts = 0;
  // Answers to requests for keys in the hour that began then (steady), of each node and of all (rule 33).
  std::map<NodeId, std::size_t> keys_answered;
  std::size_t keys_answered_all = 0;
  std::int64_t keys_answered_since_ms = INT64_MIN;
  std::map<ReportId, HoldRecord> holds;
  std::map<EntryKey, std::size_t> held;                   // by how many holds
  std::uint64_t taken_back = 0;                           // entries in the states kErased and kHeld
  std::int64_t chores_not_before_ms = INT64_MIN;          // steady: a full disk is not asked again at once
  std::shared_ptr<int> alive = std::make_shared<int>(0);  // callbacks of a destroyed replica do nothing

  // ---- replica.cc
  void commit(Change change, std::function<void(Result<Arrival>)> done);
  template <class T>
  void commit_for(Change change, Done<T> done, T value) {
    commit(std::move(change), [done = std::move(done), value = std::move(value)](const Result<Arrival>& stored) {
      if (done) done(stored ? Result<T>(value) : Result<T>(stored.error()));
    });
  }
  void commit_for(Change change, Done<void> done);
  // Answers which disputed logs have another leaf by now: a pin chose the branch that is held here, and who holds the
  // other is to hear of it.
  std::vector<LogKey> settle(const Snapshot& snapshot);
  void notify(const Snapshot& snapshot, Arrival newest, const std::vector<LogKey>& opened);
  LogState* find_log(const LogKey& log);
  const LogState* find_log(const LogKey& log) const;
  LogState& add_log(const LogKey& log, LogType type, const std::optional<ChannelId>& channel);
  void forget_log(const LogKey& log);  // one that was added, and of which nothing was taken after all
  Channel* find_channel(const ChannelId& id);
  const Channel* find_channel(const ChannelId& id) const;
  ControlContext control_context(const Channel& channel) const;
  // One entry more in its log's accepted record and in the batch.
  void add_entry(Change& change, LogState& log, const EntryView& entry, Checked checked);
  void refresh_leaf(Channel& channel, const LogKey& log);
  std::optional<Leaf> leaf_of(const Channel& channel, const LogState& log) const;  // durable; nothing: none is told
  void refresh_leaves(Channel& channel);

  // Error (caller): locked.
  Result<void> check_unlocked() const;

  // ---- replica_load.cc
  Result<void> reload();
  Result<void> load_orgs(const std::vector<LogRecord>& records);
  Result<void> load_peers();
  Result<void> load_channels();
  Result<void> load_feeds(const std::vector<LogRecord>& records);
  Result<void> load_mail();
  Result<void> load_receipts();

  // ---- replica_locked.cc: what came while the node was locked (rule 48)
  // Control entries above what the channel's record tells of; a locked node takes them and writes no record. One that
  // says nothing valid ends the log here (kUnreadable).
  Result<void> replay_control(Channel& channel);
  // Locked: from which arrival on nothing is looked into. Goes with every batch until it is durable.
  void begin_locked();
  void note_locked(Batch& batch) const;
  // How many more feeds of nobody are taken in the channel; while locked, in all channels together.
  std::size_t nameless_room(const Channel& channel) const;
  // Unlocked: looks into what arrived since: whose feeds they are, what is for the chair.
  Result<void> catch_up();
  using CaughtReceipts = std::map<std::pair<ChannelId, NodeId>, std::pair<OrgId, Receipt>>;
  void catch_up_entry(Change& change, Number number, const EntryView& entry, std::map<LogKey, Epoch>& begun,
                      CaughtReceipts& receipts);
  bool begins_epoch(const LogState& log, Number number, const EntryView& entry) const;
  void check_begin(Change& change, Channel& channel, LogState& log, Number number, const EntryView& entry);
  void name_feed(Change& change, Channel& channel, LogState& log, const FeedOwner& owner);
  void put_unnamed(Batch& batch, const LogKey& feed) const;
  void load_unnamed(const LogKey& feed, ByteView value);
  // Feeds that wait for the log of an organisation which nobody asked for while the roster could not be read.
  void name_waiting_feeds();
  void inspect_all(Change& change, Channel& channel, const LogState& log, Number from);

  // ---- replica_peers.cc
  const OrgState* find_org(const OrgId& org) const;
  const OrgLog& own_log() const;
  std::optional<OrgId> org_of_node(const NodeId& node) const;
  const CertifiedNode* live_node(const NodeId& node) const;
  bool signed_by_node(const OrgId& org, const NodeId& node,
                      const std::function<bool(const crypto::VerifyKey&)>& verifies) const;
  bool is_blocked(const OrgId& org) const;
  bool in_a_roster(const OrgId& org) const;
  // Entries of one organisation log, in order, from any number on; what is held already is compared. A log that begins
  // with its genesis may be new. Errors (peer): those of OrgLog; wrong_number (a gap); fork.
  // Where the organisation of a revoked node said that this feed of it ends (rule 20), if it did.
  std::optional<FeedPin> revocation_pin_of(const Channel& channel, const LogState& log) const;
  Result<OrgId> extend_org(Change& change, std::span<const EntryView> entries);

  // ---- replica_roots.cc: rotations that supersede, and end (rule 19)
  // `tail` parts from the branch held here with its first entry. A branch with a rotation of the commitment in force
  // there takes the place of one without; two of them end the organisation. Errors (peer): fork (no rotation decides),
  // superseded (the branch held here has it), those of OrgLog; stale_receiver (environment).
  Result<void> take_branch(Change& change, const OrgId& id, std::span<const EntryView> tail);
  void supersede(Change& change, LogState& log, OrgState next, Number parted, std::span<const EntryView> added);
  void end_organisation(Change& change, LogState& log, const EntryView& one, const EntryView& other);
  Result<Replica::TakenProof> take_end_proof(const ChannelId& channel, const EntryView& one, const EntryView& other);
  void drop_superseded(Change& change, const OrgId& id);
  void forget_fork(Change& change, LogState& log);
  Result<void> load_superseded(OrgState& org);
  static SupersededEntry describe_entry(const EntryView& entry, Number by);
  // Certified by a part of its organisation's log that a rotation undid, and not since.
  bool is_superseded(const OrgId& org, const NodeId& node) const;
  // The head that a roster names is none of this organisation's log any more.
  bool names_superseded(const RosterMember& member) const;
  // The same where what the roster named before never came here: the log has no such entry, and `now` names one that is
  // a rotation or follows it.
  bool stands_above_rotation(const RosterMember& before, const RosterMember& now) const;

  void note_signing_keys(OrgState& org);
  PeerData& peer_data(Change& change, const OrgId& org);
  void put_peer(Batch& batch, const OrgId& org) const;
  std::vector<Bytes> org_log_bytes(const OrgId& org, std::size_t bytes_max) const;
  Bytes own_prekeys() const;
  const PrekeyList* prekeys_of(const OrgId& org, const NodeId& node) const;

  // ---- replica_control.cc
  enum class From : std::uint8_t { kSelf, kOthers };
  Result<void> add_control(Change& change, Channel& channel, std::span<const Entry> entries, From from = From::kSelf);
  Result<void> add_event(Change& change, Channel& channel, const ControlEvent& event);
  struct NextEpoch {
    EpochReason reason;
    std::vector<RosterMember> roster;
    std::vector<RosterMember> invited;
    std::vector<FeedPin> pins;
    std::set<NodeId> by_certificate;             // get a second slot, for the key of their certificate
    Bytes certificate;                           // of a term that begins with it
    std::optional<ChannelId> successor_of = {};  // of the first epoch
    std::vector<Bytes> left = {};                // signed Leaves
  };
  NextEpoch same_epoch(const Channel& channel, EpochReason reason) const;
  // Out of the roster, its feeds pinned.
  void leave_out(const Channel& channel, const OrgId& org, NextEpoch& next) const;
  Result<void> add_epoch(Change& change, Channel& channel, NextEpoch next);
  void pin_feeds_of(const Channel& channel, const std::function<bool(const FeedOwner&)>& dropped,
                    std::vector<FeedPin>& pins) const;
  // The epoch that drops a member, and what tells it so.
  Result<void> drop_member(Change& change, Channel& channel, const OrgId& org, const DecisionEvent* decision = nullptr);
  void chores(Channel& channel);
  void cancel_invitations(Change& change, const OrgId& org);
  // Takes one back, and tells whom it was for.
  void cancel_invitation(Change& change, Channel& channel, const OrgId& org);
  bool answer_pending(Change& change, Channel& channel, NextEpoch& next);
  bool note_nodes(const Channel& channel, NextEpoch& next) const;
  void tell_key_missing(Channel& channel);
  RosterMember roster_member(const OrgId& org, Role role) const;
  bool is_verified(const OrgId& org) const;  // its words were compared, and it is not blocked
  // Errors (caller): unknown_peer, peer_not_verified.
  Result<void> check_peer(const OrgId& org) const;
  Result<void> check_invited(const Channel& channel, const OrgId& org, Role role) const;
  Result<void> check_alone(const Channel& channel) const;
  // The channel, where this node may write its control log now.
  Result<Channel*> chaired(const ChannelId& id);
  Result<Channel*> found_channel(Change& change, const NewChannel& channel, ChannelClass channel_class);

  // ---- replica_stewards.cc: proposals, answers, decisions (rule 22)
  bool decides_together(const ChannelState& state) const;  // more than one steward
  void take_proposal(Change& change, Channel& channel, const FeedOwner& owner, ByteView payload);
  void take_answer(Change& change, Channel& channel, const FeedOwner& owner, ByteView payload);
  // Made where there was none; the oldest that nobody waits for makes room for it.
  HeldProposal* held_proposal(Change& change, Channel& channel, const ProposalId& id);
  std::size_t open_proposals_of(const Channel& channel, const OrgId& org) const;
  void put_proposal(Change& change, Channel& channel, const ProposalId& id) const;
  void load_proposal(Channel& channel, const ProposalId& id, ByteView value) const;
  std::pair<ProposalState, LapseCause> standing_of(const Channel& channel, const HeldProposal& held) const;
  ProposalState state_of(const Channel& channel, const HeldProposal& held) const {
    return standing_of(channel, held).first;
  }
  // Which of them the control log, as far as `at`, leaves nothing to decide of.
  static void note_overtaken(const Channel& channel, const ChannelState& at, std::map<ProposalId, LapseCause>& lapsed);
  // Notes which proposals can take effect no more, by the control log as it is here; true: there was one.
  bool note_lapsed(Change& change, Channel& channel) const;
  std::optional<bool> own_word(const HeldProposal& held) const;
  bool may_still_pass(const Channel& channel, const HeldProposal& held) const;
  // Error: already_proposed, with the open one of the same change that may still pass.
  Result<void> check_new_change(const Channel& channel, const ProposedChange& wanted) const;
  // The signed yes of each steward, by a node that is certified now; at most `count`.
  std::vector<Bytes> approvals_of(const Channel& channel, const HeldProposal& held, std::size_t count) const;
  Result<void> check_change(const Channel& channel, const ProposedChange& change) const;
  // The chair's entry for what was approved, and the epoch that it asks for.
  Result<void> enact(Change& change, Channel& channel, HeldProposal& held);
  // Open ones that the own organisation, a steward, has not answered.
  std::size_t waiting_for_own_answer(const Channel& channel) const;
  // What is approved and this node's to do: the chair's entries, or taking the chair. True: something was done.
  bool enact_approved(Change& change, Channel& channel);
  Approval own_answer(const Channel& channel, const Proposal& proposal, bool approve, const std::string& reason) const;

  // ---- replica_terms.cc: one chair after the other (rule 22)
  // The state where the term before ended, as far as it is known here. Errors (peer): unknown_epoch (more of that term
  // is wanted first).
  struct AtEnd {
    ChannelState state;
    bool apart = false;  // what is held here is another history than the one that ends there
  };
  Result<AtEnd> state_at_end(Channel& channel, const ControlCertificate& certificate);
  // The first entries of a log that is no control log here yet.
  Result<void> take_term(Change& change, Channel& channel, std::span<const Entry> entries);
  bool just_begun(const Channel& channel, const Term& rival) const;
  // Its chair is certified and not revoked.
  bool led_by_live_node(const Term& term) const;
  void drop_term(Channel& channel, ChannelState& state, const LogKey& log) const;
  Result<void> take_chair(Change& change, Channel& channel, HeldProposal& held);
  Result<void> check_end(const Channel& channel, const ControlCertificate& certificate) const;
  Result<void> choose_approvals(const Channel& channel, const HeldProposal& held,
                                ControlCertificate& certificate) const;
  // With a single steward whose chair is revoked, the lowest of its certified nodes leads on by itself.
  void lead_on(Channel& channel);

  // ---- replica_home.cc: a home that was copied, moved or set back (rule 21)
  bool home_in_doubt() const { return doubted_home.has_value(); }
  // Error (caller): home_unconfirmed.
  Result<void> check_home() const;
  bool is_own_log(const LogKey& log) const;
  std::size_t own_feeds(const Channel& channel) const;
  void jump_counters(Change& change, Channel& channel);
  // At start, once what was set aside is read. Durable with reserve_counters, before one is used.
  void skip_counters();
  // Entries of an own feed came from others: this node never writes to it again.
  void own_feed_came(Change& change, Channel& channel, const LogState& log);
  // Is this own feed over for this node?
  bool is_over(const Channel& channel, const LogState& log) const;
  // Chair. Error (caller): behind_own_log.
  Result<void> check_not_behind(const Channel& channel) const;
  // Chair. What was loaded may be an older image, and nobody who would know has been met in this channel yet: what no
  // person asks for waits for that, ten minutes at the most.
  bool may_be_set_back(const Channel& channel) const;
  void end_doubt(std::optional<NodeId> by, Done<void> done);

  // ---- replica_append.cc
  Result<void> may_append(const Channel& channel, Haste haste = Haste::kOrdinary) const;
  Result<void> append_items(Change& change, Channel& channel, std::span<const FeedItem> items,
                            std::vector<EntryRef>* refs, Haste haste = Haste::kOrdinary);
  LogState& own_feed(Change& change, Channel& channel);

  // ---- replica_authorise.cc
  std::shared_ptr<const ControlState> roster_at(Channel& channel, Epoch epoch);
  EpochOpener* opener_at(Channel& channel, Epoch epoch);
  // Whether an epoch, if its term had it, would stand in what is held of that term's control log. A node that was out
  // of the channel meanwhile lacks a part of it.
  bool would_know(const ChannelState& state, Epoch epoch) const;
  // The owner that the first entry of an epoch names; nothing when it cannot be opened here and has to be taken as a
  // relay takes it. Errors (peer): unknown_epoch, wrong_epoch, not_authorised, bad_feed_certificate.
  // `order`: stands for the body that is gone; only a certificate that the feed's key signed there names anybody.
  Result<std::optional<FeedOwner>> authorise(Channel& channel, const LogState& log, const EntryView& entry,
                                             const ErasureOrder* order = nullptr);
  // The same by the certificate itself.
  Result<std::optional<FeedOwner>> authorise_by(Channel& channel, const LogState& log, Epoch epoch,
                                                ByteView certificate);
  // First number from the copy's low on whose entry has that epoch or a later one; `head` when none has.
  Result<Number> first_number_at(const LogState& log, Epoch epoch, Number head) const;
  // Newest number that counts (rule 20); nothing: no limit.
  std::optional<Number> limit_of(const ChannelState& state, const LogKey& feed,
                                 const std::optional<FeedOwner>& owner) const;
  // Counts what is about to be added to a feed, and whose it is from now on. Error (peer): quota_exceeded, and nothing
  // is counted (rule 15). The own node's feeds are not.
  Result<void> take_room(Channel& channel, const LogState& feed, const std::optional<FeedOwner>& owner,
                         const FeedUse& added) const;
  // Counts a feed of another node that was just read back.
  void note_feed(Channel& channel, const LogState& log) const;
  bool chair_revoked(const ChannelState& state) const;  // as its organisation's log says, where that is held
  std::uint64_t entries_quota(const std::optional<ChannelId>& channel, LogType type) const;
  std::uint64_t bytes_quota(const std::optional<ChannelId>& channel, LogType type) const;

  // ---- replica_retention.cc
  std::optional<Epoch> past_retention(Channel& channel);
  // Up to which epoch an entry of a feed is taken without its body: one that may have been erased elsewhere.
  Epoch absent_through(Channel& channel);
  void erase_old_bodies(Channel& channel);
  // What bodies took up that go with this change (rule 15).
  void free_room(Change& change, Channel& channel, LogState& log, std::uint64_t bytes);

  // ---- replica_erasure.cc
  // An order that stands in a feed of `owner`. Errors (peer): bad_erasure, not_authorised, quota_exceeded.
  Result<void> take_order(Change& change, Channel& channel, const FeedOwner& owner, ByteView signed_order);
  // Is it signed by a node, revoked or not, of the organisation that it names?
  Result<void> check_order(const ErasureOrder& order, ByteView signed_order) const;
  // The two halves of take_order: what may be wrong with the order, which changes nothing; and taking it.
  Result<ErasureOrder> check_order_of(const Channel& channel, const FeedOwner& owner, ByteView signed_order) const;
  Result<void> take_checked_order(Change& change, Channel& channel, const ErasureOrder& order, ByteView signed_order);
  // The order of the organisation that the feed is known to belong to; null as long as that is not known.
  Erasure* find_erasure(Channel& channel, const LogKey& feed, Number number);
  const Erasure* find_erasure(const LogKey& feed, Number number) const;
  // The same, once it has been followed.
  const Erasure* find_followed(const LogKey& feed, Number number) const;
  // Keeps an order beside those of other organisations. Error (peer): quota_exceeded.
  Result<void> keep_order(Change& change, Channel& channel, const ErasureOrder& order, ByteView signed_order);
  // Now that it is known whose the feed is: what others ordered of it is nothing.
  void drop_others_orders(Change& change, Channel& channel, const LogKey& feed);
  void set_erasure(Change& change, Channel& channel, const EntryKey& key, ErasureState state);
  // `org` is a copy, since it may stand in what goes.
  void drop_erasure(Change& change, Channel& channel, const EntryKey& key, OrgId org);
  // Follows an order whose entry is here by now.
  void follow_order(Change& change, Channel& channel, const EntryKey& key);
  // The same for one that comes with this change: nothing of it is ever to be read.
  void follow_order_at_once(Change& change, Channel& channel, const EntryKey& key, const EntryView& entry);
  bool may_be_erased(Channel& channel, const EntryView& entry);
  void follow_awaited(Channel& channel, std::size_t count_max);
  void confirm_erasures(Channel& channel);
  void sign_orders_again(Channel& channel);
  void take_hold(Change& change, const HoldRecord& hold);
  bool is_held(const EntryKey& key) const { return held.contains(key); }
  void load_erasures(const std::vector<std::pair<Bytes, Bytes>>& orders,
                     const std::vector<std::pair<Bytes, Bytes>>& states);
  void load_hold(ByteView value);

  // ---- replica_claims.cc
  // An entry without its body: `signed_order` as the peer gave it, or nothing; the order kept here does as well. Errors
  // (peer): not_acceptable.
  Result<ErasureClaim> check_claim(const ChannelId& channel, const LogKey& feed, Number number, const EntryHash& entry,
                                   ByteView signed_order) const;
  // Past retention no order is needed: one that does not count there for a feed of `owner` is left aside. Returns the
  // lowest such number; 0: none.
  Number leave_aside(std::vector<ErasureClaim>& claims, const Batch& batch, Epoch absent_through,
                     const std::optional<FeedOwner>& owner) const;
  // May these be followed for a feed of `owner`? Changes nothing; after it follow_claims cannot fail. Errors (peer):
  // not_acceptable, not_authorised, quota_exceeded.
  Result<void> check_claims_of(Channel& channel, const std::vector<ErasureClaim>& claims, const Batch& batch,
                               const std::optional<FeedOwner>& owner);
  // Keeps these orders, and follows them and those kept before, for the entries of one feed that come with `change`.
  // Its owner is in its LogState.
  void follow_claims(Change& change, Channel& channel, const LogKey& feed, const std::vector<ErasureClaim>& claims);

  // ---- replica_inspect.cc
  // Looks into entries of a feed that have just been checked, for what concerns the replica itself.
  void inspect(Change& change, Channel& channel, const LogState& log);
  // One entry of an owned feed, where it opens; checkpoints only where that is asked for.
  void inspect_entry(Change& change, Channel& channel, const LogState& log, const EntryView& entry,
                     std::optional<Receipt>& newest, bool checkpoints = true);
  void inspect_opened(Change& change, Channel& channel, const FeedOwner& owner, FeedKind kind, ByteView payload,
                      std::optional<Receipt>& newest);

  // ---- replica_forks.cc
  // Two entries that contradict each other, or one that contradicts what signs it; `held` is ours, where there is one.
  void keep_fork(Change& change, LogState& log, const EntryView* held, const EntryView& other);
  void keep_fork(Change& change, LogState& log, Fork fork);
  static std::optional<Fork> read_fork(const EntryView& one, const EntryView& other, bool with_bodies);
  void put_fork(Change& change, LogState& log) const;
  Result<void> load_forks();
  // The organisation log up to the entry before `number`.
  Result<OrgLog> org_log_below(const LogKey& log, Number number) const;
  // Hash of an entry that is held or that the oldest one held names as its previous.
  std::optional<EntryHash> hash_at(const LogState& log, Number number) const;

  // ---- replica_branches.cc: where a log ends, and which branch of it counts (rules 12, 20)
  // Newest number that is taken of it, as things stand; nothing: no limit.
  std::optional<Number> ceiling(const Channel* channel, const LogState& log) const;
  std::string fork_warning(const ForkInfo& fork) const;  // for people
  // May the copy grow below what is held? Of a log that forked, where nothing there is in dispute.
  bool grows_down(const Channel& channel, const LogState& log) const;
  Error above_ceiling(const Channel* channel, const LogState& log) const;
  // The last entry that others are served; `pin`: of the durable state.
  Number served_head(const LogState& log) const;
  const FeedPin* pin_for(const ChannelState& state, const LogState& log) const;
  // Its writer was dropped, and the chair did not know the feed: nothing of it counts (limit_of), and nothing is added.
  bool is_uncounted(const Channel& channel, const LogState& log) const;
  // The leaf of a log of which a fork is known; false: it has none.
  bool disputed_leaf(const LogState& log, Leaf& leaf) const;
  // A pin chose: what is held of another branch goes, a piece with each write.
  void mend_branches();
  void cut_piece(LogState& log, Channel& channel);
  void clamp_receipts(Change& change, Channel& channel, const LogState& log) const;
  // What somebody says it holds of a log, as far as that is the branch that counts.
  Number counted(const Channel& channel, const LogKey& log, Number number, Number head, const EntryHash& hash) const;
  Result<Entry> stored_entry(const LogKey& log, Number number) const;
  std::optional<EntryHash> stored_hash(const LogState& log, Number number) const;

  // ---- replica_mail.cc
  Result<void> take_invitation(const OrgId& from, ByteView message);
  Result<void> take_acceptance(ByteView signed_acceptance);
  // Chair: `org` was dropped by the newest control entry, and is told so.
  // `decision`: of several stewards, by which it was.
  void write_notice(Channel& channel, const OrgId& org, const DecisionEvent* decision = nullptr) const;
  Result<void> take_notice(ByteView signed_notice);
  bool has_channel(const Channel& channel, const OrgId& org, const NodeId& node) const;
  std::optional<Bytes> introduction_to(const Channel& channel) const;
  Result<void> take_introduction(const OrgId& from, ByteView message);
  // The copy of a control log begins behind this entry, of which nothing more is known (rule 29: no earlier state is
  // needed).
  void begin_control(Change& change, Channel& channel, Number head, const EntryHash& hash, Epoch epoch);
  // Accepted under the chair before, and not let in yet: the copy of the control log begins anew in its next term.
  Result<void> follow_chair(Channel& channel, const std::vector<Term>& terms, ByteView message);
  void drop_invitations(Change& change, const ChannelId& newest);
  struct CheckedAcceptance {
    Acceptance acceptance;
    Channel* channel = nullptr;
    bool duplicate = false;
  };
  Result<CheckedAcceptance> check_acceptance(Change& change, ByteView signed_acceptance);
  void put_pending(Change& change, Channel& channel, const OrgId& org, ByteView signed_acceptance);
  std::optional<Bytes> invitation_for(const Channel& channel, const OrgId& org) const;
  Result<Bytes> answer(const Channel& channel, bool accepted) const;

  // ---- replica_contributors.cc (rule 24)
  // The chair's entries that tell these where they stand; `dropped`: they are in the channel no more.
  Result<void> tell_contributors(Change& change, Channel& channel, const std::set<OrgId>& orgs, bool dropped = false);
  std::set<OrgId> contributors_of(const ChannelState& state) const;  // invited ones, too
  std::optional<Bytes> contributor_mail(const Channel& channel, const OrgId& org) const;
  Result<void> take_contributor_mail(const OrgId& from, ByteView message);
  Result<void> take_notice_of(Change& change, Channel* channel, const OrgId& from, ByteView message,
                              const ContributorMail& mail, ContributorNotice notice, ContributorProfile profile);
  Result<void> take_claim(Change& change, Channel& channel, const OrgId& from, ByteView message,
                          const ContributorMail& mail, ContributorNotice notice, ContributorProfile profile);
  std::optional<OrgId> claimed_chair(const ChannelState& state) const;
  // Invited, never answered with yes, never in it.
  static bool is_unanswered(const Channel& channel);
  // An invitation that nobody answered yields to what the channel itself says. True: it is gone, with its Channel.
  bool drop_unanswered_contribution(const ChannelId& id);
  // Yes or no to the invitation; of one that was answered, to another chair.
  Result<void> accept_contribution(Channel& channel, bool accepted, Done<void> done);
  // Of a feed entry with its body; empty where it does not open here.
  Bytes own_plaintext(Channel& channel, Epoch epoch, const EntryView& entry);
  std::vector<Bytes> answers_for(const Channel& channel, const OrgId& org) const;
  void note_contribution(const Channel& channel) const;
  const crypto::SecretBuffer& contribution_secret(Channel& channel);  // made where there is none
  bool is_contribution(const Channel& channel, const OrgId& peer) const;
  const crypto::Hash* contribution_tag(const Channel& channel, const OrgId& peer) const;
  // False: it was kept before.
  bool put_answer(Change& change, Channel& channel, const OrgId& by, const Answer& answer, ByteView signed_answer,
                  std::size_t most);
  void keep_answer(Change& change, Channel& channel, const OrgId& by, ByteView signed_answer);
  void load_answer(Channel& channel, const crypto::Hash& id, ByteView value);
  Result<void> take_answer_mail(ByteView signed_answer);

  // ---- replica_leave.cc
  Result<Leave> check_leave(const Channel& channel, ByteView signed_leave) const;
  Result<void> take_leave(Change& change, Channel& channel, ByteView signed_leave, bool carried);
  Result<void> take_leave_mail(ByteView signed_leave);
  std::vector<OrgId> answer_leaves(Change& change, Channel& channel, NextEpoch& next);

  // ---- replica_keys.cc: epochs wrapped again (rules 33, 34)
  void carry_history(Channel& channel, std::vector<RosterMember>& roster, Epoch epoch);
  Epoch first_named(Channel& channel, const OrgId& org);
  bool entitled(Channel& channel, const OrgId& org, Epoch epoch);
  std::optional<KeyRange> wanted_keys(const Channel& channel) const;
  const LogState* control_of(const ChannelState& state, Epoch epoch) const;
  // A log that is held, or a named copy, of that channel.
  LogState* find_copy(const ChannelId& channel, const LogKey& key);
  // Nothing: what is held of its control log does not begin with its first entry.
  std::optional<Epoch> first_of_term(const ChannelState& state, std::uint32_t term) const;
  bool grow_control_logs(Channel& channel, const std::map<std::uint32_t, Epoch>& below);
  void ask_for_keys(Channel& channel);
  bool take_key_turn(const NodeId& node);
  Result<void> take_key_request(const OrgId& from, ByteView message);
  Result<void> take_key_answer(const OrgId& from, ByteView message);
  std::vector<Mail> key_mail_for(const OrgId& org, const NodeId& node, const NodeCertificate& certificate);
  // Compares what was given with the control log, as far as that is here, and takes what fits.
  void use_given(Channel& channel);
  enum class GivenPlace : std::uint8_t { kHeld, kBelow, kNowhere };
  GivenPlace place_of_given(const Channel& channel, Epoch epoch) const;
  Result<void> take_given(const Channel& channel, ChannelState& state, Epoch epoch,
                          const std::shared_ptr<const crypto::EpochKey>& key) const;
  void keys_came(Change& change, Channel& channel, Epoch first_before);

  // ---- replica_below.cc
  void mark_short(Change& change, Channel& channel, const LogKey& log, Epoch down_to);

  // ---- replica_receipts.cc
  void reserve_counters(Channel& channel);
  std::optional<OwnReceipt> make_own_receipt(const ChannelId& id);
  Receipt next_receipt(Channel& channel, std::size_t heads_max);
  void note_told(Channel& channel, const Receipt& receipt);
  void merge_receipt(Change& change, Channel& channel, const OrgId& org, const Receipt& receipt);
  void compare_heads(const Channel& channel, const Receipt& receipt);
};

struct Replica::Impl final : ReplicaCore {
  using ReplicaCore::ReplicaCore;
};

inline constexpr Code kChairRevoked{"chair_revoked"};
inline constexpr std::size_t kInvitationsPerChairMax = 8;  // unanswered or refused, of one organisation (rule 15)
inline constexpr std::size_t kInvitationsMax = 64;         // of all
inline constexpr std::size_t kOrgLogInAnswerBytesMax = 24 * 1024;
// Entries of an organisation log as they come along with something else; views of `entries`. Errors (peer): those of
// decode_entry; with `org`: wrong_log (another organisation's).
Result<std::vector<EntryView>> org_entries(const std::vector<Bytes>& entries, const OrgId* org = nullptr);
// All of it, verified. Errors (peer): bad_invitation (it is missing), those of OrgLog.
// `look`: at the log after each entry.
Result<OrgLog> open_org_log(const std::vector<Bytes>& entries, crypto::Verifier& verifier,
                            const std::function<void(const OrgLog&)>& look = {});
inline constexpr std::size_t kCarriedPerOrgMax = 4;         // answers to one invitation in the own feed
inline constexpr std::size_t kErasuresPerOrgMax = 200'000;  // entries of one organisation in one channel, taken back
inline constexpr std::size_t kFollowedPerTick = 1'000;      // orders looked at, so that no tick takes long
inline constexpr std::size_t kFollowedAtOnce = 64;          // the same after a write
inline constexpr std::size_t kHoldsMax = 100'000;           // of the own organisation

// How many receipt counters are set aside with one write.
inline constexpr std::uint64_t kCountersReserved = 256;
inline constexpr std::size_t kReceiptHeadsMax = 400;  // 512 allowed; this many fit one sealed body
inline constexpr std::int64_t kReceiptEveryMs = 60'000;
inline constexpr std::uint64_t kCheckpointEvery = 1000;
inline constexpr std::int64_t kCheckpointAfterMs = 24 * 3'600'000;
inline constexpr std::int64_t kEpochAgeMs = 30ll * 24 * 3'600'000;
inline constexpr std::int64_t kEpochStaleMs = 45ll * 24 * 3'600'000;

// Names in Table::kLocal and Table::kMail.
Bytes feed_record_name(const LogKey& feed);
Bytes unnamed_record_name(const LogKey& feed);
Bytes ended_record_name(const LogKey& feed);
Bytes counter_record_name(const ChannelId& channel);
Bytes pending_record_name(const ChannelId& channel, const OrgId& org);
Bytes missing_record_name(const ChannelId& channel, const NodeId& node);
Bytes leave_record_name(const ChannelId& channel, const OrgId& org);
Bytes answer_record_name(const ChannelId& channel, const crypto::Hash& answer);
Bytes proposal_record_name(const ChannelId& channel, const ProposalId& proposal);
Bytes superseded_record_name(const LogKey& log);
Bytes erasure_record_name(const LogKey& feed, Number number, const OrgId& org);
Bytes erased_record_name(const LogKey& feed, Number number, const OrgId& org);
Bytes hold_record_name(const ReportId& report);
inline constexpr std::string_view kSelfRecordName = "replica.self";
inline constexpr std::string_view kPrekeyRecordName = "replica.prekey";       // u32: ReplicaCore::newest_prekey_used
inline constexpr std::string_view kCutRecordName = "replica.cut";             // u64: Replica::newest_cut
inline constexpr std::string_view kLockedRecordName = "replica.locked";       // u64: arrival (note_locked)
inline constexpr std::string_view kUnnamedRecordPrefix = "replica.unnamed/";  // log key: u64 number each (unnamed)
inline constexpr std::string_view kEndedRecordPrefix = "replica.ended/";  // log key: own feed that is over (rule 21)
inline constexpr std::string_view kHomeRecordName = "replica.home";       // ReplicaCore::doubted_home, as it was given
inline constexpr std::string_view kErasureRecordPrefix = "replica.erasure/";        // log key, u64, org: signed order
inline constexpr std::string_view kErasedRecordPrefix = "replica.erased/";          // likewise: what became of it
inline constexpr std::string_view kSupersededRecordPrefix = "replica.superseded/";  // log key: replica_roots.cc
inline constexpr std::string_view kHoldRecordPrefix = "replica.hold/";              // report id: message HoldRecord
inline constexpr std::string_view kFeedRecordPrefix = "replica.feed/";
inline constexpr std::string_view kCounterRecordPrefix = "replica.counter/";

// In the leaf of a log that is known to part at `number`, beside the number before (docs/protocol.md, section 8).
EntryHash fork_leaf_hash(const LogKey& log, Number number, const EntryHash& previous);
// In the leaf of an organisation log that has ended, and in a roster that was written since: beside number 1.
EntryHash end_leaf_hash(const LogKey& log);

// Records (replica_records.cc). Errors of decode: damaged_record.
struct SelfRecord {
  OrgId org;
  NodeId node;
  ChannelId private_channel;
};
Bytes encode_month(std::uint32_t month);
Result<std::uint32_t> decode_month(ByteView bytes);
Bytes encode_self(const SelfRecord& record);
Result<SelfRecord> decode_self(ByteView bytes);
Bytes encode_peer(const PeerData& peer);
Result<PeerData> decode_peer(ByteView bytes);
Bytes encode_proposal_record(const HeldProposal& held);
Result<HeldProposal> decode_proposal_record(ByteView bytes);
Bytes encode_feed(const LogState& log);
struct LoadedFeed {
  ChannelId channel;
  std::optional<FeedOwner> owner;
  Number first_absent;
  Number checkpoint;
  Time checkpoint_time;
  Epoch down_to;
};
Result<LoadedFeed> decode_feed(ByteView bytes);
Bytes encode_receipt_info(const ReceiptInfo& info);
Result<ReceiptInfo> decode_receipt_info(const NodeId& node, ByteView bytes);

}  // namespace tocsin::protocol
