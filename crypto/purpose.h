// What a hash or a signature is for (rule 4). Every hash carries a Personal (BLAKE2b's own personalisation field),
// everything signed or sealed for a use begins with a Label: nothing made for one purpose verifies for another. ALL of
// the project's are declared here, and a test reads this file to see that no two are equal. Once released a value never
// changes its meaning; a new format takes a new value.
#pragma once

#include <array>
#include <cstddef>

#include "crypto/bytes.h"

namespace tocsin::crypto {

// BLAKE2b personalisation: 16 bytes, the literal padded with zero bytes. Longer or empty text does not compile.
struct Personal {
  std::array<std::uint8_t, 16> bytes{};

  template <std::size_t M>
  consteval Personal(const char (&literal)[M]) {
    static_assert(M >= 2 && M - 1 <= 16, "a Personal has 1 to 16 characters");
    for (std::size_t i = 0; i + 1 < M; ++i) bytes[i] = static_cast<std::uint8_t>(literal[i]);
  }
  ByteView view() const { return ByteView(bytes); }
  friend constexpr bool operator==(const Personal&, const Personal&) = default;
};

// First 32 bytes of what is signed, or sealed for one use: the literal padded with zero bytes.
struct Label {
  std::array<std::uint8_t, 32> bytes{};

  template <std::size_t M>
  consteval Label(const char (&literal)[M]) {
    static_assert(M >= 2 && M - 1 <= 32, "a Label has 1 to 32 characters");
    for (std::size_t i = 0; i + 1 < M; ++i) bytes[i] = static_cast<std::uint8_t>(literal[i]);
  }
  ByteView view() const { return ByteView(bytes); }
  friend constexpr bool operator==(const Label&, const Label&) = default;
};

// ---- Hashes and keys of the crypto layer itself ----
inline constexpr Personal kPersonalEntryKey{"tocsin entry key"};   // epoch key + context -> entry key (rule 37)
inline constexpr Personal kPersonalBodyKeys{"tocsin body keys"};   // entry key -> encryption key, commitment (rule 37)
inline constexpr Personal kPersonalBodyNonce{"tocsin bodynonce"};  // nonce of a body (rule 38)
inline constexpr Personal kPersonalContributionKey{
    "tocsin contr key"};  // X25519 result -> entry key of a contribution (rules 24, 37)
inline constexpr Personal kPersonalWrapKeys{
    "tocsin wrap keys"};  // X25519 result -> key, commitment of a slot (rule 30)
inline constexpr Personal kPersonalWrapNonce{"tocsin wrapnonce"};  // nonce of a slot (rule 38)
inline constexpr Personal kPersonalSealKey{"tocsin seal key"};     // storage key + label -> key of one use
inline constexpr Personal kPersonalSealNonce{"tocsin sealnonce"};  // nonce of a sealed value (rule 38)
inline constexpr Personal kPersonalStreamKey{"tocsin streamkey"};  // storage key + label -> key of one sealed stream
inline constexpr Personal kPersonalTextSum{"tocsin text sum"};     // checksum of a text code

// ---- Hashes of the protocol layer (docs/protocol.md) ----
inline constexpr Personal kPersonalEntry{"tocsin entry"};          // entry hash
inline constexpr Personal kPersonalBody{"tocsin body"};            // body hash in a header
inline constexpr Personal kPersonalOrg{"tocsin org"};              // organisation id
inline constexpr Personal kPersonalNode{"tocsin node"};            // node id
inline constexpr Personal kPersonalRoots{"tocsin roots"};          // commitment to a set of root keys (rule 17)
inline constexpr Personal kPersonalWords{"tocsin words"};          // safety words
inline constexpr Personal kPersonalChannel{"tocsin channel"};      // channel id
inline constexpr Personal kPersonalPseudonym{"tocsin pseudonym"};  // channel pseudonym
inline constexpr Personal kPersonalTerms{"tocsin terms"};          // digest of a channel's terms
inline constexpr Personal kPersonalStewards{"tocsin stewards"};    // a set of stewards, and since when (rule 22)
inline constexpr Personal kPersonalTermKey{
    "tocsin term key"};  // channel id -> key that seals the certificate of a term
inline constexpr Personal kPersonalProposal{"tocsin proposal"};     // what stewards approve
inline constexpr Personal kPersonalAccess{"tocsin access"};         // epoch key -> access key seed (rule 35)
inline constexpr Personal kPersonalEpochCommit{"tocsin epochcom"};  // commitment to an epoch key (rule 29)
inline constexpr Personal kPersonalPin{"tocsin pin"};               // pin of a feed (rule 20)
inline constexpr Personal kPersonalReport{"tocsin report"};         // report id
inline constexpr Personal kPersonalContent{"tocsin content"};       // what a report says, for imports
inline constexpr Personal kPersonalReaders{"tocsin readers"};       // who was to read what waits for a second person
inline constexpr Personal kPersonalReceipt{"tocsin receipt"};       // entry key of a receipt
inline constexpr Personal kPersonalToken{"tocsin token"};           // channel token of a session (rule 36)
inline constexpr Personal kPersonalEqual{"tocsin equal"};           // equality value of a session
inline constexpr Personal kPersonalTrie{"tocsin trie"};             // frontier digest
inline constexpr Personal kPersonalFork{"tocsin fork"};             // leaf of a log that two histories are known of
inline constexpr Personal kPersonalMail{"tocsin mail id"};          // tells apart what a node has sent; never leaves it
inline constexpr Personal kPersonalBundle{"tocsin bundle"};         // clear start of a bundle; what its author signs
inline constexpr Personal kPersonalErasure{"tocsin erasure"};       // names an order to erase a body
inline constexpr Personal kPersonalHalf{"tocsin half"};             // epoch key -> secret half of the epoch (rule 24)
inline constexpr Personal kPersonalAnswerKey{"tocsin answerkey"};   // epoch key -> seed of the key that signs answers
inline constexpr Personal kPersonalContributionProfile{"tocsin contprof"};  // what a contributor is told of a channel
inline constexpr Personal kPersonalContributionEphemeral{
    "tocsin contreph"};  // a contributor's secret + place of an entry -> its ephemeral key

// ---- Signatures and envelopes of the protocol layer ----
inline constexpr Label kLabelEntry{"tocsin.v1.entry"};
inline constexpr Label kLabelNodeCertificate{"tocsin.v1.node-certificate"};
inline constexpr Label kLabelPrekeys{"tocsin.v1.prekeys"};
inline constexpr Label kLabelCard{"tocsin.v1.card"};
inline constexpr Label kLabelGenesis{"tocsin.v1.genesis"};
inline constexpr Label kLabelControlCertificate{"tocsin.v1.control-certificate"};
inline constexpr Label kLabelFeedCertificate{"tocsin.v1.feed-certificate"};
inline constexpr Label kLabelAcceptance{"tocsin.v1.acceptance"};
inline constexpr Label kLabelReceipt{"tocsin.v1.receipt"};
inline constexpr Label kLabelAccess{"tocsin.v1.access"};
inline constexpr Label kLabelApproval{"tocsin.v1.approval"};
inline constexpr Label kLabelInvitation{"tocsin.v1.invitation"};  // envelope to the invited node
inline constexpr Label kLabelAcceptanceMail{
    "tocsin.v1.acceptance-mail"};                                     // envelope of an acceptance to a member's node
inline constexpr Label kLabelIntroduction{"tocsin.v1.introduction"};  // envelope to a node of the same organisation
inline constexpr Label kLabelBundle{"tocsin.v1.bundle"};              // a frame of a bundle, by its author
inline constexpr Label kLabelBundleKey{"tocsin.v1.bundle-key"};       // slot of a node that may open it
inline constexpr Label kLabelBundleChunk{"tocsin.v1.bundle-chunk"};   // sealed under the key in the slots
inline constexpr Label kLabelKeyRequest{"tocsin.v1.key-request"};     // envelopes of epochs wrapped again (rule 33)
inline constexpr Label kLabelKeyAnswer{"tocsin.v1.key-answer"};
inline constexpr Label kLabelNotice{"tocsin.v1.notice"};
inline constexpr Label kLabelLeave{"tocsin.v1.leave"};
inline constexpr Label kLabelLeaveMail{"tocsin.v1.leave-mail"};  // envelope of that
inline constexpr Label kLabelContributorNotice{"tocsin.v1.contributor-notice"};
inline constexpr Label kLabelContributorMail{"tocsin.v1.contributor-mail"};  // envelope of that and of what it is about
inline constexpr Label kLabelAnswer{"tocsin.v1.answer"};                     // a channel to a contributor (rule 24)
inline constexpr Label kLabelAnswerMail{"tocsin.v1.answer-mail"};            // envelope of an answer
inline constexpr Label kLabelErasure{"tocsin.v1.erasure"};                   // an organisation takes a body back
inline constexpr Label kLabelErasedOwner{"tocsin.v1.erased-owner"};  // a feed key says whose a body was that is gone
inline constexpr Label kLabelNoticeMail{"tocsin.v1.notice-mail"};  // envelope of a notice to a node of whom it is about

// ---- What a node keeps on its own disk (node/store) ----
inline constexpr Personal kPersonalStoreName{"tocsin storename"};  // store key + table + name -> database key (rule 47)
inline constexpr Personal kPersonalMachine{"tocsin machine"};      // machine-id as the home records it (rule 21)
inline constexpr Personal kPersonalNodeNote{"tocsin node note"};   // node id as the key folder records it (rule 48)
inline constexpr Personal kPersonalKeyFile{
    "tocsin key file"};  // checksum of a key file: tells damage from a wrong passphrase
inline constexpr Label kLabelStoreCheck{"tocsin.store.check"};      // proves that a store belongs to a store key
inline constexpr Label kLabelStoreLog{"tocsin.store.log"};          // log records
inline constexpr Label kLabelStoreEntry{"tocsin.store.entry"};      // entries of organisation logs, which name partners
inline constexpr Label kLabelStoreRecord{"tocsin.store.record"};    // names and values of the record tables
inline constexpr Label kLabelKeyring{"tocsin.keys.keyring"};        // passphrase -> keys of the two tiers (rule 48)
inline constexpr Label kLabelTier1{"tocsin.keys.tier1"};            // transport secret, store key
inline constexpr Label kLabelTier2{"tocsin.keys.tier2"};            // signing, encryption, prekeys, reading key
inline constexpr Label kLabelRotation{"tocsin.keys.rotation"};      // the same key -> keys that are to follow
inline constexpr Label kLabelBackup{"tocsin.backup"};               // slots and stream of a backup (rule 21)
inline constexpr Label kLabelBackupStream{"tocsin.backup.stream"};  // its content
inline constexpr Label kLabelRootKey{"tocsin.keys.root"};           // one root key of an organisation, a file apart
inline constexpr Label kLabelChannelSecrets{"tocsin.keys.channel"};  // reading key -> keys of one channel (rule 48)

// ---- The desk (node/desk)
inline constexpr Personal kPersonalUserToken{"tocsin usertoken"};  // secret of a user's token -> what is kept of it
inline constexpr Personal kPersonalPassword{"tocsin password"};  // Argon2id of a user's password -> what is kept of it
inline constexpr Label kLabelSource{"tocsin.desk.source"};  // reading key -> record of a protected source (rule 51)

// ---- The query index (node/index) ----
inline constexpr Personal kPersonalIndexRow{"tocsin index row"};      // publisher and row id of an imported row
inline constexpr Personal kPersonalIndexCursor{"tocsin indexcur"};    // binds a paging cursor to its query
inline constexpr Label kLabelIndexSnapshot{"tocsin.index.snapshot"};  // reading key -> snapshot on disk (rule 50)

}  // namespace tocsin::crypto
