// Canonical Cap'n Proto messages to and from bytes (rule 5; docs/protocol.md, section 1). For .cc files of protocol/
// alone: it pulls in Cap'n Proto, which no header of ours shows to others.
//
//   Result<NodeId> id = canonical::decode<schema::PrekeyList>(bytes, kMax, [](schema::PrekeyList::Reader in) ->
//   Result<NodeId> {…}); Bytes bytes       = canonical::encode<schema::PrekeyList>([&](schema::PrekeyList::Builder out)
//   {…});
#pragma once

#include <capnp/message.h>
#include <kj/exception.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "crypto/bytes.h"
#include "protocol/codes.h"

namespace tocsin::protocol {

// Every message says it in its first field; one that says another is of a later version.
inline constexpr std::uint16_t kFormatVersion = 1;

// not_canonical is: not a whole number of words, longer than allowed, more than one segment, not in canonical form,
// bytes behind its end, nested or traversed beyond the limits, or a field of another type than the schema's. One code:
// whoever made it broke rule 5.
namespace canonical {

inline constexpr int kNestingMax = 16;  // pointers below pointers; our schemas need at most 7

// A message that was checked, in memory of its own: input has no alignment. Readers live as long as this object.
class Message {
 public:
  // Error (peer): not_canonical. `bytes_max` is checked before anything is copied.
  static Result<Message> open(ByteView bytes, std::size_t bytes_max);

  // The calls below, and every reader taken from here, throw kj::Exception on a field of a wrong type: use inside
  // guard().
  template <class Schema>
  typename Schema::Reader root() {
    return held_->reader.template getRoot<Schema>();
  }

 private:
  // The reader points at the segment, the segment at the words: they stay where they are when a Message moves.
  struct Held {
    Held(kj::Array<capnp::word> input, const capnp::ReaderOptions& options);
    kj::Array<capnp::word> words;
    kj::ArrayPtr<const capnp::word> segment;
    capnp::SegmentArrayMessageReader reader;
  };
  explicit Message(std::unique_ptr<Held> held) : held_(std::move(held)) {}
  std::unique_ptr<Held> held_;
};

// What `read` returns, or not_canonical when it throws kj::Exception. `read` returns a Result.
template <class Read>
std::invoke_result_t<Read> guard(Read&& read) {
  try {
    return std::forward<Read>(read)();
  } catch (const kj::Exception&) {
    // Its text holds a stack trace and positions in the input: neither is for logs or peers.
    return peer_error(kNotCanonical, "a field does not fit the schema, or the message breaks the reader's limits");
  }
}

template <class Schema, class Read>
std::invoke_result_t<Read, typename Schema::Reader> decode(ByteView bytes, std::size_t bytes_max, Read&& read) {
  auto message = Message::open(bytes, bytes_max);
  if (!message) return message.error();
  return guard([&] { return std::forward<Read>(read)(message->template root<Schema>()); });
}

// The one canonical form of what the builder holds.
Bytes to_bytes(kj::ArrayPtr<const capnp::word> words);

template <class Schema, class Fill>
Bytes encode(Fill&& fill) {
  capnp::MallocMessageBuilder message;
  std::forward<Fill>(fill)(message.initRoot<Schema>());
  const auto words = capnp::canonicalize(message.getRoot<Schema>().asReader());
  return to_bytes(words);
}

// Fields in and out.
inline ByteView view(capnp::Data::Reader data) { return {data.begin(), data.size()}; }
inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline capnp::Data::Reader data(ByteView bytes) { return {bytes.data(), bytes.size()}; }
template <class Tag, std::size_t N>
capnp::Data::Reader data(const FixedBytes<Tag, N>& fixed) {
  return data(fixed.view());
}
// `text` has no zero byte inside and one behind it, as std::string has.
inline capnp::Text::Reader text(const std::string& text) { return {text.c_str(), text.size()}; }

// Between a schema's enum and ours of the same numbers; a number that neither knows stays as it is (rule 16).
template <class To, class From>
To enum_as(From value) {
  return static_cast<To>(static_cast<std::uint16_t>(value));
}

// False when the field does not have exactly the size of `out`.
template <class Fixed>
[[nodiscard]] bool take(Fixed& out, capnp::Data::Reader field) {
  const auto fixed = Fixed::from(view(field));
  if (!fixed) return false;
  out = *fixed;
  return true;
}

}  // namespace canonical
}  // namespace tocsin::protocol
