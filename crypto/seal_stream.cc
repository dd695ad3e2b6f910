#include <cassert>

#include "crypto/aead.h"
#include "crypto/body.h"
#include "crypto/codes.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

namespace tocsin::crypto {
namespace {

constexpr std::size_t kSealedChunk = kStreamChunk + crypto_secretstream_xchacha20poly1305_ABYTES;
static_assert(kStreamHeader == 1 + crypto_secretstream_xchacha20poly1305_HEADERBYTES);

SecretBuffer stream_key(ByteView key, const Label& purpose, ByteView associated) {
  assert(key.size() == internal::kKeySize);
  SecretBuffer out(crypto_secretstream_xchacha20poly1305_KEYBYTES);
  Hasher(kPersonalStreamKey, out.size(), key).update(purpose.view()).update(associated).finish(out.mutable_view());
  return out;
}

}  // namespace

SealedWriter::SealedWriter(ByteView key, Label purpose, ByteView associated, Random& random) {
  const SecretBuffer derived = stream_key(key, purpose, associated);
  start_.resize(kStreamHeader);
  start_[0] = kSuiteClassic;
  const MutableByteView header = MutableByteView(start_).subspan(1);
  random.fill(header);
  // init_push is init_pull with a header out of libsodium's own generator; ours comes from `random`.
  crypto_secretstream_xchacha20poly1305_init_pull(&state_, header.data(), derived.view().data());
  pending_.reserve(kStreamChunk);
}

SealedWriter::~SealedWriter() {
  sodium_memzero(&state_, sizeof state_);
  wipe(pending_);
}

void SealedWriter::push_chunk(unsigned char tag, Bytes& out) {
  append(out, start_);
  start_.clear();
  const std::size_t at = out.size();
  out.resize(at + pending_.size() + crypto_secretstream_xchacha20poly1305_ABYTES);
  crypto_secretstream_xchacha20poly1305_push(&state_, out.data() + at, nullptr, pending_.data(), pending_.size(),
                                             nullptr, 0, tag);
  pending_.clear();
}

void SealedWriter::write(ByteView plaintext, Bytes& out) {
  while (!plaintext.empty()) {
    if (pending_.size() == kStreamChunk) push_chunk(crypto_secretstream_xchacha20poly1305_TAG_MESSAGE, out);
    const std::size_t take = std::min(plaintext.size(), kStreamChunk - pending_.size());
    append(pending_, plaintext.first(take));
    plaintext = plaintext.subspan(take);
  }
}

void SealedWriter::finish(Bytes& out) { push_chunk(crypto_secretstream_xchacha20poly1305_TAG_FINAL, out); }

SealedReader::SealedReader(ByteView key, Label purpose, ByteView associated)
    : key_(stream_key(key, purpose, associated)) {
  pending_.reserve(kSealedChunk);
}

SealedReader::~SealedReader() { sodium_memzero(&state_, sizeof state_); }

Result<void> SealedReader::fail(Error error) {
  failed_ = std::move(error);
  return *failed_;
}

Result<void> SealedReader::start() {
  if (pending_[0] != kSuiteClassic)
    return fail(environment_error(kUnknownSuite, "suite " + std::to_string(pending_[0])));
  if (crypto_secretstream_xchacha20poly1305_init_pull(&state_, pending_.data() + 1, key_.view().data()) != 0) {
    return fail(environment_error(kDecryptionFailed, "the start of the stream is not ours"));
  }
  started_ = true;
  pending_.clear();
  return kOk;
}

Result<void> SealedReader::pull_chunk(ByteView chunk, Bytes& out) {
  if (chunk.size() < crypto_secretstream_xchacha20poly1305_ABYTES) {
    return fail(environment_error(kTruncatedStream, "the last chunk is cut"));
  }
  const std::size_t at = out.size();
  const std::size_t size = chunk.size() - crypto_secretstream_xchacha20poly1305_ABYTES;
  out.resize(at + size);
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_, out.data() + at, nullptr, &tag, chunk.data(), chunk.size(),
                                                 nullptr, 0) != 0) {
    out.resize(at);
    return fail(environment_error(kDecryptionFailed, "wrong key or place, or changed bytes"));
  }
  final_seen_ = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return kOk;
}

Result<void> SealedReader::read(ByteView sealed, Bytes& out) {
  if (failed_) return *failed_;
  while (!sealed.empty()) {
    if (final_seen_) return fail(environment_error(kTrailingBytes, "bytes after the last chunk"));
    const std::size_t want = started_ ? kSealedChunk : kStreamHeader;
    const std::size_t take = std::min(sealed.size(), want - pending_.size());
    append(pending_, sealed.first(take));
    sealed = sealed.subspan(take);
    if (pending_.size() < want) break;
    if (!started_) {
      TOCSIN_TRY(start());
    } else {
      TOCSIN_TRY(pull_chunk(pending_, out));
      pending_.clear();
    }
  }
  return kOk;
}

Result<void> SealedReader::finish(Bytes& out) {
  if (failed_) return *failed_;
  if (!started_) return fail(environment_error(kTruncatedStream, "the stream has no start"));
  if (!final_seen_) {
    TOCSIN_TRY(pull_chunk(pending_, out));
    pending_.clear();
    if (!final_seen_) return fail(environment_error(kTruncatedStream, "the last chunk is missing"));
  }
  return kOk;
}

}  // namespace tocsin::crypto
