// A bundle on its way in: each message to the door that a session would take it to.
#include <utility>

#include "protocol/bundle_impl.h"
#include "protocol/codes.h"

namespace tocsin::protocol {
BundleReader::BundleReader(Replica& replica, Use use, std::function<void()> wakeup)
    : impl_(std::make_shared<Impl>(replica, use, std::move(wakeup))) {}
BundleReader::~BundleReader() = default;
void BundleReader::give(ByteView bytes) { impl_->opener.give(bytes); }
void BundleReader::end() { impl_->file_ended = true; }
BundleReader::State BundleReader::run() { return impl_->run(); }
const BundleSummary& BundleReader::summary() const { return impl_->summary; }

// ---- Life

BundleReader::State BundleReader::Impl::run() {
  while (!over) {
    if (commits == 0) barrier = false;
    if (has_to_wait()) return State::kWait;
    if (stopping) {
      over = true;
      break;
    }
    const bool goes_on =
        message && (message->type == wire::MessageType::kWant || message->type == wire::MessageType::kBye);
    if (goes_on && std::exchange(mail_waits, false)) {
      write_barrier();
      continue;
    }
    if (message) {
      const wire::Message now = *message;
      message.reset();
      if (auto taken = dispatch(now); !taken) stop(taken.error());
      continue;
    }
    if (messages) {
      auto next = messages->next();
      if (!next) {
        stop(broken_bundle(std::string(next.error().code.text())));
      } else if (*next) {
        message = **next;
      } else {
        messages.reset();
      }
      continue;
    }
    auto event = opener.next();
    if (!event) {
      stop(event.error());
    } else if (*event == BundleOpener::Event::kMore) {
      if (!file_ended) return State::kMore;
      file_end();
    } else if (auto taken = handle_event(*event); !taken) {
      stop(taken.error());
    }
  }
  summary.bytes = opener.bytes();
  return State::kOver;
}

// Feeds are read on while they are written; what decides about others is durable before these are looked at, and a
// receipt speaks of what is durable.
bool BundleReader::Impl::has_to_wait() const {
  if (commits == 0) return false;
  if (stopping || barrier || commits >= kBundleCommitsMax) return true;
  return message && message->type != wire::MessageType::kWant && message->type != wire::MessageType::kEntries;
}

// What came before stays; the entries at hand are whole, and go on their way.
void BundleReader::Impl::stop(Error error) {
  if (stopping) return;
  stopping = true;
  summary.error = std::move(error);
  if (range && range->receiver && range->receiver->pending_entries() > 0) commit_chunk();
}

// Mail has no word for "durable"; the writes are made in their order, so one behind it has.
void BundleReader::Impl::write_barrier() {
  ++commits;
  barrier = true;
  replica.remove_record(Table::kLocal, as_bytes("bundle.barrier"), [weak = weak_from_this()](const Result<void>&) {
    const auto self = weak.lock();
    if (!self) return;
    --self->commits;
    if (self->wakeup) self->wakeup();
  });
}

void BundleReader::Impl::file_end() {
  if (summary.opened + summary.for_others == 0 && opener.bytes() == 0) {
    return stop(peer_error(kNotABundle, "the file is empty"));
  }
  if (summary.opened == 0 && summary.for_others > 0) {
    return stop(peer_error(kBundleForOthers, "this bundle is for somebody else: this node cannot open it"));
  }
  if (!opener.is_whole()) {
    return stop(peer_error(kBundleCut,
                           "the file ends too early: what was whole has been taken; copy it again from where it came, "
                           "and import it once more, which adds what is missing"));
  }
  stopping = summary.complete = true;
}

Result<void> BundleReader::Impl::handle_event(BundleOpener::Event event) {
  if (event == BundleOpener::Event::kBundle) {
    ours = opener.is_open();
    ++(ours ? summary.opened : summary.for_others);
    done_seen = false;
    mails = 0;
    range.reset();
  } else if (event == BundleOpener::Event::kFrame) {
    const bool first = opener.frame_number() == 0;
    if (first) TOCSIN_TRY(find_author());
    if (!verifier.verify(author, crypto::kLabelBundle, {opener.digest().view()}, opener.signature())) {
      return peer_error(kBundleForged, "the bundle is not signed by the node that it says it is from");
    }
    if (first) return take_opening();
    if (done_seen) return broken_bundle("something stands behind its end");
    messages.emplace(opener.frame());
  } else if (ours && (!done_seen || (range && !range->ended))) {
    return broken_bundle("it has no end");
  }
  return kOk;
}

Result<void> BundleReader::Impl::find_author() {
  TOCSIN_ASSIGN(told, decode_bundle_opening(opener.frame()));
  opening = std::move(told);
  own = opening.node == replica.own_node();
  TOCSIN_ASSIGN(key, replica.bundle_author(opening.org, opening.node, opening.log_end, use == Use::kLook));
  author = key;
  return kOk;
}

Result<void> BundleReader::Impl::take_opening() {
  if (opening.recipient && *opening.recipient != replica.own_org().id()) {
    return peer_error(kBundleForOthers, "this bundle is for another organisation");
  }
  for (const ChannelId& channel : opening.channels) summary.channels[channel];
  summary.openings.push_back(opening);
  return kOk;
}

// ---- Messages

Result<void> BundleReader::Impl::dispatch(const wire::Message& m) {
  const auto note = [&](const Result<void>& taken) {
    if (!taken) ++summary.refused[std::string(taken.error().code.text())];
  };
  switch (m.type) {
    case wire::MessageType::kWant:
      return handle_want(m.payload);
    case wire::MessageType::kEntries:
      return handle_entries(m.payload);
    case wire::MessageType::kForkProof:
    case wire::MessageType::kEndProof: {
      const auto proof = wire::decode_fork_proof(m.payload);
      if (!proof || proof->slot >= opening.channels.size()) return broken_bundle("its proof of a fork");
      if (use == Use::kLook || own) return kOk;
      const auto taken = replica.take_fork_proof(opening.channels[proof->slot], proof->proof);
      note(taken ? Result<void>(kOk) : Result<void>(taken.error()));
      mail_waits = true;
      return kOk;
    }
    case wire::MessageType::kMail: {
      auto mail = wire::decode_mail(m.payload);
      if (!mail || ++mails > kBundleMailsMax) return broken_bundle("its mail");
      if (use == Use::kLook || own) {
        ++summary.mail;
        return kOk;
      }
      const auto taken =
          replica.handle_mail(opening.org, static_cast<MailKind>(mail->kind), mail->prekey_month, mail->envelope);
      if (taken) ++summary.mail;
      mail_waits = mail_waits || taken.ok();
      // Another node of this organisation finds it in the same file.
      if (!taken && taken.error().code != Code("not_for_us")) note(taken);
      return kOk;
    }
    case wire::MessageType::kPrekeys:
      if (use == Use::kTake && !own) note(replica.accept_prekeys(opening.node, m.payload));
      return kOk;
    case wire::MessageType::kReceipt: {
      auto receipt = wire::decode_receipt(m.payload);
      if (!receipt || receipt->slot >= opening.channels.size()) return broken_bundle("a receipt");
      if (use == Use::kLook) return kOk;
      const auto taken = replica.handle_receipt(opening.channels[receipt->slot], receipt->epoch, receipt->node,
                                                receipt->counter, receipt->sealed);
      // One from before this node's first epoch: nobody's fault, there is one a minute at most.
      if (!taken && taken.error().code != Code("unknown_epoch")) note(taken);
      return kOk;
    }
    case wire::MessageType::kBye: {
      const auto reason = wire::decode_bye(m.payload);
      if (!reason || *reason != ByeReason::kDone) return broken_bundle("its end");
      done_seen = true;
      return kOk;
    }
    default:
      return broken_bundle("a message that is for sessions alone");
  }
}

Result<void> BundleReader::Impl::handle_want(ByteView payload) {
  auto want = wire::decode_want(payload);
  const bool fits = want && want->first.value > 0 && want->last.value > 0 &&
                    (want->slot == wire::kNoChannel || want->slot < opening.channels.size());
  if (!fits || (range && !range->ended)) return broken_bundle("a range");
  range.emplace();
  range->want = *want;
  range->next = want->first;
  if (want->slot != wire::kNoChannel) range->channel = opening.channels[want->slot];
  return kOk;
}

Result<void> BundleReader::Impl::handle_entries(ByteView payload) {
  auto opened = wire::EntriesReader::open(payload);
  if (!opened) return broken_bundle("entries");
  const wire::EntriesHeader& header = opened->header();
  if (!range || range->ended || header.log != range->want.log || header.slot != range->want.slot) {
    return broken_bundle("entries of no range");
  }
  if (!range->begun) {
    TOCSIN_TRY(begin_range(header));
  } else if (header.type != range->type ||
             (header.count > 0 && (header.first != range->next || header.previous.has_value()))) {
    return broken_bundle("a range does not go on where it was");
  }
  for (std::uint16_t i = 0; i < header.count; ++i) {
    auto entry = opened->next();
    if (!entry || range->next > range->want.last) return broken_bundle("entries");
    take_entry(*entry);
  }
  if (use == Use::kLook && header.count > 0 && !summary.logs.empty() && summary.logs.back().log == header.log) {
    summary.logs.back().last = {range->next.value - 1};
  }
  if (header.end) end_range();
  return kOk;
}

}  // namespace tocsin::protocol
