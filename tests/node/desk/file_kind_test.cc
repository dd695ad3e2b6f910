// What somebody has in hand who brought the wrong file.
#include "node/desk/file_kind.h"

#include <gtest/gtest.h>

#include "crypto/codes.h"
#include "crypto/passphrase.h"
#include "crypto/text_code.h"
#include "protocol/bundle_file.h"
#include "protocol/org_request.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::desk {
namespace {

using test::must;

struct FileKindTest : testing::Test {
  test::ExampleCard card = test::example_card(1);
  test::ExampleNode further = test::make_node(card.org.log.id(), "laptop", card.org.random);
  protocol::OrgRequest revoke{
      to_bytes(card.org.entries[0].view().body), card.org.roots.set(),
      card.org.log.draft_revoke(card.card.node, "lost", {}, test::kExampleTime, card.org.random)};
  std::string request = protocol::encode_org_request(revoke);
  std::string signature =
      protocol::encode_org_signature(must(protocol::sign_org_request(revoke, card.org.roots.keys[0])));
  std::string node_request = protocol::encode_node_request(further.certificate, further.signing);
  std::string root_set = protocol::encode_root_set(card.org.roots.set());
  std::string recovery = crypto::encode_text(kRecoveryPrefix, Bytes(32, 7));

  static std::string said(FileKind wanted, std::string_view file) {
    const auto fine = expect_kind(wanted, as_bytes(file));
    return fine ? "" : fine.error().detail;
  }
};

TEST_F(FileKindTest, is_seen_however_it_was_saved) {
  using enum FileKind;
  for (const auto& [text, kind] :
       {std::pair(card.text, kCard), std::pair(request, kOrgRequest), std::pair(signature, kOrgSignature),
        std::pair(node_request, kNodeRequest), std::pair(root_set, kRootSet), std::pair(recovery, kRecoveryKey)}) {
    std::string upper = text, groups;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    for (std::size_t i = 0; i < text.size(); i += 4) groups += text.substr(i, 4) + " ";
    for (const auto& saved :
         {text, text + "\n", upper, groups, "{\"home\":\"x\",\"field\":\"" + text + "\"}", "field  " + text})
      EXPECT_EQ(file_kind(as_bytes(saved)), kind) << saved.substr(0, 40);
  }
  EXPECT_EQ(file_kind(as_bytes(std::string(protocol::kBundleMagic) + "\1\1")), kBundle);
  EXPECT_EQ(file_kind(as_bytes(std::string(kBackupMagic) + "x")), kBackup);
  EXPECT_EQ(file_kind(as_bytes(std::string(crypto::kPassphraseFileMagic) + "x")), kRootKey);
  EXPECT_EQ(file_kind(as_bytes(std::string_view(" \n"))), kEmpty);
  for (const std::string_view none : {"tocsin2abc", "tocsin1", "id,name\n1,x\n", "%PDF-1.4", "xtocsin1abc"})
    EXPECT_EQ(file_kind(as_bytes(none)), kUnknown) << none;
}

TEST_F(FileKindTest, what_is_wanted_is_for_its_reader) {
  EXPECT_EQ(said(FileKind::kCard, card.text), "");
  EXPECT_EQ(said(FileKind::kCard, card.text.substr(0, 50)), "") << "cut: open_card says so";
  EXPECT_EQ(said(FileKind::kOrgRequest, request), "");
}

TEST_F(FileKindTest, another_kind_is_named_with_the_command_that_takes_it) {
  const auto org = to_hex(card.org.log.id().view()).substr(0, 12), node = to_hex(card.card.node.view()).substr(0, 12);
  EXPECT_EQ(said(FileKind::kNodeRequest, card.text), "this is the card of a node of the organisation " + org +
                                                         "; here the request of a node is wanted, which tocsin init "
                                                         "--join, backup restore and key rotate give. Take the "
                                                         "card with: tocsin peer add FILE");
  EXPECT_NE(said(FileKind::kBundle, card.text.substr(0, 60)).find("this is a card; here a bundle is wanted"),
            std::string::npos);
  const auto has = [&](FileKind wanted, const std::string& text, const std::string& is, const std::string& command) {
    EXPECT_NE(said(wanted, text).find("this is " + is + "; here "), std::string::npos) << said(wanted, text);
    EXPECT_NE(said(wanted, text).find(" with: " + command), std::string::npos) << said(wanted, text);
  };
  const auto laptop = to_hex(further.certificate.node.view()).substr(0, 12);
  has(FileKind::kOrgRequest, node_request, "the request of the node " + laptop + " to be certified",
      "tocsin org certify FILE");
  // As `init --join` gives it, with other texts beside it.
  has(FileKind::kCard, "{\"request\":\"" + node_request + "\",\"recovery_key\":\"" + recovery + "\"}",
      "the request of the node " + laptop + " to be certified", "tocsin org certify FILE");
  has(FileKind::kCard, request, "a request to the root keys to revoke the node " + node, "tocsin org sign FILE --root");
  has(FileKind::kOrgRequest, signature, "the signature of a root key to revoke the node " + node,
      "tocsin org revoke NODE --signature FILE");
  has(FileKind::kRootKey, root_set, "the public half of a set of root keys", "tocsin org rotate-roots --next-set FILE");
  has(FileKind::kCard, recovery, "a recovery key, which is secret and opens backups", "tocsin backup restore");
  has(FileKind::kCard, "tocsin backup 1\nx", "a backup", "tocsin backup verify FILE");
  has(FileKind::kBackup, "tocsinBBx", "a bundle", "tocsin bundle import FILE");
  EXPECT_NE(said(FileKind::kCard, "{}").find("none of the files that go from hand to hand"), std::string::npos);
  EXPECT_NE(said(FileKind::kCard, std::string(kTokenPrefix) + "abcd").find("this is a token, which is secret"),
            std::string::npos);
  EXPECT_NE(said(FileKind::kCard, "").find("this is empty; here a card is wanted"), std::string::npos);
}

TEST_F(FileKindTest, codes_are_those_of_the_door) {
  const auto code = [&](FileKind wanted) { return test::code_of(expect_kind(wanted, as_bytes(request))); };
  EXPECT_EQ(code(FileKind::kCard), "bad_prefix");
  EXPECT_EQ(code(FileKind::kBundle), "not_a_bundle");
  EXPECT_EQ(code(FileKind::kBackup), "not_a_backup");
  EXPECT_EQ(code(FileKind::kRootKey), "not_a_key_file");
  EXPECT_EQ(code(FileKind::kRecoveryKey), "wrong_recovery_key");
}

}  // namespace
}  // namespace tocsin::desk
