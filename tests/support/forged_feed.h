// A feed written by hand, so that tests can write what no honest node would.
#pragma once

#include "protocol/channel.h"
#include "protocol/entry_sign.h"
#include "protocol/receipt.h"
#include "tests/support/replica_world.h"

namespace tocsin::test {

class ForgedFeed {
 public:
  // Claims to be a feed of `author` in the channel; sealed with the epoch keys that `author` holds.
  ForgedFeed(Party& author, const protocol::ChannelId& channel, std::uint64_t seed = 99)
      : author_(author),
        channel_(channel),
        pseudonym_(author.replica().channel(channel)->pseudonym),
        random_(seed),
        key_(crypto::SigningKey::generate(random_)) {}

  protocol::LogKey log() const { return protocol::LogKey{key_.verify_key().bytes()}; }
  const crypto::SigningKey& key() const { return key_; }

  protocol::FeedCertificate certificate() const {
    return {channel_, author_.org(), author_.node(), log(), 1, kExampleTime};
  }
  Bytes signed_certificate() const {
    return protocol::sign_feed_certificate(certificate(), author_.secrets().tier2->signing);
  }

  // The next entry. With the certificate when `with` has one.
  protocol::Entry next(protocol::Epoch epoch, std::string_view text, ByteView with = {},
                       protocol::FeedKind kind = protocol::FeedKind::kReport) {
    return sealed(epoch, protocol::encode_feed_plaintext(kind, with, as_bytes(text)));
  }
  protocol::Entry sealed(protocol::Epoch epoch, ByteView plaintext) {
    const auto key = author_.table().epoch_key(pseudonym_, epoch);
    const protocol::BodyBinding binding(channel_, epoch, log(), head.next(), protocol::LogType::kFeed);
    return entry(epoch, crypto::seal_body(crypto::derive_entry_key(*key, binding.context()), binding.associated(),
                                          plaintext, random_));
  }
  protocol::Entry entry(protocol::Epoch epoch, ByteView body) {
    protocol::EntryHeader header;
    header.number = head.next();
    header.epoch = epoch;
    header.log = log();
    header.channel = pseudonym_;
    header.previous = head_hash;
    protocol::Entry out = protocol::sign_entry(header, body, key_);
    head = header.number;
    head_hash = protocol::hash_entry(out.view().header, out.view().signature);
    return out;
  }

  protocol::Number head;
  protocol::EntryHash head_hash;

 private:
  Party& author_;
  protocol::ChannelId channel_;
  protocol::ChannelPseudonym pseudonym_;
  SeededRandom random_;
  crypto::SigningKey key_;
};

// Gives entries in order to a replica as one range.
inline Result<void> give(Party& to, const protocol::ChannelId& channel, const std::vector<protocol::Entry>& entries) {
  using namespace protocol;
  const EntryView first = entries.front().view();
  const auto number = peek_number(first.header);
  const auto previous = number.value == 1 ? std::nullopt : EntryHash::from(peek_previous(first.header));
  TOCSIN_ASSIGN(receiver,
                to.replica().receive(channel, *LogKey::from(peek_log(first.header)), LogType::kFeed, number, previous));
  for (const Entry& entry : entries) {
    const EntryView view = entry.view();
    TOCSIN_TRY(receiver.add(view.signature, {load_le64(&view.header[16])}, view.body));
    if (receiver.full()) TOCSIN_TRY(receiver.commit(nullptr));
  }
  Result<void> out = kOk;
  if (receiver.pending_entries() > 0) out = receiver.commit(nullptr);
  to.store.sync();
  return out;
}

}  // namespace tocsin::test
