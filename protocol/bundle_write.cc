// What goes into a bundle, and in which order.
#include <algorithm>
#include <set>

#include "protocol/bundle.h"
#include "protocol/entry_peek.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kBundleReadBytes = 4 * kBundleEntriesBytesMax;  // stored bytes looked at for one message
constexpr Code kUnknownChannelAsked{"unknown_channel"};
constexpr Code kUnknownRecipient{"unknown_peer"};
constexpr Code kRecipientBlocked{"peer_blocked"};

// What the recipient's receipts say of a log: the lowest of its nodes, so that each of them can go on. A node that has
// not signed one yet hears from the others.
Number told_head(const std::vector<ReceiptInfo>& receipts, const LogKey& log) {
  Number out;
  bool first = true;
  for (const ReceiptInfo& receipt : receipts) {
    const auto at = receipt.heads.find(log);
    const Number head = at == receipt.heads.end() ? Number{} : at->second;
    out = first ? head : std::min(out, head);
    first = false;
  }
  return out;
}

std::vector<ReceiptInfo> receipts_of(const Replica& replica, const ChannelId& id,
                                     const std::vector<WrapTarget>& targets) {
  auto out = replica.receipts(id);
  std::erase_if(out, [&](const ReceiptInfo& receipt) {
    return std::none_of(targets.begin(), targets.end(), [&](const auto& t) { return t.node == receipt.node; });
  });
  return out;
}

class Planner {
 public:
  Planner(Replica& replica, const BundleRequest& request) : replica_(replica), request_(request) {}

  Result<std::vector<BundlePlan>> plan() {
    // Alerts go before all else, also when the file is cut.
    std::vector<ChannelInfo> channels;
    for (const ChannelId& id : request_.channels) {
      auto info = replica_.channel(id);
      if (!info) return caller_error(kUnknownChannelAsked, "there is no such channel here; see: tocsin channel list");
      const auto same = [&](const ChannelInfo& other) { return other.id == id; };
      if (std::none_of(channels.begin(), channels.end(), same)) channels.push_back(std::move(*info));
    }
    std::stable_sort(channels.begin(), channels.end(), [](const ChannelInfo& a, const ChannelInfo& b) {
      return (a.channel_class == ChannelClass::kAlert) > (b.channel_class == ChannelClass::kAlert);
    });
    if (request_.recipient) return for_one(channels);
    return for_members(channels);
  }

 private:
  Result<std::vector<BundlePlan>> for_one(const std::vector<ChannelInfo>& channels) {
    BundlePlan out;
    const OrgId& org = *request_.recipient;
    out.recipient = org;
    const bool own = org == replica_.own_org().id();
    if (!own && !replica_.peer(org)) {
      return caller_error(kUnknownRecipient, "no such organisation is known here; see: tocsin peer list");
    }
    if (replica_.is_blocked(org)) return caller_error(kRecipientBlocked, "that organisation is blocked here");
    out.targets = replica_.wrap_targets(std::span(&org, 1));
    std::erase_if(out.targets, [&](const WrapTarget& target) { return target.node == replica_.own_node(); });
    if (out.targets.empty()) return caller_error(kUnknownRecipient, "no other live node of that organisation is known");
    for (const WrapTarget& target : out.targets) {
      for (Mail& mail : replica_.mail_for(org, target.node)) {
        if (out.mail.size() < kBundleMailsMax) out.mail.push_back(std::move(mail));
      }
    }
    for (const ChannelInfo& channel : channels) {
      const bool contributes = channel.own_role == Role::kContributor && channel.standing == ChannelStanding::kJoined;
      if (contributes || serves(channel.id, out.targets)) {
        TOCSIN_TRY(add_channel(out, channel));
      } else if (channel.standing != ChannelStanding::kJoined && channel.standing != ChannelStanding::kAccepting) {
        return not_joined(channel);
      } else if (out.mail.empty()) {
        return caller_error(kNothingForPeer, "that organisation is not in the channel " + channel.name +
                                                 ", and not invited to it: there is nothing of it to give");
      }
    }
    if (out.channels.empty()) {  // an invitation or its answer; what certifies this node goes along
      const auto record = replica_.log_record(LogKey{replica_.own_org().id().bytes()});
      if (record) {
        add_range(out, {std::nullopt, record->log, record->type, record->low, replica_.served_head(record->log), {}});
      }
    }
    count_certificate_keys(out);
    std::vector<BundlePlan> plans;
    plans.push_back(std::move(out));
    return plans;
  }

  Result<std::vector<BundlePlan>> for_members(const std::vector<ChannelInfo>& channels) {
    std::vector<BundlePlan> plans;
    for (const ChannelInfo& channel : channels) {
      if (channel.standing != ChannelStanding::kJoined) return not_joined(channel);
      BundlePlan& out = plans.emplace_back();
      std::vector<OrgId> readers;
      for (const MemberInfo& member : channel.members) {
        if (may_read(member.role) && !replica_.is_blocked(member.org)) readers.push_back(member.org);
      }
      // Who else reads it a contributor does not know (rule 24); the chair passes on what it gets.
      if (channel.own_role == Role::kContributor) readers.push_back(channel.chair_org);
      out.targets = replica_.wrap_targets(readers);
      TOCSIN_TRY(add_channel(out, channel));
      count_certificate_keys(out);
    }
    return plans;
  }

  static Error not_joined(const ChannelInfo& channel) {
    return caller_error(kNotJoined, "this node is not in the channel " + channel.name + ": it has nothing to give");
  }
  static void count_certificate_keys(BundlePlan& out) {
    out.certificate_keys =
        static_cast<std::size_t>(std::count_if(out.targets.begin(), out.targets.end(), [](const WrapTarget& target) {
          return target.month == kCertificateKeyMonth;
        }));
  }
  static void add_range(BundlePlan& out, const BundleRange& range) {
    out.entries += range.last.value + 1 - range.first.value;
    out.ranges.push_back(range);
  }
  bool serves(const ChannelId& id, const std::vector<WrapTarget>& targets) const {
    for (const auto& [log, leaf] : replica_.frontier(id).leaves()) {
      if (leaf.type != LogType::kControl) continue;
      for (const WrapTarget& target : targets) {
        if (replica_.may_serve(target.node, id, log)) return true;
      }
    }
    return false;
  }

  // Order (rule 20: a revocation overtakes what it revokes): the chair's organisation log, the control log, which says
  // who is a member, the members' organisation logs, the feeds.
  Result<void> add_channel(BundlePlan& out, const ChannelInfo& channel) {
    const std::size_t place = out.channels.size();
    out.channels.push_back(channel.id);
    const LogKey chair{channel.chair_org.bytes()};
    const auto rank = [&](const LogKey& log, LogType type) {
      if (log == chair) return 0;
      return type == LogType::kControl ? 1 : type == LogType::kOrganisation ? 2 : 3;
    };
    const bool contributes = channel.own_role == Role::kContributor;  // what it wrote in whatever epoch
    Epoch from_epoch = replica_.first_epoch(channel.id);
    std::vector<ReceiptInfo> receipts;
    if (out.recipient) {
      if (!contributes) from_epoch = std::max(from_epoch, replica_.first_epoch_of(channel.id, *out.recipient));
      if (!request_.all) receipts = receipts_of(replica_, channel.id, out.targets);
    }
    std::vector<std::pair<LogKey, Leaf>> leaves(replica_.frontier(channel.id).leaves().begin(),
                                                replica_.frontier(channel.id).leaves().end());
    // The log of the chair's term last among control logs: it follows those before.
    std::ranges::stable_sort(leaves, {}, [&](const auto& entry) { return entry.first == channel.control_log; });
    for (int now = 0; now <= 3; ++now) {
      for (const auto& [log, leaf] : leaves) {
        if (rank(log, leaf.type) != now) continue;
        const auto record = replica_.log_record(log);
        if (!record || record->low > std::min(record->head, leaf.head)) continue;  // its name alone is held
        // The leaf of an organisation that has ended says nothing of how much is held.
        const bool organisation = leaf.type == LogType::kOrganisation;
        const Number last = organisation ? replica_.served_head(log) : std::min(record->head, leaf.head);
        BundleRange range{place, log, leaf.type, record->low, last, {}};
        const Number told = told_head(receipts, log);
        if (told >= range.last) continue;
        if (told >= range.first) {
          range.first = told.next();
        } else if (leaf.type == LogType::kFeed && replica_.is_short(log)) {
          continue;  // not complete from any epoch on that could be said (rule 33)
        } else if (leaf.type == LogType::kFeed && from_epoch.value > 0) {
          range.from_epoch = from_epoch;
          if (out.recipient) {
            TOCSIN_ASSIGN(first, replica_.first_number_at(log, from_epoch));
            range.first = std::clamp(first, range.first, range.last);
          }
        }
        add_range(out, range);
      }
    }
    return kOk;
  }

  Replica& replica_;
  const BundleRequest& request_;
};

}  // namespace

Result<std::vector<BundlePlan>> plan_bundles(Replica& replica, const BundleRequest& request) {
  // The first receipt of a channel needs a counter that is durable by the time that it is asked for again.
  for (const ChannelId& id : request.channels) (void)replica.own_receipt(id);
  return Planner(replica, request).plan();
}

BundleWriter::BundleWriter(Replica& replica, crypto::Random& random, Time now, std::vector<BundlePlan> plans)
    : replica_(replica), random_(random), now_(now), plans_(std::move(plans)) {}

Result<bool> BundleWriter::poll(Bytes& out) {
  const std::size_t before = out.size();
  while (at_ < plans_.size() && out.size() == before) TOCSIN_TRY(step(out));
  return out.size() > before;
}

Result<void> BundleWriter::step(Bytes& out) {
  switch (stage_) {
    case Stage::kBegin:
      stage_ = Stage::kMail;
      return begin(out);
    case Stage::kMail:
      if (mail_ < plan().mail.size()) {
        const Mail& mail = plan().mail[mail_++];
        put_message(out, [&](wire::FrameWriter& frame) {
          return wire::put(frame, wire::Mail{static_cast<std::uint8_t>(mail.kind), mail.prekey_month, mail.envelope});
        });
      } else {
        stage_ = Stage::kRanges;
      }
      return kOk;
    case Stage::kRanges:
      if (range_ < plan().ranges.size()) return put_range(out);
      stage_ = Stage::kReceipts;
      return kOk;
    case Stage::kReceipts:
      put_receipts(out);
      stage_ = Stage::kEnd;
      return kOk;
    case Stage::kEnd:
      break;
  }
  put_message(out, [](wire::FrameWriter& frame) { return wire::put_bye(frame, ByeReason::kDone); });
  sealer_->finish(out);
  sealer_.reset();
  ++at_;
  range_ = mail_ = 0;
  next_ = {};
  stage_ = Stage::kBegin;
  return kOk;
}

Result<void> BundleWriter::begin(Bytes& out) {
  const auto sign = [this](const crypto::Hash& digest) { return replica_.sign_bundle(digest); };
  TOCSIN_ASSIGN(sealer, BundleSealer::begin(plan().targets, sign, random_, out));
  sealer_.emplace(std::move(sealer));
  BundleOpening opening;
  opening.org = replica_.own_org().id();
  opening.node = replica_.own_node();
  opening.made = now_;
  opening.recipient = plan().recipient;
  opening.channels = plan().channels;
  opening.log_end = replica_.own_log_end(kBundleLogEndBytesMax);
  sealer_->put(encode_bundle_opening(opening), out);
  const Bytes prekeys = replica_.own_prekeys();
  if (!prekeys.empty()) {
    put_message(out, [&](wire::FrameWriter& frame) { return wire::put_prekeys(frame, prekeys); });
  }
  return kOk;
}

void BundleWriter::put_message(Bytes& out, const std::function<bool(wire::FrameWriter&)>& put) {
  Bytes frame;
  wire::FrameWriter writer(frame);
  if (!put(writer)) return;
  frame.resize(writer.position());  // what is around it is padded
  sealer_->put(frame, out);
}

// One step: the want that the range answers, or one message of entries.
Result<void> BundleWriter::put_range(Bytes& out) {
  const BundleRange& range = plan().ranges[range_];
  const auto slot = static_cast<std::uint16_t>(range.channel.value_or(wire::kNoChannel));
  if (next_.value == 0) {
    next_ = range.first;
    range_bytes_ = 0;
    const wire::Want want{slot, range.log, range.first, range.last, range.from_epoch};
    put_message(out, [&](wire::FrameWriter& frame) { return wire::put(frame, want); });
    return kOk;
  }
  const std::size_t wanted = std::clamp(range_bytes_ / 8, kBundleEntriesBytesMin, kBundleEntriesBytesMax);
  for (const std::size_t most : {wanted, wire::kPayloadBytesMax}) {
    Bytes frame;
    wire::FrameWriter writer(frame);
    wire::EntriesWriter entries(writer, slot, range.log, range.type, next_, next_ == range.first, most);
    bool full = false;
    const auto read = replica_.serve(range.log, next_, range.last, kBundleReadBytes, [&](const StoredEntry& stored) {
      EntryView entry = stored.entry;
      // Of a feed that ended before the recipient's time its name alone (rule 34).
      if (Epoch{load_le64(&entry.header[16])} < range.from_epoch) entry.body = {};
      full =
          !entries.add(entry, body_absent(stored.entry) ? replica_.erasure_order(range.log, stored.number) : Bytes{});
      return !full;
    });
    // What its author signed wrongly is no reason to give nothing of the others.
    if (!read && read.error().origin != Origin::kPeer) return read.error();
    const std::uint16_t count = entries.count();
    if (count == 0 && full) continue;  // one large entry
    const Number next = count > 0 ? entries.next() : next_;
    const bool end = !read.ok() || (!full && (count == 0 || next > range.last));
    entries.finish(end);
    frame.resize(writer.position());
    sealer_->put(frame, out);
    entries_ += count;
    range_bytes_ += frame.size();
    next_ = next;
    if (!end) return kOk;
    break;
  }
  ++range_;
  next_ = {};
  return kOk;
}

// Behind the entries: a proof is taken of a log that is held (rule 12).
void BundleWriter::put_receipts(Bytes& out) {
  for (std::size_t i = 0; i < plan().channels.size(); ++i) {
    for (const LogKey& log : replica_.partings(plan().channels[i])) {
      const auto proof = replica_.fork_proof(plan().channels[i], log);
      if (!proof) continue;
      put_message(out, [&](wire::FrameWriter& frame) {
        const bool is_end = replica_.parting(log)->first.value == 0;
        return wire::put(frame, wire::ForkProof{static_cast<std::uint16_t>(i), *proof, is_end});
      });
    }
    const auto own = replica_.own_receipt(plan().channels[i]);
    if (!own) continue;
    put_message(out, [&](wire::FrameWriter& frame) {
      return wire::put(frame, wire::Receipt{static_cast<std::uint16_t>(i), own->epoch, replica_.own_node(),
                                            own->counter, own->sealed});
    });
  }
}

}  // namespace tocsin::protocol
