// Bodies that their author's organisation takes back (rules 8, 25, 47): the order, what a node says of having followed
// it, and what an organisation keeps all the same, as evidence. Here are the bytes; what becomes of a body is the
// replica's affair (replica_erasure.cc).
//
// An order names one entry by its hash and stands by its own signature, so it travels beside the entry whose body is
// gone: who gets an entry without its body can tell at once whether its author's organisation has wanted that, and
// nobody else can make anybody do without a body (rules 11, 52).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "protocol/codes.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

inline constexpr Code kBadErasure{"bad_erasure"};  // peer: an order, confirmation or hold that says nothing valid

inline constexpr std::size_t kErasureOrderBytesMax = 2048;  // signature and message; today at most some 750
inline constexpr std::size_t kConfirmationsMax = 256;       // of one entry
inline constexpr std::size_t kConfirmationsBytesMax = 32 * 1024;
inline constexpr std::size_t kHoldEntriesMax = 256;
inline constexpr std::size_t kHoldRecordBytesMax = 40 * 1024;
inline constexpr std::size_t kHoldReasonBytesMax = 500;

enum class ErasureCause : std::uint16_t {
  kWithdrawn = 1,  // the report, in every channel that it was shared in
  kRecalled = 2,   // the copy in one channel
};
enum class ErasureOutcome : std::uint16_t { kErased = 1, kNotHeld = 2, kHeld = 3 };
std::string_view to_string(ErasureCause cause);      // "withdrawn", "recalled"
std::string_view to_string(ErasureOutcome outcome);  // "erased", "not_held", "held_under_hold"

struct ErasureOrder {
  ChannelId channel;
  OrgId org;
  NodeId node;
  LogKey feed;
  Number number;
  EntryHash entry;
  ReportId report, subject;
  ErasureCause cause = ErasureCause::kWithdrawn;
  Time created;
  Bytes certificate;
  Bytes feed_signature;  // the feed key's, which a body's certificate stood under; empty: nothing is said of the owner
  friend bool operator==(const ErasureOrder&, const ErasureOrder&) = default;
};
// signature ‖ message.
Bytes sign_erasure_order(const ErasureOrder& order, const crypto::SigningKey& node_key);
// Without checking the signature. Errors (peer): not_canonical, bad_erasure.
Result<ErasureOrder> decode_erasure_order(ByteView signed_order);
bool verify_erasure_order(ByteView signed_order, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);
crypto::Hash erasure_id(ByteView signed_order);
// In a body the certificate stands under the feed key's signature. In an order it would not, and any node may certify
// any key as its feed: so the feed's key signs it once more (rule 28).
void sign_erased_owner(ErasureOrder& order, const crypto::SigningKey& feed_key);
bool verify_erased_owner(const ErasureOrder& order, crypto::Verifier& verifier);

struct ErasureConfirmations {
  struct Item {
    crypto::Hash order;
    ErasureOutcome outcome = ErasureOutcome::kErased;
    friend bool operator==(const Item&, const Item&) = default;
  };
  Time created;
  std::vector<Item> items;
  friend bool operator==(const ErasureConfirmations&, const ErasureConfirmations&) = default;
};
Bytes encode_confirmations(const ErasureConfirmations& confirmations);
// Errors (peer): not_canonical, bad_erasure.
Result<ErasureConfirmations> decode_confirmations(ByteView message);

struct HoldRecord {
  struct Entry {
    ChannelId channel;
    LogKey feed;
    Number number;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  ReportId report;
  bool removed = false;
  Time written;
  std::string by, reason;
  std::vector<Entry> entries;
  friend bool operator==(const HoldRecord&, const HoldRecord&) = default;
};
Bytes encode_hold(const HoldRecord& hold);
// Errors (peer): not_canonical, bad_erasure.
Result<HoldRecord> decode_hold(ByteView message);

}  // namespace tocsin::protocol
