// The engine's mind, without sockets, clock or threads of its own: which links there are, whom to dial and when, what
// is synced with whom. The real node drives it from Asio (engine.h), the simulator from virtual time; both the very
// same class.
//
// One thread. Given the same calls, Clock and Random it does the same.
//
// Order of calls. The owner sets the callbacks, then forwards: a connection's life (add_link, handle_frame,
// link_closed, dial_failed), time (handle_tick, once next_deadline has passed). After any call it may find work in
// poll_dial and, for the links named by `link_ready`, in poll_frame. Callbacks are made from inside other calls and
// must not call back into the hub: they note, and the owner acts later. Every `Done` is called from handle_tick, never
// from inside the call that took it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/random.h"
#include "node/log/log.h"
#include "node/transport/link_user.h"
#include "protocol/clock.h"
#include "protocol/replica.h"
#include "protocol/session.h"

namespace tocsin::engine {

using protocol::Done;
using transport::DialTarget;
using transport::EstablishedLink;
using transport::LinkId;

inline constexpr std::size_t kLinksMax = 512;          // sessions at a time; 4 MiB each at the very most
inline constexpr std::size_t kLinksPerNodeMax = 4;     // the newest, and replaced ones that say goodbye
inline constexpr std::size_t kDialsMax = 16;           // connections being made at a time
inline constexpr std::int64_t kReplicaTickMs = 5'000;  // how often Replica::handle_tick is called when nothing happens
inline constexpr std::int64_t kSyncStallMs = 30'000;   // `sync now` gives up on a peer after this long without progress
inline constexpr std::int64_t kDialFirstMs = 1'000;    // back-off after the first failure, then doubled,
inline constexpr std::int64_t kDialMaxMs = 5 * 60'000;  // up to this; each +-50 %
inline constexpr std::int64_t kLinkStableMs = 10'000;   // a link that lived this long, or settled, ends the back-off
// Of two links to one node, both younger than this, the one dialled by the smaller node id stays: both sides choose
// alike. An older one gives way to the newer: the peer would not dial while it still had it.
inline constexpr std::int64_t kLinkRaceMs = 30'000;

inline constexpr Code kUnknownPeer{
    "unknown_peer"};                           // peer: not certified, revoked, or blocked here. caller: no such node
inline constexpr Code kSelfDial{"self_dial"};  // peer: the other end is this node
inline constexpr Code kDuplicateLink{"duplicate_link"};   // peer: another link to the same node stays
inline constexpr Code kBusy{"busy"};                      // environment: kLinksMax reached
inline constexpr Code kNoAddress{"no_address"};           // caller: nobody knows where that node listens
inline constexpr Code kPeerBlocked{"peer_blocked"};       // caller: unblock it first
inline constexpr Code kNoPeers{"no_peers"};               // caller: nobody to sync with: add a peer first
inline constexpr Code kUnreachable{"unreachable"};        // none of the peers asked for could be reached (exit code 5)
inline constexpr Code kPartial{"partial"};                // some were not reached, or did not finish (exit code 3)
inline constexpr Code kSaysRevoked{"peer_says_revoked"};  // peer: it holds the word of the organisation that revoked us
inline constexpr Code kPeerSilent{"peer_silent"};         // peer: no frame for so long that the link is given up
inline constexpr Code kStalled{"stalled"};                // peer: no progress for kSyncStallMs

// A node that this one may talk with, for `peer list`. Times are of Clock::now.
struct PeerConnection {
  protocol::OrgId org;
  protocol::NodeId node;
  bool connected = false;
  bool dialling = false;
  std::string address;                     // of the link, else the first known; empty when there is none
  std::optional<protocol::LinkRole> role;  // initiator: this node dialled
  std::optional<protocol::Time> connected_since;
  std::optional<protocol::Time> last_seen;  // last frame from it, since start
  std::optional<Error> last_error;          // why the last link or dial ended; nothing after a success
  std::optional<protocol::Time> last_error_at;
  std::optional<std::int64_t> next_try_in_ms;  // when it is waiting to be dialled
  protocol::SessionStats stats;                // of the link
};

// How one channel stands with one node, for `sync status`.
enum class SyncState : std::uint8_t {
  kEqual = 1,    // connected, and both hold the same
  kSyncing = 2,  // connected, something is on the way or to be asked for
  kWaiting = 3,  // connected, but the peer does not (yet) share this channel
  kOffline = 4,  // not connected; `ahead` comes from its newest receipt
};
std::string_view to_string(SyncState state);
struct ChannelSync {
  protocol::OrgId org;
  protocol::NodeId node;
  protocol::ChannelId channel;
  SyncState state = SyncState::kOffline;
  std::uint64_t behind = 0;                      // entries that the peer has and this node lacks, as far as known
  std::uint64_t ahead = 0;                       // entries that this node has and the peer lacks, as far as known
  std::optional<protocol::ReceiptInfo> receipt;  // its newest
};

// What one `sync now` did, from the call until every peer asked for had settled or was given up.
struct SyncOutcome {
  protocol::OrgId org;
  protocol::NodeId node;
  bool reached = false;
  std::optional<Error> problem;  // nothing: all is exchanged
};
struct SyncReport {
  std::uint64_t received = 0, sent = 0;       // entries
  std::uint64_t bytes_in = 0, bytes_out = 0;  // on the wire after the handshake
  std::uint64_t round_trips = 0;              // of the peer with the most: peers are asked side by side
  double seconds = 0;
  std::optional<Code> code;  // nothing, kPartial or kUnreachable
  std::vector<SyncOutcome> peers;
};

class DialPlan;
class SyncWatch;

class Hub final : public transport::LinkUser, public protocol::ReplicaListener {
 public:
  struct Callbacks {
    std::function<void(LinkId)> link_ready;  // poll_frame is worth calling, or the link is finished
    std::function<void()> attention;         // next_deadline or poll_dial has something earlier than before
  };
  // References outlive the hub. Makes itself the replica's listener (and takes that back when destroyed).
  Hub(protocol::Replica& replica, protocol::Clock& clock, crypto::Random& random, Log& log);
  ~Hub() override;
  void set_callbacks(Callbacks callbacks);
  // Hears everything that the replica tells, after the sessions. The pointer must stay good until remove_listener.
  void add_listener(protocol::ReplicaListener* listener);
  void remove_listener(protocol::ReplicaListener* listener);

  // ---- connections (transport::LinkUser)
  // Errors: unknown_peer, self_dial, duplicate_link (another link to that node stays), busy.
  Result<LinkId> add_link(const EstablishedLink& link) override;
  void dial_failed(const protocol::NodeId& node, const Error& reason) override;
  Result<void> handle_frame(LinkId link, ByteView frame) override;
  bool is_behind(LinkId link) const override;
  bool poll_frame(LinkId link, Bytes& out) override;
  bool link_finished(LinkId link) const override;
  void link_closed(LinkId link, const Error& reason) override;
  void refused(const Error& reason) override;

  // ---- time
  void handle_tick();
  std::int64_t next_deadline() const;  // steady milliseconds; at most kReplicaTickMs away

  // ---- dialling
  // The next node to dial now, if any; the owner answers with add_link or dial_failed. Call until it gives nothing.
  std::optional<DialTarget> poll_dial();
  // false: never dials by itself (dial_now and sync_now still do). Default true.
  void set_dialling(bool on);
  // `peer connect`: dials now, whatever the back-off; `address` is tried before the known ones. Done: connected (also
  // when it was already), or why not. Errors (caller): unknown_peer, peer_blocked, no_address, bad_address.
  Result<void> dial_now(const protocol::NodeId& node, std::optional<std::string> address, Done<void> done);

  // ---- syncing
  // Compares again with these nodes (none given: all that are connected or can be dialled), dialling those that are not
  // connected. Errors (caller): no_peers, unknown_peer, peer_blocked.
  Result<void> sync_now(std::vector<protocol::NodeId> nodes, Done<SyncReport> done);

  // ---- ending
  // Says bye to everybody; dials and takes nobody any more.
  void close_all(protocol::ByeReason reason);

  // ---- looking
  std::vector<PeerConnection> connections() const;  // known nodes, ordered by organisation and node
  std::vector<ChannelSync> sync_status() const;     // each node of each roster, by channel
  std::size_t link_count() const;
  std::optional<LinkId> link_of(const protocol::NodeId& node) const;
  // Everything refused, by reason code, since start.
  const std::map<std::string_view, std::uint64_t>& refusals() const;
  std::uint64_t entries_received() const;  // over all links, since start
  std::uint64_t entries_sent() const;

  // ---- protocol::ReplicaListener
  void on_heads(const protocol::ChannelId& channel, const protocol::LogKey& log) override;
  void on_org_log(const protocol::OrgId& org) override;
  void on_channels() override;
  void on_peers() override;
  void on_mail() override;
  void on_arrival(protocol::Arrival newest) override;
  void on_cut(const protocol::ChannelId& channel, const protocol::LogKey& log,
              const protocol::EntryChunk& entries) override;
  void on_erased(std::span<const protocol::Batch::BodyErase> bodies) override;
  void on_taken_back(std::span<const protocol::TakenBack> bodies) override;
  void on_home_confirmed(const std::optional<protocol::NodeId>& by) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::engine
