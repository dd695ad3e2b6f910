#include "crypto/noise.h"

#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

using crypto::CipherState;
using crypto::HandshakeState;
using crypto::NoiseRole;
using crypto::PairKey;
using crypto::TransportKeyPair;
using crypto::TransportPublic;

// Gives the ephemeral secret that the vector names.
class FixedRandom final : public crypto::Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(MutableByteView out) override {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    std::copy_n(bytes_.begin(), std::min(out.size(), bytes_.size()), out.begin());
  }

 private:
  Bytes bytes_;
};

struct Message {
  Bytes payload;
  Bytes ciphertext;
};

// One side of a vector: owns what its HandshakeState borrows.
struct Side {
  explicit Side(Bytes ephemeral) : random(std::move(ephemeral)) {}
  FixedRandom random;
  std::optional<HandshakeState> handshake;
  std::optional<CipherState> send;
  std::optional<CipherState> receive;
};

// noise-c writes "name", cacophony and snow "protocol_name".
std::optional<std::string> protocol_name(const Json& vector) {
  auto name = text_at(vector, "protocol_name");
  return name ? name : text_at(vector, "name");
}

bool is_absent(const Json& vector, const std::string& key) { return !vector.contains(key) || vector[key].is_null(); }

// False when the field is there and malformed.
bool read_optional_hex(const Json& vector, const std::string& key, std::optional<Bytes>& out) {
  if (is_absent(vector, key)) return true;
  out = hex_at(vector, key.c_str());
  return out.has_value();
}

bool read_psks(const Json& vector, const std::string& key, std::vector<PairKey>& out) {
  if (is_absent(vector, key)) return true;
  if (!vector[key].is_array()) return false;
  for (const Json& item : vector[key]) {
    const auto bytes = item.is_string() ? from_hex(item.get<std::string>()) : std::nullopt;
    auto psk = bytes ? PairKey::from(*bytes) : std::nullopt;
    if (!psk) return false;
    out.push_back(std::move(*psk));
  }
  return true;
}

std::optional<std::vector<Message>> read_messages(const Json& vector) {
  const auto at = vector.find("messages");
  if (at == vector.end() || !at->is_array() || at->empty()) return std::nullopt;
  std::vector<Message> out;
  for (const Json& item : *at) {
    auto payload = hex_at(item, "payload");
    auto ciphertext = hex_at(item, "ciphertext");
    if (!payload || !ciphertext) return std::nullopt;
    out.push_back({std::move(*payload), std::move(*ciphertext)});
  }
  return out;
}

// A side from the fields that begin with `prefix`. On failure `why` says what is wrong with the vector.
std::unique_ptr<Side> make_side(const Json& vector, const std::string& name, const std::string& prefix, NoiseRole role,
                                std::string& why) {
  std::optional<Bytes> prologue, ephemeral, local, remote;
  std::vector<PairKey> psks;
  if (!read_optional_hex(vector, prefix + "_prologue", prologue) ||
      !read_optional_hex(vector, prefix + "_ephemeral", ephemeral) ||
      !read_optional_hex(vector, prefix + "_static", local) ||
      !read_optional_hex(vector, prefix + "_remote_static", remote) || !read_psks(vector, prefix + "_psks", psks)) {
    why = "a field is malformed";
    return nullptr;
  }
  std::optional<TransportKeyPair> local_pair;
  if (local) {
    auto secret = crypto::TransportSecret::from(*local);
    if (!secret) {
      why = prefix + "_static has a wrong size";
      return nullptr;
    }
    local_pair = TransportKeyPair::from_secret(std::move(*secret));
  }
  auto side = std::make_unique<Side>(ephemeral.value_or(Bytes()));
  crypto::HandshakeConfig config;
  config.protocol_name = name;
  config.role = role;
  if (prologue) config.prologue = *prologue;
  config.local_static = local_pair ? &*local_pair : nullptr;
  if (remote) config.remote_static = TransportPublic::from(*remote);
  for (const PairKey& psk : psks) config.psks.push_back(&psk);
  auto handshake = HandshakeState::create(config, side->random);
  if (!handshake) {
    why = std::string(handshake.error().code.text());
    return nullptr;
  }
  side->handshake = std::move(*handshake);
  return side;
}

std::string exchange_handshake(Side& from, Side& to, const Message& message) {
  const auto written = from.handshake->write_message(message.payload);
  if (!written) return std::string(written.error().code.text());
  if (*written != message.ciphertext) return "another ciphertext";
  const auto read = to.handshake->read_message(message.ciphertext);
  if (!read) return std::string(read.error().code.text());
  return *read == message.payload ? "" : "another payload";
}

std::string exchange_transport(Side& from, Side& to, const Message& message) {
  Bytes buffer = message.payload;
  buffer.resize(buffer.size() + crypto::kNoiseTag);
  if (const auto sent = from.send->encrypt_in_place(buffer); !sent) return std::string(sent.error().code.text());
  if (buffer != message.ciphertext) return "another ciphertext";
  const auto got = to.receive->decrypt_in_place(buffer);
  if (!got) return std::string(got.error().code.text());
  return to_bytes(*got) == message.payload ? "" : "another payload";
}

std::string finish(Side& initiator, Side& responder, const std::optional<Bytes>& handshake_hash) {
  for (Side* side : {&initiator, &responder}) {
    auto keys = side->handshake->split();
    if (!keys) return std::string(keys.error().code.text());
    if (handshake_hash && to_bytes(keys->handshake_hash.view()) != *handshake_hash) return "another handshake hash";
    side->send = std::move(keys->send);
    side->receive = std::move(keys->receive);
  }
  return "";
}

// Empty when all went as stated.
std::string run_vector(const Json& vector, const std::string& name, bool one_way) {
  const auto messages = read_messages(vector);
  std::optional<Bytes> handshake_hash;
  if (!messages || !read_optional_hex(vector, "handshake_hash", handshake_hash)) return "a field is malformed";
  std::string why;
  const auto initiator = make_side(vector, name, "init", NoiseRole::kInitiator, why);
  if (!initiator) return why;
  const auto responder = make_side(vector, name, "resp", NoiseRole::kResponder, why);
  if (!responder) return why;
  for (std::size_t i = 0; i < messages->size(); ++i) {
    // Turns alternate from the first message to the last, but in one-way patterns only the initiator speaks.
    const bool from_initiator = one_way || i % 2 == 0;
    Side& from = from_initiator ? *initiator : *responder;
    Side& to = from_initiator ? *responder : *initiator;
    const bool handshake = !initiator->send;
    why = handshake ? exchange_handshake(from, to, (*messages)[i]) : exchange_transport(from, to, (*messages)[i]);
    if (why.empty() && handshake && initiator->handshake->finished()) {
      why = finish(*initiator, *responder, handshake_hash);
    }
    if (!why.empty()) return "message " + std::to_string(i) + ": " + why;
  }
  if (handshake_hash && !initiator->send) return "the handshake does not end";
  return "";
}

}  // namespace

bool is_noise(const Json& document) {
  const auto vectors = document.is_object() ? document.find("vectors") : document.end();
  if (vectors == document.end() || !vectors->is_array() || vectors->empty()) return false;
  const auto name = protocol_name(vectors->front());
  return name && name->starts_with("Noise") && vectors->front().contains("messages");
}

Outcome run_noise(const Json& document) {
  Outcome outcome;
  outcome.kind = "noise";
  std::size_t index = 0;
  for (const Json& vector : document.at("vectors")) {
    const auto name = protocol_name(vector);
    const std::string label = "vector " + std::to_string(index++) + " " + name.value_or("without a name");
    if (!name) {
      outcome.record(false, label, "a field is missing");
      continue;
    }
    const auto part = crypto::noise_pattern_part(*name);
    const auto pattern = part ? crypto::find_noise_pattern(*part) : std::nullopt;
    if (!pattern) {
      outcome.skip();
      continue;
    }
    const std::string mismatch = run_vector(vector, *name, pattern->one_way());
    outcome.record(mismatch.empty(), label, mismatch);
  }
  return outcome;
}

}  // namespace tocsin::vectors
