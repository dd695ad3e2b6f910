// tocsin-probe: what does a node answer to a verified peer that is no member, but has learnt a channel's id and its
// logs' ids? Speaks the wire protocol itself (docs/protocol.md, section 9), with the keys of a home; asks for the
// channel and, in the same way, for one that does not exist; and compares the answers (rules 35, 36).

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "crypto/random.h"
#include "node/store/keystore.h"
#include "protocol/card.h"
#include "tools/founding/must.h"
#include "tools/outsider/raw_link.h"

namespace {

using namespace tocsin;
using namespace tocsin::protocol;
using tools::fail;
using tools::must;
using Json = nlohmann::ordered_json;

constexpr int kAnswerMs = 3000;  // silence for so long counts as no answer

constexpr char kHelp[] =
    "Asks a node for a channel as a peer that is no member.\n\n"
    "Usage: tocsin-probe --home DIR --card OWN.card --peer PEER.card --channel ID [--log ID]… [--address HOST:PORT]\n\n"
    "  --home DIR       home whose transport key is used (passphrase: first line of TOCSIN_PASSPHRASE_FILE)\n"
    "  --card FILE      card of that home's node\n"
    "  --peer FILE      card of the node that is asked\n"
    "  --channel ID     channel to ask for, 64 hexadecimal digits\n"
    "  --log ID         log of that channel to ask for; may be repeated\n"
    "  --address A      where the peer listens (default: the first address of its card)\n\n"
    "Prints one JSON object: for the channel, and for one that does not exist, whether its token was answered and what "
    "came for each log; and `same`, which\n"
    "says whether the two answers are alike. Exit: 0 alike, 6 the node tells them apart or gave something away, 1 "
    "failure, 2 usage.\n";

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Answers {
  bool token_answered = false;
  std::vector<std::string> messages;  // in the order in which they came
};

tools::RawLink connect_as(const NodeSecrets& secrets, const OpenCard& own, const OpenCard& peer,
                          const std::string& address, crypto::Random& random) {
  std::vector<Bytes> log_end;
  for (const auto& entry : own.card.org_log) log_end.push_back(encode_entry(entry.view()));
  return must(tools::RawLink::connect(secrets, peer.node.transport, own.card.network, log_end, address, random),
              "link");
}

// One session: hello, slots with the channel's token among random ones, then a want for each log and an ask, through
// that slot.
Answers ask_for(const ChannelId& channel, const std::vector<LogKey>& logs, const NodeSecrets& secrets,
                const OpenCard& own, const OpenCard& peer, const std::string& address, crypto::Random& random) {
  auto at = connect_as(secrets, own, peer, address, random);
  wire::Slots slots;
  slots.round = 0;
  for (std::size_t i = 0; i < wire::kSlotsMin; ++i)
    slots.slots.push_back({crypto::random_fixed<wire::Token>(random), crypto::random_fixed<wire::Equality>(random),
                           crypto::random_fixed<wire::Seen>(random)});
  slots.slots[3].token = tools::token_of(channel, at.handshake_hash(), LinkRole::kInitiator, slots.round);
  Bytes frame;
  {
    wire::FrameWriter writer(frame);
    wire::Hello hello;
    hello.sender = own.card.node;
    hello.receiver = peer.card.node;
    hello.org_log_head = own.org.head();
    put(writer, hello);
    put(writer, slots);
    for (const auto& log : logs) put(writer, wire::Want{3, log, {1}, {0}, {0}});
    put(writer, wire::Ask{3, {Prefix{}}});
    writer.finish();
  }
  if (!at.send(frame)) fail("the node closed the connection");
  Answers answers;
  std::size_t waiting = logs.size() + 1;
  while (waiting > 0) {
    ByteView got;
    if (at.read(kAnswerMs, got) != tools::RawLink::Got::kFrame) {
      answers.messages.push_back("silence");
      break;
    }
    wire::FrameReader reader(got);
    for (;;) {
      const auto next = must(reader.next(), "frame");
      if (!next) break;
      if (next->type == wire::MessageType::kSlots) {
        const auto theirs = must(wire::decode_slots(next->payload), "slots");
        for (const auto& slot : theirs.slots)
          answers.token_answered |=
              slot.token == tools::token_of(channel, at.handshake_hash(), LinkRole::kResponder, theirs.round);
      } else if (next->type == wire::MessageType::kNotHeld) {
        const auto refusal = must(wire::decode_not_held(next->payload), "not_held");
        answers.messages.push_back("not_held slot=" + std::to_string(refusal.slot));
        if (waiting > 0) --waiting;
      } else if (next->type == wire::MessageType::kEntries || next->type == wire::MessageType::kFrontier) {
        answers.messages.push_back(next->type == wire::MessageType::kEntries ? "entries" : "frontier");
        if (waiting > 0) --waiting;
      } else if (next->type == wire::MessageType::kBye) {
        answers.messages.push_back("bye " + std::string(to_string(must(wire::decode_bye(next->payload), "bye"))));
        waiting = 0;
      }
    }
  }
  return answers;
}

Json answers_json(const ChannelId& channel, const Answers& answers) {
  return {
      {"channel", to_hex(channel.view())}, {"token_answered", answers.token_answered}, {"answers", answers.messages}};
}

}  // namespace

int main(int argc, char** argv) {
  std::string home, card, peer_card, channel_text, address;
  std::vector<LogKey> logs;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") return std::fputs(kHelp, stdout), 0;
    if (i + 1 >= argc) fail(name + " needs a value; see --help", 2);
    const std::string value = argv[++i];
    if (name == "--home")
      home = value;
    else if (name == "--card")
      card = value;
    else if (name == "--peer")
      peer_card = value;
    else if (name == "--channel")
      channel_text = value;
    else if (name == "--address")
      address = value;
    else if (name == "--log") {
      const auto log = fixed_from_hex<LogKey>(value);
      if (!log) fail("--log takes 64 hexadecimal digits", 2);
      logs.push_back(*log);
    } else
      fail("there is no option " + name + "; see --help", 2);
  }
  const auto channel = fixed_from_hex<ChannelId>(channel_text);
  if (home.empty() || card.empty() || peer_card.empty() || !channel)
    fail("--home, --card, --peer and --channel are needed; see --help", 2);
  must(crypto::init(), "libsodium");
  const char* passphrase_file = std::getenv("TOCSIN_PASSPHRASE_FILE");
  if (!passphrase_file) fail("name the passphrase's file in TOCSIN_PASSPHRASE_FILE");
  auto passphrase = slurp(passphrase_file);
  passphrase = passphrase.substr(0, passphrase.find('\n'));
  auto keystore = must(store::Keystore::open(std::filesystem::path(home) / "keys", passphrase), "keys");
  NodeSecrets secrets{crypto::TransportKeyPair::from_secret(keystore.tier1().transport.clone()), std::nullopt};
  crypto::Verifier verifier;
  crypto::SystemRandom random;
  // The network is the card's own affair here: both must agree, or the handshake fails.
  const auto own_text = slurp(card), peer_text = slurp(peer_card);
  const char* network = std::getenv("TOCSIN_NETWORK") ? std::getenv("TOCSIN_NETWORK") : "tocsin";
  const auto own = must(open_card(own_text, network, verifier), "own card");
  const auto peer = must(open_card(peer_text, network, verifier), "peer's card");
  if (address.empty()) {
    if (peer.card.addresses.empty()) fail("the peer's card has no address; name one with --address");
    address = peer.card.addresses.front();
  }
  const auto nowhere = crypto::random_fixed<ChannelId>(random);
  const auto real = ask_for(*channel, logs, secrets, own, peer, address, random);
  const auto none = ask_for(nowhere, logs, secrets, own, peer, address, random);
  const bool matched = real.token_answered || none.token_answered;
  const bool given = std::any_of(real.messages.begin(), real.messages.end(),
                                 [](const auto& m) { return m == "entries" || m == "frontier"; });
  const bool same = real.messages == none.messages && !matched;
  Json out{
      {"asked", answers_json(*channel, real)}, {"nonexistent", answers_json(nowhere, none)}, {"same", same && !given}};
  std::printf("%s\n", out.dump().c_str());
  return same && !given ? 0 : 6;
}
