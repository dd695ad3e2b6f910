// What goes beside entries: receipts (rule 13), mail (rule 26), prekeys (rule 32), pings.
#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

bool needs_control(const Error& error) {
  const std::string_view code = error.code.text();
  return code == "unknown_epoch" || code == "not_authorised" || code == "unknown_channel";
}

}  // namespace

// ---- Receipts

void Session::Impl::receipt_due(SharedChannel& channel) {
  const std::int64_t at = now();
  if (!channel.receipt_due) channel.receipt_since_ms = at;
  channel.receipt_due = true;
  channel.receipt_changed_ms = at;
  channel.receipt_not_before_ms = std::min(channel.receipt_not_before_ms, at);
}

// Once all is fetched, since one receipt a minute is all that there is (rule 13); but what never comes to an end does
// not hold it back.
std::optional<std::int64_t> Session::Impl::receipt_time(const SharedChannel& channel, bool is_quiet) const {
  if (!channel.receipt_due || !channel.compared || !channel.peer_slot || channel.contribution) return std::nullopt;
  return std::max(channel.receipt_not_before_ms, is_quiet ? 0 : channel.receipt_since_ms + kReceiptAgainMs);
}

void Session::Impl::put_receipt(wire::FrameWriter& out, const ChannelId& id, SharedChannel& channel) {
  const std::int64_t at = now();
  const auto own = replica.own_receipt(id);
  if (!own) {  // not a member yet, or its counters are being set aside
    const bool soon = at - channel.receipt_since_ms < 10 * kReceiptSoonMs;
    channel.receipt_not_before_ms = at + (soon ? kReceiptSoonMs : kReceiptAgainMs);
    return;
  }
  // A checkpoint, which went with the entries, may have told it more than the receipt would.
  const auto peer_has = [&](std::uint64_t counter) {
    return channel.peer_seen && *channel.peer_seen == seen(id, peer_role(), *compared_round, counter);
  };
  const bool held = peer_has(own->counter) || peer_has(own->newest_counter);
  if (own->counter > channel.receipt_sent && !held) {
    if (!wire::put(out, wire::Receipt{channel.own_slot, own->epoch, replica.own_node(), own->counter, own->sealed})) {
      return;
    }
  }
  channel.receipt_sent = own->counter;
  // It may be from before the newest change; by then one that is not can be made.
  const std::int64_t again = channel.receipt_changed_ms + kReceiptAgainMs;
  channel.receipt_due = at < again;
  channel.receipt_since_ms = at;
  channel.receipt_not_before_ms = again;
}

Result<void> Session::Impl::handle_receipt(ByteView payload) {
  TOCSIN_ASSIGN(receipt, wire::decode_receipt(payload));
  ChannelId id;
  const SharedChannel* of = find_channel(receipt.slot, &id);
  if (of == nullptr) return kOk;  // of a channel that was shared a moment ago
  if (of->contribution) return peer_error(kUnexpectedMessage, "receipts are for who reads the channel");
  const auto minutes = static_cast<std::uint64_t>((now() - start_ms) / 60'000 + 1);
  if (++receipts_taken > kReceiptsBurst + 4 * minutes * channels.size()) {
    return peer_error(kTooMuch, "more receipts than one a minute");
  }
  auto taken = replica.handle_receipt(id, receipt.epoch, receipt.node, receipt.counter, receipt.sealed);
  if (taken) return kOk;
  if (needs_control(taken.error())) {
    keep_receipt(id, receipt);
  } else {
    refused(taken.error());
  }
  return kOk;
}

void Session::Impl::keep_receipt(const ChannelId& id, const wire::Receipt& receipt) {
  std::size_t before = 0;
  if (const auto old = early_receipts.find(id); old != early_receipts.end()) before = old->second.sealed.size();
  if (early_bytes - before + receipt.sealed.size() > kEarlyReceiptBytesMax) return;
  early_bytes += receipt.sealed.size() - before;
  early_receipts[id] = {receipt.epoch, receipt.node, receipt.counter, to_bytes(receipt.sealed)};
}

void Session::Impl::retry_receipts() {
  for (auto at = early_receipts.begin(); at != early_receipts.end();) {
    const EarlyReceipt& receipt = at->second;
    auto taken = replica.handle_receipt(at->first, receipt.epoch, receipt.node, receipt.counter, receipt.sealed);
    if (!taken && needs_control(taken.error())) {
      ++at;
      continue;
    }
    if (!taken) refused(taken.error());
    early_bytes -= receipt.sealed.size();
    at = early_receipts.erase(at);
  }
}

// ---- Mail and prekeys

Result<void> Session::Impl::handle_mail(ByteView payload) {
  TOCSIN_ASSIGN(mail, wire::decode_mail(payload));
  if (++mails_taken > kMailsMax) return peer_error(kTooMuch, "too much mail");
  auto taken = replica.handle_mail(config.peer_org, static_cast<MailKind>(mail.kind), mail.prekey_month, mail.envelope);
  // It ends nothing however often: whether it was of use says who is invited, or in a channel.
  if (!taken && config.refused) config.refused(taken.error());
  return kOk;
}

Result<void> Session::Impl::handle_prekeys(ByteView payload) {
  if (++prekeys_taken > kPrekeyListsMax) return peer_error(kTooMuch, "too many prekey lists");
  auto taken = replica.accept_prekeys(config.peer_node, payload);
  if (!taken) refused(taken.error());
  return kOk;
}

void Session::Impl::check_prekeys(std::uint32_t held_by_peer) {
  const CertifiedNode* own = replica.own_org().live_node(replica.own_node());
  if (own == nullptr) return;
  crypto::Verifier verifier;
  const auto list = open_prekeys(replica.own_prekeys(), own->certificate.signing, verifier);
  prekeys_due = list && held_by_peer < list->first_month;
}

// ---- Pings

Result<void> Session::Impl::handle_ping(ByteView payload) {
  TOCSIN_ASSIGN(value, wire::decode_number(payload));
  if (pongs.size() >= kPongsMax) return peer_error(kTooMuch, "too many pings");
  pongs.push_back(value);
  return kOk;
}

// Any frame ends the wait for it (handle_frame), so that all there is to see is whether it was asked for at all.
Result<void> Session::Impl::handle_pong(ByteView payload) {
  TOCSIN_ASSIGN(value, wire::decode_number(payload));
  if (value == 0 || value > pings) return peer_error(kUnexpectedMessage, "a pong without a ping");
  return kOk;
}

// ---- Out

void Session::Impl::put_pings(wire::FrameWriter& out) {
  while (!pongs.empty() && wire::put_number(out, wire::MessageType::kPong, pongs.front())) pongs.pop_front();
  if (ping_due && wire::put_number(out, wire::MessageType::kPing, *ping_due)) {
    ping_out = ping_due;
    ping_due.reset();
  }
}

void Session::Impl::put_side(wire::FrameWriter& out) {
  if (prekeys_due && wire::put_prekeys(out, replica.own_prekeys())) prekeys_due = false;
  if (mail_due) {
    mail_due = false;
    for (Mail& mail : replica.mail_for(config.peer_org, config.peer_node)) {
      if (mail.envelope.size() + 5 > wire::kPayloadBytesMax) continue;  // the replica makes none so long
      if (mail_sent.size() < kMailsMax && mail_sent.insert(mail.id).second) mail_out.push_back(std::move(mail));
    }
  }
  while (!mail_out.empty()) {
    const Mail& mail = mail_out.front();
    if (!wire::put(out, wire::Mail{static_cast<std::uint8_t>(mail.kind), mail.prekey_month, mail.envelope})) break;
    mail_out.pop_front();
  }
  const bool is_quiet = quiet();
  for (auto& [id, channel] : channels) {
    const auto time = receipt_time(channel, is_quiet);
    if (time && *time <= now()) put_receipt(out, id, channel);
  }
}

}  // namespace tocsin::protocol
