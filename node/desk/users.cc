#include "node/desk/users.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>

#include "crypto/hash.h"
#include "crypto/text_code.h"
#include "node/desk/id_prefix.h"
#include "protocol/names.h"
#include "protocol/report.h"

namespace tocsin::desk {

using namespace protocol;

namespace {

constexpr std::size_t kUsersReadBytes = 1024 * 1024;
constexpr std::size_t kTokenSecretBytes = 32;
constexpr std::int64_t kUserDayMs = 24 * 3'600'000;
constexpr std::string_view kOwnerName = "owner";

crypto::Hash token_hash(ByteView secret) { return crypto::hash256(crypto::kPersonalUserToken, {secret}); }

Error bad_token() {
  return caller_error(
      kUnauthorised,
      "this token is not good here: it is mistyped, expired or revoked, or its user was removed; an admin "
      "makes another: tocsin user token NAME");
}

// As somebody reads it, who does not look at capitals and blanks. Character by character; in the C library's own UTF-8
// locale, so that it does not depend on how the machine is set up.
std::u32string as_read(std::string_view utf8) {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
  std::u32string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto bytes = std::max<std::size_t>(utf8_length(utf8, at), 1);
    const auto lead = static_cast<unsigned char>(utf8[at]);
    char32_t c = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) c = c << 6 | (static_cast<unsigned char>(utf8[at + i]) & 0x3F);
    at += bytes;
    // What takes no room, and blanks side by side or of another kind, nobody sees.
    if (c == 0xAD || (c >= 0x200B && c <= 0x200F) || c == 0x2060 || c == 0xFEFF) continue;
    if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x3000) c = ' ';
    if (c == ' ' && !out.empty() && out.back() == ' ') continue;
    if (kLocale != locale_t{})  // up first: several small letters may be one letter, such as both forms of sigma
      c = static_cast<char32_t>(towlower_l(towupper_l(static_cast<wint_t>(c), kLocale), kLocale));
    else if (c >= 'A' && c <= 'Z')
      c += 'a' - 'A';
    out.push_back(c);
  }
  return out;
}

}  // namespace

Actor owner_actor() { return {true, std::nullopt, std::string(kOwnerName), UserRole::kAdmin, TokenScope::kAdmin}; }

TokenScope scope_of(UserRole role) {
  switch (role) {
    case UserRole::kAdmin:
      return TokenScope::kAdmin;
    case UserRole::kAnalyst:
    case UserRole::kTrainee:
      return TokenScope::kWrite;
    case UserRole::kReader:
      break;
  }
  return TokenScope::kRead;
}

Users::Users(Replica& replica, Clock& clock, crypto::Random& random, std::function<void(std::function<void()>)> post,
             crypto::PassphraseParams cost)
    : replica_(replica),
      clock_(clock),
      random_(random),
      post_(std::move(post)),
      cost_(cost),
      opener_(replica.reading_table()) {}

Users::~Users() {
  if (aside_.joinable()) aside_.join();
}

void Users::start() {
  started_ = true;
  on_channels();
}

// ---- reading

void Users::on_channels() {
  if (!started_) return;
  for (const auto& [feed, read] : read_) {
    const auto pin = replica_.pin_of(feed);
    if (pin ? read.pin == pin->last : !read.pin) continue;
    // What stood above the pin counts no more (rule 20): begin anew without it.
    begin_anew();
    break;
  }
  if (const auto generation = replica_.reading_table().generation(); generation != keys_seen_) {
    keys_seen_ = generation;
    for (auto& [feed, read] : read_)
      if (const auto first = std::exchange(read.unopened, Number{}); first.value != 0) read.head = {first.value - 1};
  }
  read_on();
  // Not from inside what the replica is telling.
  post_([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) announce();
  });
}

void Users::begin_anew() {
  users_.clear();
  tokens_.clear();
  waiting_.clear();
  audit_.clear();
  read_.clear();
}

// Of a feed that forked the other branch was chosen (rule 12): what this one said counts no more.
void Users::on_cut(const ChannelId&, const LogKey& feed, const EntryChunk&) {
  if (!started_ || !read_.contains(feed)) return;
  begin_anew();
  read_on();
}

void Users::read_on() {
  if (!started_) return;
  for (const auto& log : replica_.channel_logs(replica_.private_channel()))
    if (log.type == LogType::kFeed) read_feed(log, read_[log.log]);
}

void Users::read_feed(const LogRecord& log, Read& read) {
  const auto pin = replica_.pin_of(log.log);
  if (pin) read.pin = pin->last;
  const auto to = pin ? std::min(log.head, pin->last) : log.head;
  if (read.low.value == 0) read.low = log.low;
  // A copy grows down, too, once older keys have come (rule 33).
  const Number low = std::exchange(read.low, log.low);
  if (log.low < low) read_entries(log.log, log.low, {std::min(to.value, low.value - 1)}, read);
  const auto end = read_entries(log.log, std::max(read.head.next(), low), to, read);
  if (end.value != 0) read.head = end;
}

// Gives the last that was read; 0: none.
Number Users::read_entries(const LogKey& log, Number from, Number to, Read& read) {
  Number last;
  for (auto next = from; next <= to;) {
    const auto begin = next;
    auto done = replica_.read_log(log, next, to, kUsersReadBytes, [&](const StoredEntry& entry) {
      next = entry.number.next();
      const auto opened = opener_.open(entry.entry);
      if (opened)
        take(*opened);
      else if ((opened.error().code == kNoKey || opened.error().code == kUnknownFeed) &&
               (read.unopened.value == 0 || entry.number < read.unopened))
        read.unopened = entry.number;
      return true;
    });
    if (!done || next == begin) return last;
    last = {next.value - 1};
  }
  return last;
}

template <class Key, class Record>
void Users::put(std::map<Key, Held<Record>>& into, const Key& key, Record record, Epoch epoch) {
  const auto [at, fresh] = into.try_emplace(key, Held<Record>{record, epoch});
  if (fresh) return;
  if (at->second.record == record)
    at->second.epoch = std::max(at->second.epoch, epoch);
  else if (outranks(record, at->second.record))
    at->second = {std::move(record), epoch};
}

void Users::take(const OpenedEntry& opened) {
  if (opened.channel != replica_.private_channel() || opened.org != replica_.own_org().id()) return;
  if (opened.kind == FeedKind::kPeople) {
    auto record = decode_people_record(opened.payload);
    if (!record) return;  // of a later version, or nonsense: it gives nobody any right
    if (auto* user = std::get_if<UserRecord>(&*record))
      put(users_, user->id, std::move(*user), opened.epoch);
    else if (auto* token = std::get_if<TokenRecord>(&*record)) {
      if (token->expires.ms + kUserDayMs < clock_.now().ms) return;
      put(tokens_, token->id, std::move(*token), opened.epoch);
    }
  } else if (opened.kind == FeedKind::kWaiting) {
    auto record = decode_waiting_record(opened.payload);
    if (record) put(waiting_, record->id, std::move(*record), opened.epoch);
  } else if (opened.kind == FeedKind::kAudit) {
    auto record = decode_audit_record(opened.payload);
    if (!record) return;
    audit_.try_emplace({record->at, opened.hash}, Audited{*record, opened.node, opened.hash});
    if (audit_.size() > kAuditKept) audit_.erase(audit_.begin());
  }
}

// A further node reads nothing from before the epoch that it joined with (rule 34): who makes the epochs says again
// what is in force.
void Users::announce() {
  const auto channel = replica_.channel(replica_.private_channel());
  if (announcing_ || !channel || !channel->is_chair) return;
  std::vector<Bytes> payloads;
  for (const auto& [id, held] : users_)
    if (!held.record.removed && held.epoch < channel->epoch) payloads.push_back(encode_people_record(held.record));
  for (const auto& [id, held] : tokens_)
    if (good(held.record) && held.epoch < channel->epoch) payloads.push_back(encode_people_record(held.record));
  std::vector<Bytes> waiting;
  for (const auto& [id, held] : waiting_)
    if (held.record.state == WaitingState::kWaiting && held.epoch < channel->epoch)
      waiting.push_back(encode_waiting_record(held.record));
  if (!waiting.empty()) write(FeedKind::kWaiting, std::move(waiting), [](Result<void>) {});
  if (payloads.empty()) return;
  announcing_ = true;
  write(FeedKind::kPeople, std::move(payloads), [this](Result<void>) { announcing_ = false; });
}

// ---- writing

void Users::write(FeedKind kind, std::vector<Bytes> payloads, Done<void> done) {
  std::vector<FeedItem> items;
  for (const auto& payload : payloads) items.push_back({kind, payload});
  auto queued = replica_.append(replica_.private_channel(), items,
                                [this, alive = std::weak_ptr(alive_), done](Result<std::vector<EntryRef>> written) {
                                  if (alive.expired()) return;
                                  if (!written) return done(written.error());
                                  read_on();
                                  done(kOk);
                                });
  if (!queued) done(queued.error());
}

// Later than what it replaces, even where the clock of the node that wrote that runs ahead.
Time Users::after(Time replaced) const { return std::max(clock_.now(), Time{replaced.ms + 1}); }

const UserRecord* Users::active(const UserId& user) const {
  const auto found = users_.find(user);
  return found == users_.end() || found->second.record.removed ? nullptr : &found->second.record;
}

// Where two nodes gave one name at once, the older user has it; the other is to be had by its id.
const UserRecord* Users::named(std::string_view name) const {
  const UserRecord* out = nullptr;
  for (const auto& [id, held] : users_) {
    const auto& user = held.record;
    if (user.removed || user.name != name) continue;
    if (!out || std::pair(user.created, user.id) < std::pair(out->created, out->id)) out = &user;
  }
  return out;
}

bool Users::good(const TokenRecord& token) const {
  return !token.removed && clock_.now() < token.expires && active(token.user) != nullptr;
}

std::vector<UserRecord> Users::list() const {
  std::vector<UserRecord> out;
  for (const auto& [id, held] : users_)
    if (!held.record.removed) out.push_back(held.record);
  std::sort(out.begin(), out.end(), [](const UserRecord& a, const UserRecord& b) {
    return std::tie(a.name, a.created, a.id) < std::tie(b.name, b.created, b.id);
  });
  return out;
}

Result<UserRecord> Users::find(std::string_view text) const {
  if (const auto* user = named(text)) return *user;
  const UserRecord* out = nullptr;
  for (const auto& [id, held] : users_) {
    if (held.record.removed || !is_prefix(text, id.view())) continue;
    if (out) return caller_error(kUserAmbiguous, "several users' ids begin like that; give more of it");
    out = &held.record;
  }
  if (!out) return caller_error(kUnknownUser, "no user has that name or id; see: tocsin user list");
  return *out;
}

std::vector<TokenRecord> Users::tokens_of(const UserId& user) const {
  std::vector<TokenRecord> out;
  for (const auto& [id, held] : tokens_)
    if (held.record.user == user && good(held.record)) out.push_back(held.record);
  std::sort(out.begin(), out.end(), [](const TokenRecord& a, const TokenRecord& b) {
    return std::tie(b.created, b.id) < std::tie(a.created, a.id);
  });
  return out;
}

Result<void> Users::check_new(const std::string& name) const {
  if (name.empty() || !is_line(name, kUserNameBytesMax) || name.front() == ' ' || name.back() == ' ')
    return caller_error(kBadUserName, "a user's name is one line of 1 to 200 bytes without blanks at its ends");
  if (name == kOwnerName)
    return caller_error(kUserExists, "owner is whoever owns the home of a node; give another name");
  if (named(name)) return caller_error(kUserExists, "there is a user of that name; see: tocsin user list");
  // People read the audit, and take such names for one. Those that stand already stay, and go on by their exact name.
  const auto read = as_read(name);
  if (read == as_read(kOwnerName))
    return caller_error(kNameTooAlike,
                        "that is too much like owner, whoever owns the home of a node; give another name");
  for (const auto& user : list())
    if (read == as_read(user.name))
      return caller_error(kNameTooAlike, "there is a user " + user.name +
                                             ", and this reads the same; add what tells the two apart, such as a " +
                                             "family name");
  if (list().size() >= kUsersMax) return caller_error(kUsersFull, "there are 1,000 users; remove those who have left");
  return kOk;
}

void Users::write_user(UserRecord user, Done<UserRecord> done) {
  auto payload = encode_people_record(user);
  write(FeedKind::kPeople, {std::move(payload)},
        [user = std::move(user), done = std::move(done)](Result<void> written) {
          written ? done(user) : done(written.error());
        });
}

void Users::add(std::string name, UserRole role, std::optional<crypto::SecretBuffer> password, const Actor& by,
                Done<UserRecord> done) {
  if (auto fine = check_new(name); !fine) return done(fine.error());
  UserRecord user;
  user.id = crypto::random_fixed<UserId>(random_);
  user.name = std::move(name);
  user.role = role;
  user.created = user.written = clock_.now();
  user.by = by.name;
  if (!password) return write_user(std::move(user), std::move(done));
  if (password->size() < kPasswordBytesMin || password->size() > kPasswordBytesMax)
    return done(caller_error(kWeakPassword, "a password has 8 to 1,024 bytes"));
  const auto salt = crypto::random_fixed<crypto::PassphraseSalt>(random_);
  hash_aside(std::move(*password), salt, cost_,
             [this, user = std::move(user), salt, done = std::move(done)](Result<crypto::Hash> hash) mutable {
               if (!hash) return done(hash.error());
               if (auto fine = check_new(user.name); !fine) return done(fine.error());  // meanwhile
               user.password = PasswordVerifier{salt, cost_, *hash};
               write_user(std::move(user), std::move(done));
             });
}

void Users::remove(const UserId& id, const Actor& by, Done<void> done) {
  const auto* found = active(id);
  if (!found) return done(caller_error(kUnknownUser, "no user has that id; see: tocsin user list"));
  auto user = *found;
  user.removed = true;
  user.password.reset();  // nothing is kept of it from here on; what was written before stays in the log
  user.written = after(user.written);
  user.by = by.name;
  write_user(std::move(user),
             [done = std::move(done)](Result<UserRecord> written) { written ? done(kOk) : done(written.error()); });
}

void Users::issue(const UserId& id, std::optional<TokenScope> scope, std::int64_t good_for_ms, const Actor& by,
                  Done<Issued> done) {
  const auto* user = active(id);
  if (!user) return done(caller_error(kUnknownUser, "no user has that id; see: tocsin user list"));
  const auto widest = scope_of(user->role);
  if (scope && *scope > widest)
    return done(caller_error(kScopeAboveRole, "tokens of the role " + std::string(to_string(user->role)) +
                                                  " have the scope " + std::string(to_string(widest)) + " at most"));
  if (good_for_ms <= 0 || good_for_ms > kTokenDaysMax * kUserDayMs)
    return done(caller_error(kBadExpiry, "a token is good for 1 to 366 days"));
  if (tokens_of(id).size() >= kTokensPerUserMax)
    return done(
        caller_error(kTooManyTokens, "this user has 64 tokens; revoke one: tocsin user token NAME --revoke ID"));
  const auto now = clock_.now();
  TokenRecord token;
  token.id = crypto::random_fixed<TokenId>(random_);
  token.user = id;
  token.scope = scope.value_or(widest);
  token.created = token.written = now;
  token.expires = {now.ms + good_for_ms};
  token.by = by.name;
  crypto::SecretBuffer bytes(TokenId::kSize + kTokenSecretBytes);
  const auto secret = bytes.mutable_view().subspan(TokenId::kSize);
  std::copy(token.id.bytes().begin(), token.id.bytes().end(), bytes.mutable_view().begin());
  random_.fill(secret);
  token.secret_hash = token_hash(secret);
  Issued issued{
      crypto::encode_text(kTokenPrefix, bytes.view()), token, {false, id, user->name, user->role, token.scope}};
  write(FeedKind::kPeople, {encode_people_record(token)},
        [issued = std::move(issued), done = std::move(done)](Result<void> written) {
          written ? done(issued) : done(written.error());
        });
}

void Users::revoke(const UserId& user, std::string_view text, const Actor& by, Done<TokenRecord> done) {
  std::optional<TokenRecord> found;
  for (const auto& token : tokens_of(user)) {
    if (!is_prefix(text, token.id.view())) continue;
    if (found) return done(caller_error(kUnknownToken, "several tokens begin like that; give more of the id"));
    found = token;
  }
  if (!found)
    return done(caller_error(kUnknownToken, "this user has no such token that is good; see: tocsin user list"));
  found->removed = true;
  found->written = after(found->written);
  found->by = by.name;
  write(FeedKind::kPeople, {encode_people_record(*found)},
        [token = *found, done = std::move(done)](Result<void> written) {
          written ? done(token) : done(written.error());
        });
}

Result<Actor> Users::check_token(std::string_view text) const {
  auto bytes = crypto::decode_text(kTokenPrefix, text);
  if (!bytes || bytes->size() != TokenId::kSize + kTokenSecretBytes) return bad_token();
  const auto id = *TokenId::from(ByteView(*bytes).first(TokenId::kSize));
  const auto hash = token_hash(ByteView(*bytes).subspan(TokenId::kSize));
  crypto::wipe(*bytes);
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return bad_token();
  const auto& token = found->second.record;
  if (!crypto::constant_time_equal(hash.view(), token.secret_hash.view()) || !good(token)) return bad_token();
  const auto& user = *active(token.user);
  return Actor{false, user.id, user.name, user.role, std::min(token.scope, scope_of(user.role))};
}

// ---- passwords

void Users::hash_aside(crypto::SecretBuffer password, const crypto::PassphraseSalt& salt,
                       crypto::PassphraseParams params, std::function<void(Result<crypto::Hash>)> then) {
  if (std::exchange(aside_runs_, true))
    return then(caller_error(Code{"busy"}, "another password is being worked on; wait a second"));
  if (aside_.joinable()) aside_.join();
  auto held = std::make_shared<crypto::SecretBuffer>(std::move(password));
  aside_ = std::thread([this, post = post_, alive = std::weak_ptr(alive_), held, salt, params, then = std::move(then)] {
    Result<crypto::Hash> out = environment_error(Code{"out_of_memory"}, "there is no memory to check a password");
    // Whatever happens, the answer is given: nobody else would.
    try {
      auto box = crypto::PassphraseBox::derive(as_text(held->view()), salt, params);
      out = box ? Result<crypto::Hash>(crypto::hash256(crypto::kPersonalPassword, {box->key().view()}))
                : Result<crypto::Hash>(box.error());
    } catch (const std::bad_alloc&) {
    }
    held->reset();
    post([this, alive, out = std::move(out), then] {
      if (alive.expired()) return;
      aside_runs_ = false;
      then(out);
    });
  });
}

Error Users::wrong_login(const std::string& name) {
  if (attempts_.size() >= kAttemptNamesMax && !attempts_.contains(name)) attempts_.clear();
  auto& attempts = attempts_[name];
  const auto wait = std::min<std::int64_t>(kAttemptWaitMsMax, 1000LL << std::min(attempts.failed, 6u));
  ++attempts.failed;
  attempts.not_before_ms = clock_.steady_ms() + wait;
  return caller_error(kWrongLogin, "the name or the password is wrong, or this user has none");
}

void Users::login(std::string name, crypto::SecretBuffer password, Done<Issued> done) {
  if (const auto found = attempts_.find(name); found != attempts_.end())
    if (const auto left = found->second.not_before_ms - clock_.steady_ms(); left > 0)
      return done(caller_error(kTooManyAttempts, "after a wrong password this name waits: " +
                                                     std::to_string((left + 999) / 1000) + " s more"));
  if (name.size() > kUserNameBytesMax || password.size() > kPasswordBytesMax)
    return done(caller_error(kWrongLogin, "the name or the password is wrong, or this user has none"));
  const auto* user = named(name);
  // Of a name that is not there the same work is done: how long an answer takes tells nothing.
  const auto verifier = user && user->password ? *user->password : PasswordVerifier{{}, cost_, {}};
  const auto id = user && user->password ? std::optional(user->id) : std::nullopt;
  hash_aside(std::move(password), verifier.salt, verifier.params,
             [this, name = std::move(name), id, verifier, done = std::move(done)](Result<crypto::Hash> hash) {
               if (!hash) return done(hash.error());
               const bool equal = crypto::constant_time_equal(hash->view(), verifier.hash.view());
               const auto* now = id ? active(*id) : nullptr;
               if (!equal || !now || now->password != verifier) return done(wrong_login(name));
               attempts_.erase(name);
               issue(*id, std::nullopt, kLoginMs, Actor{false, *id, now->name, now->role, scope_of(now->role)}, done);
             });
}

// ---- four eyes

std::vector<WaitingRecord> Users::waiting() const {
  std::vector<WaitingRecord> out;
  for (const auto& [id, held] : waiting_)
    if (held.record.state == WaitingState::kWaiting) out.push_back(held.record);
  std::sort(out.begin(), out.end(), [](const WaitingRecord& a, const WaitingRecord& b) {
    return std::tie(a.asked_at, a.id) < std::tie(b.asked_at, b.id);
  });
  return out;
}

// ---- audit

void Users::record(const Actor& actor, std::string act, std::vector<std::string> names, AuditOutcome outcome,
                   Done<void> done) {
  AuditRecord out{actor.user, actor.name, clock_.now(), std::move(act), std::move(names), outcome};
  write(FeedKind::kAudit, {encode_audit_record(std::move(out))}, std::move(done));
}

Users::AuditPage Users::audit(const AuditQuery& query) const {
  AuditPage out;
  auto at = query.before ? std::make_reverse_iterator(audit_.lower_bound(*query.before)) : audit_.rbegin();
  for (; at != audit_.rend(); ++at) {
    const auto& [key, audited] = *at;
    if (query.since && key.first < *query.since) break;
    const auto& record = audited.record;
    if (!query.user.empty() && record.user_name != query.user &&
        !(record.user && is_prefix(query.user, record.user->view())))
      continue;
    if (out.items.size() == query.limit) {
      out.before = AuditKey{out.items.back().record.at, out.items.back().entry};
      break;
    }
    out.items.push_back(audited);
  }
  return out;
}

}  // namespace tocsin::desk
