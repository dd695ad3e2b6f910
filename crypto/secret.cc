#include "crypto/secret.h"

#include <sodium.h>

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace tocsin::crypto {
namespace {

std::uint8_t* allocate_guarded(std::size_t size) {
  // sodium_malloc needs the page size and canary that sodium_init sets; a program that forgot init() must not get less.
  static const int started = sodium_init();
  void* memory = started < 0 ? nullptr : sodium_malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  sodium_memzero(memory, size);
  return static_cast<std::uint8_t*>(memory);
}

// Small secrets share guarded regions. One region for each would cost four mappings, a locked page and some hundred
// microseconds: a handshake makes twenty, and a process has 65,530 mappings in all and often only 8 MiB that it may
// lock. Places are zero whenever they are free. Regions stay until the process ends.
class SecretPool {
 public:
  static constexpr std::size_t kPlaceMax = 512;

  static SecretPool& instance() {
    static SecretPool* const pool = new SecretPool;  // never destroyed: secrets of static duration may outlive anything
    return *pool;
  }

  std::uint8_t* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint8_t*>& places = free_[class_of(size)];
    if (places.empty()) add_region(places, (class_of(size) + 1) * kStep);
    std::uint8_t* place = places.back();
    places.pop_back();
    return place;
  }

  void give_back(std::uint8_t* place, std::size_t size) {
    sodium_memzero(place, size);
    const std::lock_guard lock(mutex_);
    free_[class_of(size)].push_back(place);  // add_region has made room: no allocation here
  }

 private:
  static constexpr std::size_t kStep = 32;
  static constexpr std::size_t kRegion = 16 * 1024;

  static std::size_t class_of(std::size_t size) { return (size - 1) / kStep; }

  void add_region(std::vector<std::uint8_t*>& places, std::size_t place_size) {
    const std::size_t count = kRegion / place_size;
    std::size_t& total = total_[place_size / kStep - 1];
    places.reserve(total + count);
    std::uint8_t* region = allocate_guarded(count * place_size);
    total += count;
    for (std::size_t i = 0; i < count; ++i) places.push_back(region + i * place_size);
  }

  std::mutex mutex_;
  std::array<std::vector<std::uint8_t*>, kPlaceMax / kStep> free_;
  std::array<std::size_t, kPlaceMax / kStep> total_{};  // places of each class, free or taken
};

std::uint8_t* allocate(std::size_t size) {
  return size <= SecretPool::kPlaceMax ? SecretPool::instance().take(size) : allocate_guarded(size);
}

void release(std::uint8_t* data, std::size_t size) {
  if (data == nullptr) return;
  if (size <= SecretPool::kPlaceMax) {
    SecretPool::instance().give_back(data, size);
  } else {
    sodium_free(data);  // zeroes first
  }
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
  release(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace tocsin::crypto
