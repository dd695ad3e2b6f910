#include "protocol/receipt.h"

#include <cassert>

#include "crypto/body.h"
#include "protocol/canonical.h"
#include "protocol/channel.capnp.h"
#include "protocol/limits.h"

namespace tocsin::protocol {
namespace {

using canonical::take;

constexpr std::size_t kReceiptBytesMax = crypto::kBodyPlaintextMax;

// channel ‖ epoch ‖ node ‖ counter: 80 bytes, as long as the context of an entry, so one layout serves both.
std::array<std::uint8_t, 80> context_of(const ChannelId& channel, Epoch epoch, const NodeId& node,
                                        std::uint64_t counter) {
  std::array<std::uint8_t, 80> out;
  std::copy(channel.bytes().begin(), channel.bytes().end(), out.begin());
  store_le64(&out[32], epoch.value);
  std::copy(node.bytes().begin(), node.bytes().end(), out.begin() + 40);
  store_le64(&out[72], counter);
  return out;
}

crypto::EntryKey receipt_key(const crypto::EpochKey& key, ByteView context) {
  auto out = crypto::EntryKey::zero();
  crypto::keyed_hash_into(out.mutable_view(), key.view(), crypto::kPersonalReceipt, context);
  return out;
}

Error bad_receipt(std::string detail) { return peer_error(kBadReceipt, std::move(detail)); }

Result<Receipt> read_receipt(schema::Receipt::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_receipt("the receipt has a version unknown here");
  Receipt out;
  if (!take(out.channel, in.getChannelId()) || !take(out.node, in.getNodeId()) ||
      !take(out.control_log, in.getControlKey()) || !take(out.control_hash, in.getControlHash()) ||
      !take(out.frontier, in.getFrontier())) {
    return bad_receipt("a field of the receipt has a wrong size");
  }
  out.counter = in.getCounter();
  out.control_head = {in.getControlNumber()};
  out.created = {in.getCreated()};
  if (in.getHeads().size() > kReceiptHeadsAllowed) return bad_receipt("more than 512 heads");
  for (const auto head : in.getHeads()) {
    ReceiptHead next;
    if (!take(next.log, head.getLog()) || !take(next.hash, head.getHeadHash())) {
      return bad_receipt("a head of the receipt has a wrong size");
    }
    next.head = {head.getHeadNumber()};
    next.body = {head.getBodyNumber()};
    if (next.body > next.head) return bad_receipt("a body is held without its header");
    if (!out.heads.empty() && !(out.heads.back().log < next.log)) return bad_receipt("heads are not in rising order");
    out.heads.push_back(next);
  }
  return out;
}

}  // namespace

Bytes encode_receipt(const Receipt& receipt) {
  assert(receipt.heads.size() <= kReceiptHeadsAllowed);
  return canonical::encode<schema::Receipt>([&](schema::Receipt::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(receipt.channel));
    out.setNodeId(canonical::data(receipt.node));
    out.setCounter(receipt.counter);
    out.setControlKey(canonical::data(receipt.control_log));
    out.setControlNumber(receipt.control_head.value);
    out.setControlHash(canonical::data(receipt.control_hash));
    out.setFrontier(canonical::data(receipt.frontier));
    auto heads = out.initHeads(static_cast<unsigned>(receipt.heads.size()));
    for (unsigned i = 0; i < heads.size(); ++i) {
      heads[i].setLog(canonical::data(receipt.heads[i].log));
      heads[i].setHeadNumber(receipt.heads[i].head.value);
      heads[i].setHeadHash(canonical::data(receipt.heads[i].hash));
      heads[i].setBodyNumber(receipt.heads[i].body.value);
    }
    out.setCreated(receipt.created.ms);
  });
}

Result<Receipt> decode_receipt(ByteView message) {
  return canonical::decode<schema::Receipt>(message, kReceiptBytesMax, read_receipt);
}

Bytes seal_receipt(const Receipt& receipt, Epoch epoch, const crypto::EpochKey& key, const crypto::SigningKey& node_key,
                   crypto::Random& random) {
  const Bytes message = encode_receipt(receipt);
  Bytes plaintext;
  plaintext.reserve(crypto::Signature::kSize + message.size());
  append(plaintext, node_key.sign(crypto::kLabelReceipt, {message}).view());
  append(plaintext, message);
  const auto context = context_of(receipt.channel, epoch, receipt.node, receipt.counter);
  return crypto::seal_body(receipt_key(key, context), context, plaintext, random);
}

Result<OpenedReceipt> open_receipt(const ChannelId& channel, Epoch epoch, const crypto::EpochKey& key,
                                   const NodeId& node, std::uint64_t counter, ByteView sealed) {
  const auto context = context_of(channel, epoch, node, counter);
  TOCSIN_ASSIGN(plaintext, crypto::open_body(receipt_key(key, context), context, sealed));
  if (plaintext.size() < crypto::Signature::kSize) return bad_receipt("the signature is cut");
  TOCSIN_ASSIGN(receipt, decode_receipt(ByteView(plaintext).subspan(crypto::Signature::kSize)));
  if (receipt.channel != channel || receipt.node != node || receipt.counter != counter) {
    return bad_receipt("the receipt is not the one that it was announced as");
  }
  return OpenedReceipt{std::move(plaintext), std::move(receipt)};
}

bool verify_receipt(ByteView signed_message, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  if (signed_message.size() < crypto::Signature::kSize) return false;
  return verifier.verify(node_key, crypto::kLabelReceipt, {signed_message.subspan(crypto::Signature::kSize)},
                         *crypto::Signature::from(signed_message.first(crypto::Signature::kSize)));
}

}  // namespace tocsin::protocol
