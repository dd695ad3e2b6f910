// What the tests of the store share: a home in a folder of its own, a loop to post to, logs whose entries really chain.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "node/store/database.h"
#include "node/store/store.h"
#include "protocol/entry_peek.h"
#include "tests/support/task_loop.h"

namespace tocsin::store {

inline bool contains(ByteView haystack, ByteView needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) != haystack.end();
}

// In memory where there is room for it: the tests sync often, and what is on a real disk is no different.
class TempFolder {
 public:
  TempFolder() {
    std::error_code error;
    const std::filesystem::path memory = "/dev/shm";
    const bool roomy = std::filesystem::space(memory, error).available > (std::uintmax_t{512} << 20) && !error;
    const auto parent = roomy ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "tocsin-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The owner's thread.
using Loop = tocsin::test::TaskLoop;

inline crypto::StoreKey store_key(std::uint8_t fill = 7) { return *crypto::StoreKey::from(Bytes(32, fill)); }

// Options for disks of any size.
inline StoreOptions test_options() {
  StoreOptions options;
  options.reserve_bytes = 0;
  return options;
}

// Writes a version into a store that nobody has open.
inline void set_schema(const Home& home, std::uint32_t version) {
  auto env = lmdb::Env::open(home.store(), std::size_t{64} << 20);
  ASSERT_TRUE(env.ok());
  lmdb::Txn txn;
  MDB_dbi meta = 0;
  ASSERT_EQ(txn.begin_write(*env), 0);
  ASSERT_EQ(txn.open_dbi("meta", 0, meta), 0);
  ASSERT_EQ(put_schema(txn, meta, version), 0);
  ASSERT_EQ(txn.commit(), 0);
}

// An open home and store. Reopens in place.
class Bench {
 public:
  explicit Bench(StoreOptions given = test_options()) : options(given) {
    auto made = Home::create(folder.path() / "home");
    EXPECT_TRUE(made.ok());
    home.emplace(std::move(*made));
    EXPECT_TRUE(home->complete().ok());
    auto created = Store::create(*home, store_key(), loop.post(), options);
    EXPECT_TRUE(created.ok());
    store = std::move(*created);
  }
  ~Bench() { store.reset(); }

  Result<void> try_open(std::uint8_t key_fill = 7) {
    store.reset();
    auto opened = Store::open(*home, store_key(key_fill), loop.post(), options);
    if (!opened) return opened.error();
    store = std::move(*opened);
    return kOk;
  }
  void reopen() {
    store->close();
    const auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.error().code.text() << ": " << opened.error().detail;
  }

  // Commits and waits for the answer.
  Result<protocol::Arrival> commit(protocol::Batch batch) {
    std::optional<Result<protocol::Arrival>> answer;
    store->commit(std::move(batch), [&](Result<protocol::Arrival> r) { answer = std::move(r); });
    loop.run_until([&] { return answer.has_value(); });
    return *answer;
  }

  std::filesystem::path data_file() const { return home->store() / "data.mdb"; }

  TempFolder folder;
  Loop loop;
  StoreOptions options;
  std::optional<Home> home;
  std::unique_ptr<Store> store;
};

// Writes one log: headers chain, body hashes hold, signatures are bytes of the right size.
class LogWriter {
 public:
  explicit LogWriter(std::uint8_t id, protocol::LogType type = protocol::LogType::kFeed) {
    record_.log.mutable_view()[0] = id;
    record_.log.mutable_view()[31] = 0x4c;
    record_.type = type;
    if (type != protocol::LogType::kOrganisation) record_.channel.mutable_view()[0] = 0xc0;
    record_.low = {1};
  }

  const protocol::LogKey& key() const { return record_.log; }
  const protocol::LogRecord& record() const { return record_; }

  // The next entry; kept in `entries` as well.
  const protocol::Entry& make(ByteView body) {
    protocol::EntryHeader header;
    header.type = record_.type;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    header.number = record_.head.next();
    header.epoch = {record_.type == protocol::LogType::kOrganisation ? 0u : 1u};
    header.log = record_.log;
    header.channel = record_.channel;
    header.previous = record_.head_hash;
    header.body_hash = protocol::hash_body(body);
    const std::size_t signature_bytes = record_.type == protocol::LogType::kOrganisation ? 130 : 64;
    Bytes signature(signature_bytes, static_cast<std::uint8_t>(header.number.value));
    const auto bytes = header.encode();
    record_.head = header.number;
    record_.head_hash = protocol::hash_entry(bytes, signature);
    record_.head_epoch = header.epoch;
    record_.bytes += body.size();
    entries.emplace_back(bytes, signature, body);
    return entries.back();
  }

  // Takes back what stands above `keep`.
  void cut(std::uint64_t keep) {
    while (record_.head.value > keep) {
      record_.bytes -= entries.back().view().body.size();
      entries.pop_back();
      record_.head = {record_.head.value - 1};
    }
    record_.head_hash = entries.empty()
                            ? protocol::EntryHash{}
                            : protocol::hash_entry(entries.back().view().header, entries.back().view().signature);
    if (entries.empty()) record_.head_epoch = {};
  }

  // Adds `count` entries with bodies of `body_bytes` and the log's record.
  void add_to(protocol::Batch& batch, std::size_t count, std::size_t body_bytes = 300) {
    for (std::size_t i = 0; i < count; ++i) {
      Bytes body(body_bytes, static_cast<std::uint8_t>(record_.head.value + 1));
      const protocol::Entry& entry = make(body);
      batch.add_entry(record_.log, record_.head, entry.view(), protocol::Checked::kSigned);
    }
    batch.set_log(record_);
  }
  protocol::Batch batch(std::size_t count, std::size_t body_bytes = 300) {
    protocol::Batch out;
    add_to(out, count, body_bytes);
    return out;
  }

  std::vector<protocol::Entry> entries;  // number n at n - 1

 private:
  protocol::LogRecord record_;
};

inline std::vector<std::uint64_t> numbers_of(protocol::EntryStore& store, const protocol::LogKey& log,
                                             std::uint64_t from = 0, std::uint64_t to = UINT64_MAX,
                                             std::size_t bytes_max = SIZE_MAX) {
  std::vector<std::uint64_t> out;
  const auto read = store.read(log, {from}, {to}, bytes_max, [&](const protocol::StoredEntry& stored) {
    out.push_back(stored.number.value);
    return true;
  });
  EXPECT_TRUE(read.ok()) << (read ? "" : read.error().detail);
  return out;
}

inline std::string code_of(const Result<protocol::Arrival>& result) {
  return std::string(result ? "ok" : result.error().code.text());
}
inline std::string code_of(const Result<void>& result) {
  return std::string(result ? "ok" : result.error().code.text());
}

}  // namespace tocsin::store
