// Organisations of which some may have older keys and some may not (rules 33, 34), and what one asks another for by
// hand.
#pragma once

#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/channel_messages.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/further_nodes.h"

namespace tocsin::protocol {

struct LateKeys : testing::Test {
  test::WorldClock clock;
  test::Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};
  test::Party second{b, "Bravo 2", 12, clock};
  using Texts = std::multiset<std::string>;

  void sign(test::Party& party, const OrgRequest& request) { test::sign_by_roots(party, party, request); }
  void certify(test::Party& node, test::Party& by) { test::certify(by, node); }
  void write(test::Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  void rotate(test::Party& chair, const ChannelId& id) {
    test::must(chair.replica().rotate(id, nullptr));
    chair.store.sync();
  }
  void remove(test::Party& chair, const ChannelId& id, test::Party& who) {
    test::must(chair.replica().remove_member(id, who.org(), nullptr));
    chair.store.sync();
  }
  ChannelInfo info(test::Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  std::set<std::uint64_t> keys(test::Party& party, const ChannelId& id) {
    std::set<std::uint64_t> out;
    for (std::uint64_t epoch = 1; epoch <= 40; ++epoch) {
      if (party.table().epoch_key(info(party, id).pseudonym, {epoch})) out.insert(epoch);
    }
    return out;
  }
  void expect_equal(const ChannelId& id, std::vector<test::Party*> parties) {
    for (test::Party* party : parties) {
      EXPECT_EQ(party->replica().frontier(id).digest(), parties[0]->replica().frontier(id).digest()) << party->name();
    }
  }
  void expect_whole(test::Party& party, const ChannelId& id, test::Party& like) {
    for (const LogRecord& theirs : like.replica().channel_logs(id)) {
      if (theirs.type != LogType::kFeed) continue;
      const auto ours = party.replica().log_record(theirs.log);
      ASSERT_TRUE(ours);
      EXPECT_EQ(ours->low, theirs.low);
      EXPECT_EQ(ours->bytes, theirs.bytes);
      EXPECT_FALSE(party.replica().is_short(theirs.log));
    }
  }

  static Bytes numbers(std::uint64_t from, std::uint64_t to, std::uint32_t attempt) {
    Bytes out(20);
    store_le64(&out[0], from);
    store_le64(&out[8], to);
    store_le32(&out[16], attempt);
    return out;
  }
  Bytes request(const ChannelId& id, test::Party& asker, std::uint64_t from, std::uint64_t to,
                std::uint32_t attempt = 7) {
    Bytes out{1, 0};
    append(out, id.view());
    append(out, asker.node().view());
    append(out, numbers(from, to, attempt));
    return out;
  }
  Result<void> give_mail(test::Party& from, test::Party& to, MailKind kind, const crypto::Label& label,
                         ByteView content) {
    const Bytes sealed = test::must(
        crypto::seal_to(to.secrets().tier2->encryption.public_key(), label, to.node().view(), content, from.random()));
    const auto out = to.replica().handle_mail(from.org(), kind, kCertificateKeyMonth, sealed);
    to.store.sync();
    return out;
  }
  // What that node is given for these epochs: it asks by hand, and its answer is opened by its keys.
  std::set<std::uint64_t> asked(test::Party& at, const ChannelId& id, test::Party& asker, std::uint64_t from,
                                std::uint64_t to, Result<void>* said = nullptr) {
    static std::uint32_t attempt = 100;
    auto taken =
        give_mail(asker, at, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request(id, asker, from, to, ++attempt));
    if (said != nullptr) *said = taken;
    std::set<std::uint64_t> out;
    for (const Mail& mail : at.replica().mail_for(asker.org(), asker.node())) {
      if (mail.kind != MailKind::kKeyAnswer) continue;
      const auto& tier = *asker.secrets().tier2;
      const auto& pair =
          mail.prekey_month == kCertificateKeyMonth ? tier.encryption : tier.prekeys.at(mail.prekey_month);
      const auto content =
          test::must(crypto::open_sealed(pair, crypto::kLabelKeyAnswer, asker.node().view(), mail.envelope));
      const ByteView view = content.view();
      if (!equal(view.subspan(1, 32), id.view())) continue;
      for (std::size_t at_key = 34; at_key < view.size(); at_key += 40) out.insert(load_le64(&view[at_key]));
    }
    return taken ? out : std::set<std::uint64_t>{};
  }
  Bytes answer(const ChannelId& id, std::vector<std::pair<std::uint64_t, Bytes>> given) {
    Bytes out{1};
    append(out, id.view());
    out.push_back(static_cast<std::uint8_t>(given.size()));
    for (const auto& [epoch, key] : given) {
      Bytes number(8);
      store_le64(number.data(), epoch);
      append(out, number);
      append(out, key);
    }
    return out;
  }
};

}  // namespace tocsin::protocol
