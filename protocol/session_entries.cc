// Entries as they arrive: from the frame into a chunk without a copy between, checked and committed while the next
// chunk comes (rule 10).
#include <algorithm>

#include "protocol/codes.h"
#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

// What the replica says of entries, by what a session makes of it. Codes are compared by their text: see replica.h.
// (A quota: of a node with many feeds those are taken that the chair pins when it is dropped.)
constexpr std::array<std::string_view, 8> kNotYet = {"unknown_epoch", "not_authorised",       "not_acceptable",
                                                     "wrong_epoch",   "bad_feed_certificate", "node_not_certified",
                                                     "not_approved",  "quota_exceeded"};
// Nobody who checks what he takes sends these on.
constexpr std::array<std::string_view, 3> kMalformed = {"bad_entry", "bad_epoch", "body_too_large"};
// Either the peer sends bad bytes, or the author showed two histories. (A rotation that follows another branch of an
// organisation log names another last good entry.)
constexpr std::array<std::string_view, 3> kSuspicious = {"bad_signature", "wrong_previous", "bad_rotation"};

template <std::size_t N>
bool is_in(const std::array<std::string_view, N>& codes, const Error& error) {
  return std::find(codes.begin(), codes.end(), error.code.text()) != codes.end();
}

}  // namespace

Result<void> Session::Impl::handle_entries(ByteView payload) {
  TOCSIN_ASSIGN(reader, wire::EntriesReader::open(payload));
  const wire::EntriesHeader& header = reader.header();
  const std::size_t size = wire::kMessageHeaderBytes + payload.size();
  credit_used += size;
  if (credit_used > kInitialCreditBytes) return peer_error(kCreditExceeded, "entries beyond the credit given");

  const auto found = fetches.find(header.log);
  if (found == fetches.end() || found->second.ended) {
    return peer_error(kUnexpectedMessage, "entries that nobody asked for");
  }
  const LogKey log = found->first;
  Fetch& fetch = found->second;
  ChannelId id;
  const bool in_channel = find_channel(header.slot, &id) != nullptr;
  // Not shared any more, as this side sees it: what it asked for before is still on its way, and nobody's fault.
  const bool dropped = fetch.channel && shared(*fetch.channel) == nullptr;
  const bool right_place = fetch.channel ? in_channel && *fetch.channel == id : header.slot == wire::kNoChannel;
  if (dropped) give_up(log, fetch, Fetch::Then::kRefuse);
  if ((!right_place && !dropped) || header.type != fetch.type) {
    return peer_error(kUnexpectedMessage, "entries of another channel or type than asked for");
  }
  const bool below_range = fetch.purpose == FetchPurpose::kBelow;
  if ((fetch.purpose == FetchPurpose::kRange || below_range) && !fetch.draining && !wants.holds(log, self)) {
    give_up(log, fetch, Fetch::Then::kRetry);  // it took too long: another session has taken it over
  }
  if (below_range && !fetch.draining) {
    fetch.chunk_bytes += size;
    wants.progress(log, self, now(), size);
    TOCSIN_TRY(take_below(log, fetch, reader));
  } else if (fetch.draining || fetch.purpose != FetchPurpose::kRange) {
    credit_back(size);
    if (!fetch.draining && header.count > 0) TOCSIN_TRY(take_probe(log, fetch, reader));
  } else {
    fetch.chunk_bytes += size;
    wants.progress(log, self, now(), size);
    TOCSIN_TRY(take_range(log, fetch, reader));
  }
  if (header.end) answer_ended(log, fetch);
  return commit_stuck_chunks();
}

// ---- Ranges

Result<void> Session::Impl::take_range(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader) {
  const wire::EntriesHeader& header = reader.header();
  if (header.count > 0) {
    if (!fetch.receiver) {
      TOCSIN_TRY(begin_range(log, fetch, header));
    } else if (header.first != fetch.receiver->next_number() || header.previous) {
      return peer_error(kBadEntries, "the range does not go on where it was");
    }
  }
  for (std::uint16_t i = 0; i < header.count && !fetch.draining; ++i) {
    TOCSIN_ASSIGN(entry, reader.next());
    const auto added =
        entry.absent ? fetch.receiver->add_without_body(entry.signature, entry.epoch, *BodyHash::from(entry.body_hash),
                                                        entry.body_bytes, entry.order)
                     : fetch.receiver->add(entry.signature, entry.epoch, entry.body);
    if (!added) {
      // What stands before an entry without its body is good, and nobody else need send it.
      const bool missing = entry.absent && added.error().code == Code("not_acceptable");
      // Nor where a pin or a fork ends what is taken.
      const bool ends = added.error().code == Code("past_pin") || added.error().code == Code("frozen");
      if ((missing || ends) && fetch.receiver->pending_entries() > 0) TOCSIN_TRY(commit_chunk(log, fetch));
      return fetch.draining ? kOk : entries_failed(log, fetch, added.error());
    }
    if (fetch.receiver->full()) TOCSIN_TRY(commit_chunk(log, fetch));
  }
  if (header.end && fetch.receiver && fetch.receiver->pending_entries() > 0) return commit_chunk(log, fetch);
  return kOk;
}

Result<void> Session::Impl::begin_range(const LogKey& log, Fetch& fetch, const wire::EntriesHeader& header) {
  // A joiner's copy may begin later (rule 34); anything else begins where it was asked to.
  const bool later = header.first > fetch.first && header.previous && fetch.from_epoch.value > 0;
  if (header.first != fetch.first && !later) return peer_error(kBadEntries, "the range begins elsewhere");
  fetch.accepted = replica.accepted_head(log);
  const bool branch = fetch.type == LogType::kOrganisation && fetch.first <= fetch.accepted;  // compared, then taken
  if (fetch.accepted.next() != fetch.first && !branch) {
    give_up(log, fetch, Fetch::Then::kRetry);
    return kOk;
  }
  // Older keys came since it was wanted (rule 33): a copy that begins so late would lack what they open.
  if (later && fetch.from_epoch != replica.first_epoch(*fetch.channel)) {
    give_up(log, fetch, Fetch::Then::kRetry);
    return kOk;
  }
  auto receiver = replica.receive(fetch.channel, log, fetch.type, header.first, header.previous);
  if (!receiver) return entries_failed(log, fetch, receiver.error());
  fetch.receiver.emplace(std::move(*receiver));
  return kOk;
}

Result<void> Session::Impl::commit_chunk(const LogKey& log, Fetch& fetch) {
  if (replica.accepted_head(log) != fetch.accepted) {
    give_up(log, fetch, Fetch::Then::kRetry);  // what came here by another way is not checked twice
    return kOk;
  }
  const std::size_t entries = fetch.receiver->pending_entries();
  const std::size_t bytes = fetch.chunk_bytes;
  auto queued =
      fetch.receiver->commit([weak = std::weak_ptr<Impl*>(lives), log, entries, bytes](const Result<Number>& stored) {
        if (const auto alive = weak.lock()) (*alive)->on_durable(log, entries, bytes, stored);
      });
  if (!queued) return entries_failed(log, fetch, queued.error());
  ++fetch.commits;
  ++commits;
  fetch.came = true;
  fetch.chunk_bytes = 0;
  fetch.accepted = replica.accepted_head(log);
  return kOk;
}

// Several chunks begun and none full may hold all the credit that there is: then the peer could not send what completes
// one.
Result<void> Session::Impl::commit_stuck_chunks() {
  const std::uint64_t held = credit_used - credit_due;
  if (commits > 0 || held + 2 * kFrameBytesMax <= kInitialCreditBytes) return kOk;
  for (auto& [log, fetch] : fetches) {
    if (fetch.receiver && fetch.receiver->pending_entries() > 0) TOCSIN_TRY(commit_chunk(log, fetch));
  }
  return kOk;
}

void Session::Impl::on_durable(const LogKey& log, std::size_t entries, std::size_t bytes,
                               const Result<Number>& stored) {
  if (over) return;
  --commits;
  credit_back(bytes);
  if (const auto found = fetches.find(log); found != fetches.end()) --found->second.commits;
  if (stored) {
    stats.entries_received += entries;
  } else {
    store_failed();
  }
  finish_if_done(log);
  if (auto taken = commit_stuck_chunks(); !taken) {
    refused(taken.error());
    end(ByeReason::kBadEntry);
  }
  if (config.wakeup) config.wakeup();
}

// ---- What went wrong

void Session::Impl::give_up(const LogKey& log, Fetch& fetch, Fetch::Then then) {
  fetch.then = then;
  drain(log, fetch);
}

// Nothing more is wanted for a while; what was told of stays known. A session that only wants to get done has no reason
// to wait.
void Session::Impl::store_failed() {
  if (!config.live) return end(ByeReason::kBusy);
  store_retry_ms = now() + kStoreRetryMs;
  for (auto& [log, fetch] : fetches) {
    if (fetch.purpose == FetchPurpose::kRange) give_up(log, fetch, Fetch::Then::kRetry);
  }
}

// The chunk at hand is lost. An error ends the session: the peer broke the protocol.
Result<void> Session::Impl::entries_failed(const LogKey& log, Fetch& fetch, const Error& error) {
  if (error.origin != Origin::kPeer) {
    give_up(log, fetch, Fetch::Then::kRetry);  // the log has grown meanwhile, or a write failed
    return kOk;
  }
  if (is_in(kMalformed, error)) return peer_error(kBadEntries, std::string(error.code.text()) + ": " + error.detail);
  refused(error);
  const bool organisation = fetch.type == LogType::kOrganisation;
  if (organisation && fetch.first <= fetch.accepted) {
    // A branch from where a fork is known. What the peer holds may part further down, too.
    const bool apart = error.code == Code("fork") || is_in(kSuspicious, error);
    if (apart && fetch.channel && fetch.first.value > 1) fetch.fork_at = Number{fetch.first.value - 1};
  } else if (is_in(kSuspicious, error)) {
    const bool at_head = fetch.accepted.value > 0 && fetch.channel && !fetch.came;
    fetch.fork_at = at_head ? fetch.accepted : Number{};
    // Of an organisation log an honest peer may hold another history, which a rotation made the right one: where the
    // head cannot be compared, nothing is concluded.
    if (!organisation || at_head) {
      fetch.suspect = fetch.receiver ? Number{fetch.receiver->next_number().value - 1} : fetch.first;
    }
  }
  give_up(log, fetch, is_in(kNotYet, error) ? Fetch::Then::kPark : Fetch::Then::kRefuse);
  return kOk;
}

// The answer to a single want: always with `previous`, so that the header can be rebuilt whatever stands below it.
Result<void> Session::Impl::take_probe(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader) {
  const wire::EntriesHeader& header = reader.header();
  if (header.count != 1 || header.first != fetch.first || (header.first.value > 1) != header.previous.has_value()) {
    return peer_error(kBadEntries, "not the one entry that was asked for");
  }
  TOCSIN_ASSIGN(entry, reader.next());
  // It serves singly, and so stands by, what it sent in a chunk that does not verify.
  if (fetch.purpose == FetchPurpose::kSuspect) return peer_error(kBadEntries, "a chunk does not verify");

  const auto record = replica.log_record(log);
  if (!record || !fetch.channel) return kOk;
  EntryHeader rebuilt;
  rebuilt.type = fetch.type;
  rebuilt.body_bytes = entry.body_bytes;
  rebuilt.number = header.first;
  rebuilt.epoch = entry.epoch;
  rebuilt.log = log;
  rebuilt.channel = record->channel;
  rebuilt.previous = header.previous.value_or(EntryHash{});
  rebuilt.body_hash = entry.absent ? *BodyHash::from(entry.body_hash) : hash_body(entry.body);
  const auto bytes = rebuilt.encode();
  const EntryView view{ByteView(bytes), entry.signature, entry.body};
  fetch.answered = true;
  const auto step = replica.fork_candidate(*fetch.channel, view);
  if (!step && step.error().code == kBadSignature && fetch.type != LogType::kOrganisation) {
    return peer_error(kBadEntries, "the entry asked for is not signed");
  }
  if (!step) refused(step.error());
  if (step && *step == ForkStep::kSame) {
    fetch.same_at = header.first;
    return kOk;
  }
  fetch.suspect = {};  // two histories, and the author is to blame
  if (fetch.type == LogType::kOrganisation && step && *step == ForkStep::kProven) {
    fetch.branch_at = replica.branch_start(log, header.first);
  }
  if (!replica.fork_is_durable(log)) proofs_awaited.insert(log);
  fetch.differs_at = step && *step == ForkStep::kDiffers ? header.first : Number{};
  return kOk;
}

void Session::Impl::put_credit(wire::FrameWriter& out) {
  const bool short_of_it = credit_used + kCreditStep > kInitialCreditBytes;
  if (credit_due == 0 || (credit_due < kCreditStep && !short_of_it) || !wire::put_credit(out, credit_due)) return;
  credit_used -= credit_due;
  credit_due = 0;
}

}  // namespace tocsin::protocol
