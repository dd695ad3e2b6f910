#include "crypto/secret.h"

#include <sodium.h>

#include <new>
#include <utility>

namespace tocsin::crypto {
namespace {

std::uint8_t* allocate(std::size_t size) {
  // sodium_malloc needs the page size and canary that sodium_init sets; a program that forgot init() must not get less.
  static const int started = sodium_init();
  void* memory = started < 0 ? nullptr : sodium_malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  sodium_memzero(memory, size);
  return static_cast<std::uint8_t*>(memory);
}

}  // namespace

bool constant_time_equal(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(MutableByteView bytes) {
  if (!bytes.empty()) sodium_memzero(bytes.data(), bytes.size());
}

SecretBuffer::SecretBuffer(std::size_t size) : data_(size == 0 ? nullptr : allocate(size)), size_(size) {}

SecretBuffer SecretBuffer::copy_of(ByteView bytes) {
  SecretBuffer out(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.data_);
  return out;
}

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this == &other) return *this;
  reset();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

SecretBuffer::~SecretBuffer() { reset(); }

void SecretBuffer::reset() {
  sodium_free(data_);  // zeroes first; null is allowed
  data_ = nullptr;
  size_ = 0;
}

}  // namespace tocsin::crypto
