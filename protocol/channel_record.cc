// The record of a channel in the node's own store; see channel.h.
#include <cassert>

#include "crypto/seal.h"
#include "protocol/canonical.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/local.capnp.h"

namespace tocsin::protocol {
namespace {

using canonical::take;
using canonical::text;

constexpr std::uint16_t kFormatVersion = 1;
constexpr std::size_t kRecordBytesMax = 8 * 1024 * 1024;

Error damaged(std::string detail) { return environment_error(kDamagedRecord, std::move(detail)); }

template <class Shared>
std::shared_ptr<const Shared> secret_of(capnp::Data::Reader field) {
  auto secret = Shared::from(canonical::view(field));
  return secret ? std::make_shared<const Shared>(std::move(*secret)) : nullptr;
}

std::shared_ptr<const crypto::SigningKey> signing_key_of(capnp::Data::Reader seed) {
  const auto secret = crypto::SigningSecret::from(canonical::view(seed));
  return secret ? std::make_shared<const crypto::SigningKey>(crypto::SigningKey::from_seed(*secret)) : nullptr;
}

// Encodes into memory that is wiped: the message holds keys.
Bytes seal_secrets(const ChannelState& state, const NodeSecrets& secrets, crypto::Random& random) {
  Bytes plain = canonical::encode<schema::ChannelSecrets>([&](schema::ChannelSecrets::Builder out) {
    unsigned count = 0;
    for (const auto& [number, info] : state.epochs) count += info.key != nullptr;
    auto keys = out.initEpochKeys(count);
    unsigned at = 0;
    for (const auto& [number, info] : state.epochs) {
      if (info.key == nullptr) continue;
      keys[at].setEpoch(number.value);
      keys[at++].setKey(canonical::data(info.key->view()));
    }
    if (state.feed_key != nullptr) out.setFeedSeed(canonical::data(state.feed_key->seed().view()));
    out.setFeedGeneration(state.feed_generation);
    if (state.control_key != nullptr) out.setControlSeed(canonical::data(state.control_key->seed().view()));
  });
  Bytes sealed =
      crypto::seal(secrets.reading.view(), crypto::kLabelChannelSecrets, state.id().view(), plain, random);
  crypto::wipe(plain);
  return sealed;
}

Result<void> read_secrets(schema::ChannelSecrets::Reader in, ChannelState& state) {
  for (const auto key : in.getEpochKeys()) {
    const auto at = state.epochs.find({key.getEpoch()});
    auto secret = secret_of<crypto::EpochKey>(key.getKey());
    if (at == state.epochs.end() || secret == nullptr) return damaged("an epoch key of a channel");
    at->second.key = std::move(secret);
  }
  state.feed_key = signing_key_of(in.getFeedSeed());
  state.feed_generation = in.getFeedGeneration();
  state.control_key = signing_key_of(in.getControlSeed());
  return kOk;
}

void write_epochs(const ChannelState& state, schema::ChannelRecord::Builder out) {
  auto epochs = out.initEpochs(static_cast<unsigned>(state.epochs.size()));
  unsigned at = 0;
  for (const auto& [number, info] : state.epochs) {
    auto epoch = epochs[at++];
    epoch.setEpoch(number.value);
    epoch.setFirstNumber(info.first.value);
    epoch.setLastNumber(info.last.value);
    if (info.access != nullptr) epoch.setAccessSeed(canonical::data(info.access->view()));
  }
}

void write_invited(const ChannelState& state, schema::ChannelRecord::Builder out) {
  auto invited = out.initInvited(static_cast<unsigned>(state.invited.size()));
  unsigned at = 0;
  for (const auto& [org, open] : state.invited) {
    auto invite = invited[at++];
    invite.setOrgId(canonical::data(org));
    invite.setRole(static_cast<std::uint16_t>(open.member.role));
    invite.setName(text(open.member.name));
    invite.setKind(static_cast<std::uint16_t>(open.member.kind));
    invite.setCountry(text(open.member.country));
    invite.setEntryNumber(open.entry.value);
    invite.setEntryHash(canonical::data(open.hash));
    invite.setEntryEpoch(open.epoch.value);
    invite.setLogNumber(open.member.log_number.value);
    invite.setLogHash(canonical::data(open.member.log_hash));
  }
}

void write_pins(const ChannelState& state, schema::ChannelRecord::Builder out) {
  auto pins = out.initPins(static_cast<unsigned>(state.pins.size()));
  unsigned at = 0;
  for (const auto& [feed, held] : state.pins) {
    auto pin = pins[at++];
    pin.setFeed(canonical::data(feed));
    pin.setLastNumber(held.last.value);
    pin.setLastHash(canonical::data(held.hash));
    pin.setNodeId(canonical::data(held.node));
  }
}

Result<void> read_lists(schema::ChannelRecord::Reader in, ChannelState& state) {
  for (const auto epoch : in.getEpochs()) {
    EpochInfo& info = state.epochs[{epoch.getEpoch()}];
    info.first = {epoch.getFirstNumber()};
    info.last = {epoch.getLastNumber()};
    info.access = secret_of<crypto::AccessSecret>(epoch.getAccessSeed());
  }
  for (const auto invite : in.getInvited()) {
    OpenInvite open;
    if (!take(open.member.org, invite.getOrgId()) || !take(open.hash, invite.getEntryHash()) ||
        !take(open.member.log_hash, invite.getLogHash())) {
      return damaged("an invitation of a channel");
    }
    open.member.role = static_cast<Role>(invite.getRole());
    open.member.name = std::string(canonical::view(invite.getName()));
    open.member.kind = static_cast<OrgKind>(invite.getKind());
    open.member.country = std::string(canonical::view(invite.getCountry()));
    open.member.log_number = {invite.getLogNumber()};
    open.entry = {invite.getEntryNumber()};
    open.epoch = {invite.getEntryEpoch()};
    state.invited.emplace(open.member.org, open);
  }
  for (const auto held : in.getPins()) {
    FeedPin pin;
    if (!take(pin.feed, held.getFeed()) || !take(pin.hash, held.getLastHash()) || !take(pin.node, held.getNodeId())) {
      return damaged("a pin of a channel");
    }
    pin.last = {held.getLastNumber()};
    state.pins.emplace(pin.feed, pin);
  }
  for (const auto hash : in.getCarried()) {
    if (!take(state.carried.emplace_back(), hash)) return damaged("a carried acceptance of a channel");
  }
  for (const auto node : in.getCertificateWraps()) {
    if (!take(state.certificate_wraps.emplace_back(), node)) return damaged("a node id of a channel");
  }
  return kOk;
}

Result<LoadedChannel> read_record(schema::ChannelRecord::Reader in, const NodeSecrets& secrets) {
  if (in.getFormatVersion() != kFormatVersion) return damaged("a channel's record has a version unknown here");
  auto genesis = decode_channel_genesis(canonical::view(in.getGenesis()), canonical::view(in.getGenesisSignature()));
  if (!genesis) return damaged("a channel's genesis");
  LoadedChannel out;
  ChannelState& state = out.state;
  state.genesis = std::make_shared<const ChannelGenesis>(std::move(*genesis));
  state.standing = static_cast<ChannelStanding>(in.getStanding());
  state.head = {in.getControlHead()};
  state.head_epoch = {in.getControlEpoch()};
  if (!take(state.head_hash, in.getControlHash())) return damaged("a channel's control head");
  TOCSIN_TRY(read_lists(in, state));
  if (in.hasState()) {
    auto newest = decode_control_state(canonical::view(in.getState()));
    if (!newest) return damaged("a channel's state");
    state.newest = std::make_shared<const ControlState>(std::move(*newest));
  }
  state.needs_newer = in.getNeedsNewer();
  state.epoch_seen = {in.getEpochSeen()};
  state.invitation = to_bytes(canonical::view(in.getInvitation()));
  state.acceptance = to_bytes(canonical::view(in.getAcceptance()));
  if (in.hasCarrier() && !take(state.carrier, in.getCarrier())) return damaged("a channel's carrier");
  state.key_missing_told = {in.getKeyMissingTold()};
  out.run_first = {in.getRunFirst()};

  auto plain = crypto::open_secret(secrets.reading.view(), crypto::kLabelChannelSecrets, state.id().view(),
                                   canonical::view(in.getSecrets()));
  if (!plain) return damaged("a channel's keys do not open with this node's reading key");
  TOCSIN_TRY(canonical::decode<schema::ChannelSecrets>(
      plain->view(), kRecordBytesMax, [&](schema::ChannelSecrets::Reader keys) { return read_secrets(keys, state); }));
  return out;
}

}  // namespace

Bytes encode_channel_record(const ChannelState& state, const NodeSecrets& secrets, crypto::Random& random) {
  const Bytes sealed = seal_secrets(state, secrets, random);
  return canonical::encode<schema::ChannelRecord>([&](schema::ChannelRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(state.genesis->message));
    out.setGenesisSignature(canonical::data(state.genesis->signature));
    out.setStanding(static_cast<std::uint8_t>(state.standing));
    if (state.newest != nullptr) out.setState(canonical::data(encode_control_state(*state.newest)));
    write_epochs(state, out);
    write_invited(state, out);
    write_pins(state, out);
    out.setInvitation(canonical::data(state.invitation));
    if (!state.carrier.is_zero()) out.setCarrier(canonical::data(state.carrier));
    out.setAcceptance(canonical::data(state.acceptance));
    out.setNeedsNewer(state.needs_newer);
    out.setKeyMissingTold(state.key_missing_told.value);
    out.setRunFirst(state.run.first().value);
    out.setSecrets(canonical::data(sealed));
    auto carried = out.initCarried(static_cast<unsigned>(state.carried.size()));
    for (unsigned i = 0; i < carried.size(); ++i) carried.set(i, canonical::data(state.carried[i]));
    auto wraps = out.initCertificateWraps(static_cast<unsigned>(state.certificate_wraps.size()));
    for (unsigned i = 0; i < wraps.size(); ++i) wraps.set(i, canonical::data(state.certificate_wraps[i]));
    out.setEpochSeen(state.epoch_seen.ms);
    out.setControlHead(state.head.value);
    out.setControlHash(canonical::data(state.head_hash));
    out.setControlEpoch(state.head_epoch.value);
  });
}

Result<LoadedChannel> decode_channel_record(ByteView record, const NodeSecrets& secrets) {
  auto out = canonical::decode<schema::ChannelRecord>(
      record, kRecordBytesMax, [&](schema::ChannelRecord::Reader in) { return read_record(in, secrets); });
  if (!out && out.error().code == kNotCanonical) return damaged("a channel's record");
  return out;
}

}  // namespace tocsin::protocol
