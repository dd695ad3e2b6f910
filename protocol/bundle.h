// A bundle: what a session would carry, in a file for a stick (docs/protocol.md, section 11; rules 6, 11, 20, 26, 34,
// 35). No I/O: bytes out, bytes in; the outside of the file is bundle_file.h.
//
// Writing: plan_bundles says what would go; then BundleWriter::poll until it gives nothing. Reading: BundleReader::give
// and run, as below; or a BundleView, which looks and changes nothing. Everything that is taken goes through
// Replica::receive, handle_mail, accept_prekeys and handle_receipt, as from a session: a bundle can say nothing that a
// peer could not.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/bundle_file.h"
#include "protocol/replica.h"
#include "protocol/wire.h"

namespace tocsin::protocol {

// Entries of a message, in bytes, unless one entry is larger: what a cut file may lose of a log beside the cut itself.
// An eighth of what went before in the range, so that a cut costs little of a small file and signatures little of a
// large one.
inline constexpr std::size_t kBundleEntriesBytesMin = 4 * 1024;
inline constexpr std::size_t kBundleEntriesBytesMax = 32 * 1024;
inline constexpr std::size_t kBundleMailsMax = 1024;      // taken of a bundle, as of a session
inline constexpr std::size_t kBundleCommitsMax = 8;       // under way while feeds are read on
inline constexpr std::size_t kBundleLogsShownMax = 1000;  // listed by a BundleView; the others are counted
// Errors (caller) of planning.
inline constexpr Code kNothingForPeer{"nothing_for_peer"};  // the organisation is not in that channel, nor invited
inline constexpr Code kNotJoined{"not_joined"};             // this node has nothing of that channel to give

// ---- Writing ----

struct BundleRequest {
  std::vector<ChannelId> channels;
  std::optional<OrgId> recipient;  // nothing: a bundle for the members of each channel
  bool all = false;                // also what the recipient's receipts say that it holds
};
struct BundleRange {
  std::optional<std::size_t> channel;  // place in the plan's channels; nothing: the own organisation log
  LogKey log;
  LogType type = LogType::kFeed;
  Number first, last;
  Epoch from_epoch;  // as of a `want`: the range begins where the copy of a joiner may (rule 34); 0: it goes on
};
struct BundlePlan {
  std::optional<OrgId> recipient;
  std::vector<ChannelId> channels;
  std::vector<WrapTarget> targets;
  std::vector<BundleRange> ranges;  // in order: what decides about a log stands before it
  std::vector<Mail> mail;
  std::uint64_t entries = 0;
  std::size_t certificate_keys = 0;  // of the targets: without a fresh prekey (rule 32)
};
// One bundle for the recipient, or one for each channel. Errors (caller): unknown_channel, not_joined, unknown_peer,
// peer_blocked, nothing_for_peer.
Result<std::vector<BundlePlan>> plan_bundles(Replica& replica, const BundleRequest& request);

class BundleWriter {
 public:
  // References outlive the object. `now` is when the bundles are made, as they claim.
  BundleWriter(Replica& replica, crypto::Random& random, Time now, std::vector<BundlePlan> plans);
  // Appends the next bytes to `out`; false: that was all. Errors: those of Replica::serve and BundleSealer::begin.
  Result<bool> poll(Bytes& out);
  std::uint64_t entries() const { return entries_; }  // written so far

 private:
  enum class Stage : std::uint8_t { kBegin, kMail, kRanges, kReceipts, kEnd };
  Result<void> step(Bytes& out);
  Result<void> begin(Bytes& out);
  Result<void> put_range(Bytes& out);
  void put_receipts(Bytes& out);
  void put_message(Bytes& out, const std::function<bool(wire::FrameWriter&)>& put);
  const BundlePlan& plan() const { return plans_[at_]; }
  Replica& replica_;
  crypto::Random& random_;
  Time now_;
  std::vector<BundlePlan> plans_;
  std::size_t at_ = 0;
  Stage stage_ = Stage::kBegin;
  std::optional<BundleSealer> sealer_;
  std::size_t range_ = 0, mail_ = 0;
  Number next_;  // of the range at hand; 0: it has not begun
  std::size_t range_bytes_ = 0;
  std::uint64_t entries_ = 0;
};

// ---- Reading ----

// One channel as a bundle tells of it.
struct BundleChannel {
  std::uint64_t entries = 0;  // taken now, or (a view) that are not held here
  std::uint64_t known = 0;    // held before
};
struct BundleLog {
  std::optional<ChannelId> channel;
  LogKey log;
  LogType type = LogType::kFeed;
  Number first, last;  // that are in the file
};
struct BundleSummary {
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;  // durable, and not held before
  std::uint64_t known = 0;
  std::uint64_t mail = 0;                  // taken
  std::size_t opened = 0, for_others = 0;  // bundles in the file
  std::map<ChannelId, BundleChannel> channels;
  std::map<std::string, std::uint64_t, std::less<>> refused;  // entries and messages, by reason code
  bool complete = false;                // the file is whole, and every bundle in it for this node has come to its end
  std::optional<Error> error;           // why it is not; what came before stays
  std::vector<BundleOpening> openings;  // of those for this node
  std::vector<BundleLog> logs;          // of a view
  std::uint64_t logs_left_out = 0;
};

// Takes a file into a replica, or only looks. Order of calls:
//   give (at most kBundlePieceMax bytes), then run; kMore: give again, or end; kWait: once `wakeup` was called, run;
//   kOver: look at summary().
// After end() run until kOver. Memory: one piece, one frame, and the chunks on their way to the disk.
class BundleReader {
 public:
  enum class Use : std::uint8_t { kTake, kLook };
  // References outlive the object. `wakeup` is called when a commit is durable, never from inside a call of this
  // object.
  BundleReader(Replica& replica, Use use, std::function<void()> wakeup);
  ~BundleReader();
  enum class State : std::uint8_t { kMore, kWait, kOver };
  void give(ByteView bytes);
  void end();  // the file has no more
  State run();
  const BundleSummary& summary() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::protocol
