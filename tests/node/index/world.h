// Channels, organisations and their feeds, really sealed, and the store's order of arrival: what the index is fed from.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/body.h"
#include "node/index/index.h"
#include "protocol/entry_chunk.h"
#include "protocol/feed.h"
#include "protocol/reading_table.h"
#include "protocol/report.h"
#include "tools/founding/seeded_random.h"

namespace tocsin::index::test {

// An id that shows where it comes from: `tag`, then `n`.
template <class Id>
Id make_id(std::uint8_t tag, std::uint32_t n) {
  Id out;
  out.data()[0] = tag;
  store_le32(out.data() + 1, n);
  out.data()[31] = 1;
  return out;
}
inline protocol::OrgId org(std::uint32_t n) { return make_id<protocol::OrgId>(0x0a, n); }

class World {
 public:
  explicit World(std::uint64_t seed = 1);

  // The key goes into the table unless `readable` is false: then learn() does it later.
  protocol::ChannelId channel(std::uint32_t n, bool readable = true);
  void learn(const protocol::ChannelId& channel);
  // Feeds made later have no owner in the table until learn_owners().
  void hide_owners() { owners_hidden_ = true; }
  void learn_owners();

  protocol::Report blank(std::uint32_t author, protocol::ReportKind kind = protocol::ReportKind::kIncident);
  // Appends it to the author's feed in the channel, as the newest arrival. The id is the report's.
  protocol::ReportId add(const protocol::ChannelId& channel, const protocol::Report& report);
  // The same in the feed of another organisation than the report says.
  protocol::ReportId add_as(std::uint32_t writer, const protocol::ChannelId& channel, const protocol::Report& report);
  void add_raw(std::uint32_t writer, const protocol::ChannelId& channel, protocol::FeedKind kind, ByteView payload);
  // An entry that was sealed under another key than its channel's.
  void add_with_wrong_key(std::uint32_t writer, const protocol::ChannelId& channel, ByteView payload);
  // An entry of another log, which is no feed.
  void add_control(const protocol::ChannelId& channel);

  // Statements.
  protocol::Report correction(std::uint32_t author, const protocol::ReportId& target,
                              const protocol::Report& replacement,
                              std::optional<protocol::ReportId> previous = std::nullopt);
  protocol::Report withdrawal(std::uint32_t author, const protocol::ReportId& target, std::string reason = "mistaken");
  protocol::Report dispute(std::uint32_t author, const protocol::ReportId& target);
  protocol::Report corroboration(std::uint32_t author, const protocol::ReportId& target);
  protocol::Report acknowledgement(std::uint32_t author, const protocol::ReportId& target);

  std::uint64_t newest() const { return taken_ + entries_.size(); }
  // Arrivals first..last.
  std::unique_ptr<protocol::EntryChunk> chunk(std::uint64_t first, std::uint64_t last, bool with_bodies = true) const;
  // These arrivals, in this order of the calls: for revisit and forget.
  std::unique_ptr<protocol::EntryChunk> chunk_of(const std::vector<std::uint64_t>& arrivals,
                                                 bool with_bodies = true) const;
  // What was added since the last call, as the next chunk; this object then keeps its bytes no longer.
  std::unique_ptr<protocol::EntryChunk> take_new();
  // Feeds everything that is new since `index`'s cursor, in chunks of `entries`.
  void feed_all(Index& index, std::size_t entries = 64) const;
  std::unique_ptr<Index> make_index(IndexOptions options = {}) const;

  protocol::ReadingTable table;
  tools::SeededRandom random;

 private:
  struct Channel {
    protocol::ChannelPseudonym pseudonym;
    crypto::EpochKey key;
  };
  struct Feed {
    protocol::LogKey log;
    std::uint64_t head = 0;
    protocol::FeedOwner owner;
  };
  Feed& feed(std::uint32_t writer, const protocol::ChannelId& channel);
  void seal(std::uint32_t writer, const protocol::ChannelId& channel, const crypto::EpochKey& key, ByteView plaintext);
  void add_stored(protocol::EntryChunk& to, std::uint64_t arrival, bool with_bodies) const;

  std::map<protocol::ChannelId, Channel> channels_;
  std::map<std::pair<std::uint32_t, protocol::ChannelId>, Feed> feeds_;
  std::vector<protocol::Entry> entries_;
  std::uint64_t taken_ = 0;
  std::uint32_t salts_ = 0, logs_ = 0;
  bool owners_hidden_ = false;
};

// Aborts the test with the error's words.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(std::string(result.error().code.text()) + ": " + result.error().detail);
  return std::move(*result);
}
inline void must(const Result<void>& result) {
  if (!result) throw std::runtime_error(std::string(result.error().code.text()) + ": " + result.error().detail);
}
template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(result.error().code.text());
}

// Titles of a page, in order.
std::vector<std::string> titles(const ReportPage& page);
std::vector<protocol::ReportId> ids(const ReportPage& page);

}  // namespace tocsin::index::test
