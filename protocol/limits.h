// Every hard limit of the formats, in one place: value, unit, reason. Checked before any allocation (rule 6).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tocsin::protocol {

inline constexpr std::size_t kEntryHeaderBytes = 152;   // fixed layout, see entry.h
inline constexpr std::size_t kSignatureBytes = 64;      // Ed25519
inline constexpr std::size_t kRootSignatureBytes = 65;  // index byte and Ed25519 signature, organisation log
inline constexpr std::size_t kRootsMax = 16;            // root keys of an organisation; bounds the signature field
inline constexpr std::size_t kSignatureFieldBytesMax = kRootSignatureBytes * kRootsMax;
inline constexpr std::size_t kBodyBytesMax = 48 * 1024;     // rule 8: an entry always fits one frame
inline constexpr std::size_t kFrameBytesMax = 65519;        // plaintext of one Noise message; with the tag 65,535
inline constexpr std::size_t kChunkEntriesMax = 1024;       // rule 10: one signature check for each chunk
inline constexpr std::size_t kChunkBytesMax = 1024 * 1024;  // rule 10
inline constexpr std::size_t kPlaintextBytesMax =
    47100;  // feed plaintext: the most that seals into kBodyBytesMax (crypto/body.h)
inline constexpr std::size_t kReportBytesMax = 46 * 1024;  // canonical report inside a feed plaintext

inline constexpr std::size_t kRecordBytesMax =
    8 * 1024 * 1024;  // of local memory (entry_store.h), name and value; the largest is a roster
inline constexpr std::size_t kOrgRandomBytes = 16;        // makes two organisations of one name and keys two
inline constexpr std::size_t kOrgLogEntriesMax = 4096;    // certificates and revocations of one organisation
inline constexpr std::size_t kNodesPerOrgMax = 64;        // certified at one time
inline constexpr std::size_t kMembersMax = 256;           // organisations in one channel's roster
inline constexpr std::size_t kChannelsMax = 256;          // channels of one node; bounds the token slots of a session
inline constexpr std::size_t kLogsPerChannelMax = 65536;  // feeds and control logs known of one channel
// Feeds of one channel of which nobody can tell here whose they are: by name alone (rule 34), or without a key.
inline constexpr std::size_t kNamelessFeedsMax = 4096;
inline constexpr std::size_t kNamelessLockedMax = 128;  // that a locked node takes; peers may have to refuse each again
inline constexpr std::size_t kFeedsPerNodeMax = 32;     // of others in one channel, so that pins fit (rules 15, 20)
inline constexpr std::size_t kWrapSlotsMin = 8;         // rule 31
inline constexpr std::size_t kWrapSlotsMax = 1024;      // rule 31
inline constexpr std::size_t kPrekeysMax = 12;          // rule 32: months ahead
inline constexpr std::size_t kAddressesMax = 8;         // of one node's card
inline constexpr std::size_t kNameBytesMax = 200;       // organisation, node or channel name, UTF-8
inline constexpr std::size_t kReasonBytesMax = 200;     // why a node was revoked, UTF-8
inline constexpr std::size_t kNetworkBytesMax = 64;     // network name: stands in the handshake's prologue
inline constexpr std::size_t kHostBytesMax = 253;       // longest name that DNS knows
inline constexpr std::size_t kAddressBytesMax = 255;    // "host:port" in a card
inline constexpr std::size_t kRevocationPinsMin = 8;    // rule 20: padded in count
inline constexpr std::size_t kRevocationPinsMax =
    256;                                              // of one entry: a power of two that holds a feed in each channel
inline constexpr std::size_t kPinsPerNodeMax = 1024;  // over all entries that revoke one node

// Rule 19.
inline constexpr std::size_t kRotationBytesMax = 8192;  // body of an entry that changes the roots; a proof holds two
inline constexpr std::size_t kSupersededMax = 4096;     // entries that a rotation undid, kept of one log as history

}  // namespace tocsin::protocol
