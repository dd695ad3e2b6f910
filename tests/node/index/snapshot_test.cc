// The snapshot: whole, sealed, or refused.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

// A file in memory that fails where it is told to.
class MemoryFile final : public SnapshotFile {
 public:
  Result<void> begin() override {
    fresh_.clear();
    return kOk;
  }
  Result<void> append(ByteView more) override {
    if (fresh_.size() + more.size() > room) return environment_error(kSnapshotDiskFull);
    tocsin::append(fresh_, more);
    return kOk;
  }
  Result<void> commit() override {
    if (fail_commit) return environment_error(kSnapshotFailed);
    bytes = fresh_;
    ++commits;
    return kOk;
  }
  void abandon() override {
    fresh_.clear();
    ++abandoned;
  }
  Result<std::uint64_t> open() override {
    at_ = 0;
    if (bytes.empty()) return environment_error(kSnapshotMissing);
    return bytes.size();
  }
  Result<std::size_t> read(MutableByteView into) override {
    const std::size_t got = std::min({into.size(), bytes.size() - at_, std::size_t{10'000}});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at_), got, into.begin());
    at_ += got;
    return got;
  }
  void close() override {}
  Result<void> remove() override {
    bytes.clear();
    return kOk;
  }

  Bytes bytes;
  std::size_t room = 100'000'000;
  bool fail_commit = false;
  int commits = 0, abandoned = 0;

 private:
  Bytes fresh_;
  std::size_t at_ = 0;
};

SnapshotContext context(std::uint8_t key = 1, std::string build = "tocsin 1", std::uint8_t binding = 7) {
  return {*ReadingKey::from(Bytes(32, key)), Bytes(16, binding), std::move(build)};
}

struct Desk {
  World world;
  ChannelId channel = world.channel(1);
  std::unique_ptr<Index> index = world.make_index();
  MemoryFile file;
  std::vector<ReportId> written;

  explicit Desk(int reports = 300) {
    for (int i = 0; i < reports; ++i) {
      Report report = world.blank(static_cast<std::uint32_t>(i % 3));
      report.title = "Zanzibarite number " + std::to_string(i);
      written.push_back(world.add(channel, report));
    }
    Report better = world.blank(0);
    better.title = "Corrected title";
    world.add(channel, world.correction(0, written[0], better));
    world.add(channel, world.withdrawal(1, written[1], "withdrawn for cause"));
    const auto sealed = world.channel(2, false);
    world.add(sealed, world.blank(1));
    world.add_raw(1, channel, static_cast<FeedKind>(999), {});
    world.add_with_wrong_key(1, channel, as_bytes("x"));
    world.feed_all(*index);
  }
  Result<bool> save(const SnapshotContext& c = context()) { return index->save(file, c, world.random); }
  std::string load_code(const SnapshotContext& c = context()) {
    auto other = world.make_index();
    const auto loaded = other->load(file, c, Arrival{world.newest()});
    // Whatever happened, it can be used.
    if (!loaded) {
      EXPECT_EQ(must(other->stats()).cursor, Arrival{0});
      world.feed_all(*other);
      EXPECT_EQ(must(other->count({})), written.size());
    }
    return code_of(loaded);
  }
};

TEST(Snapshot, brings_everything_back_and_goes_on_from_its_cursor) {
  Desk desk;
  must(desk.index->mark_done(desk.written[5], true));
  ASSERT_TRUE(must(desk.save()));
  auto other = desk.world.make_index();
  must(other->mark_done(desk.written[5], true));
  const Arrival cursor = must(other->load(desk.file, context(), Arrival{desk.world.newest()}));
  EXPECT_EQ(cursor, Arrival{desk.world.newest()});
  ReportQuery query;
  query.limit = kPageMax;
  query.with_acts = true;
  EXPECT_TRUE(must(other->list(query)).rows == must(desk.index->list(query)).rows);
  query.text = "number 77";
  EXPECT_EQ(titles(must(other->list(query))), std::vector<std::string>{"Zanzibarite number 77"});
  const IndexStats before = must(desk.index->stats()), after = must(other->stats());
  EXPECT_EQ(after.refused, before.refused);
  EXPECT_EQ(after.unopened, 1u);
  EXPECT_EQ(after.unknown, 1u);
  EXPECT_EQ(after.changes, 0u);
  EXPECT_EQ(must(other->unknown(10)).entries.size(), 1u);

  // Goes on: new entries, statements about old ones, keys that come late.
  const ReportId late = desk.world.add(desk.channel, desk.world.blank(9));
  desk.world.add(desk.channel, desk.world.withdrawal(2, desk.written[2]));
  desk.world.learn(make_id<ChannelId>(0xc0, 2));
  desk.world.feed_all(*other);
  EXPECT_TRUE(must(other->find(late)).copies.size() == 1);
  EXPECT_TRUE(must(other->find(desk.written[2])).row.standing.withdrawn);
  const auto wanted = must(other->wanted());
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(must(other->revisit(*desk.world.chunk_of({wanted[0].first.value}))).reports, 1u);
}

TEST(Snapshot, what_is_done_is_newer_than_the_snapshot) {
  Desk desk;
  must(desk.index->mark_done(desk.written[5], true));
  must(desk.save());
  auto other = desk.world.make_index();
  must(other->set_done(std::vector<ReportId>{desk.written[6]}));
  must(other->load(desk.file, context(), Arrival{desk.world.newest()}));
  EXPECT_FALSE(must(other->find(desk.written[5])).row.done);
  EXPECT_TRUE(must(other->find(desk.written[6])).row.done);
}

TEST(Snapshot, is_written_only_when_something_has_changed) {
  Desk desk(3);
  EXPECT_TRUE(must(desk.save()));
  EXPECT_FALSE(must(desk.save()));
  EXPECT_EQ(desk.file.commits, 1);
  auto other = desk.world.make_index();
  EXPECT_FALSE(must(other->save(desk.file, context(), desk.world.random)));  // nothing fed
  must(other->load(desk.file, context(), Arrival{desk.world.newest()}));
  EXPECT_FALSE(must(other->save(desk.file, context(), desk.world.random)));
  desk.world.add(desk.channel, desk.world.blank(1));
  desk.world.feed_all(*other);
  EXPECT_TRUE(must(other->save(desk.file, context(), desk.world.random)));
}

TEST(Snapshot, rule_50_on_disk_it_is_ciphertext_that_another_key_does_not_open) {
  Desk desk;
  must(desk.save());
  const std::string_view all = as_text(desk.file.bytes);
  for (const std::string_view secret : {"Zanzibarite", "zanzibarite", "Corrected", "corrected", "withdrawn for cause",
                                        "SQLite format", "CREATE TABLE"}) {
    EXPECT_EQ(all.find(secret), std::string_view::npos) << secret;
  }
  for (const ReportId& id : desk.written) EXPECT_EQ(all.find(as_text(id.view())), std::string_view::npos);
  EXPECT_EQ(all.find(as_text(desk.channel.view())), std::string_view::npos);
  EXPECT_EQ(desk.load_code(context(2)), "snapshot_foreign");
  EXPECT_EQ(desk.load_code(), "ok");
}

TEST(Snapshot, of_another_store_or_build_or_a_store_that_lost_entries_is_refused) {
  Desk desk;
  must(desk.save());
  EXPECT_EQ(desk.load_code(context(1, "tocsin 1", 8)), "snapshot_foreign");
  EXPECT_EQ(desk.load_code(context(1, "tocsin 2")), "snapshot_old");
  auto other = desk.world.make_index();
  EXPECT_EQ(code_of(other->load(desk.file, context(), Arrival{desk.world.newest() - 1})), "snapshot_ahead");
  EXPECT_EQ(must(other->stats()).cursor, Arrival{0});
  IndexOptions small;
  small.bytes_max = must(other->stats()).bytes + 4096;  // room for an empty one
  EXPECT_EQ(code_of(desk.world.make_index(small)->load(desk.file, context(), Arrival{1'000})), "snapshot_too_large");
  desk.file.bytes.clear();
  EXPECT_EQ(desk.load_code(), "snapshot_missing");
}

TEST(Snapshot, cut_anywhere_is_refused) {
  Desk desk(60);
  must(desk.save());
  const Bytes whole = desk.file.bytes;
  std::vector<std::size_t> cuts{1, 15, 16, 17, 40, 41, 42, 100, whole.size() - 1, whole.size() - 17, whole.size() - 18};
  for (std::size_t at = 65'536; at < whole.size(); at += 65'553) cuts.push_back(at);
  for (const std::size_t cut : cuts) {
    desk.file.bytes = Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    const std::string code = desk.load_code();
    EXPECT_TRUE(code == "snapshot_damaged" || code == "snapshot_old" || code == "snapshot_foreign") << cut << code;
  }
  desk.file.bytes = whole;
  tocsin::append(desk.file.bytes, as_bytes("more"));
  EXPECT_EQ(desk.load_code(), "snapshot_damaged");
}

TEST(Snapshot, changed_anywhere_is_refused) {
  Desk desk(60);
  must(desk.save());
  const Bytes whole = desk.file.bytes;
  ASSERT_GT(whole.size(), 70'000u);
  for (std::size_t at : {std::size_t{0}, std::size_t{14}, std::size_t{16}, std::size_t{20}, std::size_t{45},
                         std::size_t{60'000}, std::size_t{66'000}, whole.size() - 1}) {
    desk.file.bytes = whole;
    desk.file.bytes[at] ^= 0x20;
    const std::string code = desk.load_code();
    EXPECT_TRUE(code == "snapshot_damaged" || code == "snapshot_old" || code == "snapshot_foreign") << at << code;
  }
}

TEST(Snapshot, a_failed_write_leaves_the_old_one_and_is_tried_again) {
  Desk desk;
  must(desk.save());
  const Bytes old = desk.file.bytes;
  desk.world.add(desk.channel, desk.world.blank(1));
  desk.world.feed_all(*desk.index);
  desk.file.room = 1'000;
  EXPECT_EQ(code_of(desk.save()), "disk_full");
  EXPECT_EQ(desk.file.bytes, old);
  EXPECT_EQ(desk.file.abandoned, 1);
  desk.file.room = 100'000'000;
  desk.file.fail_commit = true;
  EXPECT_EQ(code_of(desk.save()), "snapshot_failed");
  EXPECT_EQ(desk.file.bytes, old);
  desk.file.fail_commit = false;
  EXPECT_TRUE(must(desk.save()));
  EXPECT_NE(desk.file.bytes, old);
}

TEST(SnapshotOnDisk, is_private_whole_and_leaves_nothing_beside_it) {
  const auto folder = std::filesystem::temp_directory_path() / ("tocsin-index-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto path = folder / "index.snapshot";
  {
    Desk desk;
    DiskSnapshotFile file(path);
    EXPECT_EQ(code_of(desk.index->load(file, context(), Arrival{1})), "snapshot_missing");
    desk.world.feed_all(*desk.index);
    ASSERT_TRUE(must(desk.index->save(file, context(), desk.world.random)));
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    auto other = desk.world.make_index();
    EXPECT_EQ(must(other->load(file, context(), Arrival{desk.world.newest()})), Arrival{desk.world.newest()});
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++files;
    EXPECT_EQ(files, 1u);
    must(file.remove());
    must(file.remove());
    EXPECT_FALSE(std::filesystem::exists(path));
    // A link that somebody put there is not followed.
    std::ofstream(folder / "elsewhere") << "precious";
    std::filesystem::create_symlink(folder / "elsewhere", folder / "index.snapshot.new");
    desk.world.add(desk.channel, desk.world.blank(1));
    desk.world.feed_all(*desk.index);
    EXPECT_EQ(code_of(desk.index->save(file, context(), desk.world.random)), "snapshot_failed");
    std::string kept;
    std::ifstream(folder / "elsewhere") >> kept;
    EXPECT_EQ(kept, "precious");
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tocsin::index::test
