#include "node/desk/file_kind.h"

#include <algorithm>

#include "crypto/codes.h"
#include "crypto/passphrase.h"
#include "node/desk/org_change.h"
#include "node/desk/users.h"
#include "protocol/bundle_file.h"
#include "protocol/card.h"
#include "protocol/org_request.h"

namespace tocsin::desk {
namespace {

struct TextKind {
  std::string_view prefix;
  FileKind kind;
};
// Where several stand in one text, such as the JSON of `init --join`, the first of this list counts.
constexpr TextKind kTextKinds[] = {{protocol::kCardPrefix, FileKind::kCard},
                                   {protocol::kNodeRequestPrefix, FileKind::kNodeRequest},
                                   {protocol::kOrgRequestPrefix, FileKind::kOrgRequest},
                                   {protocol::kOrgSignaturePrefix, FileKind::kOrgSignature},
                                   {protocol::kRootSetPrefix, FileKind::kRootSet},
                                   {kRecoveryPrefix, FileKind::kRecoveryKey},
                                   {kTokenPrefix, FileKind::kToken}};

constexpr std::size_t kBeginningBytes = 256;

bool is_code_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); }

std::string lower(ByteView file) {
  std::string out(as_text(file.first(std::min(file.size(), kFileKindBytes))));
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

// Alone, or in what a terminal or a JSON object showed: a word that begins so. npos: none.
std::size_t find_code(std::string_view text, std::string_view prefix) {
  for (auto at = text.find(prefix); at != std::string_view::npos; at = text.find(prefix, at + 1)) {
    const auto behind = at + prefix.size();
    if ((at == 0 || !is_code_letter(text[at - 1])) && behind < text.size() && is_code_letter(text[behind])) return at;
  }
  return std::string_view::npos;
}

// Ids alone: names in what somebody else made do not go into a detail.
std::string short_id(ByteView id) { return to_hex(id).substr(0, 12); }

// What it is, with as much of it as opens; and what takes it.
struct Known {
  std::string is;
  std::string_view object;  // "the card"
  std::string command;
};

Known known_card(std::string_view text) {
  crypto::Verifier verifier;
  const auto card = protocol::open_any_card(text, verifier);
  return {card ? "the card of a node of the organisation " + short_id(card->org.id().view()) : "a card", "the card",
          "tocsin peer add FILE"};
}

Known known_node_request(std::string_view text) {
  crypto::Verifier verifier;
  const auto request = protocol::decode_node_request(text, verifier);
  return {request ? "the request of the node " + short_id(request->certificate.node.view()) + " to be certified"
                  : "the request of a node to be certified",
          "it", "tocsin org certify FILE"};
}

std::string change_of(const OrgChangeText& said) {
  if (said.change == "rotate_roots" || !said.node) return " to replace the root keys";
  return (said.change == "certify" ? " to certify the node " : " to revoke the node ") + short_id(said.node->view());
}

Known known_org_request(std::string_view text) {
  const auto request = protocol::decode_org_request(text);
  const auto said = request ? describe_change(*request) : Result<OrgChangeText>(request.error());
  return {"a request to the root keys" + (said ? change_of(*said) : std::string()), "it",
          "tocsin org sign FILE --root KEYFILE --out SIGNATURE"};
}

Known known_org_signature(std::string_view text) {
  const auto signature = protocol::decode_org_signature(text);
  const auto said = signature ? describe_change(signature->request) : Result<OrgChangeText>(signature.error());
  const std::string command = !said                            ? "certify REQUEST"
                              : said->change == "revoke"       ? "revoke NODE"
                              : said->change == "rotate_roots" ? "rotate-roots"
                                                               : "certify REQUEST";
  return {"the signature of a root key" + (said ? change_of(*said) : std::string()), "it",
          "tocsin org " + command + " --signature FILE"};
}

Known known(FileKind kind, std::string_view code) {
  switch (kind) {
    case FileKind::kUnknown:
    case FileKind::kEmpty:
      break;
    case FileKind::kCard:
      return known_card(code);
    case FileKind::kNodeRequest:
      return known_node_request(code);
    case FileKind::kOrgRequest:
      return known_org_request(code);
    case FileKind::kOrgSignature:
      return known_org_signature(code);
    case FileKind::kRootSet:
      return {"the public half of a set of root keys", "it", "tocsin org rotate-roots --next-set FILE"};
    case FileKind::kRootKey:
      return {"a key file, such as root keys lie in", "a root key",
              "tocsin org sign REQUEST --root FILE --out SIGNATURE"};
    case FileKind::kRecoveryKey:
      return {"a recovery key, which is secret and opens backups", "it",
              "tocsin backup restore BACKUP --recovery-key FILE"};
    case FileKind::kToken:
      return {"a token, which is secret: whoever has it acts in its user's name", "it",
              "TOCSIN_TOKEN_FILE=FILE tocsin ..., by its user alone"};
    case FileKind::kBundle:
      return {"a bundle", "it", "tocsin bundle import FILE"};
    case FileKind::kBackup:
      return {"a backup", "it", "tocsin backup verify FILE, or tocsin --home DIR backup restore FILE"};
  }
  return {};
}

struct Wanted {
  std::string_view what;
  Code code;
};
Wanted wanted_text(FileKind kind) {
  switch (kind) {
    case FileKind::kUnknown:
    case FileKind::kEmpty:
    case FileKind::kToken:
      break;
    case FileKind::kCard:
      return {"a card is wanted, which tocsin card show prints", crypto::kBadPrefix};
    case FileKind::kNodeRequest:
      return {"the request of a node is wanted, which tocsin init --join, backup restore and key rotate give",
              crypto::kBadPrefix};
    case FileKind::kOrgRequest:
      return {
          "a request to root keys is wanted, which tocsin org certify, revoke and rotate-roots write with "
          "--request-out",
          crypto::kBadPrefix};
    case FileKind::kOrgSignature:
      return {"the signature of a root key is wanted, which tocsin org sign writes", crypto::kBadPrefix};
    case FileKind::kRootSet:
      return {"the file next-root.set is wanted, which stands beside the next root keys", crypto::kBadPrefix};
    case FileKind::kRootKey:
      return {"a root key file is wanted, such as root.key, which tocsin init made", crypto::kNotAKeyFile};
    case FileKind::kRecoveryKey:
      return {"a recovery key is wanted, which tocsin init showed", Code{"wrong_recovery_key"}};
    case FileKind::kBundle:
      return {"a bundle is wanted, which tocsin bundle export writes", Code{"not_a_bundle"}};
    case FileKind::kBackup:
      return {"a backup is wanted, which tocsin backup create writes", Code{"not_a_backup"}};
  }
  return {"another file is wanted", crypto::kBadPrefix};
}

struct Seen {
  FileKind kind;
  std::size_t at = 0;  // of the code
};

Seen look(ByteView file, std::string_view text) {
  if (as_text(file).starts_with(protocol::kBundleMagic)) return {FileKind::kBundle};
  if (as_text(file).starts_with(kBackupMagic)) return {FileKind::kBackup};
  if (as_text(file).starts_with(crypto::kPassphraseFileMagic)) return {FileKind::kRootKey};
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {FileKind::kEmpty};
  for (const auto& [prefix, kind] : kTextKinds)
    if (const auto at = find_code(text, prefix); at != std::string_view::npos) return {kind, at};
  // Typed from paper, in groups of letters: what reads a code leaves blanks out.
  std::string solid(text.substr(0, kBeginningBytes));
  std::erase_if(solid, [](char c) { return std::string_view(" \t\r\n").find(c) != std::string_view::npos; });
  for (const auto& [prefix, kind] : kTextKinds)
    if (find_code(solid, prefix) == 0) return {kind};
  return {FileKind::kUnknown};
}

}  // namespace

FileKind file_kind(ByteView file) { return look(file, lower(file)).kind; }

Result<void> expect_kind(FileKind wanted, ByteView file) {
  const std::string text = lower(file);
  const auto [kind, at] = look(file, text);
  if (kind == wanted) return kOk;
  const auto [what, code] = wanted_text(wanted);
  const std::string here = "; here " + std::string(what);
  if (kind == FileKind::kEmpty) return caller_error(code, "this is empty" + here);
  if (kind == FileKind::kUnknown)
    return caller_error(code,
                        "this is none of the files that go from hand to hand between nodes, or it was changed, or is "
                        "of a later version" +
                            here);
  // The code reaches to the first letter that is none of its own; a line break may stand in it.
  std::size_t end = text.find_first_of("\"',", at);
  const auto empty_line = text.find("\n\n", at);
  end = std::min({end, empty_line, text.size()});
  const auto found = known(kind, std::string_view(text).substr(at, end - at));
  return caller_error(code,
                      "this is " + found.is + here + ". Take " + std::string(found.object) + " with: " + found.command);
}

}  // namespace tocsin::desk
