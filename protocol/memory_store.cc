#include "protocol/memory_store.h"

#include "protocol/entry_peek.h"

namespace tocsin::protocol {
namespace {

bool adds(const Batch& batch) {
  return !batch.entries().empty() || std::any_of(batch.records().begin(), batch.records().end(),
                                                 [](const Batch::RecordWrite& r) { return r.value.has_value(); });
}

}  // namespace

std::uint64_t* MemoryStore::Log::find(std::uint64_t number) {
  if (number >= base) return number - base < up.size() ? &up[number - base] : nullptr;
  return base - 1 - number < down.size() ? &down[base - 1 - number] : nullptr;
}

MemoryStore::Log* MemoryStore::find_log(const LogKey& log) {
  const auto found = log_numbers_.find(log);
  return found == log_numbers_.end() ? nullptr : &logs_[found->second];
}

// ---- Reading

Result<std::vector<LogRecord>> MemoryStore::logs() {
  std::vector<LogRecord> out;
  out.reserve(logs_.size());
  for (const Log& log : logs_) out.push_back(log.record);
  return out;
}

Result<void> MemoryStore::read(const LogKey& key, Number from, Number to, std::size_t bytes_max,
                               const EntryVisitor& visit) {
  Log* log = find_log(key);
  if (log == nullptr || log->up.empty()) return kOk;
  const std::uint64_t low = std::max(from.value, log->base - log->down.size());
  const std::uint64_t high = std::min(to.value, log->base + log->up.size() - 1);
  std::size_t used = 0;
  for (std::uint64_t number = low; number <= high; ++number) {
    const std::uint64_t arrival = *log->find(number);
    const Held& held = at(arrival);
    const EntryView entry = held.entry.view();
    if (number > low && used + size_of(entry) > bytes_max) break;
    used += size_of(entry);
    if (!visit({{arrival}, {number}, held.checked, body_absent(entry), entry})) break;
  }
  return kOk;
}

Result<void> MemoryStore::read_arrivals(Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) {
  std::size_t used = 0;
  for (std::uint64_t arrival = cursor.value + 1; arrival <= held_.size(); ++arrival) {
    const Held& held = at(arrival);
    const EntryView entry = held.entry.view();
    if (entry.header.empty()) continue;
    if (used > 0 && used + size_of(entry) > bytes_max) break;
    used += size_of(entry);
    if (!visit({{arrival}, peek_number(entry.header), held.checked, body_absent(entry), entry})) break;
  }
  return kOk;
}

Arrival MemoryStore::newest_arrival() { return {held_.size()}; }

Result<Bytes> MemoryStore::get_record(Table table, ByteView name) {
  const auto found = records_.find({table, to_bytes(name)});
  if (found == records_.end()) return caller_error(kNotHeld);
  return found->second;
}

Result<void> MemoryStore::scan_records(Table table, const RecordVisitor& visit) {
  for (auto at = records_.lower_bound({table, {}}); at != records_.end() && at->first.first == table; ++at) {
    if (!visit(at->first.second, at->second)) break;
  }
  return kOk;
}

std::size_t MemoryStore::entry_count() const {
  return static_cast<std::size_t>(
      std::count_if(held_.begin(), held_.end(), [](const Held& held) { return !held.entry.view().header.empty(); }));
}

// ---- The pump

void MemoryStore::commit(Batch batch, std::function<void(Result<Arrival>)> done) {
  queue_.push_back({std::move(batch), std::move(done), failures_known_});
}

std::size_t MemoryStore::persist(std::size_t batches_max) {
  std::size_t taken = 0;
  for (; taken < batches_max && !queue_.empty(); ++taken) {
    Pending next = std::move(queue_.front());
    queue_.pop_front();
    if (next.failures_known != failures_) {  // built on a batch that failed
      told_.push_back({std::move(next.done), last_error_, false});
    } else if (Result<void> checked = check(next.batch); !checked) {
      ++failures_;
      last_error_ = checked.error();
      told_.push_back({std::move(next.done), last_error_, true});
    } else {
      apply(next.batch);
      told_.push_back({std::move(next.done), Arrival{held_.size()}, false});
    }
  }
  return taken;
}

std::size_t MemoryStore::deliver() {
  std::deque<Told> now;
  now.swap(told_);
  for (Told& told : now) {
    if (told.first_failure) ++failures_known_;
    if (told.done) told.done(std::move(told.result));
  }
  return now.size();
}

bool MemoryStore::sync(std::size_t rounds_max) {
  for (std::size_t round = 0; round < rounds_max; ++round) {
    persist();
    deliver();
    if (queue_.empty() && told_.empty()) return true;
  }
  return false;
}

void MemoryStore::crash() {
  queue_.clear();
  told_.clear();
  failures_known_ = failures_;  // whoever opens the store again begins from what it holds
}

// ---- Applying a batch: first everything is checked, then nothing can fail

Result<void> MemoryStore::check(const Batch& batch) {
  if (fail_next_) {
    Error error = std::move(*fail_next_);
    fail_next_.reset();
    return error;
  }
  if (disk_full_ && adds(batch)) return environment_error(kDiskFull, "no room left on the disk");

  std::map<LogKey, Span> spans;
  for (const LogRecord& record : batch.logs()) spans.emplace(record.log, Span{});
  for (const auto& write : batch.entries()) spans.emplace(write.log, Span{});
  for (auto& [key, span] : spans) {
    if (const Log* log = find_log(key)) {
      if (!log->up.empty()) span = {log->base - log->down.size(), log->base + log->up.size() - 1};
      for (const auto& cut : batch.cuts()) {
        if (cut.log == key && cut.keep.value < span.high) span.high = cut.keep.value;
      }
    } else if (std::none_of(batch.logs().begin(), batch.logs().end(),
                            [&key = key](const LogRecord& record) { return record.log == key; })) {
      return internal_error("log_unknown", "a log's first batch carries its record");
    }
  }
  for (const auto& write : batch.entries()) TOCSIN_TRY(check_entry(write, batch.entry(write), spans.at(write.log)));
  return kOk;
}

Result<void> MemoryStore::check_entry(const Batch::EntryWrite& write, const EntryView& entry, Span& span) {
  if (peek_number(entry.header) != write.number || !equal(peek_log(entry.header), write.log.view()) ||
      (!entry.body.empty() && entry.body.size() != peek_body_bytes(entry.header))) {
    return internal_error("entry_mismatch", "an entry is written under what its header says");
  }
  const std::uint64_t number = write.number.value;
  if (span.low > span.high) {
    span = {number, number};
  } else if (number == span.high + 1) {
    span.high = number;
  } else if (number + 1 == span.low) {
    span.low = number;
  } else if (number > span.high || number < span.low) {
    return internal_error("entry_gap", "the numbers held of a log are one interval");
  } else {
    // Held, or written earlier in this batch (which is never allowed).
    Log* log = find_log(write.log);
    const std::uint64_t* arrival = log == nullptr ? nullptr : log->find(number);
    const EntryView old = arrival == nullptr ? EntryView{} : at(*arrival).entry.view();
    const bool brings_body = arrival != nullptr && body_absent(old) && !entry.body.empty() &&
                             equal(old.header, entry.header) && equal(old.signature, entry.signature);
    if (!brings_body) return internal_error("entry_held", "a number of a log is written once");
  }
  return kOk;
}

void MemoryStore::apply(const Batch& batch) {
  for (const LogRecord& record : batch.logs()) apply_log(record);
  for (const auto& cut : batch.cuts()) apply_cut(cut);
  for (const auto& write : batch.entries()) apply_entry(write, batch.entry(write));
  for (const auto& erase : batch.erases()) apply_erase(erase);
  for (const auto& write : batch.records()) {
    if (write.value) {
      records_[{write.table, write.name}] = *write.value;
    } else {
      records_.erase({write.table, write.name});
    }
  }
}

void MemoryStore::apply_log(const LogRecord& record) {
  const auto [at, is_new] = log_numbers_.emplace(record.log, static_cast<std::uint32_t>(logs_.size()));
  if (is_new) logs_.emplace_back();
  logs_[at->second].record = record;
}

void MemoryStore::apply_entry(const Batch::EntryWrite& write, const EntryView& entry) {
  const std::uint32_t log_number = log_numbers_.at(write.log);
  Log& log = logs_[log_number];
  held_.push_back({Entry(entry.header, entry.signature, entry.body), log_number, write.checked});
  const std::uint64_t arrival = held_.size();
  const std::uint64_t number = write.number.value;
  if (log.up.empty()) log.base = number;
  if (std::uint64_t* old = log.find(number)) {
    at(*old).entry = Entry();
    *old = arrival;
  } else if (number >= log.base) {
    log.up.push_back(arrival);
  } else {
    log.down.push_back(arrival);
  }
}

void MemoryStore::apply_erase(const Batch::BodyErase& erase) {
  Log* log = find_log(erase.log);
  const std::uint64_t* arrival = log == nullptr ? nullptr : log->find(erase.number.value);
  if (arrival == nullptr) return;
  const EntryView entry = at(*arrival).entry.view();
  at(*arrival).entry = Entry(entry.header, entry.signature, {});
}

void MemoryStore::apply_cut(const Batch::LogCut& cut) {
  Log* log = find_log(cut.log);
  if (log == nullptr || log->up.empty()) return;
  const std::uint64_t low = log->base - log->down.size();
  std::vector<std::uint64_t> kept(log->down.rbegin(), log->down.rend());
  kept.insert(kept.end(), log->up.begin(), log->up.end());
  while (!kept.empty() && low + kept.size() - 1 > cut.keep.value) {
    at(kept.back()).entry = Entry();
    kept.pop_back();
  }
  log->base = low;
  log->down.clear();
  log->up = std::move(kept);
}

}  // namespace tocsin::protocol
