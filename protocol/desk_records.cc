#include "protocol/desk_records.h"

#include <algorithm>

#include "protocol/canonical.h"
#include "protocol/desk.capnp.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

using canonical::take;

Error bad_people(std::string detail) { return peer_error(kBadPeopleRecord, std::move(detail)); }

bool take_line(std::string& out, capnp::Text::Reader text, std::size_t bytes_max) {
  out = canonical::view(text);
  return !out.empty() && is_line(out, bytes_max);
}

Result<std::optional<PasswordVerifier>> read_password(schema::PeopleRecord::User::Reader in) {
  if (in.getPasswordSalt().size() == 0 && in.getPasswordHash().size() == 0) return std::optional<PasswordVerifier>();
  PasswordVerifier out;
  out.params = {in.getPasswordOps(), in.getPasswordMemoryKib()};
  if (!take(out.salt, in.getPasswordSalt()) || !take(out.hash, in.getPasswordHash())) {
    return bad_people("a salt or hash has a wrong size");
  }
  if (out.params.ops > crypto::kPassphraseOpsMax || out.params.mem_kib > crypto::kPassphraseMemKibMax) {
    return bad_people("the password asks for more work than allowed");
  }
  return std::optional(out);
}

Result<PeopleRecord> read_user(schema::PeopleRecord::Reader record) {
  const auto in = record.getUser();
  UserRecord out;
  if (!take(out.id, in.getUserId())) return bad_people("a user id has a wrong size");
  if (!take_line(out.name, in.getName(), kUserNameBytesMax)) return bad_people("a name is no line");
  out.role = static_cast<UserRole>(in.getRole());
  if (to_string(out.role).empty()) return bad_people("a role unknown here");
  out.removed = in.getRemoved();
  TOCSIN_ASSIGN(password, read_password(in));
  out.password = password;
  out.created = {in.getCreated()};
  out.written = {record.getWritten()};
  if (!take_line(out.by, record.getBy(), kUserNameBytesMax)) return bad_people("a name is no line");
  return PeopleRecord(std::move(out));
}

Result<PeopleRecord> read_token(schema::PeopleRecord::Reader record) {
  const auto in = record.getToken();
  TokenRecord out;
  if (!take(out.id, in.getTokenId()) || !take(out.user, in.getUserId()) || !take(out.secret_hash, in.getSecretHash())) {
    return bad_people("an id or hash of a token has a wrong size");
  }
  out.scope = static_cast<TokenScope>(in.getScope());
  if (to_string(out.scope).empty()) return bad_people("a scope unknown here");
  out.created = {in.getCreated()};
  out.expires = {in.getExpires()};
  out.removed = in.getRemoved();
  out.written = {record.getWritten()};
  if (!take_line(out.by, record.getBy(), kUserNameBytesMax)) return bad_people("a name is no line");
  return PeopleRecord(std::move(out));
}

Result<PeopleRecord> read_people_record(schema::PeopleRecord::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_people("a version unknown here");
  switch (in.which()) {
    case schema::PeopleRecord::USER:
      return read_user(in);
    case schema::PeopleRecord::TOKEN:
      return read_token(in);
  }
  return bad_people("a kind of record unknown here");
}

void write_user(schema::PeopleRecord::User::Builder out, const UserRecord& user) {
  out.setUserId(canonical::data(user.id));
  out.setName(canonical::text(user.name));
  out.setRole(static_cast<std::uint16_t>(user.role));
  out.setRemoved(user.removed);
  out.setCreated(user.created.ms);
  if (!user.password) return;
  out.setPasswordSalt(canonical::data(user.password->salt));
  out.setPasswordOps(user.password->params.ops);
  out.setPasswordMemoryKib(user.password->params.mem_kib);
  out.setPasswordHash(canonical::data(user.password->hash));
}

void write_token(schema::PeopleRecord::Token::Builder out, const TokenRecord& token) {
  out.setTokenId(canonical::data(token.id));
  out.setUserId(canonical::data(token.user));
  out.setSecretHash(canonical::data(token.secret_hash));
  out.setScope(static_cast<std::uint16_t>(token.scope));
  out.setCreated(token.created.ms);
  out.setExpires(token.expires.ms);
  out.setRemoved(token.removed);
}

Result<AuditRecord> read_audit_record(schema::AuditRecord::Reader in) {
  const auto bad = [](std::string detail) { return peer_error(kBadAuditRecord, std::move(detail)); };
  if (in.getFormatVersion() != kFormatVersion) return bad("a version unknown here");
  AuditRecord out;
  if (in.getUserId().size() != 0) {
    out.user.emplace();
    if (!take(*out.user, in.getUserId())) return bad("a user id has a wrong size");
  }
  if (!take_line(out.user_name, in.getUserName(), kUserNameBytesMax) ||
      !take_line(out.act, in.getAct(), kAuditActBytesMax)) {
    return bad("a text is no line");
  }
  out.at = {in.getAt()};
  if (in.getNames().size() > kAuditNamesMax) return bad("too many names");
  for (const auto name : in.getNames()) {
    std::string text(canonical::view(name));
    if (!is_line(text, kAuditNameBytesMax)) return bad("a text is no line");
    out.names.push_back(std::move(text));
  }
  out.outcome = static_cast<AuditOutcome>(in.getOutcome());
  return out;
}

Result<WaitingRecord> read_waiting_record(schema::WaitingRecord::Reader in) {
  const auto bad = [](std::string detail) { return peer_error(kBadWaitingRecord, std::move(detail)); };
  if (in.getFormatVersion() != kFormatVersion) return bad("a version unknown here");
  WaitingRecord out;
  if (!take(out.id, in.getWaitingId()) || !take(out.subject, in.getSubject())) return bad("an id has a wrong size");
  out.written = {in.getWritten()};
  if (in.getState() < 1 || in.getState() > 3) return bad("a state unknown here");
  out.state = static_cast<WaitingState>(in.getState());
  if (in.getCorrection().size() != 0 && !take(out.correction.emplace(), in.getCorrection())) {
    return bad("an id has a wrong size");
  }
  if (in.getChannels().size() == 0 || in.getChannels().size() > kWaitingChannelsMax) return bad("1 to 256 channels");
  for (const auto channel : in.getChannels()) {
    if (!take(out.channels.emplace_back(), channel)) return bad("an id has a wrong size");
  }
  if (in.getAskedById().size() != 0 && !take(out.asked_by_id.emplace(), in.getAskedById())) {
    return bad("a user id has a wrong size");
  }
  if (in.getDecidedById().size() != 0 && !take(out.decided_by_id.emplace(), in.getDecidedById())) {
    return bad("a user id has a wrong size");
  }
  out.decided_by = std::string(canonical::view(in.getDecidedBy()));  // empty until then
  if (!take_line(out.asked_by, in.getAskedBy(), kUserNameBytesMax) || !is_line(out.decided_by, kUserNameBytesMax)) {
    return bad("a text is no line");
  }
  out.asked_at = {in.getAskedAt()};
  if (in.getEarlierAskers().size() > kWaitingAskersMax) return bad("at most 64 earlier askers");
  for (const auto user : in.getEarlierAskers()) {
    auto& asker = out.earlier_askers.emplace_back();
    if (user.size() != 0 && !take(asker.emplace(), user)) return bad("a user id has a wrong size");
  }
  if (in.getVersion().size() != 0 && !take(out.version.emplace(), in.getVersion())) {
    return bad("an id has a wrong size");
  }
  if (in.getReaders().size() != 0 && !take(out.readers.emplace(), in.getReaders())) {
    return bad("a hash has a wrong size");
  }
  if (in.getUntilHome().size() != 0 && !take(out.until_home.emplace(), in.getUntilHome())) {
    return bad("an id has a wrong size");
  }
  return out;
}

// Not in the middle of a character of UTF-8.
void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

std::string_view to_string(UserRole role) {
  switch (role) {
    case UserRole::kReader:
      return "reader";
    case UserRole::kTrainee:
      return "trainee";
    case UserRole::kAnalyst:
      return "analyst";
    case UserRole::kAdmin:
      return "admin";
  }
  return {};
}

std::string_view to_string(TokenScope scope) {
  switch (scope) {
    case TokenScope::kRead:
      return "read";
    case TokenScope::kWrite:
      return "write";
    case TokenScope::kAdmin:
      return "admin";
  }
  return {};
}

std::string_view to_string(AuditOutcome outcome) {
  switch (outcome) {
    case AuditOutcome::kDone:
      return "done";
    case AuditOutcome::kPartial:
      return "partial";
    case AuditOutcome::kBegun:
      return "begun";
  }
  return "unknown";
}

std::optional<UserRole> parse_user_role(std::string_view word) {
  for (const auto role : {UserRole::kReader, UserRole::kTrainee, UserRole::kAnalyst, UserRole::kAdmin})
    if (to_string(role) == word) return role;
  return std::nullopt;
}

std::optional<TokenScope> parse_token_scope(std::string_view word) {
  for (const auto scope : {TokenScope::kRead, TokenScope::kWrite, TokenScope::kAdmin})
    if (to_string(scope) == word) return scope;
  return std::nullopt;
}

Bytes encode_people_record(const PeopleRecord& record) {
  return canonical::encode<schema::PeopleRecord>([&](schema::PeopleRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    if (const auto* user = std::get_if<UserRecord>(&record)) {
      out.setWritten(user->written.ms);
      out.setBy(canonical::text(user->by));
      write_user(out.initUser(), *user);
    } else if (const auto* token = std::get_if<TokenRecord>(&record)) {
      out.setWritten(token->written.ms);
      out.setBy(canonical::text(token->by));
      write_token(out.initToken(), *token);
    }
  });
}

Result<PeopleRecord> decode_people_record(ByteView message) {
  return canonical::decode<schema::PeopleRecord>(message, kPeopleRecordBytesMax, read_people_record);
}

Bytes encode_audit_record(AuditRecord record) {
  cut(record.user_name, kUserNameBytesMax);
  cut(record.act, kAuditActBytesMax);
  for (auto& name : record.names) cut(name, kAuditNameBytesMax);
  std::erase_if(record.names, [](const auto& name) { return !is_line(name, kAuditNameBytesMax); });
  if (record.names.size() > kAuditNamesMax) record.names.resize(kAuditNamesMax);
  return canonical::encode<schema::AuditRecord>([&](schema::AuditRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    if (record.user) out.setUserId(canonical::data(*record.user));
    out.setUserName(canonical::text(record.user_name));
    out.setAt(record.at.ms);
    out.setAct(canonical::text(record.act));
    auto names = out.initNames(static_cast<unsigned>(record.names.size()));
    for (unsigned i = 0; i < names.size(); ++i) names.set(i, canonical::text(record.names[i]));
    out.setOutcome(static_cast<std::uint16_t>(record.outcome));
  });
}

Result<AuditRecord> decode_audit_record(ByteView message) {
  return canonical::decode<schema::AuditRecord>(message, kAuditRecordBytesMax, read_audit_record);
}

Bytes encode_waiting_record(const WaitingRecord& record) {
  return canonical::encode<schema::WaitingRecord>([&](schema::WaitingRecord::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setWaitingId(canonical::data(record.id));
    out.setWritten(record.written.ms);
    out.setState(static_cast<std::uint16_t>(record.state));
    out.setSubject(canonical::data(record.subject));
    if (record.correction) out.setCorrection(canonical::data(*record.correction));
    auto channels = out.initChannels(static_cast<unsigned>(record.channels.size()));
    for (unsigned i = 0; i < channels.size(); ++i) channels.set(i, canonical::data(record.channels[i]));
    if (record.asked_by_id) out.setAskedById(canonical::data(*record.asked_by_id));
    out.setAskedBy(canonical::text(record.asked_by));
    out.setAskedAt(record.asked_at.ms);
    if (record.decided_by_id) out.setDecidedById(canonical::data(*record.decided_by_id));
    out.setDecidedBy(canonical::text(record.decided_by));
    if (!record.earlier_askers.empty()) {
      auto askers = out.initEarlierAskers(static_cast<unsigned>(record.earlier_askers.size()));
      for (unsigned i = 0; i < askers.size(); ++i) {
        if (const auto& user = record.earlier_askers[i]) askers.set(i, canonical::data(*user));
      }
    }
    if (record.version) out.setVersion(canonical::data(*record.version));
    if (record.readers) out.setReaders(canonical::data(*record.readers));
    if (record.until_home) out.setUntilHome(canonical::data(*record.until_home));
  });
}

Result<WaitingRecord> decode_waiting_record(ByteView message) {
  return canonical::decode<schema::WaitingRecord>(message, kWaitingRecordBytesMax, read_waiting_record);
}

bool asked(const WaitingRecord& record, const std::optional<UserId>& user) {
  return record.asked_by_id == user ||
         std::find(record.earlier_askers.begin(), record.earlier_askers.end(), user) != record.earlier_askers.end();
}

bool outranks(const WaitingRecord& a, const WaitingRecord& b) {
  const bool a_decided = a.state != WaitingState::kWaiting, b_decided = b.state != WaitingState::kWaiting;
  if (a_decided != b_decided) return a_decided;
  if (a.written != b.written) return a.written > b.written;
  return encode_waiting_record(a) > encode_waiting_record(b);
}

}  // namespace tocsin::protocol
