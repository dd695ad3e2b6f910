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

Error damaged(std::string detail) { return environment_error(kDamagedRecord, std::move(detail)); }

template <class Shared>
std::shared_ptr<const Shared> secret_of(ByteView bytes) {
  auto secret = Shared::from(bytes);
  return secret ? std::make_shared<const Shared>(std::move(*secret)) : nullptr;
}

// The keys of a channel, laid out by hand in locked memory (rule 49); little-endian:
//   u32 count ‖ count × (u64 epoch ‖ epoch key 32) ‖ u32 feed generation ‖ u8 flags ‖ feed seed 32 ‖ control seed 32
//   ‖ contributor's secret 32
// Flags: bit 0, there is a feed; bit 1, there is a control key; bit 2, there is a contributor's secret, which else is
// left out. What else is not there is zero.
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kEpochKeyBytes = 8 + crypto::EpochKey::kSize;
constexpr std::size_t kAfterKeysBytes = 4 + 1 + 2 * kSeedBytes;
constexpr std::uint8_t kHasFeed = 1, kHasControl = 2, kHasContributorSecret = 4;

const crypto::SecretBuffer* contributor_secret(const ChannelState& state) {
  return state.contribution == nullptr ? nullptr : state.contribution->secret.get();
}

Bytes seal_secrets(const ChannelState& state, const ReadingKey& reading, crypto::Random& random) {
  std::uint32_t count = 0;
  for (const auto& [number, info] : state.epochs) count += info.key != nullptr;
  const crypto::SecretBuffer* own = contributor_secret(state);
  crypto::SecretBuffer plain(4 + count * kEpochKeyBytes + kAfterKeysBytes + (own != nullptr ? kSeedBytes : 0));
  std::uint8_t* to = plain.mutable_view().data();
  store_le32(to, count);
  to += 4;
  for (const auto& [number, info] : state.epochs) {
    if (info.key == nullptr) continue;
    store_le64(to, number.value);
    std::copy(info.key->view().begin(), info.key->view().end(), to + 8);
    to += kEpochKeyBytes;
  }
  store_le32(to, state.feed_generation);
  to[4] = static_cast<std::uint8_t>((state.feed_key != nullptr ? kHasFeed : 0) |
                                    (state.control_key != nullptr ? kHasControl : 0) |
                                    (own != nullptr ? kHasContributorSecret : 0));
  to += 5;
  for (const auto& key : {state.feed_key, state.control_key}) {
    if (key != nullptr) {
      const auto seed = key->seed();
      std::copy(seed.view().begin(), seed.view().end(), to);
    }
    to += kSeedBytes;
  }
  if (own != nullptr) std::copy(own->view().begin(), own->view().end(), to);
  return crypto::seal(reading.view(), crypto::kLabelChannelSecrets, state.id().view(), plain.view(), random);
}

Result<void> read_secrets(ByteView plain, ChannelState& state) {
  if (plain.size() < 4 + kAfterKeysBytes) return damaged("a channel's keys");
  const std::uint64_t count = load_le32(plain.data());
  const std::size_t whole = 4 + count * kEpochKeyBytes + kAfterKeysBytes;
  if (plain.size() != whole && plain.size() != whole + kSeedBytes) return damaged("a channel's keys");
  for (std::uint64_t i = 0; i < count; ++i) {
    const ByteView key = plain.subspan(4 + i * kEpochKeyBytes, kEpochKeyBytes);
    const auto at = state.epochs.find({load_le64(key.data())});
    if (at == state.epochs.end()) return damaged("an epoch key of a channel");
    at->second.key = secret_of<crypto::EpochKey>(key.subspan(8));
  }
  const ByteView rest = plain.subspan(whole - kAfterKeysBytes);
  if (((rest[4] & kHasContributorSecret) != 0) != (plain.size() > whole)) return damaged("a channel's keys");
  state.feed_generation = load_le32(rest.data());
  const auto signing_key = [&](std::size_t at) {
    const auto seed = crypto::SigningSecret::from(rest.subspan(at, kSeedBytes));
    return std::make_shared<const crypto::SigningKey>(crypto::SigningKey::from_seed(*seed));
  };
  if ((rest[4] & kHasFeed) != 0) state.feed_key = signing_key(5);
  if ((rest[4] & kHasControl) != 0) state.control_key = signing_key(5 + kSeedBytes);
  if ((rest[4] & kHasContributorSecret) != 0 && state.contribution != nullptr) {
    auto held = std::make_shared<Contribution>(*state.contribution);
    held->secret =
        std::make_shared<const crypto::SecretBuffer>(crypto::SecretBuffer::copy_of(rest.subspan(kAfterKeysBytes)));
    state.contribution = std::move(held);
  }
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
    epoch.setFirstSeen(info.first_seen.ms);
    epoch.setControlKey(canonical::data(info.log));
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
    invite.setControlKey(canonical::data(open.log));
    if (open.member.role == Role::kContributor) invite.setTag(canonical::data(open.member.tag));
  }
}

void write_terms(const ChannelState& state, schema::ChannelRecord::Builder out) {
  auto terms = out.initTerms(static_cast<unsigned>(state.terms.size()));
  for (unsigned i = 0; i < terms.size(); ++i) {
    const Term& term = state.terms[i];
    terms[i].setTerm(term.number);
    terms[i].setControlKey(canonical::data(term.log));
    terms[i].setChairOrg(canonical::data(term.chair_org));
    terms[i].setChairNode(canonical::data(term.chair_node));
    terms[i].setLastNumber(term.last.value);
    terms[i].setLastHash(canonical::data(term.last_hash));
  }
  auto decisions = out.initDecisions(static_cast<unsigned>(state.decisions.size()));
  for (unsigned i = 0; i < decisions.size(); ++i) decisions.set(i, canonical::data(state.decisions[i].message));
  out.setCertificate(canonical::data(state.certificate));
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

void write_grants(const ChannelState& state, schema::ChannelRecord::Builder out) {
  auto grants = out.initGrants(static_cast<unsigned>(state.grants.size()));
  unsigned at = 0;
  for (const auto& [org, held] : state.grants) {
    auto grant = grants[at++];
    grant.setOrgId(canonical::data(org));
    grant.setFromEpoch(held.from.value);
    grant.setGranted(held.granted.ms);
  }
}

void write_contribution(const Contribution& contribution, schema::ChannelRecord::Contribution::Builder out) {
  out.setNotice(canonical::data(contribution.signed_notice));
  out.setProfile(canonical::data(contribution.profile_message));
  auto epochs = out.initEpochs(static_cast<unsigned>(contribution.epochs.size()));
  unsigned at = 0;
  for (const auto& [number, keys] : contribution.epochs) {
    auto epoch = epochs[at++];
    epoch.setEpoch(number.value);
    epoch.setHalf(canonical::data(keys.half));
    epoch.setAnswerKey(canonical::data(keys.answer_key));
  }
}

Result<std::shared_ptr<const Contribution>> read_contribution(schema::ChannelRecord::Contribution::Reader in) {
  auto out = std::make_shared<Contribution>();
  out->signed_notice = to_bytes(canonical::view(in.getNotice()));
  out->profile_message = to_bytes(canonical::view(in.getProfile()));
  auto notice = decode_contributor_notice(out->signed_notice);
  auto profile = decode_contributor_profile(out->profile_message);
  if (!notice || !profile) return damaged("a contributor's channel");
  out->notice = std::move(*notice);
  out->profile = std::move(*profile);
  for (const auto epoch : in.getEpochs()) {
    Contribution::Keys& keys = out->epochs[{epoch.getEpoch()}];
    if (!take(keys.half, epoch.getHalf()) || !take(keys.answer_key, epoch.getAnswerKey())) {
      return damaged("an epoch of a contributor's channel");
    }
  }
  return std::shared_ptr<const Contribution>(std::move(out));
}

// What stands in the place of the genesis, where this is a contributor's channel.
Result<void> read_origin(schema::ChannelRecord::Reader in, ChannelState& state) {
  if (in.hasContribution()) {
    TOCSIN_ASSIGN(contribution, read_contribution(in.getContribution()));
    state.genesis = contribution_genesis(*contribution);
    state.contribution = std::move(contribution);
    return kOk;
  }
  auto genesis = decode_channel_genesis(canonical::view(in.getGenesis()), canonical::view(in.getGenesisSignature()));
  if (!genesis) return damaged("a channel's genesis");
  state.genesis = std::make_shared<const ChannelGenesis>(std::move(*genesis));
  return kOk;
}

Result<void> read_lists(schema::ChannelRecord::Reader in, ChannelState& state) {
  for (const auto epoch : in.getEpochs()) {
    EpochInfo& info = state.epochs[{epoch.getEpoch()}];
    info.first = {epoch.getFirstNumber()};
    info.last = {epoch.getLastNumber()};
    info.access = secret_of<crypto::AccessSecret>(canonical::view(epoch.getAccessSeed()));
    info.first_seen = {epoch.getFirstSeen()};
    info.log = state.genesis->control_key;
    if (epoch.getControlKey().size() != 0 && !take(info.log, epoch.getControlKey())) return damaged("an epoch's log");
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
    open.log = state.genesis->control_key;
    if (invite.getControlKey().size() != 0 && !take(open.log, invite.getControlKey())) return damaged("an invitation");
    if (open.member.role == Role::kContributor && !take(open.member.tag, invite.getTag())) {
      return damaged("an invitation of a channel");
    }
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
  for (const auto record : in.getTerms()) {
    Term term{record.getTerm(), {}, {}, {}, {record.getLastNumber()}, {}};
    if (!take(term.log, record.getControlKey()) || !take(term.chair_org, record.getChairOrg()) ||
        !take(term.chair_node, record.getChairNode()) || !take(term.last_hash, record.getLastHash())) {
      return damaged("a term of a channel");
    }
    state.terms.push_back(term);
  }
  for (const auto decision : in.getDecisions()) {
    auto proposal = decode_proposal(canonical::view(decision));
    if (!proposal) return damaged("a decision of a channel");
    state.decisions.push_back(std::move(*proposal));
  }
  state.certificate = to_bytes(canonical::view(in.getCertificate()));
  for (const auto grant : in.getGrants()) {
    OrgId org;
    if (!take(org, grant.getOrgId())) return damaged("a history grant of a channel");
    state.grants.emplace(org, HistoryGrant{{grant.getFromEpoch()}, {grant.getGranted()}});
  }
  for (const auto hash : in.getCarried()) {
    if (!take(state.carried.emplace_back(), hash)) return damaged("a carried acceptance of a channel");
  }
  for (const auto node : in.getCertificateWraps()) {
    if (!take(state.certificate_wraps.emplace_back(), node)) return damaged("a node id of a channel");
  }
  for (const auto bytes : in.getNotices()) {
    const auto notice = decode_notice(canonical::view(bytes));
    if (!notice) return damaged("a notice of a channel");
    state.notices.emplace(notice->org, to_bytes(canonical::view(bytes)));
  }
  for (const auto bytes : in.getContributorNotices()) {
    const auto notice = decode_contributor_notice(canonical::view(bytes));
    if (!notice) return damaged("a notice of a channel");
    state.contributor_notices.emplace(notice->org, to_bytes(canonical::view(bytes)));
  }
  return kOk;
}

Result<LoadedChannel> read_record(schema::ChannelRecord::Reader in, const NodeSecrets& secrets) {
  if (in.getFormatVersion() != kFormatVersion) return damaged("a channel's record has a version unknown here");
  LoadedChannel out;
  ChannelState& state = out.state;
  TOCSIN_TRY(read_origin(in, state));
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
  if (state.contribution != nullptr && state.joined()) state.newest = contribution_state(*state.contribution);
  state.needs_newer = in.getNeedsNewer();
  state.needs_version = std::string(canonical::view(in.getNeedsVersion()));
  state.epoch_seen = {in.getEpochSeen()};
  state.erased_through = {in.getErasedThrough()};
  state.invitation_seen = {in.getInvitationSeen()};
  state.invitation = to_bytes(canonical::view(in.getInvitation()));
  state.acceptance = to_bytes(canonical::view(in.getAcceptance()));
  if (in.hasCarrier() && !take(state.carrier, in.getCarrier())) return damaged("a channel's carrier");
  state.key_missing_told = {in.getKeyMissingTold()};
  state.notice_number = {in.getNoticeNumber()};
  state.notice_term = std::max(in.getNoticeTerm(), state.notice_number.value == 0 ? 0u : 1u);
  state.notice_seen = {in.getNoticeSeen()};
  state.leave = to_bytes(canonical::view(in.getLeave()));
  state.claim = to_bytes(canonical::view(in.getClaim()));
  out.run_first = {in.getRunFirst()};

  if (secrets.locked()) return out;
  auto plain = crypto::open_secret(secrets.tier2->reading.view(), crypto::kLabelChannelSecrets, state.id().view(),
                                   canonical::view(in.getSecrets()));
  if (!plain) return damaged("a channel's keys do not open with this node's reading key");
  TOCSIN_TRY(read_secrets(plain->view(), state));
  return out;
}

}  // namespace

Bytes encode_channel_record(const ChannelState& state, const NodeSecrets& secrets, crypto::Random& random) {
  const Bytes sealed = seal_secrets(state, secrets.tier2->reading, random);
  return canonical::encode<schema::ChannelRecord>([&](schema::ChannelRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(state.genesis->message));
    out.setGenesisSignature(canonical::data(state.genesis->signature));
    out.setStanding(static_cast<std::uint8_t>(state.standing));
    if (state.contribution != nullptr) {
      write_contribution(*state.contribution, out.initContribution());
    } else if (state.newest != nullptr) {
      out.setState(canonical::data(encode_control_state(*state.newest)));
    }
    write_epochs(state, out);
    write_invited(state, out);
    write_pins(state, out);
    write_grants(state, out);
    out.setInvitation(canonical::data(state.invitation));
    if (!state.carrier.is_zero()) out.setCarrier(canonical::data(state.carrier));
    out.setAcceptance(canonical::data(state.acceptance));
    out.setNeedsNewer(state.needs_newer);
    if (!state.needs_version.empty()) out.setNeedsVersion(text(state.needs_version));
    out.setKeyMissingTold(state.key_missing_told.value);
    out.setRunFirst(state.run.first().value);
    out.setSecrets(canonical::data(sealed));
    auto carried = out.initCarried(static_cast<unsigned>(state.carried.size()));
    for (unsigned i = 0; i < carried.size(); ++i) carried.set(i, canonical::data(state.carried[i]));
    auto wraps = out.initCertificateWraps(static_cast<unsigned>(state.certificate_wraps.size()));
    for (unsigned i = 0; i < wraps.size(); ++i) wraps.set(i, canonical::data(state.certificate_wraps[i]));
    out.setEpochSeen(state.epoch_seen.ms);
    out.setErasedThrough(state.erased_through.value);
    out.setInvitationSeen(state.invitation_seen.ms);
    out.setControlHead(state.head.value);
    out.setControlHash(canonical::data(state.head_hash));
    out.setControlEpoch(state.head_epoch.value);
    auto notices = out.initNotices(static_cast<unsigned>(state.notices.size()));
    unsigned at = 0;
    for (const auto& [org, notice] : state.notices) notices.set(at++, canonical::data(notice));
    auto told = out.initContributorNotices(static_cast<unsigned>(state.contributor_notices.size()));
    at = 0;
    for (const auto& [org, notice] : state.contributor_notices) told.set(at++, canonical::data(notice));
    out.setNoticeNumber(state.notice_number.value);
    out.setNoticeTerm(state.notice_term);
    write_terms(state, out);
    out.setNoticeSeen(state.notice_seen.ms);
    if (!state.leave.empty()) out.setLeave(canonical::data(state.leave));
    if (!state.claim.empty()) out.setClaim(canonical::data(state.claim));
  });
}

Result<LoadedChannel> decode_channel_record(ByteView record, const NodeSecrets& secrets) {
  auto out = canonical::decode<schema::ChannelRecord>(
      record, kRecordBytesMax, [&](schema::ChannelRecord::Reader in) { return read_record(in, secrets); });
  if (!out && out.error().code == kNotCanonical) return damaged("a channel's record");
  return out;
}

Result<Bytes> reseal_channel_record(ByteView record, const ReadingKey& from, const ReadingKey& to,
                                    crypto::Random& random) {
  return canonical::decode<schema::ChannelRecord>(
      record, kRecordBytesMax, [&](schema::ChannelRecord::Reader in) -> Result<Bytes> {
        ChannelState keys;  // of which the secrets are all that is used
        TOCSIN_TRY(read_origin(in, keys));
        for (const auto epoch : in.getEpochs()) keys.epochs[{epoch.getEpoch()}];
        auto plain = crypto::open_secret(from.view(), crypto::kLabelChannelSecrets, keys.id().view(),
                                         canonical::view(in.getSecrets()));
        if (!plain) return damaged("a channel's keys do not open");
        TOCSIN_TRY(read_secrets(plain->view(), keys));
        keys.feed_key = nullptr;
        keys.control_key = nullptr;
        keys.feed_generation = 0;
        const Bytes sealed = seal_secrets(keys, to, random);
        ::capnp::MallocMessageBuilder copy;
        copy.setRoot(in);
        auto out = copy.getRoot<schema::ChannelRecord>();
        out.setSecrets(canonical::data(sealed));
        out.initNotices(0);  // the chair's
        return canonical::to_bytes(::capnp::canonicalize(out.asReader()));
      });
}

}  // namespace tocsin::protocol
