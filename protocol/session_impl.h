// Inside protocol/session*.cc only: what a Session knows. One concern for each file:
//   session.cc          life: frames in and out, ends, deadlines
//   session_opening.cc  hello, slots, which channels are shared, the first comparison
//   session_compare.cc  frontiers, asks and heads: from a difference to the logs that are to be fetched
//   session_fetch.cc    which of them is wanted when, and how an answer ends
//   session_below.cc    ranges below what is held, once keys of older epochs have come
//   session_entries.cc  entries that arrive: chunks, commits, credit, forks
//   session_forks.cc    where two histories part: walking down to it, telling of it (rule 12)
//   session_serve.cc    what the peer wants of us
//   session_side.cc     receipts, mail, prekeys, pings
//   session_home.cc     what the peer shows of this node's own logs (rule 21)
//
// Invariants:
//   1. Nothing here grows with what a peer sends beyond the limits below; entries not yet durable are bounded by the
//   credit.
//   2. A log has at most one Fetch, and then its Target, if any, is kActive.
//   3. pending_*: numbers of targets that are kQueued, kElsewhere or kActive; changed by set_state alone.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "protocol/session.h"

namespace tocsin::protocol {

// ---- Limits
inline constexpr std::size_t kTargetsMax = 4096;    // logs known to be behind; more are found again by comparing anew
inline constexpr std::size_t kPeerHeadsMax = 8192;  // heads of the peer remembered, to announce nothing that it has
inline constexpr std::size_t kAsksOutMax = 256;     // places asked for and not answered yet
inline constexpr std::size_t kFrontierPlacesMax = 16'384;  // places that differ, waiting to be asked for
inline constexpr std::size_t kFetchesMax = 64;             // wants not answered to the end, short ones
inline constexpr std::uint64_t kFetchAheadEntries =
    2048;                                          // above two, wants go out only while they announce fewer entries
inline constexpr std::size_t kUnsettledMax = 512;  // fetches, with those that only wait for the disk
inline constexpr std::size_t kPeerAsksMax = 1024;  // places that the peer waits for an answer about
inline constexpr std::size_t kPeerWantsMax = 256;
inline constexpr std::size_t kNotHeldMax = 1280;  // one for each of both
inline constexpr std::size_t kPongsMax = 16;
inline constexpr std::int64_t kPingLaterMs = 15'000;
inline constexpr std::size_t kMailsMax = 1024;       // taken in a session
inline constexpr std::size_t kProofsMax = 4096;      // of forks, taken in a session
inline constexpr std::size_t kEarlyProofsMax = 64;   // of logs that are not here yet
inline constexpr std::size_t kPrekeyListsMax = 8;    // taken in a session
inline constexpr std::size_t kOrgLooksMax = 16;      // so often a peer's heads may make this side look again
inline constexpr std::size_t kBranchesMax = 64;      // of organisation logs, wanted in a session
inline constexpr std::size_t kRefusalsMax = 256;     // what is refused without ending the session, before it is ended
inline constexpr std::uint64_t kReceiptsBurst = 16;  // beside four a minute for each shared channel
inline constexpr std::size_t kEarlyReceiptBytesMax = 256 * 1024;
inline constexpr std::uint64_t kCreditMax = 64ull * 1024 * 1024;
inline constexpr std::uint32_t kCreditStep = 256 * 1024;  // given back in pieces of at least this much
inline constexpr std::int64_t kElsewhereRetryMs = 1'000;  // how often a log that another session fetches is looked at
inline constexpr std::int64_t kStoreRetryMs = 10'000;     // after a failed write
inline constexpr std::int64_t kReceiptAgainMs =
    60'000;                                          // a receipt held back by the one-a-minute rule is looked for again
inline constexpr std::int64_t kReceiptSoonMs = 500;  // the replica had none ready

enum class TargetState : std::uint8_t {
  kQueued,
  kElsewhere,  // another session fetches it
  kActive,
  kParked,   // not taken as things stand; looked at again when a control or organisation log, or a channel, has changed
  kRefused,  // not to be had from this peer, until it tells of a newer head
};
inline bool is_pending(TargetState state) {
  return state == TargetState::kQueued || state == TargetState::kElsewhere || state == TargetState::kActive;
}

// A log that the peer has more of.
struct Target {
  Leaf leaf;                         // newest that it told of
  std::optional<ChannelId> channel;  // nothing: its own organisation log
  TargetState state = TargetState::kParked;
  std::uint64_t depth = 1;  // see SessionStats::round_trips
};

enum class FetchPurpose : std::uint8_t {
  kRange,
  kFork,     // the peer's entry where ours has another hash, or may have
  kBelow,    // a range right below what is held
  kSuspect,  // the last entry of a chunk that did not verify: whoever serves it singly has to stand by it (rule 10)
};

// A want, from when it is put until all that came of it is durable.
struct Fetch {
  FetchPurpose purpose = FetchPurpose::kRange;
  std::optional<ChannelId> channel;
  LogType type = LogType::kFeed;
  Number first;
  Number last;  // 0: up to the head
  Epoch from_epoch;
  std::uint64_t announced = 0;  // entries expected, for kFetchAheadEntries
  std::uint64_t depth = 1;

  std::optional<RangeReceiver> receiver;  // from the first entry on
  std::optional<LowerReceiver> lower;     // of kBelow
  Number accepted;                        // accepted head that the chunk at hand is built on
  std::size_t chunk_bytes = 0;            // credit used by the chunk at hand
  std::size_t commits = 0;                // under way
  bool came = false;                      // something new
  bool draining = false;                  // the rest of the answer is thrown away
  bool ended = false;                     // the answer has
  enum class Then : std::uint8_t { kGoOn, kRetry, kPark, kRefuse } then = Then::kGoOn;  // with the target
  // A chunk did not verify. It may follow another entry than our head (a fork, rule 12): that one is looked at first,
  // then the chunk's last.
  Number fork_at, suspect;
  // kFork: the peer's entry of `differs_at` is another than ours, and follows another; that of `same_at` is the same
  // (or is not here, or not there). 0: not known.
  Number same_at, differs_at;
  bool answered = false;  // the entry asked for came
  Number branch_at;       // kFork, organisation log: where the peer's history parts from ours
};

// A want of the peer's.
struct Serving {
  std::uint16_t peer_slot = 0;  // as it was asked, for `not held`
  std::optional<ChannelId> channel;
  LogKey log;
  LogType type = LogType::kFeed;
  Number next;
  Number expected;  // what the asker takes for the next number; another is sent with its `previous`
  Number last;      // 0: up to the head
  Epoch from_epoch;
  bool stop = false;
};

struct SharedChannel {
  ChannelClass channel_class = ChannelClass::kShared;
  bool contribution = false;  // its feeds, notices and answers alone (rule 24)
  std::uint16_t own_slot = 0;
  std::optional<std::uint16_t> peer_slot;  // set: the peer has it too
  wire::Equality equality_expected;        // of the peer's slots of the same round, if it holds what we held then

  // Difference.
  bool compared = false;
  bool root_awaited = false;
  bool send_root = false;
  struct Place {
    Prefix prefix;
    std::uint64_t depth;
  };
  std::vector<Place> places;              // differ; to be asked for
  std::map<Prefix, std::uint64_t> asked;  // and by what depth
  bool overflowed = false;                // something was left out: compare again when there is room
  std::uint64_t control_depth = 0;        // of the newest control or organisation range that came

  // Fetching.
  std::deque<LogKey> feeds;  // queued

  // Announcing.
  std::set<LogKey> changed;
  std::set<LogKey> orgs;        // logs of organisations in the roster that the peer can know of
  std::set<LogKey> proofs_due;  // of which the peer is to hear that they fork

  // Receipts.
  bool receipt_due = false;
  std::int64_t receipt_since_ms = 0;    // due since
  std::int64_t receipt_changed_ms = 0;  // the newest change that it should tell of
  std::int64_t receipt_not_before_ms = 0;
  std::uint64_t receipt_sent = 0;  // counter
  std::optional<wire::Seen> peer_seen;
};

struct Session::Impl {
  Impl(Session* session, Replica& replica, WantTable& wants, Clock& clock, crypto::Random& random, Config config);
  ~Impl();

  Session* const self;
  Replica& replica;
  WantTable& wants;
  Clock& clock;
  crypto::Random& random;
  Config config;
  SessionStats stats;
  std::shared_ptr<Impl*> lives = std::make_shared<Impl*>(this);  // callbacks of a destroyed session do nothing

  // ---- session.cc: life
  std::int64_t start_ms = 0;
  std::int64_t last_in_ms = 0;
  bool over = false;  // nothing but `bye_due` goes out, nothing comes in
  std::optional<ByeReason> bye_due;
  bool done_sent = false, done_received = false;
  std::optional<ByeReason> peer_reason;

  Result<void> handle_frame(ByteView frame);
  Result<void> dispatch(const wire::Message& message);
  Result<void> handle_bye(ByteView payload);
  bool poll_frame(Bytes& out);
  void fill(wire::FrameWriter& out);
  void put_done(wire::FrameWriter& out);
  void end(ByeReason reason);
  void silence();
  bool closed() const { return over && !bye_due; }
  void handle_tick();
  std::optional<std::int64_t> next_deadline() const;
  bool nothing_to_fetch() const;
  bool nothing_to_send() const;
  bool settled() const;
  void refused(const Error& error);
  std::int64_t now() const { return clock.steady_ms(); }
  // One side is first, so that its ping spares the other's.
  std::int64_t ping_after_ms() const { return kPingAfterMs + (config.role == LinkRole::kResponder ? kPingLaterMs : 0); }

  // ---- session_opening.cc: slots
  bool hello_sent = false, hello_seen = false;
  bool peer_takes_orders = false;
  bool slots_due = true;
  bool channels_due = false;     // the list of channels may have changed
  std::uint32_t next_round = 0;  // of the slots that are due
  std::optional<std::uint32_t> own_round, peer_round, compared_round;
  std::map<ChannelId, SharedChannel> channels;  // for which we have a slot
  std::vector<wire::Slot> peer_slots;
  std::vector<std::optional<ChannelId>> own_slot_channels, peer_slot_channels;
  bool slots_in_frame = false;

  std::uint8_t own_role() const { return static_cast<std::uint8_t>(config.role); }
  std::uint8_t peer_role() const { return static_cast<std::uint8_t>(1 - own_role()); }
  crypto::Hash keyed(crypto::Personal personal, ByteView key, std::uint8_t role, std::uint32_t round,
                     ByteView what) const;
  wire::Token token(const ChannelId& channel, std::uint8_t role, std::uint32_t round) const;
  wire::Equality equality(const ChannelId& channel, std::uint8_t role, std::uint32_t round,
                          const TrieDigest& digest) const;
  wire::Seen seen(const ChannelId& channel, std::uint8_t role, std::uint32_t round, std::uint64_t counter) const;
  void put_hello(wire::FrameWriter& out);
  void put_opening(wire::FrameWriter& out);
  wire::Slots make_slots();
  void drop_channel(const ChannelId& id);
  Result<void> handle_hello(ByteView payload);
  Result<void> handle_slots(ByteView payload);
  void match_channels();
  void compare_channels();
  void new_round();
  void check_channels();
  std::set<LogKey> org_logs(const ChannelId& id) const;  // of the channel's members, as far as they are held
  // The channel of a slot of the peer's; null when it is not shared.
  SharedChannel* find_channel(std::uint16_t peer_slot, ChannelId* id);
  SharedChannel* shared(const ChannelId& id);

  // ---- session_compare.cc
  struct Answer {
    ChannelId channel;
    Prefix prefix;
  };
  std::deque<Answer> answers;           // places that the peer asked for
  std::map<LogKey, Number> peer_heads;  // what the peer has at the least, as far as known
  bool own_org_changed = false;

  Result<void> handle_frontier(ByteView payload);
  Result<void> handle_ask(ByteView payload);
  Result<void> handle_heads(ByteView payload);
  void compare_leaves(const ChannelId& id, const wire::FrontierNode& frontier, std::uint64_t depth);
  Result<void> compare_children(const ChannelId& id, SharedChannel& channel, const wire::FrontierNode& frontier,
                                std::uint64_t depth);
  void peer_lacks(const ChannelId& id, const Prefix& prefix, const std::vector<Leaf>& but);
  void note_leaf(const std::optional<ChannelId>& id, const Leaf& leaf, std::uint64_t depth);
  void note_peer_head(const LogKey& log, Number head);
  void put_compare(wire::FrameWriter& out);
  void put_asks(wire::FrameWriter& out);
  void put_heads(wire::FrameWriter& out);
  void announce(SharedChannel& channel, const LogKey& log);
  void own_head_changed(const ChannelId& id, const LogKey& log);
  void org_log_changed(const OrgId& org);

  // ---- session_fetch.cc
  std::map<LogKey, Target> targets;
  std::set<LogKey> brought;  // new here, named by a contributor: whose they are, a locked node does not see
  std::map<LogKey, Fetch> fetches;
  std::deque<LogKey> org_queue, control_queue;
  std::set<LogKey> elsewhere, parked, probed;
  std::map<LogKey, EntryHash> looked_at;  // of organisation logs in `probed`: the peer's head that was the reason
  std::size_t org_looks = 0;              // at an organisation log again in this session, since the head was another
  std::size_t branches_wanted = 0;
  std::size_t pending = 0, pending_org = 0;
  std::map<ChannelId, std::size_t> pending_control;
  std::size_t open_fetches = 0;    // not ended
  std::uint64_t open_entries = 0;  // announced by them
  bool no_room = false;            // something waited for an open fetch to end
  std::uint64_t room_depth = 0, org_depth = 0;
  std::deque<std::pair<LogKey, bool>> wants_out;  // to be put; true: stop the answer
  std::int64_t store_retry_ms = 0;                // no wants before; 0: the store is well
  std::int64_t elsewhere_retry_ms = 0;

  void set_state(const LogKey& log, Target& target, TargetState state);
  void erase_target(const LogKey& log);
  void queue_target(const LogKey& log, Target& target);
  void recheck(const LogKey& log);
  void unpark();
  void schedule();
  bool schedule_one(std::deque<LogKey>& queue);
  bool may_fetch(std::uint64_t entries) const;
  // Feeds wait until what decides about them is durable.
  bool blocked(const ChannelId& id) const { return pending_org > 0 || pending_control.contains(id); }
  void start_range(const LogKey& log, Target& target);
  void start_probe(const LogKey& log, FetchPurpose purpose, const std::optional<ChannelId>& channel, LogType type,
                   Number number, Number suspect, std::uint64_t depth, Number same_at = {}, Number differs_at = {});
  Fetch& open_fetch(const LogKey& log, Fetch fetch);
  void put_wants(wire::FrameWriter& out);
  void drain(const LogKey& log, Fetch& fetch);
  void answer_ended(const LogKey& log, Fetch& fetch);
  void finish_if_done(const LogKey& log);
  Result<void> handle_not_held(ByteView payload);

  // ---- session_below.cc
  struct Below {
    std::uint32_t count = 0;  // entries of the next range
    bool refused = false;     // not to be had from this peer as things stand
  };
  std::map<LogKey, Below> below;
  bool below_waits = false;  // for another session that fetches the log
  std::int64_t below_retry_ms = 0;
  void schedule_below();
  Result<void> take_below(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader);
  void below_done(const LogKey& log, const Fetch& fetch);

  // ---- session_home.cc
  std::uint64_t own_taken_before = 0;  // Replica::own_entries_taken when this round's slots were made
  void note_own_head(const Leaf& leaf);
  void confirm_home();

  // ---- session_entries.cc
  std::uint64_t credit_used = 0;  // of what the peer may send: its entries that are not durable
  std::uint32_t credit_due = 0;   // durable, not yet given back
  std::size_t commits = 0;

  Result<void> handle_entries(ByteView payload);
  Result<void> take_range(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader);
  Result<void> begin_range(const LogKey& log, Fetch& fetch, const wire::EntriesHeader& header);
  Result<void> take_probe(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader);
  Result<void> commit_chunk(const LogKey& log, Fetch& fetch);
  Result<void> commit_stuck_chunks();
  void on_durable(const LogKey& log, std::size_t entries, std::size_t bytes, const Result<Number>& stored);
  Result<void> entries_failed(const LogKey& log, Fetch& fetch, const Error& error);
  void give_up(const LogKey& log, Fetch& fetch, Fetch::Then then);
  void store_failed();
  void credit_back(std::size_t bytes) { credit_due += static_cast<std::uint32_t>(bytes); }
  void put_credit(wire::FrameWriter& out);

  // ---- session_forks.cc
  std::map<LogKey, std::pair<Number, EntryHash>> proofs_known;  // that went either way in this session
  std::map<std::pair<ChannelId, LogKey>, Bytes> early_proofs;   // came before the log, or what is below in it
  std::size_t proofs_taken = 0;
  std::set<LogKey> proofs_awaited;  // found here, not durable yet: the peer is told before this side is done

  bool first_look(const Leaf& leaf);  // at what differs, in this round; of an organisation log in this session
  void look_at_leaf(const ChannelId& id, const Leaf& leaf, std::uint64_t depth);
  void offer_proof(const ChannelId& id, const LogKey& log);
  void put_fork_proofs(wire::FrameWriter& out);
  Result<void> handle_fork_proof(ByteView payload);
  void retry_proofs(const LogKey& log);
  bool walk_on(const LogKey& log, const Fetch& fetch);
  void want_for_end(const ChannelId& id, const LogKey& log);
  // False: not now, as another session wants it, or not any more in this one.
  bool start_branch(const LogKey& log, const std::optional<ChannelId>& channel, Number from, std::uint64_t depth);
  void log_cut(const ChannelId& id, const LogKey& log);

  // ---- session_serve.cc
  std::array<std::deque<Serving>, 3> servings;  // control and organisation logs, alert channels, others
  std::deque<wire::NotHeld> not_held;
  std::uint64_t credit = kInitialCreditBytes;  // what we may still send

  Result<void> handle_want(ByteView payload);
  Result<void> handle_credit(ByteView payload);
  Result<void> add_not_held(std::uint16_t slot, const LogKey& log);
  std::optional<Serving> serving_for(const wire::Want& want, const std::optional<ChannelId>& channel);
  std::size_t servings_count() const;
  void put_not_held(wire::FrameWriter& out);
  void put_entries(wire::FrameWriter& out);
  enum class Served : std::uint8_t { kMore, kAnswered, kNoRoom };
  Served serve_some(Serving& serving, wire::FrameWriter& out);

  // ---- session_side.cc
  std::deque<std::uint64_t> pongs;
  std::optional<std::uint64_t> ping_due, ping_out;  // to be put; put, and nothing heard since
  std::uint64_t pings = 0;
  bool prekeys_due = false;
  bool mail_due = true;
  std::deque<Mail> mail_out;
  std::set<crypto::Hash> mail_sent;
  std::size_t mails_taken = 0, prekeys_taken = 0;
  std::uint64_t receipts_taken = 0;
  // Came before the control entry that makes sense of them.
  struct EarlyReceipt {
    Epoch epoch;
    NodeId node;
    std::uint64_t counter;
    Bytes sealed;
  };
  std::map<ChannelId, EarlyReceipt> early_receipts;
  std::size_t early_bytes = 0;

  Result<void> handle_receipt(ByteView payload);
  void keep_receipt(const ChannelId& id, const wire::Receipt& receipt);
  void retry_receipts();
  Result<void> handle_mail(ByteView payload);
  Result<void> handle_prekeys(ByteView payload);
  Result<void> handle_ping(ByteView payload);
  Result<void> handle_pong(ByteView payload);
  void check_prekeys(std::uint32_t held_by_peer);
  void put_pings(wire::FrameWriter& out);
  void put_side(wire::FrameWriter& out);
  void put_receipt(wire::FrameWriter& out, const ChannelId& id, SharedChannel& channel);
  void receipt_due(SharedChannel& channel);
  // When it is to be looked for; nothing: not before something changes. `quiet`: nothing is fetched or served.
  std::optional<std::int64_t> receipt_time(const SharedChannel& channel, bool quiet) const;
  bool quiet() const { return nothing_to_fetch() && servings_count() == 0; }
};

}  // namespace tocsin::protocol
