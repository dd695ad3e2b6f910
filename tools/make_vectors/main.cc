// tocsin-make-vectors DIR: writes docs/vectors/*.json from fixed seeds. tools/verifier checks them without any of our
// C++.
#include <cstdio>
#include <fstream>

#include "crypto/body.h"
#include "crypto/padme.h"
#include "crypto/wrap.h"
#include "protocol/card.h"
#include "protocol/channel_messages.h"
#include "protocol/entry_sign.h"
#include "protocol/epoch.h"
#include "protocol/feed.h"
#include "protocol/frontier.h"
#include "tools/founding/founding.h"
#include "tools/founding/must.h"
#include "tools/founding/seeded_random.h"
#include "tools/make_vectors/vectors.h"

namespace {

using namespace tocsin;
using namespace tocsin::protocol;
using tools::entry_json;
using tools::hex;
using tools::Json;
using tools::must;

// Section 3: genesis, certificate, prekeys, card, words.
Json identity_vectors() {
  tools::SeededRandom random(1, 1);
  auto secrets = tools::make_secrets(random);
  const auto founded = must(tools::found_org("River Watch", "tocsin", secrets, random), "organisation");
  PrekeyList list{founded.node, 682, {}};
  for (int i = 0; i < 3; ++i) list.keys.push_back(crypto::EncryptionKeyPair::generate(random).public_key());
  const auto prekeys = sign_prekeys(list, secrets.tier2->signing);
  Card card{"tocsin", founded.node, {"ngo.example:4870"}, founded.org_log, prekeys, {1'790'000'000'000}};
  const auto text = must(encode_card(card, secrets.tier2->signing), "card");
  Json log = Json::array(), words = Json::array();
  for (const auto& entry : founded.org_log) log.push_back(entry_json(entry.view()));
  for (const auto& word : card_words(founded.org, founded.node)) words.push_back(word);
  return {{"org_id", hex(founded.org.view())},
          {"node_id", hex(founded.node.view())},
          {"node_signing_key", hex(secrets.tier2->signing.verify_key().view())},
          {"transport_key", hex(secrets.transport.public_key().view())},
          {"encryption_key", hex(secrets.tier2->encryption.public_key().view())},
          {"org_log", log},
          {"signed_prekeys", hex(prekeys)},
          {"card", text},
          {"words", words}};
}

// Sections 2, 6: a feed of three entries, the first with its certificate; entry keys and bodies.
Json feed_vectors() {
  tools::SeededRandom random(2, 1);
  const auto node_key = crypto::SigningKey::generate(random), feed_key = crypto::SigningKey::generate(random);
  const auto channel = crypto::random_fixed<ChannelId>(random);
  const auto pseudonym =
      ChannelPseudonym{crypto::keyed_hash256(channel.view(), crypto::kPersonalPseudonym, {}).bytes()};
  const auto epoch_key = crypto::EpochKey::random(random);
  const Epoch epoch{3};
  const LogKey log{feed_key.verify_key().bytes()};
  FeedCertificate certificate{
      channel, crypto::random_fixed<OrgId>(random), crypto::random_fixed<NodeId>(random), log, 1, {1'790'000'000'000}};
  const auto signed_certificate = sign_feed_certificate(certificate, node_key);
  Json entries = Json::array();
  EntryHash previous;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    Bytes payload(n * 100);
    random.fill(payload);
    const auto plaintext =
        encode_feed_plaintext(FeedKind{0x7f01}, n == 1 ? ByteView(signed_certificate) : ByteView{}, payload);
    const BodyBinding binding(channel, epoch, log, {n}, LogType::kFeed);
    const auto key = crypto::derive_entry_key(epoch_key, binding.context());
    const auto body = crypto::seal_body(key, binding.associated(), plaintext, random);
    EntryHeader header;
    header.type = LogType::kFeed;
    header.number = {n};
    header.epoch = epoch;
    header.log = log;
    header.channel = pseudonym;
    header.previous = previous;
    const auto entry = sign_entry(header, body, feed_key);
    previous = hash_entry(entry.view().header, entry.view().signature);
    auto item = entry_json(entry.view());
    item["context"] = hex(binding.context());
    item["associated_data"] = hex(binding.associated());
    item["entry_key"] = hex(key.view());
    item["plaintext"] = hex(plaintext);
    item["payload"] = hex(payload);
    entries.push_back(item);
  }
  return {{"channel_id", hex(channel.view())},
          {"pseudonym", hex(pseudonym.view())},
          {"epoch", epoch.value},
          {"epoch_key", hex(epoch_key.view())},
          {"node_signing_key", hex(node_key.verify_key().view())},
          {"feed_key", hex(log.view())},
          {"feed_certificate", hex(signed_certificate)},
          {"entries", entries}};
}

// Sections 4, 5: what an epoch derives, wraps, an envelope.
Json wrap_vectors() {
  tools::SeededRandom random(3, 1);
  const auto channel = crypto::random_fixed<ChannelId>(random);
  const auto previous = crypto::random_fixed<EntryHash>(random);
  const auto key = crypto::EpochKey::random(random);
  const Epoch epoch{7};
  Bytes context = to_bytes(channel.view());
  context.resize(40);
  store_le64(context.data() + 32, epoch.value);
  append(context, previous.view());
  crypto::Wrapper wrapper(random);
  Json slots = Json::array();
  for (int i = 0; i < 3; ++i) {
    const auto recipient = crypto::EncryptionKeyPair::generate(random);
    const auto slot = must(wrapper.wrap(recipient.public_key(), context, key.view()), "wrap");
    slots.push_back({{"recipient_secret", hex(recipient.secret().view())},
                     {"recipient_public", hex(recipient.public_key().view())},
                     {"slot", hex(slot)}});
  }
  const auto seed = access_seed(key, channel, epoch);
  const auto access = crypto::AccessKey::from_seed(seed);
  const auto recipient = crypto::EncryptionKeyPair::generate(random);
  const auto node = crypto::random_fixed<NodeId>(random);
  const auto text = as_bytes("an invitation would stand here");
  const auto envelope =
      must(crypto::seal_to(recipient.public_key(), crypto::kLabelInvitation, node.view(), text, random), "envelope");
  return {{"channel_id", hex(channel.view())},
          {"epoch", epoch.value},
          {"previous", hex(previous.view())},
          {"epoch_key", hex(key.view())},
          {"commitment", hex(epoch_commitment(key, channel, epoch).view())},
          {"access_seed", hex(seed.view())},
          {"access_key", hex(access.verify_key().view())},
          {"context", hex(context)},
          {"ephemeral", hex(wrapper.ephemeral().view())},
          {"slots", slots},
          {"envelope",
           {{"recipient_secret", hex(recipient.secret().view())},
            {"label", "tocsin.v1.invitation"},
            {"node_id", hex(node.view())},
            {"plaintext", hex(text)},
            {"envelope", hex(envelope)}}}};
}

// Section 8, and Padmé.
Json frontier_vectors() {
  tools::SeededRandom random(4, 1);
  Json cases = Json::array();
  for (const std::size_t count : {0, 1, 16, 17, 300}) {
    Frontier frontier;
    Json leaves = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
      const Leaf leaf{crypto::random_fixed<LogKey>(random),
                      static_cast<LogType>(1 + random.below(3)),
                      {1 + random.below(100'000)},
                      crypto::random_fixed<EntryHash>(random)};
      frontier.set(leaf);
      leaves.push_back({{"log", hex(leaf.log.view())},
                        {"type", static_cast<int>(leaf.type)},
                        {"head", leaf.head.value},
                        {"hash", hex(leaf.hash.view())}});
    }
    cases.push_back({{"leaves", leaves}, {"digest", hex(frontier.digest().view())}});
  }
  Json padme = Json::array();
  for (const std::size_t n : {0u, 1u, 2u, 3u, 9u, 100u, 1000u, 1004u, 4095u, 47000u})
    padme.push_back({n, crypto::padme(n)});
  return {{"frontiers", cases}, {"padme", padme}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: tocsin-make-vectors DIR\n", stderr), 2;
  if (!crypto::init()) return 1;
  const std::pair<const char*, Json> files[] = {{"identity.json", identity_vectors()},
                                                {"feed.json", feed_vectors()},
                                                {"wraps.json", wrap_vectors()},
                                                {"frontier.json", frontier_vectors()},
                                                {"contributions.json", tools::contribution_vectors()},
                                                {"bundle.json", tools::bundle_vectors()}};
  for (const auto& [name, content] : files) {
    std::ofstream out(std::string(argv[1]) + "/" + name);
    out << content.dump(1) << "\n";
    if (!out.flush()) return std::fprintf(stderr, "error: cannot write %s\n", name), 1;
  }
  return 0;
}
