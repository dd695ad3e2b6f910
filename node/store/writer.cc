#include "node/store/writer.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "node/store/codes.h"
#include "node/store/room.h"

namespace tocsin::store {
namespace {

using protocol::Arrival;
using protocol::Batch;

constexpr std::size_t kMapDoubleUntil = std::size_t{1} << 30;
constexpr std::size_t kMapGrowth = std::size_t{1} << 30;
constexpr int kGrowthsMax = 48;  // of one transaction: past any address space
// Pages that a transaction writes beside its entries: branches, index, free list, records.
constexpr std::uint64_t kOverheadBytes = 1024 * 1024;

// What a batch takes of memory, roughly, and of disk, at most: entries in pages are a seventh larger than themselves,
// bodies over 2 KB fill whole pages.
std::size_t memory_of(const Batch& batch) {
  std::size_t bytes = sizeof(Batch) + batch.size_bytes() + batch.entries().size() * sizeof(Batch::EntryWrite) +
                      batch.logs().size() * sizeof(protocol::LogRecord) +
                      batch.erases().size() * sizeof(Batch::BodyErase);
  for (const auto& record : batch.records()) {
    bytes += sizeof record + record.name.size() + (record.value ? record.value->size() : 0);
  }
  return bytes;
}
std::uint64_t disk_of(std::size_t memory_bytes) { return 2 * memory_bytes + kOverheadBytes; }

// Needs no room that erasing would not give back.
bool only_frees(const Batch& batch) {
  return batch.entries().empty() && std::none_of(batch.records().begin(), batch.records().end(),
                                                 [](const Batch::RecordWrite& r) { return r.value.has_value(); });
}

// Signals are the owner's; and SIGXFSZ, which comes to the thread that writes past a file size limit, would end the
// process where an error says the same.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

Writer::Writer(Database& database, Post post, const StoreOptions& options)
    : database_(database), post_(std::move(post)), options_(options), thread_([this] { run(); }) {}

// ---- The owner's side

void Writer::enqueue(Batch batch, Done done) {
  Item item{std::move(batch), std::move(done), 0, owner_->failures_known, std::nullopt};
  item.bytes = memory_of(item.batch);
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    item.refused = internal_error(kStoreClosed, "the store is closed");
  } else if (queued_bytes_ + item.bytes > options_.queue_bytes || queued_batches_ >= kQueueBatchesMax) {
    item.refused = internal_error(kQueueFull, "more is committed than the disk keeps up with");
  }
  if (item.refused) {
    item.batch = Batch();
    item.bytes = 0;
  }
  if (finished_) {
    post_([done = std::move(item.done), error = *item.refused] {
      if (done) done(error);
    });
    return;
  }
  queued_bytes_ += item.bytes;
  ++queued_batches_;
  ++accepted_;
  queue_.push_back(std::move(item));
  work_.notify_one();
}

bool Writer::is_behind() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_ > options_.queue_bytes / 2 || queued_batches_ > kQueueBatchesMax / 2;
}

std::size_t Writer::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

void Writer::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t until = accepted_;
  drained_.wait(lock, [&] { return settled_ >= until; });
}

void Writer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Writer::describe(StoreStatus& status) const {
  const std::lock_guard lock(mutex_);
  status.state = stopping_ ? StoreState::kClosed : state_;
  status.reason = reason_;
  status.needed_bytes = needed_bytes_;
  status.queued_bytes = queued_bytes_;
  status.queued_batches = queued_batches_;
  status.transactions = transactions_;
}

// ---- The writer's thread

void Writer::run() {
  block_signals();
  for (Group group; take(group); group.clear()) process(std::move(group));
}

bool Writer::take(Group& group) {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  std::size_t bytes = 0;
  std::size_t entries = 0;
  while (!queue_.empty()) {
    const Item& next = queue_.front();
    bytes += next.bytes;
    entries += next.batch.entries().size();
    if (!group.empty() && (bytes > kTransactionBytes || entries > kTransactionEntries)) break;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  finished_ = group.empty();
  return !finished_;
}

void Writer::process(Group group) {
  // Built on a batch that failed before the owner could know: these stand in front, since the owner's knowledge only
  // rises.
  const auto fresh =
      std::find_if(group.begin(), group.end(), [this](const Item& item) { return item.failures_known == failures_; });
  if (fresh != group.begin()) {
    Group stale(std::make_move_iterator(group.begin()), std::make_move_iterator(fresh));
    group.erase(group.begin(), fresh);
    tell_failure(std::move(stale), 0, *last_error_, false);
  }
  if (group.empty()) return;

  std::size_t bytes = 0;
  for (const Item& item : group) bytes += item.bytes;
  std::optional<Error> error;
  const std::size_t written = write(group, error);
  if (!error) return;
  ++failures_;
  last_error_ = error;
  if (error->code == protocol::kDiskFull) set_state(StoreState::kDiskFull, error, disk_of(bytes));
  if (error->code == protocol::kStoreFailed) {
    broken_ = true;
    set_state(StoreState::kFailed, error, 0);
  }
  tell_failure(std::move(group), written, *error, true);
}

// How many of the group may be tried at all, and why not the next.
std::size_t Writer::writable(const Group& group, std::optional<Error>& error) {
  if (broken_) {
    error = last_error_;
    return 0;
  }
  std::uint64_t bytes = 0;
  for (const Item& item : group) bytes += item.bytes;
  const Result<void> room = check_room(database_.env().file(), disk_of(bytes), options_.reserve_bytes);
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (group[i].refused) {
      error = group[i].refused;
    } else if (!room && !only_frees(group[i].batch)) {
      error = room.error();
    }
    if (error) return i;
  }
  return group.size();
}

std::size_t Writer::write(Group& group, std::optional<Error>& error) {
  std::size_t count = writable(group, error);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += group[i].bytes;
  if (const Result<void> grown = grow_map_for(disk_of(bytes)); !grown) {
    error = grown.error();
    return 0;
  }
  for (int growths = 0; count > 0;) {
    std::vector<Arrival> arrivals;
    std::size_t applied = 0;
    std::optional<ApplyError> failure = attempt(group, count, arrivals, applied);
    if (!failure) {
      const bool added = std::any_of(group.begin(), group.begin() + static_cast<std::ptrdiff_t>(count),
                                     [](const Item& item) { return !only_frees(item.batch); });
      if (added) set_state(StoreState::kReady, std::nullopt, 0);
      tell_success(group, count, std::move(arrivals));
      return count;
    }
    if (failure->rc == MDB_MAP_FULL && growths++ < kGrowthsMax) {
      if (const Result<void> grown = grow_map(); grown) continue;
    }
    error = failure->rc == 0 ? failure->error : judge(std::move(*failure), disk_of(bytes));
    // A batch that is wrong by itself leaves those in front of it as good as they were.
    count = error->origin == Origin::kInternal ? applied : 0;
  }
  return 0;
}

std::optional<ApplyError> Writer::attempt(Group& group, std::size_t count, std::vector<Arrival>& arrivals,
                                          std::size_t& applied) {
  const auto failed = [](int rc) { return ApplyError{rc, lmdb::error_from(rc, "cannot write to the store")}; };
  Application application(database_, random_);
  if (const int rc = application.begin(); rc != 0) return failed(rc);
  for (; applied < count; ++applied) {
    if (std::optional<ApplyError> failure = application.add(group[applied].batch)) return failure;
    arrivals.push_back(application.arrival());
  }
  if (const int rc = application.commit(); rc != 0) return failed(rc);
  const std::lock_guard lock(mutex_);
  ++transactions_;
  return std::nullopt;
}

Result<void> Writer::grow_map() {
  lmdb::Env& env = database_.env();
  const std::size_t now = env.map_bytes();
  const std::size_t next = now < kMapDoubleUntil ? now * 2 : now + kMapGrowth;
  const int rc = database_.gate().exclusively([&] { return env.set_map_bytes(next); });
  if (rc != 0) return lmdb::error_from(rc, "cannot map more of the store");
  return kOk;
}

Result<void> Writer::grow_map_for(std::uint64_t bytes) {
  while (database_.env().used_bytes() + bytes > database_.env().map_bytes()) TOCSIN_TRY(grow_map());
  return kOk;
}

// A write that failed: is the disk full, which passes, or is it unknown what is on the disk now, which does not?
Error Writer::judge(ApplyError failure, std::uint64_t bytes) {
  const bool full =
      lmdb::means_disk_full(failure.rc) || (failure.rc == EIO && looks_full(database_.env().file(), bytes));
  if (!full) return environment_error(protocol::kStoreFailed, std::move(failure.error.detail));
  // LMDB lets no transaction begin after its meta page failed to be written: then nobody knows which state is in force.
  lmdb::Txn probe;
  if (probe.begin_write(database_.env()) != 0) {
    return environment_error(protocol::kStoreFailed, "the disk filled up in the middle of a commit; start again");
  }
  return environment_error(protocol::kDiskFull, "the disk of the store is full; make room");
}

// ---- Telling

void Writer::tell_success(Group& group, std::size_t count, std::vector<Arrival> arrivals) {
  release(group, 0, count);
  std::vector<Done> dones;
  dones.reserve(count);
  for (std::size_t i = 0; i < count; ++i) dones.push_back(std::move(group[i].done));
  post_([dones = std::move(dones), arrivals = std::move(arrivals)] {
    for (std::size_t i = 0; i < dones.size(); ++i) {
      if (dones[i]) dones[i](arrivals[i]);
    }
  });
  settle(count);
}

void Writer::tell_failure(Group group, std::size_t first, const Error& error, bool first_of_its_kind) {
  release(group, first, group.size());
  std::vector<Done> dones;
  for (std::size_t i = first; i < group.size(); ++i) dones.push_back(std::move(group[i].done));
  post_([dones = std::move(dones), error, first_of_its_kind, owner = owner_] {
    // From here on the owner's batches know of the failure and stand on their own.
    if (first_of_its_kind) ++owner->failures_known;
    for (const Done& done : dones) {
      if (done) done(error);
    }
  });
  settle(group.size() - first);
}

// Before the `done`s are posted: they look at queued_bytes() to see whether they may commit more.
void Writer::release(const Group& group, std::size_t first, std::size_t end) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = first; i < end; ++i) queued_bytes_ -= group[i].bytes;
  queued_batches_ -= end - first;
}

// After they are posted: flush() says so.
void Writer::settle(std::size_t count) {
  const std::lock_guard lock(mutex_);
  settled_ += count;
  drained_.notify_all();
}

void Writer::set_state(StoreState state, std::optional<Error> reason, std::uint64_t needed_bytes) {
  const std::lock_guard lock(mutex_);
  needed_bytes_ = needed_bytes;
  state_ = state;
  reason_ = std::move(reason);
}

}  // namespace tocsin::store
