// What a new key costs its chair, and a member that takes it up (rules 27, 30, 31).
#include <sodium.h>

#include <algorithm>

#include "protocol/channel.h"
#include "protocol/entry_sign.h"
#include "protocol/epoch.h"
#include "tools/bench/bench_node.h"
#include "tools/bench/local.h"
#include "tools/founding/founding.h"

namespace tocsin::bench {
namespace {

using namespace protocol;

constexpr int kRounds = 15;

double median_ms(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2] * 1e3;
}

// The bare parts of a slot: a shared secret, two hashes, one sealed key.
double bare_slots_seconds(std::size_t nodes) {
  std::array<std::uint8_t, 32> secret, point, shared;
  std::array<std::uint8_t, 64> keys;
  std::array<std::uint8_t, 24> nonce{};
  std::array<std::uint8_t, 32 + 16> sealed;
  randombytes_buf(secret.data(), secret.size());
  crypto_scalarmult_base(point.data(), secret.data());
  const double start = seconds_now();
  for (std::size_t i = 0; i < nodes; ++i) {
    if (crypto_scalarmult(shared.data(), secret.data(), point.data()) != 0) fail("no shared secret");
    crypto_generichash(keys.data(), keys.size(), shared.data(), shared.size(), secret.data(), secret.size());
    crypto_generichash(nonce.data(), nonce.size(), shared.data(), shared.size(), secret.data(), secret.size());
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), nullptr, shared.data(), shared.size(), nullptr, 0,
                                               nullptr, nonce.data(), keys.data());
  }
  return seconds_now() - start;
}

}  // namespace

nlohmann::ordered_json bench_rotate(std::size_t nodes) {
  crypto::SystemRandom random;
  const NodeSecrets own = tools::make_secrets(random);
  const auto control_key = crypto::SigningKey::generate(random);
  ControlState state;
  state.genesis = Bytes(2048, 1);
  state.epoch = {2};
  state.quorum = 1;
  std::vector<WrapTarget> targets;
  for (std::size_t i = 0; i < nodes; ++i) {
    RosterMember member;
    random.fill(member.org.mutable_view());
    member.role = Role::kMember;
    member.log_number = {3};
    member.name = "Organisation " + std::to_string(i);
    member.kind = OrgKind::kNgo;
    member.country = "KEN";
    state.roster.push_back(std::move(member));
    const auto pair = crypto::EncryptionKeyPair::generate(random);
    targets.push_back({{}, i == 0 ? own.tier2->encryption.public_key() : pair.public_key(), kCertificateKeyMonth});
  }
  std::sort(state.roster.begin(), state.roster.end(), [](const auto& a, const auto& b) { return a.org < b.org; });
  EpochPlace place{};
  random.fill(place.channel.mutable_view());
  place.epoch = state.epoch;
  place.control_log = LogKey{control_key.verify_key().bytes()};
  place.first = {2};
  random.fill(place.previous.mutable_view());

  std::vector<double> rotating, opening, bare;
  std::size_t bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = seconds_now();
    const auto key = crypto::EpochKey::random(random);
    const auto bodies = must(make_epoch_bodies(place, key, encode_control_state(state), targets, random), "epoch");
    std::vector<Entry> entries;
    EntryHeader header;
    header.type = LogType::kControl;
    header.number = place.first;
    header.epoch = place.epoch;
    header.log = place.control_log;
    header.channel = pseudonym_of(place.channel);
    header.previous = place.previous;
    for (const Bytes& body : bodies) {
      entries.push_back(sign_entry(header, body, control_key));
      header.number = header.number.next();
      header.previous = hash_entry(entries.back().view().header, entries.back().view().signature);
    }
    rotating.push_back(seconds_now() - start);

    const double taking = seconds_now();
    EpochRun run;
    for (const Entry& entry : entries) {
      must(run.add(must(EntryHeader::decode(entry.view().header), "header"),
                   must(decode_control_body(entry.view().body), "body")),
           "run");
    }
    const auto opened = must(run.open_key(place.channel, own, 0), "slot");
    must(run.open_state(place.channel, opened), "state");
    opening.push_back(seconds_now() - taking);
    bare.push_back(bare_slots_seconds(nodes));
    bytes = 0;
    for (const Bytes& body : bodies) bytes += body.size();
  }
  const double rotation = median_ms(rotating), bound = median_ms(bare);
  return {{"nodes", nodes},
          {"rotation_ms", rotation},
          {"bound_rotation_ms", bound},
          {"ratio_rotation", bound / rotation},
          {"take_ms", median_ms(opening)},
          {"bytes", bytes}};
}

}  // namespace tocsin::bench
