#include "crypto/wrap.h"
#include "protocol/channel_messages.h"
#include "protocol/contributor.h"
#include "protocol/entry_sign.h"
#include "protocol/stewards.h"
#include "tools/founding/founding.h"
#include "tools/founding/must.h"
#include "tools/founding/seeded_random.h"
#include "tools/make_vectors/vectors.h"

namespace tocsin::tools {
namespace {

using namespace protocol;

constexpr std::size_t kEphemeralAt = 1;  // in a contribution
constexpr std::size_t kInnerSuiteAt = 33;

// One epoch of the channel, and who contributes to it.
struct ContributorScene {
  explicit ContributorScene(SeededRandom& random)
      : channel(crypto::random_fixed<ChannelId>(random)),
        org(crypto::random_fixed<OrgId>(random)),
        node(crypto::random_fixed<NodeId>(random)),
        epoch_key(crypto::EpochKey::random(random)),
        node_key(crypto::SigningKey::generate(random)),
        feed_key(crypto::SigningKey::generate(random)),
        own_secret(32) {
    random.fill(own_secret.mutable_view());
  }
  LogKey log() const { return LogKey{feed_key.verify_key().bytes()}; }

  ChannelId channel;
  OrgId org;
  NodeId node;
  Epoch epoch = epoch_in(2, 5);
  crypto::EpochKey epoch_key;
  crypto::SigningKey node_key, feed_key;
  crypto::SecretBuffer own_secret;
};

// One body, and where a reader meets it.
struct Met {
  const char* why;
  Bytes body;
  Number number;
  Epoch epoch;
  LogType type = LogType::kFeed;
};

Json refused_json(const ContributorScene& scene, const crypto::EpochKey& key, const Met& met) {
  const BodyBinding binding(scene.channel, met.epoch, scene.log(), met.number, met.type);
  EpochOpener opener(key, scene.channel, met.epoch);
  const auto opened = opener.open(binding, met.body);
  if (opened) fail(std::string("this opens, and should not: ") + met.why);
  return {{"why", met.why},
          {"epoch_key", hex(key.view())},
          {"epoch", met.epoch.value},
          {"number", met.number.value},
          {"log_type", static_cast<int>(met.type)},
          {"body", hex(met.body)},
          {"code", std::string(opened.error().code.text())}};
}

// Every way in which `good`, the contribution under number 1, is no body of the place where it is met.
Json refused_contributions(const ContributorScene& scene, const Bytes& good, SeededRandom& random) {
  const auto other_key = crypto::EpochKey::random(random);
  const Number first{1};
  const Epoch here = scene.epoch, next = here.next();
  const auto cut = [&](std::size_t size) {
    return Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
  };
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    Bytes out = good;
    out[at] = value;
    return out;
  };
  const auto with_ephemeral = [&](ByteView key) {
    Bytes out = good;
    std::copy(key.begin(), key.end(), out.begin() + kEphemeralAt);
    return out;
  };
  // 2^255 - 19 + 9: another name of the base point.
  std::array<std::uint8_t, 32> above;
  above.fill(0xff);
  above[0] = 0xf6;
  above[31] = 0x7f;
  auto top_bit = std::array<std::uint8_t, 32>{};
  std::copy_n(good.begin() + kEphemeralAt, top_bit.size(), top_bit.begin());
  top_bit[31] |= 0x80;
  std::array<std::uint8_t, 32> one{};
  one[0] = 1;

  const Met with_our_key[] = {
      {"another number", good, {2}, here},
      {"another epoch, the same epoch key", good, first, next},
      {"associated data of another log type", good, first, here, LogType::kControl},
      {"nothing at all", {}, first, here},
      {"the suite alone", cut(1), first, here},
      {"cut inside the ephemeral key", cut(kInnerSuiteAt - 1), first, here},
      {"cut behind the ephemeral key", cut(kInnerSuiteAt), first, here},
      {"cut inside the commitment", cut(kInnerSuiteAt + 20), first, here},
      {"cut by one byte at its end", cut(good.size() - 1), first, here},
      {"ephemeral key of all zeros", with_ephemeral(std::array<std::uint8_t, 32>{}), first, here},
      {"ephemeral key of low order", with_ephemeral(one), first, here},
      {"ephemeral key above p", with_ephemeral(above), first, here},
      {"ephemeral key with the top bit set", with_ephemeral(top_bit), first, here},
      {"another ephemeral key", changed(kEphemeralAt, static_cast<std::uint8_t>(good[kEphemeralAt] ^ 1)), first, here},
      {"suite 3", changed(0, 3), first, here},
      {"suite 1 in front", changed(0, 1), first, here},
      {"suite 2 inside", changed(kInnerSuiteAt, 2), first, here},
      {"a changed commitment", changed(kInnerSuiteAt + 1, static_cast<std::uint8_t>(good[kInnerSuiteAt + 1] ^ 1)),
       first, here},
      {"a changed last byte", changed(good.size() - 1, static_cast<std::uint8_t>(good.back() ^ 1)), first, here},
  };
  Json out = Json::array();
  out.push_back(refused_json(scene, other_key, {"another epoch key", good, first, here}));
  for (const Met& met : with_our_key) out.push_back(refused_json(scene, scene.epoch_key, met));
  return out;
}

Json notice_json(const ContributorNotice& notice, const crypto::SigningKey& chair) {
  const Bytes bytes = sign_contributor_notice(notice, chair);
  must(decode_contributor_notice(bytes), "notice");
  return {{"standing", static_cast<int>(notice.standing)},
          {"term", notice.term},
          {"counter", notice.counter},
          {"epoch", notice.epoch.value},
          {"half", hex(notice.half.view())},
          {"answer_key", hex(notice.answer_key.view())},
          {"tag", hex(notice.tag.view())},
          {"profile", hex(notice.profile.view())},
          {"adding_entry", hex(notice.adding_entry.view())},
          {"chair_org", hex(notice.chair_org.view())},
          {"chair_node", hex(notice.chair_node.view())},
          {"governments", notice.governments},
          {"created", notice.created.ms},
          {"since", notice.since.value},
          {"signed", hex(bytes)}};
}

}  // namespace

Json contribution_vectors() {
  SeededRandom random(5, 1);
  const ContributorScene scene(random);
  const auto half = epoch_half(scene.epoch_key, scene.channel, scene.epoch);
  const auto answers = answer_key(scene.epoch_key, scene.channel, scene.epoch);
  const FeedCertificate certificate{scene.channel, scene.org, scene.node, scene.log(), 1, {1'790'000'000'000}};
  const Bytes signed_certificate = sign_feed_certificate(certificate, scene.node_key);

  // Its feed: the first entry of the epoch with the certificate, as any other's.
  Json entries = Json::array();
  Bytes first_body;
  ReportId report;
  EntryHash previous;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    Bytes payload(n * n * 90);
    random.fill(payload);
    if (n == 1) report = ReportId{crypto::hash256(crypto::kPersonalReport, {payload}).bytes()};
    const auto plaintext =
        encode_feed_plaintext(FeedKind::kReport, n == 1 ? ByteView(signed_certificate) : ByteView{}, payload);
    const BodyBinding binding(scene.channel, scene.epoch, scene.log(), {n}, LogType::kFeed);
    const auto ephemeral = contribution_ephemeral(scene.own_secret, binding);
    const auto body = must(crypto::seal_contribution(ephemeral, half.public_key(), binding.context(),
                                                     binding.associated(), plaintext, random),
                           "contribution");
    EntryHeader header;
    header.type = LogType::kFeed;
    header.number = {n};
    header.epoch = scene.epoch;
    header.log = scene.log();
    header.channel = pseudonym_of(scene.channel);
    header.previous = previous;
    const auto entry = sign_entry(header, body, scene.feed_key);
    previous = hash_entry(entry.view().header, entry.view().signature);
    if (n == 1) first_body = body;
    auto item = entry_json(entry.view());
    item["context"] = hex(binding.context());
    item["associated_data"] = hex(binding.associated());
    item["ephemeral_secret"] = hex(ephemeral.secret().view());
    item["ephemeral_public"] = hex(ephemeral.public_key().view());
    item["plaintext"] = hex(plaintext);
    entries.push_back(item);
  }
  const Json refused = refused_contributions(scene, first_body, random);

  // What it is told before it joins, while it is in, and when it is out.
  const auto chair_secrets = make_secrets(random);
  const auto& chair = chair_secrets.tier2->signing;
  const auto chair_org = must(found_org("Valley Office", "tocsin", chair_secrets, random), "organisation");
  ContributorProfile profile{scene.channel,
                             "tocsin",
                             "Flood warnings, upper valley",
                             ChannelClass::kAlert,
                             "Warn early.\nName no villager.\n",
                             730};
  const Bytes profile_message = encode_contributor_profile(profile);
  must(decode_contributor_profile(profile_message), "profile");
  ContributorNotice notice;
  notice.channel = scene.channel;
  notice.org = scene.org;
  notice.term = term_of(scene.epoch);
  notice.epoch = epoch_in(notice.term, 3);
  notice.tag = crypto::random_fixed<crypto::Hash>(random);
  notice.profile = contributor_profile_digest(profile_message);
  notice.adding_entry = crypto::random_fixed<EntryHash>(random);
  notice.chair_org = chair_org.org;
  notice.chair_node = chair_org.node;
  notice.created = {1'790'000'000'001};
  Json notices = Json::array();
  notice.standing = ContributorStanding::kInvited;
  notices.push_back(notice_json(notice, chair));
  notice.standing = ContributorStanding::kContributor;
  notice.epoch = scene.epoch;
  notice.counter = 2;
  notice.since = epoch_in(notice.term, 4);
  notice.half = half.public_key();
  notice.answer_key = answers.verify_key();
  notice.adding_entry = {};
  notice.governments = true;
  notices.push_back(notice_json(notice, chair));
  const Bytes signed_notice = sign_contributor_notice(notice, chair);
  notice.standing = ContributorStanding::kNone;
  notice.epoch = scene.epoch.next();
  notice.counter = 1;
  notice.since = {};
  notice.half = {};
  notice.answer_key = {};
  notice.tag = {};
  notices.push_back(notice_json(notice, chair));

  const Answer answer{scene.channel,      scene.org, report, scene.epoch, "Seen. Two boats are on their way.",
                      {1'790'000'000'002}};
  const Bytes signed_answer = sign_answer(answer, answers);
  must(decode_answer(signed_answer), "answer");

  // How both travel: sealed to a node of the contributor.
  const auto recipient = crypto::EncryptionKeyPair::generate(random);
  const auto sealed = [&](crypto::Label label, ByteView content) {
    return hex(must(crypto::seal_to(recipient.public_key(), label, scene.node.view(), content, random), "envelope"));
  };
  ContributorMail mail{signed_notice, profile_message, {}};
  Json chair_log = Json::array();
  for (const Entry& entry : chair_org.org_log) {
    mail.chair_org_log.push_back(encode_entry(entry.view()));
    chair_log.push_back(hex(mail.chair_org_log.back()));
  }
  const Bytes told = encode_contributor_mail(mail);
  const std::string notice_envelope = sealed(crypto::kLabelContributorMail, told);
  const std::string answer_envelope = sealed(crypto::kLabelAnswerMail, signed_answer);
  return {{"channel_id", hex(scene.channel.view())},
          {"pseudonym", hex(pseudonym_of(scene.channel).view())},
          {"epoch", scene.epoch.value},
          {"epoch_key", hex(scene.epoch_key.view())},
          {"half_secret", hex(half.secret().view())},
          {"half_public", hex(half.public_key().view())},
          {"answer_key", hex(answers.verify_key().view())},
          {"org_id", hex(scene.org.view())},
          {"node_id", hex(scene.node.view())},
          {"node_signing_key", hex(scene.node_key.verify_key().view())},
          {"feed_key", hex(scene.log().view())},
          {"feed_certificate", hex(signed_certificate)},
          {"own_secret", hex(scene.own_secret.view())},
          {"entries", entries},
          {"refused", refused},
          {"profile",
           {{"network", profile.network},
            {"name", profile.name},
            {"class", static_cast<int>(profile.channel_class)},
            {"terms", profile.terms},
            {"retention_days", profile.retention_days},
            {"message", hex(profile_message)},
            {"digest", hex(notice.profile.view())}}},
          {"chair_org_log", chair_log},
          {"chair_signing_key", hex(chair.verify_key().view())},
          {"notices", notices},
          {"answer",
           {{"report", hex(answer.report.view())},
            {"text", answer.text},
            {"created", answer.created.ms},
            {"signed", hex(signed_answer)}}},
          {"mail",
           {{"recipient_secret", hex(recipient.secret().view())},
            {"recipient_public", hex(recipient.public_key().view())},
            {"notice", notice_envelope},
            {"answer", answer_envelope}}}};
}

}  // namespace tocsin::tools
