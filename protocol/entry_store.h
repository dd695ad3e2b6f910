// What the protocol needs of a disk (one of its three doors; the others are Clock and crypto::Random). Implemented by
// node/store (LMDB) and by the simulator (memory that loses what was not committed).
//
// All calls come from the one thread that runs the replica. Reads are synchronous and see every batch whose `done` was
// called with success, and may or may not see later ones. Writes are batches, applied in the order of `commit`, each
// whole or not at all.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "protocol/entry.h"

namespace tocsin::protocol {

// How a stored entry was checked (rule 10).
enum class Checked : std::uint8_t {
  kChained = 1,  // its hash is covered by a later entry's verified signature
  kSigned = 2,   // its own signature was verified
};

inline constexpr std::uint8_t kForked = 1;  // a fork is known (rule 12): from where on, the proof says
inline constexpr std::uint8_t kUnreadable =
    2;                                       // control log: what its chair signed and a locked node took says nothing
inline constexpr std::uint8_t kEnded = 4;    // organisation log: its roots were replaced twice (rule 19)
inline constexpr std::uint8_t kNobodys = 3;  // feed: a locked node took it, and it is no member's: told to nobody

// What a store keeps for each log; the replica makes it, the store only keeps it. A copy is the interval [low, head];
// an empty one (only the head's name is known) has low = head + 1.
struct LogRecord {
  LogKey log;
  LogType type = LogType::kFeed;
  ChannelPseudonym channel;
  Number low;
  Number head;
  EntryHash head_hash;
  EntryHash before_low;  // hash that entry `low` names as its previous
  Epoch head_epoch;
  std::uint64_t bytes = 0;  // of bodies held, for quotas (rule 15)
  std::uint8_t frozen = 0;  // not 0: nothing new is taken, for one of these reasons
  friend bool operator==(const LogRecord&, const LogRecord&) = default;
};

// Tables of small named values. Names and values are sealed under the store key by the store (rule 47), so neither
// shows who a peer, member or channel is; listing a table opens every value in it.
enum class Table : std::uint8_t {
  kLocal = 1,       // this node's own state: counters, feed keys by channel, settings
  kPeers = 2,       // by org id
  kChannels = 3,    // by channel id
  kReceipts = 4,    // newest receipt by (channel, node)
  kForkProofs = 5,  // by log key; replica_fork_record.cc
  kInbox = 6,       // what a person has dealt with, by report id
  kSources = 7,     // protected source references
  kMail = 8,        // invitations and acceptances waiting to be carried
  kPolicies = 9,    // local policy documents
};

// A write of many things that succeed or fail as one. Bytes of all entries stand in one buffer: nothing is allocated
// for each entry.
class Batch {
 public:
  struct EntryWrite {
    LogKey log;
    Number number;
    std::size_t offset;  // of the header in `bytes`
    std::uint16_t signature_bytes;
    std::uint32_t body_bytes;  // as stored here; 0 when the body is absent
    Checked checked;
  };
  struct RecordWrite {
    Table table;
    Bytes name;
    std::optional<Bytes> value;  // nothing: remove
  };
  struct BodyErase {
    LogKey log;
    Number number;
  };
  struct LogCut {
    LogKey log;
    Number keep;
  };

  // Entries of one log are added by rising number without a gap; those below the log's low only by falling number.
  void add_entry(const LogKey& log, Number number, const EntryView& entry, Checked checked);
  void set_log(const LogRecord& record);
  void put_record(Table table, ByteView name, ByteView value);
  void remove_record(Table table, ByteView name);
  void erase_body(const LogKey& log, Number number);
  // What is held above `keep` goes, headers and all, before anything else of this batch is written: the branch of a
  // fork that was not chosen (rule 12). Arrival numbers are not given out again.
  void cut_log(const LogKey& log, Number keep);

  // Room for that much more, so that a chunk of known size grows no buffer.
  void reserve(std::size_t entries, std::size_t bytes);
  // The newest entry added was verified by itself after all.
  void mark_last_signed() { entries_.back().checked = Checked::kSigned; }

  bool empty() const;
  std::size_t size_bytes() const { return bytes_.size(); }
  EntryView entry(const EntryWrite& write) const;

  const std::vector<EntryWrite>& entries() const { return entries_; }
  const std::vector<LogRecord>& logs() const { return logs_; }
  const std::vector<RecordWrite>& records() const { return records_; }
  const std::vector<BodyErase>& erases() const { return erases_; }
  const std::vector<LogCut>& cuts() const { return cuts_; }

 private:
  Bytes bytes_;
  std::vector<EntryWrite> entries_;
  std::vector<LogRecord> logs_;
  std::vector<RecordWrite> records_;
  std::vector<BodyErase> erases_;
  std::vector<LogCut> cuts_;
};

struct StoredEntry {
  Arrival arrival;
  Number number;
  Checked checked = Checked::kChained;
  bool body_erased = false;
  EntryView entry;  // valid only inside the visitor
};

// Return false to stop.
using EntryVisitor = std::function<bool(const StoredEntry&)>;
using RecordVisitor = std::function<bool(ByteView name, ByteView value)>;

inline constexpr Code kDiskFull{"disk_full"};        // environment: the node is read-only until there is room
inline constexpr Code kStoreFailed{"store_failed"};  // environment: input/output error, or damage found
inline constexpr Code kNotHeld{"not_held"};          // caller: no such entry or record here

class EntryStore {
 public:
  virtual ~EntryStore() = default;

  // Every log known, in no order. Called once at start.
  virtual Result<std::vector<LogRecord>> logs() = 0;

  // Visits the entries `from`..`to` of one log that are held, by rising number, in one short read transaction: at most
  // `bytes_max` bytes of header, signature and body (but at least one entry), so that a reader never outlives one
  // frame.
  virtual Result<void> read(const LogKey& log, Number from, Number to, std::size_t bytes_max,
                            const EntryVisitor& visit) = 0;

  // The same by order of arrival, after `cursor`.
  virtual Result<void> read_arrivals(Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) = 0;
  // Arrival number of the newest entry stored.
  virtual Arrival newest_arrival() = 0;

  // kNotHeld when absent.
  virtual Result<Bytes> get_record(Table table, ByteView name) = 0;
  virtual Result<void> scan_records(Table table, const RecordVisitor& visit) = 0;

  // Makes the batch durable and then calls `done` on the caller's thread, never from inside `commit`; the argument is
  // the arrival number of the last entry written by this batch (or the newest there is). After an error nothing of the
  // batch is stored, and every batch queued behind it fails with the same error (each was built on the one before).
  virtual void commit(Batch batch, std::function<void(Result<Arrival>)> done) = 0;

  // More waits to become durable than others' entries should add to: what peers send is to wait outside, so that there
  // is always room for the own node's writes.
  virtual bool is_behind() const { return false; }
};

}  // namespace tocsin::protocol
