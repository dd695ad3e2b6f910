#include <sodium.h>

#include <array>

#include "crypto/aead.h"
#include "crypto/codes.h"
#include "crypto/dh.h"
#include "crypto/sign.h"
#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

struct Kind {
  const char* algorithm;
  const char* group_type;
  const char* name;
  Outcome (*run)(const Json& document, const Kind& kind);
  std::size_t nonce_size;  // of the ciphers
};

std::string name_of(const Json& test) {
  const auto id = test.find("tcId");
  return "tcId " + (id != test.end() && id->is_number_integer() ? id->dump() : "?");
}

// Verdict of the file; nothing where it states none that we know.
std::optional<std::string> verdict_of(const Json& test) {
  auto verdict = text_at(test, "result");
  if (verdict && *verdict != "valid" && *verdict != "invalid" && *verdict != "acceptable") return std::nullopt;
  return verdict;
}

// Calls run(group, test, outcome) for each test.
template <class Run>
Outcome for_each_test(const Json& document, const Kind& kind, Run run) {
  Outcome outcome;
  outcome.kind = kind.name;
  for (const Json& group : document.at("testGroups")) {
    const auto tests = group.is_object() ? group.find("tests") : group.end();
    if (!group.is_object() || tests == group.end() || !tests->is_array()) {
      outcome.record(false, "a group", "has no tests");
      continue;
    }
    for (const Json& test : *tests) {
      if (test.is_object() && verdict_of(test)) {
        run(group, test, outcome);
      } else {
        outcome.record(false, "a test", "has no known result");
      }
    }
  }
  return outcome;
}

std::string explain(bool accepted, const std::string& verdict) {
  return std::string(accepted ? "accepted" : "rejected") + ", the file says " + verdict;
}

Outcome run_ed25519(const Json& document, const Kind& kind) {
  return for_each_test(document, kind, [](const Json& group, const Json& test, Outcome& outcome) {
    const Json& key_object = group.contains("publicKey") ? group["publicKey"] : group.value("key", Json());
    if (text_at(key_object, "curve").value_or("edwards25519") != "edwards25519") return outcome.skip();
    const auto key = hex_at(key_object, "pk");
    const auto message = hex_at(test, "msg");
    const auto signature = hex_at(test, "sig");
    if (!key || !message || !signature) return outcome.record(false, name_of(test), "a field is missing or malformed");
    const std::string verdict = *verdict_of(test);
    const bool accepted = crypto::strict_verify(*key, *message, *signature);
    const bool as_stated = verdict == "acceptable" || accepted == (verdict == "valid");
    outcome.record(accepted, name_of(test), as_stated ? "" : explain(accepted, verdict));
  });
}

// The runner's own arithmetic, byte by byte from the top: is the little-endian number at least 2^255 - 19?
bool at_least_p(const Bytes& key) {
  std::array<std::uint8_t, 32> p;
  p.fill(0xff);
  p[0] = 0xed;
  p[31] = 0x7f;
  return !std::lexicographical_compare(key.rbegin(), key.rend(), p.rbegin(), p.rend());
}

void run_x25519_test(const Json& test, Outcome& outcome) {
  const auto public_key = hex_at(test, "public");
  const auto secret = hex_at(test, "private");
  const auto shared = hex_at(test, "shared");
  if (!public_key || public_key->size() != 32 || !secret || secret->size() != 32 || !shared || shared->size() != 32) {
    return outcome.record(false, name_of(test), "a field is missing or malformed");
  }
  std::array<std::uint8_t, 32> raw{};
  const bool accepted = crypto_scalarmult(raw.data(), secret->data(), public_key->data()) == 0;
  const bool zero = std::all_of(shared->begin(), shared->end(), [](std::uint8_t b) { return b == 0; });
  const bool non_canonical = at_least_p(*public_key);
  std::array<std::uint8_t, 32> ours{};
  const auto done = crypto::x25519_into(ours, *secret, *public_key);
  outcome.more["non_canonical"] += non_canonical ? 1 : 0;
  outcome.more["refused"] += done ? 0 : 1;

  std::string mismatch;
  if (accepted == zero) mismatch = accepted ? "the result is not zero" : "the result is zero";
  if (accepted && !std::equal(raw.begin(), raw.end(), shared->begin())) mismatch = "shared secret is " + to_hex(raw);
  if (*verdict_of(test) == "invalid") mismatch = "X25519 has no invalid inputs of 32 bytes";
  if (*verdict_of(test) == "valid" && (non_canonical || !accepted)) mismatch = "the library refuses a valid key";
  if (done.ok() != (accepted && !non_canonical)) mismatch = "the library does not hold to rule 2";
  if (done && ours != raw) mismatch = "the library's result is " + to_hex(ours);
  if (!done && non_canonical && done.error().code != crypto::kNonCanonicalKey) mismatch = "refused for another reason";
  outcome.record(accepted, name_of(test), mismatch);
}

Outcome run_x25519(const Json& document, const Kind& kind) {
  return for_each_test(document, kind, [](const Json& group, const Json& test, Outcome& outcome) {
    if (text_at(group, "curve").value_or("curve25519") != "curve25519") return outcome.skip();
    run_x25519_test(test, outcome);
  });
}

struct AeadTest {
  Bytes key, nonce, associated, plaintext, sealed;  // sealed: ciphertext with its tag
  bool right_sizes = false;
};

std::optional<AeadTest> read_aead(const Json& test, std::size_t nonce_size) {
  const auto key = hex_at(test, "key");
  const auto nonce = hex_at(test, "iv");
  const auto associated = hex_at(test, "aad");
  const auto plaintext = hex_at(test, "msg");
  const auto ciphertext = hex_at(test, "ct");
  const auto tag = hex_at(test, "tag");
  if (!key || !nonce || !associated || !plaintext || !ciphertext || !tag) return std::nullopt;
  AeadTest out{*key, *nonce, *associated, *plaintext, *ciphertext};
  append(out.sealed, *tag);
  out.right_sizes = key->size() == 32 && nonce->size() == nonce_size && tag->size() == 16;
  return out;
}

// The plaintext, or nothing when the tag does not hold.
std::optional<Bytes> decrypt(const AeadTest& test) {
  if (test.nonce.size() == crypto::internal::kNonceSize) {
    Bytes out(test.sealed.size() - 16);
    if (!crypto::internal::decrypt(out, test.sealed, test.associated, test.nonce, test.key)) return std::nullopt;
    return out;
  }
  Bytes buffer = test.sealed;
  if (!crypto::internal::decrypt_chacha(buffer, test.associated, test.nonce, test.key)) return std::nullopt;
  buffer.resize(buffer.size() - 16);
  return buffer;
}

Bytes encrypt(const AeadTest& test) {
  if (test.nonce.size() == crypto::internal::kNonceSize) {
    Bytes out(test.plaintext.size() + 16);
    crypto::internal::encrypt(out, test.plaintext, test.associated, test.nonce, test.key);
    return out;
  }
  Bytes buffer = test.plaintext;
  buffer.resize(buffer.size() + 16);
  crypto::internal::encrypt_chacha(buffer, test.associated, test.nonce, test.key);
  return buffer;
}

Outcome run_aead(const Json& document, const Kind& kind) {
  return for_each_test(document, kind, [&kind](const Json&, const Json& test, Outcome& outcome) {
    const auto parts = read_aead(test, kind.nonce_size);
    if (!parts) return outcome.record(false, name_of(test), "a field is missing or malformed");
    const std::string verdict = *verdict_of(test);
    // A valid vector of another size is of a variant that we do not have; an invalid one is to be refused.
    if (!parts->right_sizes && verdict != "invalid") return outcome.skip();
    const auto plaintext = parts->right_sizes ? decrypt(*parts) : std::nullopt;
    std::string mismatch;
    if (verdict != "acceptable" && plaintext.has_value() != (verdict == "valid")) {
      mismatch = explain(plaintext.has_value(), verdict);
    } else if (plaintext && *plaintext != parts->plaintext) {
      mismatch = "another plaintext";
    } else if (plaintext && encrypt(*parts) != parts->sealed) {
      mismatch = "encrypting gives another ciphertext";
    }
    outcome.record(plaintext.has_value(), name_of(test), mismatch);
  });
}

constexpr Kind kKinds[] = {
    {"EDDSA", "EddsaVerify", "wycheproof-ed25519", run_ed25519, 0},
    {"XDH", "XdhComp", "wycheproof-x25519", run_x25519, 0},
    {"XCHACHA20-POLY1305", "AeadTest", "wycheproof-xchacha20-poly1305", run_aead, crypto::internal::kNonceSize},
    {"CHACHA20-POLY1305", "AeadTest", "wycheproof-chacha20-poly1305", run_aead, crypto::internal::kChachaNonceSize},
};

const Kind* kind_of(const Json& document) {
  const auto algorithm = text_at(document, "algorithm");
  const auto groups = document.is_object() ? document.find("testGroups") : document.end();
  if (!algorithm || groups == document.end() || !groups->is_array() || groups->empty()) return nullptr;
  // Older files name the curve here ("Ed25519") and the type of a group in the same way as newer ones.
  const auto type = text_at(groups->front(), "type").value_or("");
  for (const Kind& kind : kKinds) {
    if (*algorithm == kind.algorithm && type == kind.group_type) return &kind;
  }
  return nullptr;
}

}  // namespace

bool is_wycheproof(const Json& document) { return kind_of(document) != nullptr; }

Outcome run_wycheproof(const Json& document) {
  const Kind& kind = *kind_of(document);
  return kind.run(document, kind);
}

}  // namespace tocsin::vectors
