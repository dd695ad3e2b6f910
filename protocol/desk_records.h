// Users, their tokens, and the audit of their acts, as entries of an organisation's private channel (desk.capnp). Here
// are the bytes, and which of two records of one id is in force; what a role may do is the desk's affair.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "crypto/hash.h"
#include "crypto/passphrase.h"
#include "protocol/codes.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

inline constexpr Code kBadPeopleRecord{"bad_people_record"};  // peer: a field is out of bounds, or of a later version
inline constexpr Code kBadAuditRecord{"bad_audit_record"};    // likewise

inline constexpr Code kBadWaitingRecord{"bad_waiting_record"};  // likewise

inline constexpr std::size_t kWaitingRecordBytesMax = 16 * 1024;
inline constexpr std::size_t kWaitingChannelsMax = 256;
inline constexpr std::size_t kWaitingAskersMax = 64;        // beside the last
inline constexpr std::size_t kPeopleRecordBytesMax = 2048;  // today at most some 700
inline constexpr std::size_t kAuditRecordBytesMax = 4096;
inline constexpr std::size_t kUserNameBytesMax = 200;   // as every other name
inline constexpr std::size_t kAuditActBytesMax = 200;   // summary of a route
inline constexpr std::size_t kAuditNamesMax = 8;        // a path has at most three
inline constexpr std::size_t kAuditNameBytesMax = 200;  // longer ones are cut by who writes

using UserId = FixedBytes<struct UserIdTag, 16>;
using TokenId = FixedBytes<struct TokenIdTag, 16>;
using WaitingId = FixedBytes<struct WaitingIdTag, 16>;

// By rising rights.
enum class UserRole : std::uint16_t { kReader = 1, kTrainee = 2, kAnalyst = 3, kAdmin = 4 };
enum class TokenScope : std::uint16_t { kRead = 1, kWrite = 2, kAdmin = 3 };
enum class AuditOutcome : std::uint16_t { kDone = 1, kPartial = 2, kBegun = 3 };
std::string_view to_string(UserRole role);  // "reader", ...
std::string_view to_string(TokenScope scope);
std::string_view to_string(AuditOutcome outcome);
std::optional<UserRole> parse_user_role(std::string_view word);
std::optional<TokenScope> parse_token_scope(std::string_view word);

struct PasswordVerifier {
  crypto::PassphraseSalt salt;
  crypto::PassphraseParams params{};
  crypto::Hash hash;
  friend bool operator==(const PasswordVerifier&, const PasswordVerifier&) = default;
};
struct UserRecord {
  UserId id;
  std::string name;
  UserRole role = UserRole::kReader;
  bool removed = false;
  std::optional<PasswordVerifier> password;
  Time created, written;
  std::string by;
  friend bool operator==(const UserRecord&, const UserRecord&) = default;
};
struct TokenRecord {
  TokenId id;
  UserId user;
  crypto::Hash secret_hash;
  TokenScope scope = TokenScope::kRead;
  Time created, expires;
  bool removed = false;
  Time written;
  std::string by;
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};
using PeopleRecord = std::variant<UserRecord, TokenRecord>;

Bytes encode_people_record(const PeopleRecord& record);
// Errors (peer): not_canonical, bad_people_record.
Result<PeopleRecord> decode_people_record(ByteView message);
// Is `a` in force, of two different records of one id? The same answer at every node, in whatever order they came.
template <class Record>
bool outranks(const Record& a, const Record& b) {
  if (a.removed != b.removed) return a.removed;
  if (a.written != b.written) return a.written > b.written;
  return encode_people_record(a) > encode_people_record(b);
}

struct AuditRecord {
  std::optional<UserId> user;  // nothing: the owner of the home
  std::string user_name;
  Time at;
  std::string act;
  std::vector<std::string> names;
  AuditOutcome outcome = AuditOutcome::kDone;
  friend bool operator==(const AuditRecord&, const AuditRecord&) = default;
};
// Texts are cut to their limits, at a character's end; what is no line is left out.
Bytes encode_audit_record(AuditRecord record);
// Errors (peer): not_canonical, bad_audit_record.
Result<AuditRecord> decode_audit_record(ByteView message);

// What waits for a second person (four eyes). An alert never does (rule 52).
enum class WaitingState : std::uint16_t { kWaiting = 1, kReleased = 2, kDropped = 3 };
struct WaitingRecord {
  WaitingId id;
  Time written;
  WaitingState state = WaitingState::kWaiting;
  ReportId subject;
  std::optional<ReportId> correction;
  std::vector<ChannelId> channels;
  std::optional<UserId> asked_by_id;  // nothing: the owner of the home
  std::string asked_by;
  Time asked_at;
  std::optional<UserId> decided_by_id;
  std::string decided_by;
  std::vector<std::optional<UserId>> earlier_askers;  // each once, as asked_by_id
  std::optional<ReportId> version;                    // the correction in force when it was asked
  std::optional<crypto::Hash> readers;                // who read in those channels then
  // No second person is needed: this node sends it once its home is in doubt no more (rule 21).
  std::optional<NodeId> until_home;
  friend bool operator==(const WaitingRecord&, const WaitingRecord&) = default;
};
Bytes encode_waiting_record(const WaitingRecord& record);
// Errors (peer): not_canonical, bad_waiting_record.
Result<WaitingRecord> decode_waiting_record(ByteView message);
// Did this person ask for it, last or before?
bool asked(const WaitingRecord& record, const std::optional<UserId>& user);
// Is `a` in force, of two different records of one id?
bool outranks(const WaitingRecord& a, const WaitingRecord& b);

}  // namespace tocsin::protocol
