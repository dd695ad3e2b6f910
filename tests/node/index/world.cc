#include "tests/node/index/world.h"

namespace tocsin::index::test {

using namespace protocol;

World::World(std::uint64_t seed) : random(seed) { must(crypto::init()); }

ChannelId World::channel(std::uint32_t n, bool readable) {
  const auto id = make_id<ChannelId>(0xc0, n);
  channels_.emplace(id, Channel{make_id<ChannelPseudonym>(0xcf, n), crypto::EpochKey::random(random)});
  if (readable) learn(id);
  return id;
}

void World::learn(const ChannelId& channel) {
  const Channel& c = channels_.at(channel);
  table.add_epoch(channel, c.pseudonym, Epoch{1}, c.key);
}

void World::learn_owners() {
  owners_hidden_ = false;
  for (const auto& [key, feed] : feeds_) table.set_feed(feed.log, feed.owner);
}

Report World::blank(std::uint32_t author, ReportKind kind) {
  Report out;
  store_le32(out.salt.data(), ++salts_);
  out.kind = kind;
  out.status = ReportStatus::kActual;
  out.author = org(author);
  out.created = Time{1'700'000'000'000 + salts_};
  out.tlp = Tlp::kGreen;
  out.details = empty_details(kind);
  return out;
}

World::Feed& World::feed(std::uint32_t writer, const ChannelId& channel) {
  const auto [at, added] = feeds_.try_emplace({writer, channel});
  Feed& out = at->second;
  if (added) {
    out.log = make_id<LogKey>(0xfe, ++logs_);
    out.owner = {channel, org(writer), make_id<NodeId>(0xd0, writer), 1};
    if (!owners_hidden_) table.set_feed(out.log, out.owner);
  }
  return out;
}

void World::seal(std::uint32_t writer, const ChannelId& channel, const crypto::EpochKey& key, ByteView plaintext) {
  Feed& to = feed(writer, channel);
  EntryHeader header;
  header.number = Number{++to.head};
  header.epoch = Epoch{1};
  header.log = to.log;
  header.channel = channels_.at(channel).pseudonym;
  if (header.number.value > 1) header.previous = make_id<EntryHash>(0xee, static_cast<std::uint32_t>(to.head));
  const BodyBinding binding(channel, header.epoch, header.log, header.number, header.type);
  const auto entry_key = crypto::derive_entry_key(key, binding.context());
  const Bytes body = crypto::seal_body(entry_key, binding.associated(), plaintext, random);
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_hash = hash_body(body);
  entries_.emplace_back(header.encode(), Bytes(kSignatureBytes, 7), body);
}

void World::add_raw(std::uint32_t writer, const ChannelId& channel, FeedKind kind, ByteView payload) {
  seal(writer, channel, channels_.at(channel).key, encode_feed_plaintext(kind, {}, payload));
}

void World::add_with_wrong_key(std::uint32_t writer, const ChannelId& channel, ByteView payload) {
  seal(writer, channel, crypto::EpochKey::random(random), encode_feed_plaintext(FeedKind::kReport, {}, payload));
}

void World::add_control(const ChannelId& channel) {
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = Number{1};
  header.epoch = Epoch{1};
  header.log = make_id<LogKey>(0xcc, ++logs_);
  header.channel = channels_.at(channel).pseudonym;
  const Bytes body(100, 3);
  header.body_bytes = 100;
  header.body_hash = hash_body(body);
  entries_.emplace_back(header.encode(), Bytes(kSignatureBytes, 7), body);
}

ReportId World::add_as(std::uint32_t writer, const ChannelId& channel, const Report& report) {
  const Bytes bytes = must(encode_report(report));
  add_raw(writer, channel, FeedKind::kReport, bytes);
  return report_id(bytes);
}

ReportId World::add(const ChannelId& channel, const Report& report) {
  return add_as(load_le32(report.author.data() + 1), channel, report);
}

Report World::correction(std::uint32_t author, const ReportId& target, const Report& replacement,
                         std::optional<ReportId> previous) {
  Report out = blank(author, ReportKind::kCorrect);
  Report inner = replacement;
  inner.author = org(author);
  inner.created = out.created;
  CorrectDetails details{target, previous, "better known", must(encode_report(inner))};
  out.details = std::move(details);
  return out;
}

Report World::withdrawal(std::uint32_t author, const ReportId& target, std::string reason) {
  Report out = blank(author, ReportKind::kWithdraw);
  out.details = WithdrawDetails{target, std::move(reason)};
  return out;
}

Report World::dispute(std::uint32_t author, const ReportId& target) {
  Report out = blank(author, ReportKind::kDispute);
  out.details = DisputeDetails{target, "not so"};
  return out;
}

Report World::corroboration(std::uint32_t author, const ReportId& target) {
  Report out = blank(author, ReportKind::kCorroborate);
  out.details = CorroborateDetails{target, "seen too"};
  return out;
}

Report World::acknowledgement(std::uint32_t author, const ReportId& target) {
  Report out = blank(author, ReportKind::kAcknowledge);
  out.details = AcknowledgeDetails{target, ""};
  return out;
}

void World::add_stored(EntryChunk& to, std::uint64_t arrival, bool with_bodies) const {
  StoredEntry stored;
  stored.arrival = Arrival{arrival};
  stored.entry = entries_.at(arrival - taken_ - 1).view();
  stored.body_erased = !with_bodies;
  if (!with_bodies) stored.entry.body = {};
  to.add(stored);
}

std::unique_ptr<EntryChunk> World::chunk(std::uint64_t first, std::uint64_t last, bool with_bodies) const {
  auto out = std::make_unique<EntryChunk>();
  for (std::uint64_t at = first; at <= last; ++at) add_stored(*out, at, with_bodies);
  out->after = Arrival{first - 1};
  out->last = Arrival{last};
  out->newest = Arrival{newest()};
  return out;
}

std::unique_ptr<EntryChunk> World::take_new() {
  auto out = chunk(taken_ + 1, newest());
  taken_ = newest();
  entries_.clear();
  return out;
}

std::unique_ptr<EntryChunk> World::chunk_of(const std::vector<std::uint64_t>& arrivals, bool with_bodies) const {
  auto out = std::make_unique<EntryChunk>();
  for (const std::uint64_t at : arrivals) add_stored(*out, at, with_bodies);
  out->newest = Arrival{newest()};
  return out;
}

void World::feed_all(Index& index, std::size_t entries) const {
  std::uint64_t at = must(index.stats()).cursor.value;
  while (at < newest()) {
    const std::uint64_t last = std::min<std::uint64_t>(newest(), at + entries);
    must(index.feed(*chunk(at + 1, last)));
    at = last;
  }
}

std::unique_ptr<Index> World::make_index(IndexOptions options) const { return must(Index::create(table, options)); }

std::vector<std::string> titles(const ReportPage& page) {
  std::vector<std::string> out;
  for (const ReportRow& row : page.rows) out.push_back(row.title);
  return out;
}

std::vector<ReportId> ids(const ReportPage& page) {
  std::vector<ReportId> out;
  for (const ReportRow& row : page.rows) out.push_back(row.id);
  return out;
}

}  // namespace tocsin::index::test
