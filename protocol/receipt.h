// Receipts: "I hold these logs up to here" (docs/protocol.md, section 7; rule 13).
#pragma once

#include <vector>

#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "protocol/frontier.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

inline constexpr Code kBadReceipt{"bad_receipt"};

inline constexpr std::size_t kReceiptHeadsAllowed = 512;

struct ReceiptHead {
  LogKey log;
  Number head;     // newest header held
  EntryHash hash;  // of that entry
  Number body;     // bodies are held without a gap from the start of the copy up to here
  friend bool operator==(const ReceiptHead&, const ReceiptHead&) = default;
};
struct Receipt {
  ChannelId channel;
  NodeId node;
  std::uint64_t counter = 0;
  LogKey control_log;
  Number control_head;
  EntryHash control_hash;
  TrieDigest frontier;
  std::vector<ReceiptHead> heads;  // changed since the last receipt, by rising log key
  Time created;                    // as claimed
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// The canonical message: payload of a checkpoint, which its entry signs. At most 512 heads (assert).
Bytes encode_receipt(const Receipt& receipt);
// Errors (peer): not_canonical, bad_receipt.
Result<Receipt> decode_receipt(ByteView message);

// signature ‖ message, sealed under the epoch key; node id and counter go beside it in clear.
Bytes seal_receipt(const Receipt& receipt, Epoch epoch, const crypto::EpochKey& key, const crypto::SigningKey& node_key,
                   crypto::Random& random);
// Opened, decoded, and compared with what stood in clear; the signature is still to be verified. Errors (peer): those
// of crypto::open_body, not_canonical, bad_receipt.
struct OpenedReceipt {
  Bytes signed_message;  // signature ‖ message
  Receipt receipt;
};
Result<OpenedReceipt> open_receipt(const ChannelId& channel, Epoch epoch, const crypto::EpochKey& key,
                                   const NodeId& node, std::uint64_t counter, ByteView sealed);
bool verify_receipt(ByteView signed_message, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

}  // namespace tocsin::protocol
