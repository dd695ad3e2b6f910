// Records that a replica keeps in its store (protocol/local.capnp), but for the channel's own: channel_record.cc.
#include "protocol/canonical.h"
#include "protocol/local.capnp.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

using canonical::take;
using canonical::text;

Error damaged_record(std::string what) { return environment_error(kDamagedRecord, "the record of " + std::move(what)); }

// `read` on the record; whatever is wrong with the bytes is damage on our own disk.
template <class Schema, class Read>
std::invoke_result_t<Read, typename Schema::Reader> decode_record(ByteView bytes, std::string what, Read&& read) {
  auto out = canonical::decode<Schema>(bytes, kRecordBytesMax, std::forward<Read>(read));
  if (!out) return damaged_record(std::move(what));
  return out;
}

Bytes named(std::string_view prefix, ByteView key) {
  Bytes out;
  out.reserve(prefix.size() + key.size());
  append(out, as_bytes(prefix));
  append(out, key);
  return out;
}

Bytes mail_name(const ChannelId& channel, std::uint8_t kind, ByteView key) {
  Bytes out;
  out.reserve(channel.size() + 1 + key.size());
  append(out, channel.view());
  out.push_back(kind);
  append(out, key);
  return out;
}

}  // namespace

Bytes feed_record_name(const LogKey& feed) { return named(kFeedRecordPrefix, feed.view()); }
Bytes unnamed_record_name(const LogKey& feed) { return named(kUnnamedRecordPrefix, feed.view()); }
Bytes ended_record_name(const LogKey& feed) { return named(kEndedRecordPrefix, feed.view()); }
Bytes counter_record_name(const ChannelId& channel) { return named(kCounterRecordPrefix, channel.view()); }
Bytes pending_record_name(const ChannelId& channel, const OrgId& org) { return mail_name(channel, 'a', org.view()); }
Bytes missing_record_name(const ChannelId& channel, const NodeId& node) { return mail_name(channel, 'm', node.view()); }

Bytes leave_record_name(const ChannelId& channel, const OrgId& org) { return mail_name(channel, 'l', org.view()); }
Bytes answer_record_name(const ChannelId& channel, const crypto::Hash& answer) {
  return mail_name(channel, 'w', answer.view());
}

Bytes proposal_record_name(const ChannelId& channel, const ProposalId& proposal) {
  return mail_name(channel, 'p', proposal.view());
}

Bytes encode_proposal_record(const HeldProposal& held) {
  return canonical::encode<schema::ProposalRecord>([&](schema::ProposalRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    if (held.proposal) out.setProposal(canonical::data(held.proposal->message));
    auto answers = out.initAnswers(static_cast<unsigned>(held.answers.size()));
    unsigned at = 0;
    for (const auto& [node, answer] : held.answers) answers.set(at++, canonical::data(answer));
    out.setSeen(held.seen.ms);
    out.setDecided(held.decided.value);
    out.setDecidedEpoch(held.decided_epoch.value);
    out.setNeeded(static_cast<std::uint16_t>(held.needed));
    out.setApproved(static_cast<std::uint16_t>(held.approved));
    out.setLapsed(static_cast<std::uint16_t>(held.lapsed));
  });
}

Result<HeldProposal> decode_proposal_record(ByteView bytes) {
  return decode_record<schema::ProposalRecord>(
      bytes, "a proposal", [](schema::ProposalRecord::Reader in) -> Result<HeldProposal> {
        HeldProposal out;
        if (in.getFormatVersion() != kFormatVersion) return damaged_record("a proposal");
        if (in.getProposal().size() != 0) {
          TOCSIN_ASSIGN(proposal, decode_proposal(canonical::view(in.getProposal())));
          out.proposal = std::move(proposal);
        }
        for (const auto answer : in.getAnswers()) {
          TOCSIN_ASSIGN(approval, decode_approval(canonical::view(answer)));
          out.answers.emplace(approval.node, to_bytes(canonical::view(answer)));
        }
        out.seen = {in.getSeen()};
        out.decided = {in.getDecided()};
        out.decided_epoch = {in.getDecidedEpoch()};
        out.needed = in.getNeeded();
        out.approved = in.getApproved();
        // Of a later version: it lapsed, whyever.
        constexpr auto kKnown = static_cast<std::uint16_t>(LapseCause::kStewardGone);
        out.lapsed = in.getLapsed() > kKnown ? LapseCause::kDone : static_cast<LapseCause>(in.getLapsed());
        return out;
      });
}
namespace {

Bytes entry_name(std::string_view prefix, const LogKey& feed, Number number, const OrgId& org) {
  Bytes out = named(prefix, feed.view());
  out.resize(out.size() + 8);
  store_le64(&out[out.size() - 8], number.value);
  append(out, org.view());
  return out;
}

}  // namespace

Bytes erasure_record_name(const LogKey& feed, Number number, const OrgId& org) {
  return entry_name(kErasureRecordPrefix, feed, number, org);
}
Bytes erased_record_name(const LogKey& feed, Number number, const OrgId& org) {
  return entry_name(kErasedRecordPrefix, feed, number, org);
}
Bytes hold_record_name(const ReportId& report) { return named(kHoldRecordPrefix, report.view()); }

Bytes encode_month(std::uint32_t month) {
  Bytes out(4);
  store_le32(out.data(), month);
  return out;
}

Result<std::uint32_t> decode_month(ByteView bytes) {
  if (bytes.size() != 4) return damaged_record("the newest prekey used");
  return load_le32(bytes.data());
}

Bytes encode_self(const SelfRecord& record) {
  return canonical::encode<schema::SelfRecord>([&](schema::SelfRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setOrgId(canonical::data(record.org));
    out.setNodeId(canonical::data(record.node));
    out.setPrivateChannel(canonical::data(record.private_channel));
  });
}

Result<SelfRecord> decode_self(ByteView bytes) {
  return decode_record<schema::SelfRecord>(bytes, "this node", [](schema::SelfRecord::Reader in) -> Result<SelfRecord> {
    SelfRecord out;
    if (in.getFormatVersion() != kFormatVersion || !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) ||
        !take(out.private_channel, in.getPrivateChannel())) {
      return damaged_record("this node");
    }
    return out;
  });
}

Bytes encode_peer(const PeerData& peer) {
  return canonical::encode<schema::PeerRecord>([&](schema::PeerRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    const PeerState state = peer.blocked    ? PeerState::kBlocked
                            : peer.verified ? PeerState::kVerified
                                            : PeerState::kIntroduced;
    out.setState(static_cast<std::uint8_t>(state));
    out.setVerified(peer.verified);
    out.setByCard(peer.by_card);
    out.setLocalName(text(peer.local_name));
    auto nodes = out.initNodes(static_cast<unsigned>(peer.nodes.size()));
    unsigned at = 0;
    for (const auto& [id, held] : peer.nodes) {
      auto node = nodes[at++];
      node.setNodeId(canonical::data(id));
      auto addresses = node.initAddresses(static_cast<unsigned>(held.addresses.size()));
      for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, text(held.addresses[i]));
      node.setPrekeys(canonical::data(held.signed_prekeys));
      node.setCardIssued(held.card_issued.ms);
    }
  });
}

Result<PeerData> decode_peer(ByteView bytes) {
  return decode_record<schema::PeerRecord>(bytes, "a peer", [](schema::PeerRecord::Reader in) -> Result<PeerData> {
    if (in.getFormatVersion() != kFormatVersion) return damaged_record("a peer");
    PeerData out;
    out.blocked = in.getState() == static_cast<std::uint8_t>(PeerState::kBlocked);
    out.verified = in.getVerified();
    out.by_card = in.getByCard();
    out.local_name = std::string(canonical::view(in.getLocalName()));
    for (const auto node : in.getNodes()) {
      NodeId id;
      if (!take(id, node.getNodeId())) return damaged_record("a peer");
      PeerNodeData& held = out.nodes[id];
      for (const auto address : node.getAddresses()) held.addresses.emplace_back(canonical::view(address));
      held.signed_prekeys = to_bytes(canonical::view(node.getPrekeys()));
      held.card_issued = {node.getCardIssued()};
    }
    return out;
  });
}

Bytes encode_feed(const LogState& log) {
  return canonical::encode<schema::FeedRecord>([&](schema::FeedRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(*log.channel));
    if (log.owner) {
      out.setOrgId(canonical::data(log.owner->org));
      out.setNodeId(canonical::data(log.owner->node));
      out.setGeneration(log.owner->generation);
    }
    out.setFirstAbsent(log.first_absent.value);
    out.setCheckpointNumber(log.checkpoint.value);
    out.setCheckpointTime(log.checkpoint_time.ms);
    out.setDownTo(log.down_to.value);
  });
}

Result<LoadedFeed> decode_feed(ByteView bytes) {
  return decode_record<schema::FeedRecord>(bytes, "a feed", [](schema::FeedRecord::Reader in) -> Result<LoadedFeed> {
    LoadedFeed out;
    if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()))
      return damaged_record("a feed");
    if (in.hasOrgId()) {
      FeedOwner owner;
      owner.channel = out.channel;
      owner.generation = in.getGeneration();
      if (!take(owner.org, in.getOrgId()) || !take(owner.node, in.getNodeId())) return damaged_record("a feed");
      out.owner = owner;
    }
    out.first_absent = {in.getFirstAbsent()};
    out.checkpoint = {in.getCheckpointNumber()};
    out.checkpoint_time = {in.getCheckpointTime()};
    out.down_to = {in.getDownTo()};
    return out;
  });
}

Bytes encode_receipt_info(const ReceiptInfo& info) {
  return canonical::encode<schema::ReceiptRecord>([&](schema::ReceiptRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setOrgId(canonical::data(info.org));
    out.setCounter(info.counter);
    out.setCreated(info.created.ms);
    auto heads = out.initHeads(static_cast<unsigned>(info.heads.size()));
    unsigned at = 0;
    for (const auto& [log, number] : info.heads) {
      heads[at].setLog(canonical::data(log));
      heads[at].setNumber(number.value);
      if (const auto named = info.named.find(log); named != info.named.end()) {
        heads[at].setNamed(named->second.number.value);
        heads[at].setHash(canonical::data(named->second.hash));
      }
      ++at;
    }
  });
}

Result<ReceiptInfo> decode_receipt_info(const NodeId& node, ByteView bytes) {
  return decode_record<schema::ReceiptRecord>(
      bytes, "a receipt", [&](schema::ReceiptRecord::Reader in) -> Result<ReceiptInfo> {
        ReceiptInfo out;
        if (in.getFormatVersion() != kFormatVersion || !take(out.org, in.getOrgId()))
          return damaged_record("a receipt");
        out.node = node;
        out.counter = in.getCounter();
        out.created = {in.getCreated()};
        for (const auto head : in.getHeads()) {
          LogKey log;
          if (!take(log, head.getLog())) return damaged_record("a receipt");
          out.heads[log] = {head.getNumber()};
          if (head.getHash().size() == 0) continue;
          NamedEntry named{{head.getNamed()}, {}};
          if (!take(named.hash, head.getHash())) return damaged_record("a receipt");
          out.named[log] = named;
        }
        return out;
      });
}

}  // namespace tocsin::protocol
