#include "protocol/channel_messages.h"

#include <algorithm>
#include <cassert>

#include "protocol/canonical.h"
#include "protocol/channel_parts.h"
#include "protocol/limits.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

using canonical::take;
using canonical::text;

constexpr std::size_t kGenesisBytesMax = 32 * 1024;  // terms, name, and as many stewards as a roster has members
constexpr std::size_t kGenesisRandomBytes = 32;
constexpr std::size_t kEventBytesMax = kBodyBytesMax;
constexpr std::size_t kDecidedReadMax = 1024;

Error bad_genesis(std::string detail) { return peer_error(kBadChannelGenesis, std::move(detail)); }
Error bad_state(std::string detail) { return peer_error(kBadControlState, std::move(detail)); }

Result<void> check_genesis(const ChannelGenesis& genesis) {
  if (!is_network_name(genesis.network)) return bad_genesis("the network's name is not 1 to 64 printable characters");
  if (genesis.name.empty() || !is_line(genesis.name, kNameBytesMax)) {
    return bad_genesis("the channel's name is not one line of 1 to 200 bytes");
  }
  if (!is_readable_text(genesis.terms, kTermsBytesMax))
    return bad_genesis("the terms are not readable text of at most 8192 bytes");
  if (genesis.stewards.size() == 2) {
    return bad_genesis("two stewards can block each other: name one, or at least a third (rule 22)");
  }
  if (genesis.stewards.size() > kStewardsMax) return bad_genesis("a channel has at most 32 stewards");
  if (!quorum_fits(genesis.stewards.size(), genesis.quorum)) {
    return bad_genesis("the quorum is 1 of 1, or more than half and fewer than all of three or more stewards");
  }
  auto sorted = genesis.stewards;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return bad_genesis("a steward stands twice");
  // The chair of term t is steward t mod n (rule 22).
  if (genesis.stewards[1 % genesis.stewards.size()] != genesis.chair_org) {
    return bad_genesis("the first chair is not the steward whose turn term 1 is");
  }
  return kOk;
}

ChannelId id_of(ByteView message) { return ChannelId{crypto::hash256(crypto::kPersonalChannel, {message}).bytes()}; }

Result<ChannelGenesis> read_genesis(schema::ChannelGenesis::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_genesis("the genesis has a version unknown here");
  ChannelGenesis out;
  if (in.getRandom().size() != kGenesisRandomBytes || !take(out.terms_digest, in.getTermsDigest()) ||
      !take(out.chair_org, in.getChairOrg()) || !take(out.chair_node, in.getChairNode()) ||
      !take(out.control_key, in.getControlKey())) {
    return bad_genesis("a field of the genesis has a wrong size");
  }
  out.network = std::string(canonical::view(in.getNetwork()));
  out.name = std::string(canonical::view(in.getName()));
  out.channel_class = static_cast<ChannelClass>(in.getClass());
  out.terms = std::string(canonical::view(in.getTerms()));
  out.retention_days = in.getRetentionDays();
  if (in.getStewards().size() > kStewardsMax) return bad_genesis("more than 32 stewards");
  for (const auto steward : in.getStewards()) {
    if (!take(out.stewards.emplace_back(), steward)) return bad_genesis("a steward's id has a wrong size");
  }
  out.quorum = in.getQuorum();
  out.created = {in.getCreated()};
  TOCSIN_TRY(check_genesis(out));
  if (terms_digest_of(out.terms) != out.terms_digest) return bad_genesis("the digest is not that of the terms");
  return out;
}

Result<std::vector<RosterMember>> read_members(capnp::List<schema::Member>::Reader in) {
  if (in.size() > kMembersMax) return bad_state("more than 256 members");
  std::vector<RosterMember> out;
  for (const auto member : in) {
    TOCSIN_ASSIGN(next, read_member(member));
    if (!out.empty() && !(out.back().org < next.org)) return bad_state("members are not in rising order");
    out.push_back(std::move(next));
  }
  return out;
}

Result<std::vector<FeedPin>> read_pins(capnp::List<schema::Pin>::Reader in) {
  if (in.size() > kPinsMax) return bad_state("too many pins");
  std::vector<FeedPin> out;
  for (const auto pin : in) {
    TOCSIN_ASSIGN(next, read_pin(pin));
    if (!out.empty() && !(out.back().feed < next.feed)) return bad_state("pins are not in rising order");
    out.push_back(next);
  }
  return out;
}

Result<ControlState> read_state(schema::ControlState::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_state("the state has a version unknown here");
  ControlState out;
  out.genesis = to_bytes(canonical::view(in.getGenesis()));
  if (!take(out.genesis_signature, in.getGenesisSignature())) return bad_state("the genesis' signature is cut");
  out.epoch = {in.getEpoch()};
  out.term = in.getTerm();
  TOCSIN_ASSIGN(roster, read_members(in.getRoster()));
  TOCSIN_ASSIGN(invited, read_members(in.getInvited()));
  TOCSIN_ASSIGN(pins, read_pins(in.getPins()));
  out.roster = std::move(roster);
  out.invited = std::move(invited);
  out.pins = std::move(pins);
  if (out.roster.empty()) return bad_state("the roster is empty");
  if (in.getStewards().size() > kStewardsMax) return bad_state("more than 32 stewards");
  for (const auto steward : in.getStewards()) {
    OrgId org;
    if (!take(org, steward)) return bad_state("a steward's id has a wrong size");
    // One that the genesis names is invited first, and decides from when it has joined.
    const RosterMember* member = out.member(org);
    if (member != nullptr && member->role != Role::kSteward) return bad_state("a steward has no such role");
    if (std::find(out.stewards.begin(), out.stewards.end(), org) != out.stewards.end()) {
      return bad_state("a steward stands twice");
    }
    out.stewards.push_back(org);
  }
  out.quorum = in.getQuorum();
  const bool others = std::any_of(out.roster.begin(), out.roster.end(), [&](const RosterMember& member) {
    return member.role == Role::kSteward && !out.is_steward(member.org);
  });
  if (others || !quorum_fits(out.stewards.size(), out.quorum)) {
    return bad_state("stewards, roles and quorum do not fit together");
  }
  if (in.getSuccessorOf().size() != 0 && !take(out.successor_of.emplace(), in.getSuccessorOf())) {
    return bad_state("the channel that this one follows is cut");
  }
  out.stewards_since = {in.getStewardsSince()};
  if (in.getDecided().size() > kDecidedReadMax || in.getTerms().size() > kTermsMax)
    return bad_state("too many decisions");
  for (const auto id : in.getDecided()) {
    crypto::Hash next;
    if (!take(next, id)) return bad_state("a proposal's id has a wrong size");
    if (!out.decided.empty() && !(out.decided.back() < next)) return bad_state("decisions are not in rising order");
    out.decided.push_back(next);
  }
  for (const auto term : in.getTerms()) {
    Term next;
    next.number = term.getTerm();
    next.last = {term.getLastNumber()};
    if (!take(next.log, term.getControlKey()) || !take(next.chair_org, term.getChairOrg()) ||
        !take(next.chair_node, term.getChairNode()) || !take(next.last_hash, term.getLastHash())) {
      return bad_state("a field of a term has a wrong size");
    }
    if (next.number == 0 || next.number >= out.term || (!out.terms.empty() && out.terms.back().number >= next.number)) {
      return bad_state("terms do not rise");
    }
    out.terms.push_back(next);
  }
  out.reason = static_cast<EpochReason>(in.getReason());
  out.created = {in.getCreated()};
  if (in.getLeft().size() > kMembersMax) return bad_state("more have left than a channel has members");
  for (const auto leave : in.getLeft()) {
    if (leave.size() > kLeaveBytesMax) return bad_state("what somebody signed who left is too long");
    out.left.push_back(to_bytes(canonical::view(leave)));
  }
  return out;
}

// What does not fit is left out: that the entry is unknown is what counts.
std::string read_needs(capnp::Text::Reader in) {
  const std::string_view text = canonical::view(in);
  return is_line(text, kNeedsBytesMax) ? std::string(text) : std::string();
}

Result<ControlBody> read_body(schema::ControlBody::Reader in) {
  ControlBody out;
  out.needs = read_needs(in.getNeeds());
  // A later version is as unknown as a later kind: the chain goes on, what it says is not understood (rule 16).
  if (in.getFormatVersion() != kFormatVersion) return out;
  const auto bad = [](std::string detail) { return peer_error(kBadControlBody, std::move(detail)); };
  if (in.getKind() != ControlBody::kEpoch && in.getKind() != ControlBody::kEvent) return out;
  out.kind = in.getKind();
  out.certificate = to_bytes(canonical::view(in.getCertificate()));
  out.sealed = to_bytes(canonical::view(in.getSealed()));
  if (out.kind == ControlBody::kEvent) {
    if (in.hasEpoch() || !out.certificate.empty()) return bad("an event brings neither epoch nor certificate");
    return out;
  }
  const auto epoch = in.getEpoch();
  if (!take(out.epoch.access_key, epoch.getAccessKey()) || !take(out.epoch.commitment, epoch.getCommitment()) ||
      !take(out.epoch.ephemeral, epoch.getEphemeralKey())) {
    return bad("a key of the epoch has a wrong size");
  }
  out.epoch.slots = to_bytes(canonical::view(epoch.getSlots()));
  out.epoch.part = epoch.getPart();
  out.epoch.parts = epoch.getParts();
  if (out.epoch.part < 1 || out.epoch.part > out.epoch.parts || out.epoch.parts > kEpochPartsMax) {
    return bad("the epoch's parts are not counted from 1 to at most 24");
  }
  return out;
}

Result<ControlEvent> read_event(schema::ControlEvent::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return ControlEvent{UnknownEvent{read_needs(in.getNeeds())}};
  switch (in.which()) {
    case schema::ControlEvent::INVITE: {
      TOCSIN_ASSIGN(member, read_member(in.getInvite()));
      return ControlEvent{InviteEvent{std::move(member)}};
    }
    case schema::ControlEvent::CANCEL_INVITE: {
      CancelInviteEvent event;
      if (!take(event.org, in.getCancelInvite())) return peer_error(kBadControlBody, "the organisation's id is cut");
      return ControlEvent{event};
    }
    case schema::ControlEvent::DECISION: {
      TOCSIN_ASSIGN(event, read_decision(in.getDecision()));
      return ControlEvent{std::move(event)};
    }
    case schema::ControlEvent::HISTORY_GRANT: {
      const auto grant = in.getHistoryGrant();
      HistoryGrantEvent event{{}, {grant.getFromEpoch()}, {in.getCreated()}};
      if (!take(event.org, grant.getOrgId()) || event.from.value == 0) {
        return peer_error(kBadControlBody, "a history grant names an organisation and an epoch from 1");
      }
      return ControlEvent{event};
    }
    case schema::ControlEvent::CONTRIBUTORS: {
      ContributorsEvent event;
      if (in.getContributors().size() > kContributorsPerEventMax) {
        return peer_error(kBadControlBody, "an event carries at most 64 notices");
      }
      for (const auto notice : in.getContributors()) event.notices.push_back(to_bytes(canonical::view(notice)));
      return ControlEvent{std::move(event)};
    }
    default:
      return ControlEvent{UnknownEvent{read_needs(in.getNeeds())}};
  }
}

}  // namespace

void write_member(schema::Member::Builder out, const RosterMember& member) {
  out.setOrgId(canonical::data(member.org));
  out.setRole(static_cast<schema::Role>(member.role));
  out.setLogNumber(member.log_number.value);
  out.setLogHash(canonical::data(member.log_hash));
  out.setName(text(member.name));
  out.setKind(static_cast<std::uint16_t>(member.kind));
  out.setCountry(text(member.country));
  out.setSince(member.since.value);
  out.setHistoryFrom(member.history_from.value);
  out.setHistoryGranted(member.history_granted.ms);
  if (member.role == Role::kContributor) out.setTag(canonical::data(member.tag));
}

Result<RosterMember> read_member(schema::Member::Reader in) {
  RosterMember out;
  if (!take(out.org, in.getOrgId()) || !take(out.log_hash, in.getLogHash())) {
    return bad_state("an id of a member has a wrong size");
  }
  out.role = static_cast<Role>(in.getRole());
  out.log_number = {in.getLogNumber()};
  out.name = std::string(canonical::view(in.getName()));
  out.kind = static_cast<OrgKind>(in.getKind());
  out.country = std::string(canonical::view(in.getCountry()));
  out.since = {in.getSince()};
  out.history_from = {in.getHistoryFrom()};
  out.history_granted = {in.getHistoryGranted()};
  if (out.role == Role::kContributor ? !take(out.tag, in.getTag()) : in.getTag().size() != 0) {
    return bad_state("a contributor has a tag, and nobody else");
  }
  if (out.log_number.value == 0) return bad_state("a member's organisation log has at least one entry");
  if (!is_line(out.name, kNameBytesMax)) return bad_state("a member's name is no line of at most 200 bytes");
  if (!is_country_code(out.country)) return bad_state("a member's country is no code of three capital letters");
  return out;
}

void write_decision(schema::ControlEvent::Decision::Builder out, const DecisionEvent& decision) {
  out.setProposal(canonical::data(decision.proposal));
  auto approvals = out.initApprovals(static_cast<unsigned>(decision.approvals.size()));
  for (unsigned i = 0; i < approvals.size(); ++i) approvals.set(i, canonical::data(decision.approvals[i]));
}

Result<DecisionEvent> read_decision(schema::ControlEvent::Decision::Reader in) {
  DecisionEvent out;
  out.proposal = to_bytes(canonical::view(in.getProposal()));
  if (in.getApprovals().size() > kStewardsMax) return peer_error(kBadControlBody, "too many approvals");
  for (const auto approval : in.getApprovals()) out.approvals.push_back(to_bytes(canonical::view(approval)));
  return out;
}

void write_pin(schema::Pin::Builder out, const FeedPin& pin) {
  out.setFeed(canonical::data(pin.feed));
  out.setLastNumber(pin.last.value);
  out.setLastHash(canonical::data(pin.hash));
  out.setNodeId(canonical::data(pin.node));
}

Result<FeedPin> read_pin(schema::Pin::Reader in) {
  FeedPin out;
  if (!take(out.feed, in.getFeed()) || !take(out.hash, in.getLastHash()) || !take(out.node, in.getNodeId())) {
    return bad_state("a field of a pin has a wrong size");
  }
  out.last = {in.getLastNumber()};
  if ((out.last.value == 0) != out.hash.is_zero()) return bad_state("exactly a pin at 0 has no hash");
  return out;
}

// ---- Genesis

crypto::Hash terms_digest_of(const std::string& terms) {
  return crypto::hash256(crypto::kPersonalTerms, {as_bytes(terms)});
}

ChannelPseudonym pseudonym_of(const ChannelId& channel) {
  return ChannelPseudonym{crypto::keyed_hash256(channel.view(), crypto::kPersonalPseudonym, {}).bytes()};
}

Result<ChannelGenesis> make_channel_genesis(ChannelGenesis genesis, ByteView random32,
                                            const crypto::SigningKey& node_key) {
  assert(random32.size() == kGenesisRandomBytes);
  if (auto checked = check_genesis(genesis); !checked) {
    return caller_error(kBadChannelGenesis, checked.error().detail);
  }
  genesis.terms_digest = terms_digest_of(genesis.terms);
  genesis.message = canonical::encode<schema::ChannelGenesis>([&](schema::ChannelGenesis::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setRandom(canonical::data(random32));
    out.setNetwork(text(genesis.network));
    out.setName(text(genesis.name));
    out.setClass(static_cast<schema::ChannelClass>(genesis.channel_class));
    out.setTerms(text(genesis.terms));
    out.setTermsDigest(canonical::data(genesis.terms_digest));
    out.setRetentionDays(genesis.retention_days);
    auto stewards = out.initStewards(static_cast<unsigned>(genesis.stewards.size()));
    for (unsigned i = 0; i < stewards.size(); ++i) stewards.set(i, canonical::data(genesis.stewards[i]));
    out.setQuorum(genesis.quorum);
    out.setChairOrg(canonical::data(genesis.chair_org));
    out.setChairNode(canonical::data(genesis.chair_node));
    out.setControlKey(canonical::data(genesis.control_key));
    out.setCreated(genesis.created.ms);
  });
  genesis.signature = node_key.sign(crypto::kLabelGenesis, {genesis.message});
  genesis.id = id_of(genesis.message);
  genesis.pseudonym = pseudonym_of(genesis.id);
  return genesis;
}

Result<ChannelGenesis> decode_channel_genesis(ByteView message, ByteView signature) {
  TOCSIN_ASSIGN(out, canonical::decode<schema::ChannelGenesis>(message, kGenesisBytesMax, read_genesis));
  const auto fixed = crypto::Signature::from(signature);
  if (!fixed) return bad_genesis("the signature is cut");
  out.message = to_bytes(message);
  out.signature = *fixed;
  out.id = id_of(message);
  out.pseudonym = pseudonym_of(out.id);
  return out;
}

bool verify_channel_genesis(const ChannelGenesis& genesis, const crypto::VerifyKey& chair_node,
                            crypto::Verifier& verifier) {
  return verifier.verify(chair_node, crypto::kLabelGenesis, {genesis.message}, genesis.signature);
}

// ---- Control log

bool quorum_fits(std::size_t stewards, std::size_t quorum) {
  if (stewards == 1) return quorum == 1;
  return stewards >= 3 && quorum * 2 > stewards && quorum < stewards;
}

bool ControlState::is_steward(const OrgId& org) const {
  return std::find(stewards.begin(), stewards.end(), org) != stewards.end();
}

const RosterMember* ControlState::member(const OrgId& org) const {
  const auto at = std::lower_bound(roster.begin(), roster.end(), org,
                                   [](const RosterMember& member, const OrgId& id) { return member.org < id; });
  return at == roster.end() || at->org != org ? nullptr : &*at;
}

Bytes encode_control_state(const ControlState& state) {
  return canonical::encode<schema::ControlState>([&](schema::ControlState::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(state.genesis));
    out.setGenesisSignature(canonical::data(state.genesis_signature));
    out.setEpoch(state.epoch.value);
    out.setTerm(state.term);
    auto roster = out.initRoster(static_cast<unsigned>(state.roster.size()));
    for (unsigned i = 0; i < roster.size(); ++i) write_member(roster[i], state.roster[i]);
    auto stewards = out.initStewards(static_cast<unsigned>(state.stewards.size()));
    for (unsigned i = 0; i < stewards.size(); ++i) stewards.set(i, canonical::data(state.stewards[i]));
    out.setQuorum(state.quorum);
    auto invited = out.initInvited(static_cast<unsigned>(state.invited.size()));
    for (unsigned i = 0; i < invited.size(); ++i) write_member(invited[i], state.invited[i]);
    auto pins = out.initPins(static_cast<unsigned>(state.pins.size()));
    for (unsigned i = 0; i < pins.size(); ++i) write_pin(pins[i], state.pins[i]);
    out.setReason(static_cast<schema::EpochReason>(state.reason));
    out.setCreated(state.created.ms);
    if (state.successor_of) out.setSuccessorOf(canonical::data(*state.successor_of));
    out.setStewardsSince(state.stewards_since.value);
    if (!state.decided.empty()) {
      auto decided = out.initDecided(static_cast<unsigned>(state.decided.size()));
      for (unsigned i = 0; i < decided.size(); ++i) decided.set(i, canonical::data(state.decided[i]));
    }
    if (!state.left.empty()) {
      auto left = out.initLeft(static_cast<unsigned>(state.left.size()));
      for (unsigned i = 0; i < left.size(); ++i) left.set(i, canonical::data(state.left[i]));
    }
    if (state.terms.empty()) return;
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
  });
}

Result<ControlState> decode_control_state(ByteView message) {
  return canonical::decode<schema::ControlState>(message, kControlStateBytesMax, read_state);
}

Bytes encode_control_body(const ControlBody& body) {
  return canonical::encode<schema::ControlBody>([&](schema::ControlBody::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setKind(body.kind);
    out.setSealed(canonical::data(body.sealed));
    if (!body.needs.empty()) out.setNeeds(canonical::text(body.needs));
    if (!body.certificate.empty()) out.setCertificate(canonical::data(body.certificate));
    if (body.kind != ControlBody::kEpoch) return;
    auto epoch = out.initEpoch();
    epoch.setAccessKey(canonical::data(body.epoch.access_key));
    epoch.setCommitment(canonical::data(body.epoch.commitment));
    epoch.setEphemeralKey(canonical::data(body.epoch.ephemeral));
    epoch.setSlots(canonical::data(body.epoch.slots));
    epoch.setPart(body.epoch.part);
    epoch.setParts(body.epoch.parts);
  });
}

Result<ControlBody> decode_control_body(ByteView message) {
  return canonical::decode<schema::ControlBody>(message, kBodyBytesMax, read_body);
}

Bytes encode_control_event(const ControlEvent& event, Time created) {
  return canonical::encode<schema::ControlEvent>([&](schema::ControlEvent::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setCreated(created.ms);
    if (const auto* invite = std::get_if<InviteEvent>(&event)) write_member(out.initInvite(), invite->member);
    if (const auto* cancel = std::get_if<CancelInviteEvent>(&event)) out.setCancelInvite(canonical::data(cancel->org));
    if (const auto* decided = std::get_if<DecisionEvent>(&event)) {
      write_decision(out.initDecision(), *decided);
    }
    if (const auto* grant = std::get_if<HistoryGrantEvent>(&event)) {
      out.initHistoryGrant().setOrgId(canonical::data(grant->org));
      out.getHistoryGrant().setFromEpoch(grant->from.value);
    }
    if (const auto* told = std::get_if<ContributorsEvent>(&event)) {
      auto notices = out.initContributors(static_cast<unsigned>(told->notices.size()));
      for (unsigned i = 0; i < notices.size(); ++i) notices.set(i, canonical::data(told->notices[i]));
    }
    if (const auto* unknown = std::get_if<UnknownEvent>(&event); unknown != nullptr && !unknown->needs.empty())
      out.setNeeds(canonical::text(unknown->needs));
  });
}

Result<ControlEvent> decode_control_event(ByteView message) {
  return canonical::decode<schema::ControlEvent>(message, kEventBytesMax, read_event);
}

}  // namespace tocsin::protocol
