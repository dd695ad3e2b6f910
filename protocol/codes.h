// Reason codes that several parts of the protocol layer share. All are the peer's fault unless said otherwise; a part's
// own codes stand in its header.
#pragma once

#include "crypto/result.h"

namespace tocsin::protocol {

// Messages and entries.
inline constexpr Code kNotCanonical{"not_canonical"};  // see canonical.h (rule 5)
inline constexpr Code kBadBodyHash{"bad_body_hash"};   // body is not the one that the header names
inline constexpr Code kBadSignature{
    "bad_signature"};  // does not verify, or not as many, or not in the order, that the format asks for
inline constexpr Code kWrongLog{"wrong_log"};            // entry of another log
inline constexpr Code kWrongNumber{"wrong_number"};      // entry is not the next one
inline constexpr Code kWrongPrevious{"wrong_previous"};  // entry follows another one than the head

// Organisation logs.
inline constexpr Code kBadGenesis{"bad_genesis"};
inline constexpr Code kBadEvent{"bad_event"};
inline constexpr Code kBadCertificate{"bad_certificate"};
inline constexpr Code kBadCounterSignature{"bad_counter_signature"};
inline constexpr Code kBadRotation{"bad_rotation"};
inline constexpr Code kSuperseded{"superseded"};                 // a rotation of the roots undid the entry
inline constexpr Code kOrganisationEnded{"organisation_ended"};  // its roots were replaced twice (rule 19)
inline constexpr Code kTooManyEntries{"too_many_entries"};
inline constexpr Code kTooManyNodes{"too_many_nodes"};
inline constexpr Code kBadPrekeys{"bad_prekeys"};

// What a new organisation is made of; the caller's.
inline constexpr Code kBadName{"bad_name"};
inline constexpr Code kBadCountry{"bad_country"};
inline constexpr Code kBadNetwork{"bad_network"};
inline constexpr Code kBadRoots{"bad_roots"};

// Cards. bad_prefix, bad_character, bad_checksum and too_long are those of crypto/text_code.h.
inline constexpr Code kBadCard{"bad_card"};
inline constexpr Code kWrongNetwork{"wrong_network"};
inline constexpr Code kNodeNotCertified{"node_not_certified"};
inline constexpr Code kBadAddress{"bad_address"};     // the caller's from parse_address
inline constexpr Code kCardTooLong{"card_too_long"};  // the caller's

// The second tier of secrets is needed (rule 48); the caller's.
inline constexpr Code kLocked{"locked"};

// Feeds.
inline constexpr Code kBadPlaintext{"bad_plaintext"};
inline constexpr Code kBadFeedCertificate{"bad_feed_certificate"};

// Opening entries; the caller's: nothing is wrong with the entry.
inline constexpr Code kNotAFeed{"not_a_feed"};
inline constexpr Code kNoKey{"no_key"};              // no epoch key here, or unknown channel
inline constexpr Code kUnknownFeed{"unknown_feed"};  // nobody is known to own the feed
inline constexpr Code kErased{"erased"};             // the body is gone

}  // namespace tocsin::protocol
