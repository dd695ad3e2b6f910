#include "protocol/contributor.h"

#include <cassert>

#include "protocol/canonical.h"
#include "protocol/channel_parts.h"
#include "protocol/limits.h"
#include "protocol/names.h"
#include "protocol/stewards.h"

namespace tocsin::protocol {
namespace {

using canonical::take;
using canonical::text;

constexpr std::size_t kContributorMailBytesMax = 60'000;

Error bad_contributor_notice(std::string detail) { return peer_error(kBadContributorNotice, std::move(detail)); }
Error bad_answer(std::string detail) { return peer_error(kBadAnswer, std::move(detail)); }

std::array<std::uint8_t, 8> epoch_bytes(Epoch epoch) {
  std::array<std::uint8_t, 8> out;
  store_le64(out.data(), epoch.value);
  return out;
}

Result<ContributorNotice> read_contributor_notice(schema::ContributorNotice::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_contributor_notice("a version unknown here");
  ContributorNotice out;
  if (!take(out.channel, in.getChannelId()) || !take(out.org, in.getOrgId()) || !take(out.half, in.getHalf()) ||
      !take(out.answer_key, in.getAnswerKey()) || !take(out.tag, in.getTag()) || !take(out.profile, in.getProfile()) ||
      !take(out.adding_entry, in.getAddingEntry()) || !take(out.chair_org, in.getChairOrg()) ||
      !take(out.chair_node, in.getChairNode())) {
    return bad_contributor_notice("a field has a wrong size");
  }
  out.standing = canonical::enum_as<ContributorStanding>(in.getStanding());
  out.term = in.getTerm();
  out.counter = in.getCounter();
  out.since = {in.getSince()};
  out.epoch = {in.getEpoch()};
  out.governments = in.getGovernments();
  out.created = {in.getCreated()};
  if (out.term == 0 || out.epoch.value == 0 || term_of(out.epoch) != out.term) {
    return bad_contributor_notice("term and epoch do not fit together");
  }
  return out;
}

Result<ContributorProfile> read_contributor_profile(schema::ContributorProfile::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_contributor_notice("a version unknown here");
  ContributorProfile out;
  if (!take(out.channel, in.getChannelId())) return bad_contributor_notice("the channel id has a wrong size");
  out.network = std::string(canonical::view(in.getNetwork()));
  out.name = std::string(canonical::view(in.getName()));
  out.channel_class = canonical::enum_as<ChannelClass>(in.getClass());
  out.terms = std::string(canonical::view(in.getTerms()));
  out.retention_days = in.getRetentionDays();
  if (!is_network_name(out.network) || out.name.empty() || !is_line(out.name, kNameBytesMax) ||
      !is_readable_text(out.terms, kTermsBytesMax)) {
    return bad_contributor_notice("network, name or terms are not readable text of their size");
  }
  return out;
}

Result<Answer> read_answer(schema::Answer::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_answer("a version unknown here");
  Answer out;
  if (!take(out.channel, in.getChannelId()) || !take(out.to, in.getToOrg()) || !take(out.report, in.getReport())) {
    return bad_answer("a field has a wrong size");
  }
  out.epoch = {in.getEpoch()};
  out.text = std::string(canonical::view(in.getText()));
  out.created = {in.getCreated()};
  if (out.text.empty() || !is_readable_text(out.text, kAnswerTextBytesMax)) {
    return bad_answer("the text is not readable text of 1 to 4096 bytes");
  }
  return out;
}

}  // namespace

// ---- Keys

crypto::EncryptionKeyPair epoch_half(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch) {
  const auto place = epoch_bytes(epoch);
  auto secret = crypto::EncryptionSecret::zero();
  crypto::Hasher hasher(crypto::kPersonalHalf, crypto::EncryptionSecret::kSize, key.view());
  hasher.update(channel.view()).update(place).finish(secret.mutable_view());
  return crypto::EncryptionKeyPair::from_secret(std::move(secret));
}

crypto::SigningKey answer_key(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch) {
  const auto place = epoch_bytes(epoch);
  auto seed = crypto::SigningSecret::zero();
  crypto::Hasher hasher(crypto::kPersonalAnswerKey, crypto::SigningSecret::kSize, key.view());
  hasher.update(channel.view()).update(place).finish(seed.mutable_view());
  return crypto::SigningKey::from_seed(seed);
}

EpochOpener::EpochOpener(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch)
    : key_(key.clone()), channel_(channel), epoch_(epoch), bodies_(key) {}

EpochOpener::~EpochOpener() { crypto::wipe(plaintext_); }

Result<ByteView> EpochOpener::open(const BodyBinding& binding, ByteView body) {
  if (!crypto::is_contribution(body)) return bodies_.open(binding.context(), binding.associated(), body);
  if (half_ == nullptr) half_ = std::make_unique<crypto::EncryptionKeyPair>(epoch_half(key_, channel_, epoch_));
  TOCSIN_ASSIGN(plaintext, crypto::open_contribution(*half_, binding.context(), binding.associated(), body));
  crypto::wipe(plaintext_);
  plaintext_ = std::move(plaintext);
  return ByteView(plaintext_);
}

// ---- What a contributor is told

ContributorProfile contributor_profile(const ChannelGenesis& genesis) {
  return {genesis.id, genesis.network, genesis.name, genesis.channel_class, genesis.terms, genesis.retention_days};
}

Bytes encode_contributor_profile(const ContributorProfile& profile) {
  return canonical::encode<schema::ContributorProfile>([&](schema::ContributorProfile::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(profile.channel));
    out.setNetwork(text(profile.network));
    out.setName(text(profile.name));
    out.setClass(canonical::enum_as<schema::ChannelClass>(profile.channel_class));
    out.setTerms(text(profile.terms));
    out.setRetentionDays(profile.retention_days);
  });
}

Result<ContributorProfile> decode_contributor_profile(ByteView message) {
  return canonical::decode<schema::ContributorProfile>(message, kContributorProfileBytesMax, read_contributor_profile);
}

crypto::Hash contributor_profile_digest(ByteView message) {
  return crypto::hash256(crypto::kPersonalContributionProfile, {message});
}

Bytes sign_contributor_notice(const ContributorNotice& notice, const crypto::SigningKey& chair_node_key) {
  const Bytes message = canonical::encode<schema::ContributorNotice>([&](schema::ContributorNotice::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(notice.channel));
    out.setOrgId(canonical::data(notice.org));
    out.setStanding(canonical::enum_as<schema::ContributorStanding>(notice.standing));
    out.setTerm(notice.term);
    out.setCounter(notice.counter);
    out.setSince(notice.since.value);
    out.setEpoch(notice.epoch.value);
    out.setHalf(canonical::data(notice.half));
    out.setAnswerKey(canonical::data(notice.answer_key));
    out.setTag(canonical::data(notice.tag));
    out.setProfile(canonical::data(notice.profile));
    out.setAddingEntry(canonical::data(notice.adding_entry));
    out.setChairOrg(canonical::data(notice.chair_org));
    out.setChairNode(canonical::data(notice.chair_node));
    out.setGovernments(notice.governments);
    out.setCreated(notice.created.ms);
  });
  return signed_bytes(message, crypto::kLabelContributorNotice, chair_node_key);
}

Result<ContributorNotice> decode_contributor_notice(ByteView signed_notice) {
  if (signed_notice.size() < crypto::Signature::kSize) return bad_contributor_notice("the signature is cut");
  return canonical::decode<schema::ContributorNotice>(signed_notice.subspan(crypto::Signature::kSize),
                                                      kContributorNoticeBytesMax, read_contributor_notice);
}

bool verify_contributor_notice(ByteView signed_notice, const crypto::VerifyKey& chair_node_key,
                               crypto::Verifier& verifier) {
  return verify_signed(signed_notice, crypto::kLabelContributorNotice, chair_node_key, verifier);
}

Bytes encode_contributor_mail(const ContributorMail& mail) {
  return canonical::encode<schema::ContributorMail>([&](schema::ContributorMail::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setNotice(canonical::data(mail.notice));
    out.setProfile(canonical::data(mail.profile));
    auto log = out.initChairOrgLog(static_cast<unsigned>(mail.chair_org_log.size()));
    for (unsigned i = 0; i < log.size(); ++i) log.set(i, canonical::data(mail.chair_org_log[i]));
  });
}

Result<ContributorMail> decode_contributor_mail(ByteView message) {
  return canonical::decode<schema::ContributorMail>(
      message, kContributorMailBytesMax, [](schema::ContributorMail::Reader in) -> Result<ContributorMail> {
        if (in.getFormatVersion() != kFormatVersion) return bad_contributor_notice("a version unknown here");
        if (in.getChairOrgLog().size() > kOrgLogEntriesMax) {
          return bad_contributor_notice("an organisation log has at most 4096 entries");
        }
        ContributorMail out;
        out.notice = to_bytes(canonical::view(in.getNotice()));
        out.profile = to_bytes(canonical::view(in.getProfile()));
        for (const auto entry : in.getChairOrgLog()) out.chair_org_log.push_back(to_bytes(canonical::view(entry)));
        return out;
      });
}

// ---- What a contributor keeps

std::shared_ptr<const ChannelGenesis> contribution_genesis(const Contribution& contribution) {
  auto out = std::make_shared<ChannelGenesis>();
  const ContributorProfile& profile = contribution.profile;
  out->id = profile.channel;
  out->pseudonym = pseudonym_of(profile.channel);
  out->network = profile.network;
  out->name = profile.name;
  out->channel_class = profile.channel_class;
  out->terms = profile.terms;
  out->terms_digest = terms_digest_of(profile.terms);
  out->retention_days = profile.retention_days;
  out->chair_org = contribution.notice.chair_org;
  out->chair_node = contribution.notice.chair_node;
  return out;
}

std::shared_ptr<const ControlState> contribution_state(const Contribution& contribution) {
  auto out = std::make_shared<ControlState>();
  out->epoch = contribution.notice.epoch;
  out->term = contribution.notice.term;
  out->created = contribution.notice.created;
  RosterMember own;
  own.org = contribution.notice.org;
  own.role = Role::kContributor;
  out->roster.push_back(std::move(own));
  return out;
}

crypto::EncryptionKeyPair contribution_ephemeral(const crypto::SecretBuffer& secret, const BodyBinding& binding) {
  auto out = crypto::EncryptionSecret::zero();
  crypto::Hasher hasher(crypto::kPersonalContributionEphemeral, crypto::EncryptionSecret::kSize, secret.view());
  hasher.update(binding.context()).finish(out.mutable_view());
  return crypto::EncryptionKeyPair::from_secret(std::move(out));
}

// ---- Answers

crypto::Hash answer_id(const Answer& answer) {
  std::array<std::uint8_t, 8> created;
  store_le64(created.data(), static_cast<std::uint64_t>(answer.created.ms));
  return crypto::hash256(crypto::kPersonalMail, {answer.channel.view(), answer.to.view(), answer.report.view(),
                                                 ByteView(created), as_bytes(answer.text)});
}

Bytes sign_answer(const Answer& answer, const crypto::SigningKey& key) {
  const Bytes message = canonical::encode<schema::Answer>([&](schema::Answer::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(answer.channel));
    out.setToOrg(canonical::data(answer.to));
    out.setReport(canonical::data(answer.report));
    out.setEpoch(answer.epoch.value);
    out.setText(text(answer.text));
    out.setCreated(answer.created.ms);
  });
  return signed_bytes(message, crypto::kLabelAnswer, key);
}

Result<Answer> decode_answer(ByteView signed_answer) {
  if (signed_answer.size() < crypto::Signature::kSize) return bad_answer("the signature is cut");
  return canonical::decode<schema::Answer>(signed_answer.subspan(crypto::Signature::kSize), kAnswerBytesMax,
                                           read_answer);
}

bool verify_answer(ByteView signed_answer, const crypto::VerifyKey& key, crypto::Verifier& verifier) {
  return verify_signed(signed_answer, crypto::kLabelAnswer, key, verifier);
}

}  // namespace tocsin::protocol
