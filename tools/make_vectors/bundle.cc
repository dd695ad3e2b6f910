#include <optional>

#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/wrap.h"
#include "protocol/bundle_file.h"
#include "protocol/card.h"
#include "protocol/channel_messages.h"
#include "protocol/entry_sign.h"
#include "protocol/wire.h"
#include "tools/founding/founding.h"
#include "tools/founding/must.h"
#include "tools/founding/seeded_random.h"
#include "tools/make_vectors/vectors.h"

namespace tocsin::tools {
namespace {

using namespace protocol;

constexpr std::size_t kChunkInFile = 1 + kBundleChunkBytes + crypto::kSealOverhead;

// A feed whose bodies are random bytes: a bundle carries them and does not look inside. Two epochs; of the third entry
// the body is gone.
std::vector<Entry> feed_in_bundle(const ChannelId& channel, const crypto::SigningKey& key, SeededRandom& random) {
  std::vector<Entry> out;
  EntryHash previous;
  for (std::uint64_t n = 1; n <= 5; ++n) {
    Bytes body(n == 3 ? 200 : 8'000);
    random.fill(body);
    EntryHeader header;
    header.type = LogType::kFeed;
    header.number = {n};
    header.epoch = {n < 3 ? 6u : 7u};
    header.log = LogKey{key.verify_key().bytes()};
    header.channel = pseudonym_of(channel);
    header.previous = previous;
    const Entry entry = sign_entry(header, body, key);
    previous = hash_entry(entry.view().header, entry.view().signature);
    out.push_back(n == 3 ? Entry(entry.view().header, entry.view().signature, {}) : entry);
  }
  return out;
}

class FramesOfBundle {
 public:
  FramesOfBundle(BundleSealer& sealer, Bytes& file) : sealer_(sealer), file_(file) {}

  void put(ByteView frame) { sealer_.put(frame, file_); }
  template <class Put>
  void message(const Put& put_into) {
    Bytes frame;
    wire::FrameWriter writer(frame);
    if (!put_into(writer)) fail("a message does not fit");
    frame.resize(writer.position());
    put(frame);
  }
  // The range [from, to) of `entries`, of which `expected` is the number that the reader takes for granted.
  void entries(std::uint16_t slot, const LogKey& log, LogType type, std::span<const Entry> entries, Number expected,
               bool end) {
    message([&](wire::FrameWriter& frame) {
      wire::EntriesWriter writer(frame, slot, log, type, expected, false, wire::kPayloadBytesMax);
      for (const Entry& entry : entries) {
        if (!writer.add(entry.view())) return false;
      }
      return writer.finish(end) > 0;
    });
  }

 private:
  BundleSealer& sealer_;
  Bytes& file_;
};

// What a reader with the key of `ours` makes of the file: the code of what ends its reading, or "ok". The content key
// goes to `key`.
std::string read_code(const crypto::EncryptionKeyPair& ours, ByteView file, std::optional<std::string>* key = nullptr) {
  bool opened = false;
  BundleOpener opener([&](const crypto::EncryptionPublic& ephemeral, ByteView context,
                          std::span<const ByteView> slots) -> Result<crypto::SecretBuffer> {
    TOCSIN_ASSIGN(found, crypto::find_slot(ours, ephemeral, context, slots));
    if (key != nullptr) *key = hex(found.payload.view());
    opened = true;
    return std::move(found.payload);
  });
  opener.give(file);
  for (;;) {
    const auto event = opener.next();
    if (!event) return std::string(event.error().code.text());
    if (*event == BundleOpener::Event::kMore) break;
  }
  if (!opened) return std::string(kBundleForOthers.text());
  return opener.is_whole() ? "ok" : std::string(kBundleCut.text());
}

}  // namespace

Json bundle_vectors() {
  SeededRandom random(6, 1);
  const auto secrets = make_secrets(random);
  const auto author = must(found_org("River Watch", "tocsin", secrets, random), "organisation");
  const auto feed_key = crypto::SigningKey::generate(random);
  const LogKey feed_log{feed_key.verify_key().bytes()}, org_log{author.org.bytes()};
  const auto channel = crypto::random_fixed<ChannelId>(random);
  const auto feed = feed_in_bundle(channel, feed_key, random);

  std::vector<crypto::EncryptionKeyPair> readers;
  std::vector<WrapTarget> targets;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(crypto::EncryptionKeyPair::generate(random));
    targets.push_back({crypto::random_fixed<NodeId>(random), readers.back().public_key()});
  }
  const auto stranger = crypto::EncryptionKeyPair::generate(random);
  BundleOpening opening;
  opening.org = author.org;
  opening.node = author.node;
  opening.made = {1'790'000'000'003};
  opening.recipient = crypto::random_fixed<OrgId>(random);
  opening.channels = {channel};
  for (const Entry& entry : author.org_log) opening.log_end.push_back(encode_entry(entry.view()));
  PrekeyList prekeys{author.node, 682, {crypto::EncryptionKeyPair::generate(random).public_key()}};
  const Bytes signed_prekeys = sign_prekeys(prekeys, secrets.tier2->signing);

  Bytes file;
  Json digests = Json::array();
  const auto sign = [&](const crypto::Hash& digest) {
    digests.push_back(hex(digest.view()));
    return secrets.tier2->signing.sign(crypto::kLabelBundle, {digest.view()});
  };
  auto sealer = must(BundleSealer::begin(targets, sign, random, file), "bundle");
  const std::size_t start_bytes = file.size();
  FramesOfBundle frames(sealer, file);
  frames.put(encode_bundle_opening(opening));
  frames.message([&](wire::FrameWriter& out) { return wire::put_prekeys(out, signed_prekeys); });
  frames.message([&](wire::FrameWriter& out) {
    return wire::put(out, wire::Want{wire::kNoChannel, org_log, {1}, {2}, {}});
  });
  frames.entries(wire::kNoChannel, org_log, LogType::kOrganisation, author.org_log, {1}, true);
  frames.message([&](wire::FrameWriter& out) { return wire::put(out, wire::Want{0, feed_log, {1}, {5}, {}}); });
  frames.entries(0, feed_log, LogType::kFeed, std::span(feed).first(4), {1}, false);
  frames.entries(0, feed_log, LogType::kFeed, std::span(feed).subspan(4), {5}, true);
  frames.message([](wire::FrameWriter& out) { return wire::put_bye(out, ByeReason::kDone); });
  sealer.finish(file);
  // Nine chunks of content: the smallest number that Padmé rounds up.
  if (file.size() != start_bytes + 10 * kChunkInFile) fail("the bundle has not the ten chunks that it is to show");

  std::optional<std::string> content_key;
  Json reader_list = Json::array();
  for (const auto& reader : readers) {
    if (read_code(reader, file, &content_key) != "ok") fail("the bundle does not open to its reader");
    reader_list.push_back({{"secret", hex(reader.secret().view())}, {"public", hex(reader.public_key().view())}});
  }
  if (read_code(stranger, file) != kBundleForOthers.text()) fail("the bundle opens to a stranger");

  // Each damage is one change of the file: bytes put over others, or taken out.
  Json damaged = Json::array();
  const auto damage = [&](const char* why, std::size_t at, std::size_t out, Bytes put) {
    Bytes bad = file;
    const auto from = bad.begin() + static_cast<std::ptrdiff_t>(at);
    bad.erase(from, from + static_cast<std::ptrdiff_t>(out));
    bad.insert(bad.begin() + static_cast<std::ptrdiff_t>(at), put.begin(), put.end());
    const std::string code = read_code(readers[0], bad);
    if (code == "ok") fail(std::string("this bundle opens, and should not: ") + why);
    damaged.push_back({{"why", why}, {"at", at}, {"take_out", out}, {"put_in", hex(put)}, {"code", code}});
  };
  const auto flipped = [&](std::size_t at) { return Bytes{static_cast<std::uint8_t>(file[at] ^ 1)}; };
  const std::size_t in_chunk = start_bytes + 1'000;
  damage("another magic", 0, 1, flipped(0));
  damage("version 2", 8, 1, {2});
  damage("suite 2", 9, 1, {2});
  damage("nine slots", 10, 1, {9});
  damage("four slots", 10, 1, {4});
  damage("another ephemeral key", 12, 1, flipped(12));
  damage("a changed byte of the last slot", start_bytes - 1, 1, flipped(start_bytes - 1));
  damage("a changed byte in a chunk", in_chunk, 1, flipped(in_chunk));
  damage("the first chunk said to be the last", start_bytes, 1, {1});
  damage("a chunk that begins with 2", start_bytes, 1, {2});
  damage("the suite of a chunk", start_bytes + 1, 1, {2});
  damage("the second chunk taken out", start_bytes + kChunkInFile, kChunkInFile, {});
  damage("the last chunk taken out", file.size() - kChunkInFile, kChunkInFile, {});
  damage("cut by one byte", file.size() - 1, 1, {});
  damage("a byte behind it", file.size(), 0, {'x'});

  Json own_log = Json::array(), entries = Json::array();
  for (const Entry& entry : author.org_log) own_log.push_back(entry_json(entry.view()));
  for (const Entry& entry : feed) {
    entries.push_back({{"header", hex(entry.view().header)},
                       {"entry_hash", hex(hash_entry(entry.view().header, entry.view().signature).view())},
                       {"body_bytes", entry.view().body.size()}});
  }
  return {{"org_id", hex(author.org.view())},
          {"node_id", hex(author.node.view())},
          {"node_signing_key", hex(secrets.tier2->signing.verify_key().view())},
          {"org_log", own_log},
          {"signed_prekeys", hex(signed_prekeys)},
          {"made", opening.made.ms},
          {"recipient", hex(opening.recipient->view())},
          {"channel_id", hex(channel.view())},
          {"pseudonym", hex(pseudonym_of(channel).view())},
          {"feed_key", hex(feed_log.view())},
          {"entries", entries},
          {"readers", reader_list},
          {"stranger_secret", hex(stranger.secret().view())},
          {"bundle_id", hex(crypto::hash256(crypto::kPersonalBundle, {ByteView(file).first(start_bytes)}).view())},
          {"content_key", *content_key},
          {"frame_digests", digests},
          {"damaged", damaged},
          {"file", hex(file)}};
}

}  // namespace tocsin::tools
