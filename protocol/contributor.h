// Contributors (rule 24; docs/protocol.md, section 4, "Contributors"): who writes into a channel and sees nobody of it.
//
// A contributor holds no genesis, no control log and no epoch key. What it is told stands in signed notices of the
// chair, which any member carries: the public half of the epoch, to which it seals what it writes, and the key that
// signs the channel's answers. Every secret here comes from the epoch's key, so that whoever reads the channel has it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/contribution.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "protocol/channel_messages.h"
#include "protocol/feed.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

inline constexpr Code kBadContributorNotice{"bad_contributor_notice"};
inline constexpr Code kBadAnswer{"bad_answer"};

// ---- Keys of an epoch

// The pair that contributors seal to, and the key that signs answers to them.
crypto::EncryptionKeyPair epoch_half(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch);
crypto::SigningKey answer_key(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch);

// Opens feed bodies of one epoch, its members' and its contributors'. One for each thread.
class EpochOpener {
 public:
  EpochOpener(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch);
  ~EpochOpener();
  EpochOpener(EpochOpener&&) noexcept = default;
  EpochOpener& operator=(EpochOpener&&) noexcept = default;
  // The plaintext is valid until the next call or the end of this object. Errors (peer): those of crypto::BodyOpener
  // and crypto::open_contribution.
  Result<ByteView> open(const BodyBinding& binding, ByteView body);

 private:
  crypto::EpochKey key_;
  ChannelId channel_;
  Epoch epoch_;
  crypto::BodyOpener bodies_;
  std::unique_ptr<crypto::EncryptionKeyPair> half_;  // made with the first contribution
  Bytes plaintext_;                                  // of a contribution
};

// ---- What a contributor is told

inline constexpr std::size_t kContributorProfileBytesMax = 16 * 1024;
// What every contributor of a channel is told alike; its hash stands in the notices.
struct ContributorProfile {
  ChannelId channel;
  std::string network;
  std::string name;
  ChannelClass channel_class = ChannelClass::kUnknown;
  std::string terms;
  std::uint32_t retention_days = 0;
};
ContributorProfile contributor_profile(const ChannelGenesis& genesis);
Bytes encode_contributor_profile(const ContributorProfile& profile);
// Error: bad_contributor_notice.
Result<ContributorProfile> decode_contributor_profile(ByteView message);
crypto::Hash contributor_profile_digest(ByteView message);

enum class ContributorStanding : std::uint16_t { kUnknown = 0, kInvited = 1, kContributor = 2, kNone = 3 };
inline constexpr std::size_t kContributorNoticeBytesMax = 1024;  // signed

struct ContributorNotice {
  ChannelId channel;
  OrgId org;  // whom it is about
  ContributorStanding standing = ContributorStanding::kUnknown;
  std::uint32_t term = 1;
  std::uint32_t counter = 1;  // rises with each notice to this organisation in an epoch
  Epoch epoch;
  crypto::EncryptionPublic half;  // of that epoch; zero for who is no contributor
  crypto::VerifyKey answer_key;   // likewise
  crypto::Hash tag;               // what its sessions find the channel by; known to it and the members
  crypto::Hash profile;           // contributor_profile_digest
  EntryHash adding_entry;         // that invited it: what an acceptance names
  OrgId chair_org;                // of the node that signs
  NodeId chair_node;
  bool governments = false;  // at least one government reads the channel (rule 53)
  Time created;              // as claimed
  Epoch since;               // it contributes from this epoch on, without a break; or 0

  // Of the same chair's organisation.
  bool is_newer_than(const ContributorNotice& other) const {
    return std::pair(epoch, counter) > std::pair(other.epoch, other.counter);
  }
};
// signature ‖ message.
Bytes sign_contributor_notice(const ContributorNotice& notice, const crypto::SigningKey& chair_node_key);
// Error: bad_contributor_notice. No signature is verified here.
Result<ContributorNotice> decode_contributor_notice(ByteView signed_notice);
bool verify_contributor_notice(ByteView signed_notice, const crypto::VerifyKey& chair_node_key,
                               crypto::Verifier& verifier);

// A notice on its way (mail kind 7). Sealed to the contributor's node.
struct ContributorMail {
  Bytes notice;                      // signed
  Bytes profile;                     // canonical ContributorProfile
  std::vector<Bytes> chair_org_log;  // its end, entry byte strings
};
Bytes encode_contributor_mail(const ContributorMail& mail);
// Error: bad_contributor_notice.
Result<ContributorMail> decode_contributor_mail(ByteView message);

// ---- What a contributor keeps: the place of genesis, control log and roster

inline constexpr std::size_t kContributionEpochsMax = 4096;
struct Contribution {
  ContributorNotice notice;  // the newest
  Bytes signed_notice;
  ContributorProfile profile;
  Bytes profile_message;
  struct Keys {
    crypto::EncryptionPublic half;
    crypto::VerifyKey answer_key;
  };
  std::map<Epoch, Keys> epochs;  // that were told of; the newest kContributionEpochsMax
  // 32 random bytes, from the first entry on: every ephemeral key comes from it, so that this node can read what it
  // wrote. Null: nothing was written yet, or the node is locked.
  std::shared_ptr<const crypto::SecretBuffer> secret;
};
// The channel as far as it is shown: no steward, nobody in it but the own organisation.
std::shared_ptr<const ChannelGenesis> contribution_genesis(const Contribution& contribution);
std::shared_ptr<const ControlState> contribution_state(const Contribution& contribution);
// The pair of one entry's place.
crypto::EncryptionKeyPair contribution_ephemeral(const crypto::SecretBuffer& secret, const BodyBinding& binding);

// ---- Answers (feed kind 14, mail kind 8)

inline constexpr std::size_t kAnswerTextBytesMax = 4096;
inline constexpr std::size_t kAnswerBytesMax = 8 * 1024;  // signed
// What the channel says to a contributor about something that it sent. It names no member: who wrote it, the members
// see by the feed that carries it.
struct Answer {
  ChannelId channel;
  OrgId to;
  ReportId report;
  Epoch epoch;  // whose answer key signs
  std::string text;
  Time created;  // as claimed
};
// signature ‖ message.
Bytes sign_answer(const Answer& answer, const crypto::SigningKey& answer_key);
// The same whoever signs it again, in whatever epoch.
crypto::Hash answer_id(const Answer& answer);
// Error: bad_answer. The signature is not verified here.
Result<Answer> decode_answer(ByteView signed_answer);
bool verify_answer(ByteView signed_answer, const crypto::VerifyKey& answer_key, crypto::Verifier& verifier);

}  // namespace tocsin::protocol
