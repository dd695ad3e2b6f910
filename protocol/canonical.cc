#include "protocol/canonical.h"

namespace tocsin::protocol::canonical {
namespace {

constexpr std::size_t kWordBytes = sizeof(capnp::word);
// A canonical message has no two pointers to one place, so one check and a few walks over it read each word a few
// times. The rest is room for small messages; a hostile one that claims more than it holds runs into this.
constexpr std::uint64_t kTraversalsMax = 8;
constexpr std::uint64_t kTraversalSlackWords = 64;

Error refused(std::string detail) { return peer_error(kNotCanonical, std::move(detail)); }

}  // namespace

Message::Held::Held(kj::Array<capnp::word> input, const capnp::ReaderOptions& options)
    : words(kj::mv(input)), segment(words), reader(kj::arrayPtr(&segment, 1), options) {}

Result<Message> Message::open(ByteView bytes, std::size_t bytes_max) {
  if (bytes.size() > bytes_max) {
    return refused("the message has " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(bytes_max));
  }
  if (bytes.empty() || bytes.size() % kWordBytes != 0) return refused("the message is not a whole number of words");
  auto words = kj::heapArray<capnp::word>(bytes.size() / kWordBytes);
  std::memcpy(words.begin(), bytes.data(), bytes.size());

  capnp::ReaderOptions options;
  options.traversalLimitInWords = kTraversalsMax * words.size() + kTraversalSlackWords;
  options.nestingLimit = kNestingMax;
  try {
    auto held = std::make_unique<Held>(kj::mv(words), options);
    if (!held->reader.isCanonical()) return refused("the message is not in canonical form");
    return Message(std::move(held));
  } catch (const kj::Exception&) {
    return refused("the message is damaged, or breaks the reader's limits");
  }
}

Bytes to_bytes(kj::ArrayPtr<const capnp::word> words) {
  const auto bytes = words.asBytes();
  return Bytes(bytes.begin(), bytes.end());
}

}  // namespace tocsin::protocol::canonical
