#include "tools/bench/parts.h"

#include <arpa/inet.h>
#include <lmdb.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "crypto/hash.h"
#include "tools/bench/bench_node.h"

namespace tocsin::bench {
namespace {

constexpr std::size_t kFrame = 65519;

double lmdb_append(const std::string& folder, std::size_t entries, const Bytes& value) {
  std::filesystem::create_directory(folder);
  MDB_env* env = nullptr;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, std::size_t{64} << 30);
  if (mdb_env_open(env, folder.c_str(), 0, 0600) != 0) fail("LMDB does not open " + folder);
  const double start = seconds_now();
  MDB_dbi dbi = 0;
  for (std::uint64_t key = 0; key < entries;) {
    MDB_txn* txn = nullptr;
    mdb_txn_begin(env, nullptr, 0, &txn);
    if (key == 0) mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &dbi);
    for (std::size_t n = 0; n < kBatch && key < entries; ++n, ++key) {
      MDB_val k{sizeof key, &key}, v{value.size(), const_cast<std::uint8_t*>(value.data())};
      if (mdb_put(txn, dbi, &k, &v, MDB_APPEND) != 0) fail("LMDB does not take an entry");
    }
    if (mdb_txn_commit(txn) != 0) fail("LMDB does not commit");
  }
  const double seconds = seconds_now() - start;
  mdb_env_close(env);
  std::filesystem::remove_all(folder);
  return seconds;
}

double loopback(std::size_t bytes) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1) != 0)
    fail("no loopback");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const double start = seconds_now();
  std::thread sender([&] {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("no loopback");
    std::vector<char> piece(kFrame);
    for (std::size_t sent = 0; sent < bytes;) {
      const auto n = ::send(fd, piece.data(), std::min(piece.size(), bytes - sent), MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    ::close(fd);
  });
  const int fd = ::accept(listener, nullptr, nullptr);
  std::vector<char> piece(4 * kFrame);
  while (::recv(fd, piece.data(), piece.size(), 0) > 0) {
  }
  sender.join();
  ::close(fd);
  ::close(listener);
  return seconds_now() - start;
}

double seal_and_open(std::size_t bytes) {
  Bytes buffer(kFrame + crypto_aead_chacha20poly1305_ietf_ABYTES);
  unsigned char key[32], nonce[12] = {};
  randombytes_buf(key, sizeof key);
  const double start = seconds_now();
  for (std::size_t done = 0; done < bytes; done += kFrame) {
    unsigned long long size = 0;
    crypto_aead_chacha20poly1305_ietf_encrypt(buffer.data(), &size, buffer.data(), kFrame, nullptr, 0, nullptr, nonce,
                                              key);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(buffer.data(), nullptr, nullptr, buffer.data(), size, nullptr, 0,
                                                  nonce, key) != 0)
      fail("does not open");
  }
  return seconds_now() - start;
}

}  // namespace

Parts measure_parts(const std::string& folder, std::size_t entries, std::size_t entry_bytes, std::size_t body_bytes,
                    std::size_t wire_bytes) {
  const auto n = std::min<std::size_t>(entries, 200'000);
  const auto each = [n](double seconds) { return seconds * 1e6 / static_cast<double>(n); };
  Bytes value(entry_bytes), body(body_bytes);
  randombytes_buf(value.data(), value.size());
  Parts out;
  out.lmdb_us = each(lmdb_append(folder + "/bound", n, value));
  std::array<std::uint8_t, 32> hash;
  const double start = seconds_now();
  for (std::size_t i = 0; i < n; ++i) {
    body[0] = static_cast<std::uint8_t>(i);
    crypto::hash256_into(hash, crypto::kPersonalBody, body);
  }
  out.blake2b_us = each(seconds_now() - start);
  out.seal_open_us = each(seal_and_open(n * wire_bytes));
  out.loopback_us = each(loopback(n * wire_bytes));
  return out;
}

}  // namespace tocsin::bench
