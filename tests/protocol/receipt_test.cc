#include "protocol/receipt.h"

#include <gtest/gtest.h>

#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::SeededRandom;

struct ReceiptTest : testing::Test {
  SeededRandom random{11};
  crypto::Verifier verifier;
  crypto::SigningKey node_key = crypto::SigningKey::generate(random);
  crypto::EpochKey key = crypto::EpochKey::random(random);

  Receipt receipt(std::size_t heads) {
    Receipt out;
    out.channel = crypto::random_fixed<ChannelId>(random);
    out.node = crypto::random_fixed<NodeId>(random);
    out.counter = 17;
    out.control_log = crypto::random_fixed<LogKey>(random);
    out.control_head = {4};
    out.control_hash = crypto::random_fixed<EntryHash>(random);
    out.frontier = crypto::random_fixed<TrieDigest>(random);
    out.created = test::kExampleTime;
    for (std::size_t i = 0; i < heads; ++i) {
      out.heads.push_back(
          {crypto::random_fixed<LogKey>(random), {i + 5}, crypto::random_fixed<EntryHash>(random), {i}});
    }
    std::sort(out.heads.begin(), out.heads.end(), [](const auto& a, const auto& b) { return a.log < b.log; });
    return out;
  }
};

TEST_F(ReceiptTest, rule_13_what_a_node_says_it_holds_is_signed_and_sealed) {
  const Receipt said = receipt(3);
  const Bytes sealed = seal_receipt(said, {5}, key, node_key, random);
  const auto opened = must(open_receipt(said.channel, {5}, key, said.node, 17, sealed));
  EXPECT_EQ(opened.receipt, said);
  EXPECT_TRUE(verify_receipt(opened.signed_message, node_key.verify_key(), verifier));
  EXPECT_FALSE(verify_receipt(opened.signed_message, crypto::SigningKey::generate(random).verify_key(), verifier));
  EXPECT_FALSE(verify_receipt({}, node_key.verify_key(), verifier));
}

TEST_F(ReceiptTest, nothing_that_stands_in_clear_can_be_exchanged) {
  const Receipt said = receipt(1);
  const Bytes sealed = seal_receipt(said, {5}, key, node_key, random);
  EXPECT_FALSE(open_receipt(said.channel, {6}, key, said.node, 17, sealed));
  EXPECT_FALSE(open_receipt(said.channel, {5}, key, said.node, 18, sealed));
  EXPECT_FALSE(open_receipt(said.channel, {5}, key, crypto::random_fixed<NodeId>(random), 17, sealed));
  EXPECT_FALSE(open_receipt(crypto::random_fixed<ChannelId>(random), {5}, key, said.node, 17, sealed));
  EXPECT_FALSE(open_receipt(said.channel, {5}, crypto::EpochKey::random(random), said.node, 17, sealed));
}

TEST_F(ReceiptTest, every_flipped_byte_and_every_cut_is_refused) {
  const Receipt said = receipt(1);
  const Bytes sealed = seal_receipt(said, {5}, key, node_key, random);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes flipped = sealed;
    flipped[i] ^= 0x01;
    EXPECT_FALSE(open_receipt(said.channel, {5}, key, said.node, 17, flipped)) << i;
    EXPECT_FALSE(open_receipt(said.channel, {5}, key, said.node, 17, ByteView(sealed).first(i))) << i;
  }
}

TEST_F(ReceiptTest, heads_out_of_order_or_without_their_header_are_refused) {
  Receipt said = receipt(3);
  EXPECT_EQ(must(decode_receipt(encode_receipt(said))), said);
  std::swap(said.heads[0], said.heads[1]);
  EXPECT_EQ(code_of(decode_receipt(encode_receipt(said))), "bad_receipt");
  said = receipt(1);
  said.heads[0].body = said.heads[0].head.next();
  EXPECT_EQ(code_of(decode_receipt(encode_receipt(said))), "bad_receipt");
}

TEST_F(ReceiptTest, as_many_heads_as_one_receipt_names_fit_one_body) {
  const Receipt said = receipt(400);
  const Bytes sealed = seal_receipt(said, {5}, key, node_key, random);
  EXPECT_EQ(must(open_receipt(said.channel, {5}, key, said.node, 17, sealed)).receipt.heads.size(), 400u);
}

}  // namespace
}  // namespace tocsin::protocol
