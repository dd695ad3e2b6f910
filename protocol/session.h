// The sync session of two replicas over one established link (docs/protocol.md, section 9; rules 34 to 36, 43). No I/O:
// frames in, frames out.
//
// Calling order: construct; poll_frame until it gives nothing; then for each frame that arrives handle_frame and again
// poll_frame until nothing. Durable commits happen between calls (Replica's `done`s); after one, `wakeup` tells the
// owner that poll_frame is worth calling. handle_tick when next_deadline has passed. A frame is made only when
// poll_frame is called, so a slow link holds back reading of the store: that is the back-pressure. Memory of a session:
// one chunk for each range in flight (at most kRangesInFlight), and what the other side may send on credit: under 4 MiB
// in all.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocol/link.h"
#include "protocol/replica.h"
#include "protocol/wire.h"

namespace tocsin::protocol {

inline constexpr std::uint32_t kInitialCreditBytes = 2 * 1024 * 1024;
inline constexpr std::size_t kRangesInFlight =
    2;  // wants under way however long they are; short ones besides, see session_impl.h
inline constexpr std::int64_t kPingAfterMs = 60'000;   // silence after which a ping goes out
inline constexpr std::int64_t kDeadAfterMs = 150'000;  // silence after which the link is given up
inline constexpr std::int64_t kRangeStallMs = 20'000;  // a range without progress is wanted from another session
inline constexpr std::size_t kRangeProgressBytes = 16 * 1024;
inline constexpr std::int64_t kSessionMaxMs = 24 * 3'600'000;  // rule 46

// Reason codes of sessions, beside those of wire.h and of the replica. All are the peer's fault.
inline constexpr Code kUnexpectedMessage{"unexpected_message"};  // before hello, twice, or an answer to no question
inline constexpr Code kWrongNode{"wrong_node"};                  // hello names another sender or receiver (rule 43)
inline constexpr Code kTooMuch{"too_much"};                // more questions, mail or receipts than a session may send
inline constexpr Code kCreditExceeded{"credit_exceeded"};  // entries beyond the credit that was given
inline constexpr Code kBadEntries{"bad_entries"};          // they were not what was asked for, or do not verify

struct SessionStats {
  std::uint64_t entries_received = 0, entries_sent = 0;  // that were new to the receiver
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // on the wire after the handshake: size field, ciphertext, tag
  // Longest chain of questions that each waited for the answer to the one before: 1 for the opening, more for each ask
  // or want.
  std::uint64_t round_trips = 0;  // of the newest comparison and what came of it
  std::uint64_t refused = 0;      // of the peer's, without ending the session
};

// Logs that some session of this node is fetching: a log is wanted from one session at a time. Shared by all sessions
// of a replica.
class WantTable;

class Session {
 public:
  struct Config {
    LinkRole role;
    crypto::HandshakeHash handshake_hash;
    OrgId peer_org;
    NodeId peer_node;
    std::function<void()>
        wakeup;  // poll_frame is worth calling; never called from inside a Session method of the same session's caller
    bool live = true;  // false: end with `done` once settled (tools, bench)
    std::function<void(const Error&)> refused =
        {};  // something of the peer's was refused, and the session goes on; called from inside handle_frame
  };
  Session(Replica& replica, WantTable& wants, Clock& clock, crypto::Random& random, Config config);
  ~Session();

  // ---- handle
  // Error: the session is over; poll_frame may still give a last `bye`.
  Result<void> handle_frame(ByteView frame);
  void handle_tick();
  // Forwarded from the ReplicaListener.
  void handle_heads(const ChannelId& channel, const LogKey& log);
  void handle_org_log(const OrgId& org);
  void handle_channels();
  void handle_mail();
  void handle_cut(const ChannelId& channel, const LogKey& log);

  // ---- command
  void resync();  // compare everything again (`sync now`)
  void close(ByeReason reason);

  // ---- poll
  // The next frame into `out` (replaced): plaintext, padded, at most kFrameBytesMax. False: nothing to send now; worth
  // calling again after handle_*, a command or `wakeup`.
  bool poll_frame(Bytes& out);
  std::optional<std::int64_t> next_deadline() const;  // steady milliseconds

  // ---- get
  bool closed() const;  // nothing more will come; drop the link after the last frame
  std::optional<ByeReason> peer_reason() const;
  // Both sides have compared, every want is answered and durable, and nothing waits to be sent.
  bool fetching() const;  // something was wanted of the peer, and is not all durable yet
  bool settled() const;
  const SessionStats& stats() const;
  const OrgId& peer_org() const;
  const NodeId& peer_node() const;
  // Channels shared in this session, and whether the two were equal when last compared or announced.
  struct ChannelState {
    ChannelId channel;
    bool equal;
    std::uint64_t behind;  // entries that the peer has and this node lacks, as announced
    std::uint64_t ahead;   // entries that this node has and the peer has not asked for, as far as known
  };
  std::vector<ChannelState> channel_states() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class WantTable {
 public:
  // True when `session` now holds the want (or held it already). One without progress for kRangeStallMs passes to
  // whoever asks. `now_ms` is steady.
  bool take(const LogKey& log, const Session* session, std::int64_t now_ms);
  bool holds(const LogKey& log, const Session* session) const;
  // `bytes` more have come. Less than kRangeProgressBytes in kRangeStallMs is no progress: a peer that trickles must
  // not keep a log from others.
  void progress(const LogKey& log, const Session* session, std::int64_t now_ms, std::size_t bytes);
  void release(const LogKey& log, const Session* session);
  void release_all(const Session* session);

 private:
  struct Held {
    const Session* session;
    std::int64_t progress_ms;
    std::size_t bytes = 0;  // since then
  };
  std::map<LogKey, Held> held_;
};

}  // namespace tocsin::protocol
