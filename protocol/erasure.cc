#include "protocol/erasure.h"

#include "protocol/canonical.h"
#include "protocol/erasure.capnp.h"
#include "protocol/limits.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

using canonical::take;

constexpr std::size_t kOrderCertificateBytesMax = 1024;  // of a feed; today some 320

Error bad_erasure(std::string detail) { return peer_error(kBadErasure, std::move(detail)); }

Result<ErasureOrder> read_order(schema::ErasureOrder::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_erasure("a version unknown here");
  ErasureOrder out;
  if (!take(out.channel, in.getChannelId()) || !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) ||
      !take(out.feed, in.getFeed()) || !take(out.entry, in.getEntryHash()) || !take(out.report, in.getReportId()) ||
      !take(out.subject, in.getSubject())) {
    return bad_erasure("an id, key or hash has a wrong size");
  }
  out.number = {in.getNumber()};
  out.cause = static_cast<ErasureCause>(in.getCause());
  out.created = {in.getCreated()};
  if (out.number.value == 0) return bad_erasure("entries are numbered from 1");
  if (out.cause != ErasureCause::kWithdrawn && out.cause != ErasureCause::kRecalled) {
    return bad_erasure("a cause unknown here");
  }
  out.certificate = to_bytes(canonical::view(in.getCertificate()));
  if (out.certificate.size() > kOrderCertificateBytesMax) return bad_erasure("the certificate is too long");
  out.feed_signature = to_bytes(canonical::view(in.getFeedSignature()));
  if (!out.feed_signature.empty() && out.feed_signature.size() != kSignatureBytes) {
    return bad_erasure("the feed's signature has a wrong size");
  }
  return out;
}

Result<ErasureConfirmations> read_confirmations(schema::ErasureConfirmations::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_erasure("a version unknown here");
  ErasureConfirmations out;
  out.created = {in.getCreated()};
  if (in.getItems().size() == 0 || in.getItems().size() > kConfirmationsMax) {
    return bad_erasure("1 to 256 confirmations stand in one entry");
  }
  for (const auto item : in.getItems()) {
    ErasureConfirmations::Item& to = out.items.emplace_back();
    if (!take(to.order, item.getOrder())) return bad_erasure("an order's id has a wrong size");
    to.outcome = static_cast<ErasureOutcome>(item.getOutcome());
    if (item.getOutcome() < 1 || item.getOutcome() > 3) return bad_erasure("an outcome unknown here");
  }
  return out;
}

Result<HoldRecord> read_hold(schema::HoldRecord::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_erasure("a version unknown here");
  HoldRecord out;
  if (!take(out.report, in.getReportId())) return bad_erasure("a report's id has a wrong size");
  out.removed = in.getRemoved();
  out.written = {in.getWritten()};
  out.by = std::string(canonical::view(in.getBy()));
  out.reason = std::string(canonical::view(in.getReason()));
  if (!is_line(out.by, kNameBytesMax) || !is_line(out.reason, kHoldReasonBytesMax)) {
    return bad_erasure("a text is no line");
  }
  if (in.getEntries().size() > kHoldEntriesMax) return bad_erasure("too many entries");
  for (const auto entry : in.getEntries()) {
    HoldRecord::Entry& to = out.entries.emplace_back();
    if (!take(to.channel, entry.getChannelId()) || !take(to.feed, entry.getFeed())) {
      return bad_erasure("an id has a wrong size");
    }
    to.number = {entry.getNumber()};
  }
  return out;
}

}  // namespace

std::string_view to_string(ErasureCause cause) { return cause == ErasureCause::kRecalled ? "recalled" : "withdrawn"; }

std::string_view to_string(ErasureOutcome outcome) {
  switch (outcome) {
    case ErasureOutcome::kErased:
      return "erased";
    case ErasureOutcome::kNotHeld:
      return "not_held";
    case ErasureOutcome::kHeld:
      break;
  }
  return "held_under_hold";
}

Bytes sign_erasure_order(const ErasureOrder& order, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::ErasureOrder>([&](schema::ErasureOrder::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(order.channel));
    out.setOrgId(canonical::data(order.org));
    out.setNodeId(canonical::data(order.node));
    out.setFeed(canonical::data(order.feed));
    out.setNumber(order.number.value);
    out.setEntryHash(canonical::data(order.entry));
    out.setReportId(canonical::data(order.report));
    out.setSubject(canonical::data(order.subject));
    out.setCause(static_cast<std::uint16_t>(order.cause));
    out.setCreated(order.created.ms);
    if (!order.certificate.empty()) out.setCertificate(canonical::data(order.certificate));
    if (!order.feed_signature.empty()) out.setFeedSignature(canonical::data(order.feed_signature));
  });
  Bytes out = to_bytes(node_key.sign(crypto::kLabelErasure, {message}).view());
  append(out, message);
  return out;
}

Result<ErasureOrder> decode_erasure_order(ByteView signed_order) {
  if (signed_order.size() <= kSignatureBytes) return bad_erasure("the order is cut");
  return canonical::decode<schema::ErasureOrder>(signed_order.subspan(kSignatureBytes),
                                                 kErasureOrderBytesMax - kSignatureBytes, read_order);
}

bool verify_erasure_order(ByteView signed_order, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  if (signed_order.size() <= kSignatureBytes) return false;
  const auto signature = *crypto::Signature::from(signed_order.first(kSignatureBytes));
  return verifier.verify(node_key, crypto::kLabelErasure, {signed_order.subspan(kSignatureBytes)}, signature);
}

crypto::Hash erasure_id(ByteView signed_order) { return crypto::hash256(crypto::kPersonalErasure, {signed_order}); }

void sign_erased_owner(ErasureOrder& order, const crypto::SigningKey& feed_key) {
  const crypto::Signature signature =
      feed_key.sign(crypto::kLabelErasedOwner, {ByteView(order.certificate), order.entry.view()});
  order.feed_signature = to_bytes(signature.view());
}

bool verify_erased_owner(const ErasureOrder& order, crypto::Verifier& verifier) {
  const auto signature = crypto::Signature::from(order.feed_signature);
  return signature && !order.certificate.empty() &&
         verifier.verify(*crypto::VerifyKey::from(order.feed.view()), crypto::kLabelErasedOwner,
                         {ByteView(order.certificate), order.entry.view()}, *signature);
}

Bytes encode_confirmations(const ErasureConfirmations& confirmations) {
  return canonical::encode<schema::ErasureConfirmations>([&](schema::ErasureConfirmations::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setCreated(confirmations.created.ms);
    auto items = out.initItems(static_cast<unsigned>(confirmations.items.size()));
    for (unsigned i = 0; i < items.size(); ++i) {
      items[i].setOrder(canonical::data(confirmations.items[i].order));
      items[i].setOutcome(static_cast<std::uint16_t>(confirmations.items[i].outcome));
    }
  });
}

Result<ErasureConfirmations> decode_confirmations(ByteView message) {
  return canonical::decode<schema::ErasureConfirmations>(message, kConfirmationsBytesMax, read_confirmations);
}

Bytes encode_hold(const HoldRecord& hold) {
  return canonical::encode<schema::HoldRecord>([&](schema::HoldRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setReportId(canonical::data(hold.report));
    out.setRemoved(hold.removed);
    out.setWritten(hold.written.ms);
    out.setBy(canonical::text(hold.by));
    out.setReason(canonical::text(hold.reason));
    auto entries = out.initEntries(static_cast<unsigned>(hold.entries.size()));
    for (unsigned i = 0; i < entries.size(); ++i) {
      entries[i].setChannelId(canonical::data(hold.entries[i].channel));
      entries[i].setFeed(canonical::data(hold.entries[i].feed));
      entries[i].setNumber(hold.entries[i].number.value);
    }
  });
}

Result<HoldRecord> decode_hold(ByteView message) {
  return canonical::decode<schema::HoldRecord>(message, kHoldRecordBytesMax, read_hold);
}

}  // namespace tocsin::protocol
