#include "protocol/entry.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/hash.h"
#include "protocol/entry_peek.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;

template <class Fixed>
Fixed filled(std::uint8_t first) {
  Fixed out;
  for (std::size_t i = 0; i < Fixed::kSize; ++i) out.data()[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

EntryHeader feed_header() {
  EntryHeader header;
  header.body_bytes = 1000;
  header.number = {7};
  header.epoch = {3};
  header.log = filled<LogKey>(0x10);
  header.channel = filled<ChannelPseudonym>(0x40);
  header.previous = filled<EntryHash>(0x80);
  header.body_hash = filled<BodyHash>(0xc0);
  return header;
}

EntryHeader organisation_header() {
  EntryHeader header = feed_header();
  header.type = LogType::kOrganisation;
  header.epoch = {0};
  header.channel = {};
  return header;
}

std::string code_of(const EntryHeader& header) { return test::code_of(EntryHeader::decode(header.encode())); }

std::string code_with_byte(std::size_t at, std::uint8_t value) {
  auto bytes = feed_header().encode();
  bytes[at] = value;
  return code_of(EntryHeader::decode(bytes));
}

TEST(EntryHeader, rule_05_fixed_byte_layout) {
  // Written out by hand from the table in docs/protocol.md.
  EXPECT_EQ(to_hex(feed_header().encode()),
            "01030000"
            "e8030000"
            "0700000000000000"
            "0300000000000000"
            "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
            "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf");
}

TEST(EntryHeader, DecodesWhatItEncodes) {
  for (const EntryHeader& header : {feed_header(), organisation_header()}) {
    const auto decoded = EntryHeader::decode(header.encode());
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, header);
  }
}

TEST(EntryHeader, EveryForbiddenFieldHasItsCode) {
  EXPECT_EQ(code_of(EntryHeader::decode(Bytes(151))), "bad_header_size");
  EXPECT_EQ(code_of(EntryHeader::decode(Bytes(153))), "bad_header_size");
  EXPECT_EQ(code_with_byte(0, 2), "bad_version");
  EXPECT_EQ(code_with_byte(1, 0), "bad_log_type");
  EXPECT_EQ(code_with_byte(1, 4), "bad_log_type");
  EXPECT_EQ(code_with_byte(2, 1), "bad_reserved");
  EXPECT_EQ(code_with_byte(3, 1), "bad_reserved");

  EntryHeader header = feed_header();
  header.body_bytes = kBodyBytesMax;
  EXPECT_EQ(code_of(header), "ok");
  header.body_bytes = kBodyBytesMax + 1;
  EXPECT_EQ(code_of(header), "body_too_large");

  header = feed_header();
  header.number = {0};
  EXPECT_EQ(code_of(header), "bad_number");

  header = feed_header();
  header.number = {1};
  EXPECT_EQ(code_of(header), "bad_previous");
  header.previous = {};
  EXPECT_EQ(code_of(header), "ok");
  header.number = {2};
  EXPECT_EQ(code_of(header), "bad_previous");
}

TEST(EntryHeader, EpochAndChannelStandOutsideOrganisationLogsOnly) {
  EntryHeader header = feed_header();
  header.epoch = {0};
  EXPECT_EQ(code_of(header), "bad_epoch");
  header = feed_header();
  header.channel = {};
  EXPECT_EQ(code_of(header), "bad_channel");
  header = organisation_header();
  header.epoch = {1};
  EXPECT_EQ(code_of(header), "bad_epoch");
  header = organisation_header();
  header.channel = filled<ChannelPseudonym>(1);
  EXPECT_EQ(code_of(header), "bad_channel");
}

TEST(EntryHeader, ErrorsBlameThePeer) { EXPECT_EQ(EntryHeader::decode(Bytes(152)).error().origin, Origin::kPeer); }

// One header, one byte string: what decodes encodes to the same bytes again (rule 5).
RC_GTEST_PROP(EntryHeader, rule_05_decoding_accepts_one_form_only, ()) {
  auto bytes = feed_header().encode();
  const auto at = *rc::gen::inRange<std::size_t>(0, kEntryHeaderBytes);
  bytes[at] = *rc::gen::arbitrary<std::uint8_t>();
  if (const auto decoded = EntryHeader::decode(bytes)) RC_ASSERT(decoded->encode() == bytes);
}

TEST(EntryHash, CoversHeaderAndSignature) {
  const auto header = feed_header().encode();
  Bytes signature(kSignatureBytes, 0x55);
  const EntryHash hash = hash_entry(header, signature);
  EXPECT_EQ(hash.bytes(), crypto::hash256(crypto::kPersonalEntry, {header, signature}).bytes());
  signature[63] ^= 1;
  EXPECT_NE(hash_entry(header, signature), hash);
}

TEST(EntryHash, rule_17_organisation_log_covers_the_header_alone) {
  const auto header = organisation_header().encode();
  EXPECT_EQ(hash_entry(header, Bytes(65, 1)), hash_entry(header, Bytes(130, 2)));
  EXPECT_EQ(hash_entry(header, {}).bytes(), crypto::hash256(crypto::kPersonalEntry, {header}).bytes());
}

TEST(EntryHash, rule_04_body_and_entry_hashes_have_purposes_of_their_own) {
  const auto header = organisation_header().encode();
  EXPECT_NE(hash_body(header).bytes(), hash_entry(header, {}).bytes());
  EXPECT_EQ(hash_body(header).bytes(), crypto::hash256(crypto::kPersonalBody, {header}).bytes());
}

TEST(Entry, OwnsItsThreeParts) {
  const auto header = feed_header().encode();
  const Entry entry(header, Bytes(64, 1), Bytes(1000, 2));
  const Entry copy = entry;  // NOLINT: the copy is the point
  EXPECT_TRUE(equal(copy.view().header, header));
  EXPECT_EQ(to_bytes(copy.view().signature), Bytes(64, 1));
  EXPECT_EQ(to_bytes(copy.view().body), Bytes(1000, 2));
  EXPECT_FALSE(body_absent(copy.view()));
  EXPECT_TRUE(body_absent(Entry(header, Bytes(64, 1), {}).view()));
  EXPECT_TRUE(Entry().view().header.empty());
}

TEST(EntryBytes, TravelsAloneAndComesBack) {
  const auto header = feed_header().encode();
  const Entry entry(header, Bytes(64, 1), Bytes(1000, 2));
  const Bytes bytes = encode_entry(entry.view());
  EXPECT_EQ(bytes.size(), 2u + 152u + 64u + 1000u);
  EXPECT_EQ(load_le16(bytes.data()), 64);
  const auto back = decode_entry(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(equal(back->header, header));
  EXPECT_EQ(to_bytes(back->signature), Bytes(64, 1));
  EXPECT_EQ(to_bytes(back->body), Bytes(1000, 2));
}

TEST(EntryBytes, rule_06_sizes_are_checked) {
  const auto header = feed_header().encode();
  const Bytes good = encode_entry(Entry(header, Bytes(64, 1), {}).view());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto decoded = decode_entry(ByteView(good).first(size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(code_of(decoded), "bad_entry");
  }
  Bytes large = good;
  large.resize(good.size() + kBodyBytesMax);
  EXPECT_TRUE(decode_entry(large).ok());
  large.push_back(0);
  EXPECT_EQ(code_of(decode_entry(large)), "body_too_large");
  Bytes long_signature(2 + kEntryHeaderBytes + kSignatureFieldBytesMax + 1);
  store_le16(long_signature.data(), kSignatureFieldBytesMax + 1);
  EXPECT_EQ(code_of(decode_entry(long_signature)), "bad_entry");
}

}  // namespace
}  // namespace tocsin::protocol
