#include "protocol/canonical.h"

#include <capnp/serialize-packed.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "protocol/identity.capnp.h"
#include "tests/support/expect.h"
#include "tests/support/seeded_random.h"

namespace tocsin::protocol {
namespace {

using test::code_of;

constexpr std::size_t kMax = 4096;

// A prekey list: a struct with data, a blob and a list of blobs.
void fill(schema::PrekeyList::Builder out) {
  const Bytes node(32, 0x11);
  const Bytes key(31, 0x22);  // an odd size, so that there is padding
  out.setFormatVersion(1);
  out.setNodeId(canonical::data(ByteView(node)));
  out.setFirstMonth(672);
  auto keys = out.initKeys(2);
  keys.set(0, canonical::data(ByteView(key)));
  keys.set(1, canonical::data(ByteView(key)));
}

struct Plain {
  std::uint16_t version = 0;
  Bytes node;
  std::uint32_t month = 0;
  std::vector<Bytes> keys;
  friend bool operator==(const Plain&, const Plain&) = default;
};

Result<Plain> read(ByteView bytes) {
  return canonical::decode<schema::PrekeyList>(bytes, kMax, [](schema::PrekeyList::Reader in) -> Result<Plain> {
    Plain out{in.getFormatVersion(), to_bytes(canonical::view(in.getNodeId())), in.getFirstMonth(), {}};
    for (const auto key : in.getKeys()) out.keys.push_back(to_bytes(canonical::view(key)));
    return out;
  });
}

Bytes example() { return canonical::encode<schema::PrekeyList>(fill); }

Bytes words(std::initializer_list<std::uint64_t> list) {
  Bytes out(list.size() * 8);
  std::size_t at = 0;
  for (const std::uint64_t word : list) {
    store_le64(&out[at], word);
    at += 8;
  }
  return out;
}

TEST(Canonical, what_was_encoded_is_read_back) {
  const auto plain = read(example());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->version, 1);
  EXPECT_EQ(plain->month, 672u);
  EXPECT_EQ(plain->node, Bytes(32, 0x11));
  EXPECT_EQ(plain->keys, (std::vector<Bytes>{Bytes(31, 0x22), Bytes(31, 0x22)}));
}

TEST(Canonical, input_needs_no_alignment) {
  Bytes shifted(1);
  append(shifted, example());
  EXPECT_TRUE(read(ByteView(shifted).subspan(1)));
}

TEST(Canonical, fields_of_a_later_version_are_skipped) {
  // One more data word and one more pointer than the schema has, both in use.
  capnp::MallocMessageBuilder message;
  auto wide = message.initRoot<schema::OrgGenesis>();  // more pointers than PrekeyList
  wide.setFormatVersion(1);
  const Bytes node(32, 0x11);
  wide.setRandom(canonical::data(ByteView(node)));
  wide.setCreated(5);
  wide.setNextRoots(canonical::data(ByteView(node)));
  const auto bytes = canonical::to_bytes(capnp::canonicalize(message.getRoot<schema::OrgGenesis>().asReader()));
  const auto plain = read(bytes);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->node, node);
}

TEST(Canonical, rule_05_other_forms_of_the_same_message_are_refused) {
  const Bytes good = example();
  ASSERT_TRUE(read(good));

  Bytes longer = good;
  longer.resize(good.size() + 8);
  EXPECT_EQ(code_of(read(longer)), "not_canonical") << "a word behind the end";
  Bytes odd = good;
  odd.push_back(0);
  EXPECT_EQ(code_of(read(odd)), "not_canonical") << "not whole words";
  EXPECT_EQ(code_of(read(ByteView(good).first(good.size() - 8))), "not_canonical") << "cut";
  EXPECT_EQ(code_of(read({})), "not_canonical") << "empty";
  Bytes padding = good;
  ASSERT_EQ(padding.back(), 0);
  padding.back() = 1;
  EXPECT_EQ(code_of(read(padding)), "not_canonical") << "padding behind a blob is not zero";

  capnp::MallocMessageBuilder message;
  fill(message.initRoot<schema::PrekeyList>());
  const auto framed = capnp::messageToFlatArray(message);
  // A segment table reads as a root pointer to a struct without pointers: the version is then 0, which nobody takes.
  const auto table = read(canonical::to_bytes(framed));
  EXPECT_TRUE(!table || table->version == 0) << "with a segment table";
  kj::VectorOutputStream packed;
  capnp::writePackedMessage(packed, message);
  EXPECT_EQ(code_of(read(ByteView(packed.getArray().begin(), packed.getArray().size()))), "not_canonical") << "packed";
}

TEST(Canonical, rule_05_content_in_another_order_is_refused) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<schema::PrekeyList>();
  const Bytes node(32, 0x11);
  out.initKeys(1);
  out.setNodeId(canonical::data(ByteView(node)));  // the first pointer's content behind the second's
  out.setFormatVersion(1);
  const auto segments = message.getSegmentsForOutput();
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(code_of(read(canonical::to_bytes(segments[0]))), "not_canonical");
}

TEST(Canonical, rule_05_untruncated_structs_are_refused) {
  // Root: struct of 2 data words, the second zero.
  EXPECT_EQ(code_of(read(words({0x0000'0002'0000'0000, 1, 0}))), "not_canonical");
  EXPECT_EQ(code_of(read(words({0x0000'0001'0000'0000, 1}))), "ok");
  // Root: struct of 1 data word and 1 null pointer.
  EXPECT_EQ(code_of(read(words({0x0001'0001'0000'0000, 1, 0}))), "not_canonical");
}

TEST(Canonical, rule_05_far_pointers_and_capabilities_are_refused) {
  // Root: far pointer to word 1 of segment 0, where a good struct pointer stands.
  EXPECT_EQ(code_of(read(words({0x0000'0000'0000'000a, 0x0000'0001'0000'0000, 1}))), "not_canonical");
  // A second segment that is not there.
  EXPECT_EQ(code_of(read(words({0x0000'0007'0000'000a}))), "not_canonical");
  // A capability.
  EXPECT_EQ(code_of(read(words({0x0000'0000'0000'0003}))), "not_canonical");
}

TEST(Canonical, rule_05_two_pointers_to_one_place_are_refused) {
  // Struct of 2 pointers; both at the same 8-byte blob.
  const std::uint64_t pointers = 0x0002'0000'0000'0000;
  const std::uint64_t first = 0x0000'0042'0000'0005;   // offset 1
  const std::uint64_t second = 0x0000'0042'0000'0001;  // offset 0
  EXPECT_EQ(code_of(read(words({pointers, first, second, 0x0102030405060708}))), "not_canonical");
}

std::string opened(ByteView bytes, std::size_t bytes_max = kMax) {
  return code_of(canonical::Message::open(bytes, bytes_max));
}

TEST(Canonical, rule_05_reader_limits_hold) {
  const Bytes good = example();
  EXPECT_EQ(opened(good, good.size()), "ok");
  EXPECT_EQ(opened(good, good.size() - 8), "not_canonical") << "larger than the caller allows";

  // Each struct holds one pointer to the next, the last is empty.
  const std::uint64_t one_pointer = 0x0001'0000'0000'0000;
  const std::uint64_t empty_struct = 0x0000'0000'ffff'fffc;
  const auto nested = [&](int depth) {
    Bytes out;
    for (int i = 0; i < depth; ++i) append(out, words({one_pointer}));
    append(out, words({empty_struct}));
    return out;
  };
  EXPECT_EQ(opened(nested(canonical::kNestingMax - 2)), "ok");
  EXPECT_EQ(opened(nested(canonical::kNestingMax + 1)), "not_canonical");
  EXPECT_EQ(opened(nested(500)), "not_canonical");

  // A list of half a thousand million empty structs in three words, or of Void in two.
  const std::uint64_t list = 0x0000'0007'0000'0001;  // offset 0, structs, no words
  const std::uint64_t tag = 0x0000'0000'7fff'fffc;   // 2^29 - 1 of them
  EXPECT_EQ(opened(words({one_pointer, list, tag})), "not_canonical");
  EXPECT_EQ(opened(words({one_pointer, 0xffff'fff8'0000'0001})), "not_canonical");
}

TEST(Canonical, rule_05_a_field_of_another_type_is_refused) {
  // The node id is a struct.
  const auto wrong = words({0x0001'0000'0000'0000, 0x0000'0001'0000'0000, 7});
  EXPECT_EQ(code_of(read(wrong)), "not_canonical");
}

TEST(Canonical, errors_say_nothing_of_the_input) {
  const auto result = read(words({0x0000'0007'0000'000a}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().origin, Origin::kPeer);
  EXPECT_EQ(result.error().detail.find("capnp"), std::string::npos);
  EXPECT_EQ(result.error().detail.find("stack"), std::string::npos);
}

RC_GTEST_PROP(Canonical, rule_05_flipping_a_bit_gives_another_message_or_none, ()) {
  Bytes bytes = example();
  const auto before = read(bytes);
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  const auto after = read(bytes);
  // Between version and month there is room for a field of a later version.
  const bool in_hole = bit / 8 == 10 || bit / 8 == 11;
  if (after) {
    RC_ASSERT(in_hole == (*after == *before));
  } else {
    RC_ASSERT(after.error().code == kNotCanonical);
  }
}

RC_GTEST_PROP(Canonical, rule_05_any_bytes_are_read_or_refused, (std::uint64_t seed)) {
  test::SeededRandom random(seed);
  Bytes bytes = example();
  // Random words in the place of some: more than one pointer goes astray.
  for (std::size_t n = random.below(6); n > 0; --n)
    store_le64(&bytes[8 * random.below(bytes.size() / 8)], random.below(UINT64_MAX));
  for (std::size_t n = random.below(3); n > 0; --n)
    bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.below(256));
  const auto plain = read(bytes);
  if (!plain) RC_ASSERT(plain.error().code == kNotCanonical);
}

RC_GTEST_PROP(Canonical, rule_05_encoding_is_a_fixed_point, (const std::vector<Bytes>& keys, std::uint32_t month)) {
  RC_PRE(keys.size() < 50);
  const auto encode = [](std::uint32_t first, const std::vector<Bytes>& list) {
    return canonical::encode<schema::PrekeyList>([&](schema::PrekeyList::Builder out) {
      out.setFirstMonth(first);
      auto to = out.initKeys(static_cast<unsigned>(list.size()));
      for (unsigned i = 0; i < to.size(); ++i) to.set(i, canonical::data(ByteView(list[i])));
    });
  };
  const Bytes bytes = encode(month, keys);
  const auto plain =
      canonical::decode<schema::PrekeyList>(bytes, bytes.size(), [](schema::PrekeyList::Reader in) -> Result<Plain> {
        Plain out{0, {}, in.getFirstMonth(), {}};
        for (const auto key : in.getKeys()) out.keys.push_back(to_bytes(canonical::view(key)));
        return out;
      });
  RC_ASSERT(plain.ok());
  RC_ASSERT(plain->month == month);
  RC_ASSERT(plain->keys == keys);
  RC_ASSERT(encode(plain->month, plain->keys) == bytes);
}

}  // namespace
}  // namespace tocsin::protocol
