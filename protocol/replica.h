// All logs that this node holds, and every decision about them: what is valid, who may write, who may be served, what
// is sealed for whom. Ties identity, channels, feeds and receipts to an EntryStore; knows neither sockets nor threads
// nor which report kinds there are.
//
// One thread calls everything here. Calls that change something take `done`, which is called later on the same thread,
// once the change is durable, never from inside the call (rule 9); a Result that is returned at once with an error
// means that nothing was queued and `done` will not be called. Listeners hear of a change only after it is durable.
//
// Two states are kept for each log: *accepted* (what has been queued for the store) and *durable*. New entries are
// built on the accepted state; sessions, receipts and readers see the durable one alone. When a commit fails, the
// accepted state falls back to the durable one and `failures()` rises: every RangeReceiver made before refuses to go
// on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "crypto/random.h"
#include "protocol/card.h"
#include "protocol/channel_info.h"
#include "protocol/clock.h"
#include "protocol/contributor.h"
#include "protocol/entry_chunk.h"
#include "protocol/entry_store.h"
#include "protocol/erasure.h"
#include "protocol/feed.h"
#include "protocol/frontier.h"
#include "protocol/node_secrets.h"
#include "protocol/org_request.h"
#include "protocol/reading_table.h"
#include "protocol/stewards.h"

namespace tocsin::protocol {

template <class T>
using Done = std::function<void(Result<T>)>;

// ---- What is known of others ----

enum class PeerState : std::uint8_t {
  kIntroduced = 1,  // known by card or roster, words not compared
  kVerified = 2,
  kBlocked = 3,  // neither dialled nor answered
  kEnded = 4,    // two rotations of one commitment ended the organisation (rule 19); shown, and never stored
};
std::string_view to_string(PeerState state);

struct PeerNode {
  NodeId node;
  std::vector<std::string> addresses;  // newest first; from cards and the operator
  crypto::TransportPublic transport;
  std::optional<PrekeyList> prekeys;
  bool revoked = false;
  Time expires;
};
struct Peer {
  OrgId org;
  OrgProfile profile;
  std::string local_name;  // what this node's people call it; empty: profile.name
  PeerState state = PeerState::kIntroduced;
  bool by_card = false;  // false: known by a roster alone
  std::vector<PeerNode> nodes;
};

// ---- What a session exchanges beside entries ----

enum class MailKind : std::uint8_t {
  kInvitation = 1,
  kAcceptance = 2,
  kNotice = 3,
  kIntroduction = 4,
  kKeyRequest = 5,
  kKeyAnswer = 6,
  kContributor = 7,  // a notice to a contributor (rule 24)
  kAnswer = 8,       // of a channel to a contributor
  kLeave = 9,        // of an organisation that leaves a channel
};
struct Mail {
  MailKind kind;
  std::uint32_t prekey_month;
  Bytes envelope;
  crypto::Hash id;  // equal for the same content to the same node: so that a session does not send it twice
};

struct AnswerInfo {
  crypto::Hash id;
  Answer answer;
  OrgId by;  // the member that gave it; of one that came to this organisation, itself: who gave it is not told
};

struct OwnReceipt {
  Epoch epoch;
  std::uint64_t counter = 0;
  Bytes sealed;
  std::uint64_t newest_counter = 0;  // given out so far: checkpoints take theirs from the same row
};
// Newest statement of one node about one channel, merged over its receipts.
struct NamedEntry {
  Number number;
  EntryHash hash;
};
struct ReceiptInfo {
  OrgId org;
  NodeId node;
  std::uint64_t counter = 0;
  Time created;  // as claimed
  std::map<LogKey, Number> heads;
  // The head of each that it named last: of another history under the same number, where the writer showed two. Nothing
  // of a log that only receipts taken by an earlier version named.
  std::map<LogKey, NamedEntry> named;
};

// ---- Local acts ----

struct NewChannel {
  std::string name;
  ChannelClass channel_class = ChannelClass::kShared;
  std::string terms;
  std::uint32_t retention_days = 0;
  // Beside the own organisation, which leads term 1; verified peers, invited as stewards at once (rule 22).
  std::vector<OrgId> stewards;
  std::uint8_t quorum = 1;
  std::optional<ChannelId> successor_of;  // rule 23
};
struct FeedItem {
  FeedKind kind;
  ByteView payload;  // read during the call
};
// An alert goes although the home is in doubt (rules 21, 52).
enum class Haste : std::uint8_t { kOrdinary, kAlert };
inline constexpr Code kNotCertified{"not_certified"};  // this node, by its own organisation's log
inline constexpr Code kHomeUnconfirmed{"home_unconfirmed"};
struct EntryRef {
  LogKey log;
  Number number;
  EntryHash hash;
  friend bool operator==(const EntryRef&, const EntryRef&) = default;
};

struct EntryRange {
  LogKey log;
  Number first, last;
};
// A body that was taken back by its author's organisation, as it was: for whoever keeps something of it.
struct TakenBack {
  Arrival arrival;
  Number number;
  Checked checked = Checked::kChained;
  Entry entry;
  ErasureCause cause = ErasureCause::kWithdrawn;
  bool subject = false;  // it is the report itself; else a correction of it
};

class ReplicaListener {
 public:
  virtual ~ReplicaListener() = default;
  virtual void on_heads(const ChannelId& channel, const LogKey& log) = 0;  // a durable head rose
  virtual void on_org_log(const OrgId& org) = 0;                           // an organisation log grew
  virtual void on_channels() = 0;                               // a channel, roster, epoch or standing changed
  virtual void on_peers() = 0;                                  // a peer, its state or addresses changed
  virtual void on_mail() = 0;                                   // invitations or acceptances wait for some node
  virtual void on_arrival(Arrival newest) = 0;                  // entries are durable: the index may read on
  virtual void on_erased(std::span<const Batch::BodyErase>) {}  // these bodies are gone, for whoever read them
  // These entries of a feed are gone, the newest that were held: a pin chose another branch of it (rule 12).
  virtual void on_cut(const ChannelId&, const LogKey&, const EntryChunk&) {}
  virtual void on_taken_back(std::span<const TakenBack>) {}  // likewise; or kept under a hold, and shown no more
  virtual void on_home_confirmed(const std::optional<NodeId>& /*by*/) {}  // rule 21; nothing: a person did
};

class Replica;

// One range of one log while it arrives (rule 10). Rebuilds headers, chains them, and hands over whole chunks. Made by
// Replica::receive; must not outlive the replica.
class RangeReceiver {
 public:
  ~RangeReceiver();
  RangeReceiver(RangeReceiver&&) noexcept;
  RangeReceiver& operator=(RangeReceiver&&) noexcept;
  // The next entry of the range. `signature` is the signature field, `epoch` the entry's. Errors (peer): bad_entry,
  // bad_epoch (it fell), body_too_large, quota_exceeded.
  Result<void> add(ByteView signature, Epoch epoch, ByteView body);
  // An entry whose body is not given, with the order that had it erased, or nothing. Error (peer) beside those of add,
  // of a feed: not_acceptable, where it may not have been erased yet (rule 25) and nobody ordered it: the body is to be
  // had from somebody else. commit answers the same where the order is not good.
  Result<void> add_without_body(ByteView signature, Epoch epoch, const BodyHash& hash, std::uint32_t body_bytes,
                                ByteView order = {});
  // True when a chunk is complete (1,024 entries or 1 MiB): commit before adding more.
  bool full() const;
  std::size_t pending_entries() const;
  std::size_t pending_bytes() const;
  Number next_number() const;
  // Checks the chunk (newest signature, chain, and for feeds the certificate at each change of epoch, rule 28; for
  // control and organisation logs every entry) and queues it. `done` gets the durable head. Errors (peer):
  // bad_signature, wrong_previous, fork (a proof was kept, rule 12), not_authorised, past_pin (rule 20), quota_exceeded
  // (a node has so many feeds in a channel), not_acceptable (the chair's node is revoked), unknown_epoch
  // (control log first), wrong_epoch, bad_feed_certificate, wrong_number, frozen, stale_receiver (environment). After
  // an error nothing of the chunk is kept.
  Result<void> commit(Done<Number> done);

 private:
  friend class Replica;
  struct State;
  explicit RangeReceiver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A range right below what is held of a feed or control log (rules 8, 33), of at most one chunk: it is verified from
// the top, by what the lowest entry held names as its previous. Made by Replica::receive_below; must not outlive it.
class LowerReceiver {
 public:
  ~LowerReceiver();
  LowerReceiver(LowerReceiver&&) noexcept;
  LowerReceiver& operator=(LowerReceiver&&) noexcept;
  // As of RangeReceiver; too_long (peer) when the chunk would grow beyond its bounds.
  Result<void> add(ByteView signature, Epoch epoch, ByteView body);
  // `order` as of RangeReceiver.
  Result<void> add_without_body(ByteView signature, Epoch epoch, const BodyHash& hash, std::uint32_t body_bytes,
                                ByteView order = {});
  Number next_number() const;
  std::size_t pending_bytes() const;
  // `done` gets the durable low. Errors (peer): wrong_number (the range does not end right below the copy),
  // wrong_previous (what is held follows another entry), bad_signature (control log), those of RangeReceiver::commit
  // that say who may write. After an error nothing of the range is kept.
  Result<void> commit(Done<Number> done);

 private:
  friend class Replica;
  struct State;
  explicit LowerReceiver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What one log, and one channel, may take up here (rule 15). Over it nothing is stored and the reason is shown;
// validity does not change.
struct Quotas {
  std::uint64_t feed_entries = 20'000'000;
  std::uint64_t feed_bytes = 64ull << 30;        // of bodies
  std::uint64_t alert_feed_entries = 1'000'000;  // feeds of alert channels have their own
  std::uint64_t alert_feed_bytes = 16ull << 30;
  // All feeds of one organisation in one channel: nodes and feeds are made at will.
  std::uint64_t member_entries = 40'000'000;
  std::uint64_t member_bytes = 128ull << 30;
  std::uint64_t control_entries = 1'000'000;  // of a control log
  std::uint64_t control_bytes = 8ull << 30;
  std::uint64_t feeds = 65'536;  // of one channel (kLogsPerChannelMax)
};

// Two histories of one log, as they are shown (rule 12).
struct ForkInfo {
  LogKey log;
  LogType type = LogType::kFeed;
  std::vector<ChannelId> channels;  // of a feed or control log one; of an organisation log those of its members
  std::optional<OrgId> org;         // whose log it is: the proof is against them
  std::optional<NodeId> node;
  Number number;                     // of the two entries
  bool parted = false;               // they are the first that differ: else no more is known than that some do
  EntryHash previous;                // that both name; of one that is not parted as the first of them has it
  std::array<EntryHash, 2> entries;  // the second is zero where one alone was kept
  std::array<Epoch, 2> epochs;
  Time found;   // local clock; 0: before that was kept
  Number head;  // newest entry held here, and its hash
  EntryHash head_hash;
  struct Pin {
    Number last;
    EntryHash hash;
  };
  std::optional<Pin> pin;  // which chose
  bool resolved = false;   // and what is held here is the branch that it chose
  bool ended = false;      // two rotations of one commitment: the organisation has ended (rule 19)
  Bytes proof;             // both entries as byte strings, without bodies unless `ended`: u32 size ‖ entry, twice
};
// An entry of an organisation log that a rotation of its roots undid (rule 19): kept as history, where it was held.
struct SupersededEntry {
  enum class Change : std::uint8_t { kOther = 0, kCertify = 1, kRevoke = 2 };
  Number number;
  EntryHash hash;
  Number by;  // the rotation
  Change change = Change::kOther;
  NodeId node;       // that it certified or revoked; zero: neither
  std::string name;  // of the node, or the reason why it was revoked
};
// What a single entry of a peer's says of the log.
enum class ForkStep : std::uint8_t {
  kSame,     // it is held here
  kDiffers,  // another one is, and the two do not name the same entry before: they part further down
  kProven,   // the histories part here, or it is known where they do; of an organisation log, see branch_start
};

struct ReplicaStatus {
  std::uint64_t refused_entries = 0;  // by peers' fault, since start
  std::uint64_t fork_proofs = 0;
  std::uint64_t entries = 0;          // durable
  std::vector<std::string> warnings;  // STALE certificates, old epochs (rules 18, 27), certificate-key wraps (rule 32),
                                      // key_missing; for people
};

class Replica {
 public:
  // References outlive the replica. `table` is where it keeps the reading keys for openers.
  Replica(EntryStore& store, Clock& clock, crypto::Random& random, const NodeSecrets& secrets, ReadingTable& table);
  ~Replica();

  // Makes the records of a new organisation's first node: organisation log `entries` (genesis and the own certificate),
  // private channel (class private, epoch 1). Called once, on an empty store.
  Result<void> create(std::span<const Entry> org_log, const NodeId& own_node, Done<ChannelId> done);
  // The same for a further node of an organisation that is there already: `org_log` need not certify it yet, and the
  // private channel comes from another of its nodes, `sibling`, whose addresses are those of its card.
  Result<void> create_further(std::span<const Entry> org_log, const NodeId& own_node, const NodeId& sibling,
                              std::vector<std::string> addresses, Done<void> done);
  // On a store that was put back from a backup, for a node that has new keys: takes `own_node` as its own from now on,
  // and leaves out what was the old node's to do (its counters, what waited for it as chair). `load` comes after.
  Result<void> create_restored(const NodeId& own_node, Done<void> done);
  // Reads everything back at start. Errors (environment): store_failed, damaged_record.
  Result<void> load();
  void set_listener(ReplicaListener* listener);  // null: nobody
  void set_quotas(const Quotas& quotas);

  // ---- identity
  const OrgLog& own_org() const;
  // Is this node certified, and not revoked? A further node is not until its organisation's roots have signed and it
  // has heard so.
  bool is_certified() const;
  // Error (caller): not_certified, with what to do.
  Result<void> check_certified() const;
  // Requests are signed by root keys, which are not here (org_request.h). Errors of each: home_unconfirmed (an
  // older copy would fork the log); those of the store.
  // Where a feed of a node is to end, where that is not the head held here; 0: nothing of it counts (rule 20).
  struct LastGood {
    LogKey feed;
    Number last;
  };
  // Errors (caller): unknown_node, already_revoked, bad_reason, unknown_feed.
  Result<OrgRequest> request_revoke(const NodeId& node, std::string_view reason, std::span<const LastGood> at) const;
  // Errors (caller): wrong_organisation; bad_request (the log would not take it: the detail says why).
  Result<OrgRequest> request_certify(const NodeRequest& node) const;
  // `next` is the whole set that was committed to, and signs; `commitment_after` is that of the set after it. What
  // stands above `last_good` (nothing: the head) is superseded (rule 19). Errors (caller): wrong_next_roots,
  // bad_last_good, organisation_ended.
  Result<OrgRequest> request_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after,
                                          std::optional<Number> last_good = std::nullopt) const;
  // Entries of the own log above `last_good`: what a rotation that names it would undo.
  std::vector<SupersededEntry> own_entries_above(Number last_good) const;
  // What came back (assemble_org_entry). With `dry_run` it is checked alone. Errors (caller): wrong_organisation,
  // stale_request (the log has moved on), already_rotated (a second one would end the organisation),
  // home_unconfirmed (not with `dry_run`); those of OrgLog::apply.
  Result<void> append_org_entry(const EntryView& entry, bool dry_run, Done<void> done);
  // The feeds of a node that are held here, in all channels.
  struct OwnFeed {
    ChannelId channel;
    LogKey feed;
    Number head;
  };
  std::vector<OwnFeed> feeds_of(const NodeId& node) const;
  const NodeId& own_node() const;
  const ChannelId& private_channel() const;
  const std::string& network() const;
  // The own card with these addresses (rule 32: with twelve months of prekeys from the secrets).
  // Errors: those of encode_card.
  Result<std::string> own_card(std::vector<std::string> addresses) const;
  Bytes own_prekeys() const;  // signed list
  // Month of the newest own prekey that has opened an epoch of another's making; nothing: none has (rule 32).
  std::optional<std::uint32_t> newest_prekey_used() const;

  // ---- peers
  // Adds or renews. Answers which organisation it was: the own one, where another node of it is to be found at other
  // addresses. Errors: those of open_card; own_card (caller).
  Result<OrgId> add_card(std::string_view text, Done<void> done);
  // Errors (caller): unknown_peer, wrong_words.
  Result<void> verify_peer(const OrgId& org, std::span<const std::string> words, Done<void> done);
  Result<void> set_peer_blocked(const OrgId& org, bool blocked, Done<void> done);
  Result<void> rename_peer(const OrgId& org, std::string_view name, Done<void> done);
  // Forgets a peer. Errors (caller), of the question too: unknown_peer, peer_in_channel.
  Result<void> may_remove_peer(const OrgId& org) const;
  Result<void> remove_peer(const OrgId& org, Done<void> done);
  Result<void> add_address(const NodeId& node, std::string_view address, Done<void> done);
  std::vector<Peer> peers() const;
  // Where a node listens, newest first, as its cards and people have said; of the own organisation's nodes, too.
  std::vector<std::string> addresses_of(const NodeId& node) const;
  std::optional<Peer> peer(const OrgId& org) const;
  // Who is at the other end of a handshake: a live node of an unblocked organisation that is known here. `newer_log`:
  // the end of its organisation log from the third message (rule 43), applied first when it verifies. Nothing when
  // unknown.
  std::optional<std::pair<OrgId, NodeId>> identify(const crypto::TransportPublic& key,
                                                   std::span<const Bytes> newer_log);
  // Whose transport key it was that was revoked, and is nobody's now: a node of an unblocked organisation that is known
  // here. Nothing else.
  std::optional<std::pair<OrgId, NodeId>> revoked_holder(const crypto::TransportPublic& key) const;
  // May a session that this key began go on? As long as identify knew the node by it, and after that while it is the
  // transport key before the one that the node's newest certificate names: a new one interrupts nothing (rule 18).
  bool still_speaks_for(const crypto::TransportPublic& key, const OrgId& org, const NodeId& node) const;
  bool is_blocked(const OrgId& org) const;
  const OrgLog* org_log(const OrgId& org) const;
  Result<void> accept_prekeys(const NodeId& node, ByteView signed_list);
  std::optional<std::uint32_t> prekey_month_of(const NodeId& node) const;  // first month of the list held

  // ---- channels
  // Error (caller): not_certified.
  Result<ChannelId> create_channel(const NewChannel& channel, Done<ChannelId> done);
  std::vector<ChannelInfo> channels() const;  // invitations too; ordered by name; the private one first
  std::optional<ChannelInfo> channel(const ChannelId& id) const;
  // What an invitation that is open, or was accepted without a key so far, makes of this organisation; kUnknown: none.
  Role invited_role(const ChannelId& id) const;
  // Invites a verified peer. Errors (caller): unknown_channel, not_chair (name who is), unknown_peer,
  // peer_not_verified, already_member, role_not_supported, channel_full.
  Result<void> invite(const ChannelId& channel, const OrgId& org, Role role, Done<void> done);
  // The same as a proposal says it. Errors: the same.
  Result<RosterMember> member_to_invite(const ChannelId& channel, const OrgId& org, Role role) const;
  Result<void> accept(const ChannelId& channel,
                      Done<void> done);  // queues the signed acceptance; joined when an epoch arrives
  Result<void> refuse(const ChannelId& channel, Done<void> done);
  // This organisation leaves; nothing new goes or comes from now on, and the chair's next epoch is without it. Errors
  // (caller): unknown_channel, private_channel, not_a_member, steward_cannot_leave.
  Result<void> leave(const ChannelId& channel, Done<void> done);
  // Drops a member: new epoch, its feeds pinned where this node holds them (rules 20, 27).
  Result<void> remove_member(const ChannelId& channel, const OrgId& org, Done<void> done);
  Result<void> rotate(const ChannelId& channel, Done<void> done);  // all three of the chair: chair_revoked
  // The epoch that people call by this number, as far as this node knows it; else one of the present term.
  Epoch epoch_counted(const ChannelId& channel, std::uint64_t count) const;
  // Gives a member the epochs from `from` to before it joined (rule 34). Errors (caller): unknown_channel, not_chair,
  // not_a_member, epoch_out_of_range (names the range), already_granted, needs_stewards.
  Result<void> grant_history(const ChannelId& channel, const OrgId& org, Epoch from, Done<void> done);
  // The same checked alone, and what it would show: feed entries of those epochs that are held here.
  struct HistoryPreview {
    Epoch from, to;  // `to`: the last before it joined
    Time since;      // when `from` began, as claimed
    std::vector<EntryRange> entries;
  };
  Result<HistoryPreview> preview_history(const ChannelId& channel, const OrgId& org, Epoch from);

  // ---- what several stewards decide (rules 22, 23)
  // A proposal with this organisation's yes, in the own feed; with a single steward it takes effect at once. Errors
  // (caller): unknown_channel, not_steward, too_many_proposals, bad_change (what does not fit the channel, with what to
  // do), those of may_append.
  Result<ProposalId> propose(const ChannelId& channel, ProposedChange change, const std::string& reason,
                             Done<ProposalId> done);
  // This organisation's one answer. Errors (caller): unknown_proposal, not_steward, already_answered, not_open.
  Result<void> answer_proposal(const ProposalId& proposal, bool approve, const std::string& reason, Done<void> done);
  // Of all channels, or of one; newest first.
  std::vector<ProposalInfo> proposals(const std::optional<ChannelId>& channel) const;
  // Whose turn it would be: the lowest term above the one in force that leads to that steward. Errors (caller):
  // unknown_channel, not_steward (it is none).
  Result<std::uint32_t> next_term_of(const ChannelId& channel, const OrgId& steward) const;

  // ---- writing
  // May this organisation write there now? Errors: unknown_channel (not_certified where that is why there is none),
  // not_a_writer, needs_newer; home_unconfirmed: while the home is in doubt the private channel and alerts alone are
  // written, in new feeds. A node that is certified no more may: what it takes back is erased here, and a rotation may
  // undo the revocation (rule 19). Who writes for people asks check_certified first.
  Result<void> may_append(const ChannelId& channel, Haste haste = Haste::kOrdinary) const;
  // Appends to the own feed of the channel, as one batch: all or nothing. `done` gets the references in order. The
  // first entry of an epoch carries the certificate; checkpoints are put in between as rule 13 says. Errors (caller):
  // those of may_append, payload_too_large.
  Result<void> append(const ChannelId& channel, std::span<const FeedItem> items, Done<std::vector<EntryRef>> done,
                      Haste haste = Haste::kOrdinary);

  // ---- the home (rule 21)
  // It stands elsewhere than it did: somebody may run the original. From now on nothing is added to feeds that are
  // there, receipts and control logs wait, and ordinary writing is home_unconfirmed, all durably, until it is
  // confirmed. `machine`: where it stands now; given back by doubted_home as long as the doubt lasts.
  void doubt_home(ByteView machine, Done<void> done);
  bool home_in_doubt() const;
  std::optional<Bytes> doubted_home() const;
  // A person says that no original runs. Errors (caller): home_confirmed (nobody asked), ask_a_peer (another node
  // shares a channel with this one, and is to be met).
  Result<void> confirm_home(Done<void> done);
  // For sessions: this peer's heads were compared, and none of an own log is above what is held here.
  void home_confirmed_by(const NodeId& peer);
  // For sessions: this node leads the channel, and has compared it with nobody since it started; now it has, and
  // nothing is left to be fetched.
  bool awaits_comparison(const ChannelId& channel) const;
  void note_compared(const ChannelId& channel);
  // For sessions: the peer says that it holds an own log up to there. A feed ends by that, a chair waits.
  void note_higher(const LogKey& log, Number head, const NodeId& peer);
  bool is_own_log(const LogKey& log) const;  // of this node's feeds, or a control log that it writes
  std::uint64_t own_entries_taken() const;   // rises when entries of own logs come from others

  // ---- taking back (erasure.h)
  // The order to erase an entry of the own organisation; who appends it, has the body erased with it. Errors (caller):
  // not_held, not_the_author, locked.
  Result<Bytes> make_erasure_order(const LogKey& feed, Number number, const ReportId& report, const ReportId& subject,
                                   ErasureCause cause) const;
  // The signed order that is in force for an entry, or nothing.
  Bytes erasure_order(const LogKey& feed, Number number) const;
  bool is_taken_back(const LogKey& feed, Number number) const;
  // How many bodies were erased, or are kept under a hold, because their authors took them back. Never falls.
  std::uint64_t taken_back() const;
  // Newest record of each report, removed ones too.
  std::vector<HoldRecord> holds() const;
  bool is_held(const LogKey& feed, Number number) const;

  // ---- answering contributors (rule 24)
  // Says something to a contributor about a report of its, in the own feed; any member's node brings it. Errors
  // (caller): unknown_channel, not_a_contributor, bad_answer, those of append.
  Result<void> answer_contributor(const ChannelId& channel, const OrgId& contributor, const ReportId& report,
                                  const std::string& text, Done<void> done);
  // Those about a report, or all: given by members, and got by this organisation; oldest first. Of those given the
  // newest 32 to each contributor; all of them stand in the feeds.
  std::vector<AnswerInfo> answers(const std::optional<ReportId>& report) const;

  // ---- reading
  const ReadingTable& reading_table() const;
  Result<void> read_arrivals(Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) const;
  Arrival newest_arrival() const;
  // The newest arrival when entries were last taken out of a log (on_cut); nothing: none ever were.
  std::optional<Arrival> newest_cut() const;
  Result<Entry> read_entry(const LogKey& log, Number number) const;  // kNotHeld
  // What is held of one log, above a pin as well: for this node's own index, never for a peer (that is `serve`).
  Result<void> read_log(const LogKey& log, Number from, Number to, std::size_t bytes_max,
                        const EntryVisitor& visit) const;
  std::vector<ReceiptInfo> receipts(const ChannelId& channel) const;
  std::optional<LogRecord> log_record(const LogKey& log) const;  // durable
  std::vector<LogRecord> channel_logs(const ChannelId& channel) const;
  // Where the feed ends for good (rule 20): entries above it do not count, and stay as evidence only. At 0, without a
  // hash, where its writer was dropped from the channel and no pin names it.
  struct EndOfFeed {
    Number last;
    EntryHash hash;
  };
  std::optional<EndOfFeed> pin_of(const LogKey& feed) const;
  ReplicaStatus status() const;
  std::uint64_t failures() const;
  bool store_is_behind() const;  // EntryStore::is_behind

  // Small named values of the layers above (inbox, sources, policies).
  Result<Bytes> get_record(Table table, ByteView name) const;
  Result<void> scan_records(Table table, const RecordVisitor& visit) const;
  void put_record(Table table, ByteView name, ByteView value, Done<void> done);
  void remove_record(Table table, ByteView name, Done<void> done);

  // ---- for sessions
  // Channels to make slots for: the peer's node stands in the newest roster held here, or this node waits there as an
  // accepted invitee.
  std::vector<ChannelId> channels_with(const NodeId& peer) const;
  const Frontier& frontier(const ChannelId& channel) const;
  // What of it that organisation's nodes are told: a contributor hears of its own feeds alone (rule 24).
  const Frontier& frontier(const ChannelId& channel, const OrgId& peer) const;
  // Is one of the two a contributor, so that a session of theirs carries its feeds, notices and answers only?
  bool is_contribution(const ChannelId& channel, const OrgId& peer) const;
  // Is the proof (fork_proof) about a log that a contribution's session with that organisation may speak of?
  bool is_proof_of(const ChannelId& channel, const OrgId& peer, ByteView proof) const;
  // A contributor was told by a session that the peer holds these heads of its feeds: there are no receipts for it.
  // Kept as one without a counter; of another channel it is nothing.
  void note_held(const ChannelId& channel, const OrgId& org, const NodeId& node, std::span<const Leaf> leaves);
  // What the two know of the channel that others do not: its id; of a contribution its tag (rules 24, 36).
  ByteView slot_key(const ChannelId& channel, const OrgId& peer) const;
  // Key of the equality value: access seed of the newest epoch; 32 zero bytes before the first.
  ByteView equality_key(const ChannelId& channel, const OrgId& peer) const;
  ChannelClass channel_class(const ChannelId& channel) const;
  // First epoch that this node was given in the channel (0: all); what `want` names.
  Epoch first_epoch(const ChannelId& channel) const;
  // May this log be sent to that node in that channel? False for unknown logs too.
  bool may_serve(const NodeId& peer, const std::optional<ChannelId>& channel, const LogKey& log) const;
  // Is this log worth asking for: known or acceptable in the channel, not frozen, not past a pin?
  bool wants_log(const std::optional<ChannelId>& channel, const LogKey& log, LogType type) const;
  Number accepted_head(const LogKey& log) const;  // 0: nothing
  Number served_head(const LogKey& log) const;    // up to there others are given it; 0: nothing is held
  // First number of the log whose entry has `epoch` or a later one; the head when none has.
  Result<Number> first_number_at(const LogKey& log, Epoch epoch) const;
  // Entries for a session; verifies the signature of the last one visited when it is only chained (rule 10). What was
  // taken back comes without its body, also where that is kept under a hold.
  Result<void> serve(const LogKey& log, Number from, Number to, std::size_t bytes_max, const EntryVisitor& visit) const;
  // `previous` when the range does not begin right above what is held. Errors (peer): not_acceptable, frozen,
  // wrong_number.
  Result<RangeReceiver> receive(const std::optional<ChannelId>& channel, const LogKey& log, LogType type, Number first,
                                const std::optional<EntryHash>& previous);
  // Logs of the channel whose copies are to reach further down: keys of older epochs came (rule 33).
  const std::set<LogKey>& short_logs(const ChannelId& channel) const;
  // What is held of one of them; of a control log that is known by its end alone, too. Nothing: not durable yet.
  std::optional<LogRecord> short_record(const ChannelId& channel, const LogKey& log) const;
  bool is_short(const LogKey& log) const;
  // `previous`: what the range's first entry follows, where that is not number 1. Errors (peer): not_acceptable (it is
  // not short, or not of the channel), wrong_number, wrong_previous.
  Result<LowerReceiver> receive_below(const ChannelId& channel, const LogKey& log, Number first,
                                      const std::optional<EntryHash>& previous);

  // ---- forks (rule 12)
  // Another hash of a number that is held was seen: ask for that entry, then give it here. Where the two do not follow
  // the same entry, ask for one further down, until they do. Errors (peer): bad_signature, wrong_number (none of that
  // number is held), not_acceptable, those of OrgLog.
  Result<ForkStep> fork_candidate(const ChannelId& channel, const EntryView& entry);
  // Is this what a peer names that knows the fork, and holds what we hold below it?
  bool is_fork_leaf(const Leaf& leaf) const;
  // Where histories part, as far as a proof is held durably that convinces others.
  std::optional<std::pair<Number, EntryHash>> parting(const LogKey& log) const;
  // Of an organisation log: where to ask for a peer's branch, which may hold a rotation that decides (rule 19);
  // `number` or below it.
  Number branch_start(const LogKey& log, Number number) const;
  // Entries that a rotation of that organisation's roots undid, as far as they were held here; oldest first.
  std::vector<SupersededEntry> superseded(const OrgId& org) const;
  // Nothing of what is known of a fork of it waits for the disk.
  bool fork_is_durable(const LogKey& log) const;
  std::vector<LogKey> partings(const ChannelId& channel) const;
  // The proof for another member: twice `u16 size ‖ entry without its body`; that an organisation has ended: with them.
  std::optional<Bytes> fork_proof(const ChannelId& channel, const LogKey& log) const;
  // What fork_proof gave elsewhere: checked and kept. Errors (peer): bad_entry, bad_signature (the peer lies);
  // not_acceptable (of no log of the channel).
  struct TakenProof {
    LogKey log;
    Number number;
    EntryHash previous;
    bool early = false;  // nothing was kept: the log, or what comes before in it, is not here yet
  };
  Result<TakenProof> take_fork_proof(const ChannelId& channel, ByteView proof);
  std::vector<ForkInfo> forks() const;  // newest first
  // Is this entry in dispute: at or above where two histories part, with no pin that chose its branch?
  bool is_disputed(const LogKey& log, Number number) const;
  std::optional<EntryHash> entry_hash(const LogKey& log, Number number) const;  // durable
  // Chair: the feed ends for good with this entry, and so its branch is the one that counts; `last` 0: found by its
  // hash. Errors (caller): unknown_channel, not_chair, unknown_feed, not_forked, unknown_entry, already_pinned,
  // too_many_pins; needs_stewards (of pin_feed: it is to be proposed).
  struct Chosen {
    Number last;
    NodeId node;                // whose feed it is
    std::uint64_t dropped = 0;  // entries held here that are not of that branch, or above its end
  };
  Result<Chosen> may_pin(const ChannelId& channel, const LogKey& feed, Number last, const EntryHash& hash) const;
  Result<void> pin_feed(const ChannelId& channel, const LogKey& feed, Number last, const EntryHash& hash,
                        Done<void> done);

  // What waits for that node. Keys that it asked for (rule 33) are given out once.
  std::vector<Mail> mail_for(const OrgId& org, const NodeId& node) const;
  // Errors (peer): bad_mail, not_for_us, bad_invitation, bad_acceptance, unknown_channel, bad_signature; harmless
  // duplicates are a no-op.
  Result<void> handle_mail(const OrgId& from, MailKind kind, std::uint32_t prekey_month, ByteView envelope);
  // The newest own receipt, made anew when heads have changed and the last is a minute old.
  std::optional<OwnReceipt> own_receipt(const ChannelId& channel);
  Result<void> handle_receipt(const ChannelId& channel, Epoch epoch, const NodeId& node, std::uint64_t counter,
                              ByteView sealed);

  // ---- for bundles (bundle.h)
  // Live nodes of these organisations, each with the key that something is sealed to this month (rule 32).
  std::vector<WrapTarget> wrap_targets(std::span<const OrgId> orgs) const;
  // What a slot for one of this node's keys gives out. Errors: those of crypto::find_slot.
  Result<crypto::SecretBuffer> open_slot(const crypto::EncryptionPublic& ephemeral, ByteView context,
                                         std::span<const ByteView> slots) const;
  crypto::Signature sign_bundle(const crypto::Hash& digest) const;
  // The signing key of the node that made a bundle. `newer_log` is applied first, as in identify, unless `look_only`.
  // Error (peer): unknown_peer (not known here, blocked, revoked, or not certified).
  Result<crypto::VerifyKey> bundle_author(const OrgId& org, const NodeId& node, std::span<const Bytes> newer_log,
                                          bool look_only);
  std::vector<Bytes> own_log_end(std::size_t bytes_max) const;  // newest entries of the own organisation log
  // First epoch that this organisation was given in the channel, as far back as the rosters here say; 0: all.
  Epoch first_epoch_of(const ChannelId& channel, const OrgId& org);

  // For whoever opens all arrivals anyway (the index): give it the checkpoints (kind 4), which are compared with the
  // heads held here (rule 13), and the orders, holds, answers and leaves (kinds 8, 10, 14, 15), which are followed; any
  // of them as often as one likes. Of long ranges the replica itself looks only where a checkpoint has to stand.
  void handle_opened(const OpenedEntry& opened);

  // Chair's chores (answer acceptances, rotate after 30 days or when a member's node was added or revoked) and prekey
  // upkeep. Call every few seconds, and after on_channels or on_org_log; cheap when there is nothing to do.
  void handle_tick();

 private:
  Result<void> check_here(const ChannelId& channel) const;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::protocol
