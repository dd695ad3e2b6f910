// Errors as values. Expected failures (a bad peer, file, disk or argument) travel as Result<T>; exceptions do not cross
// a layer. An assert is our own bug and never depends on input from outside.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tocsin {

// Who is to blame: decides the log level, and whether a peer's counter rises.
enum class Origin {
  kPeer,         // bytes from outside broke a rule (a session, a card, a bundle, an import file)
  kCaller,       // the person or script asked for something that cannot be (bad argument, no such id, not allowed)
  kEnvironment,  // disk, network, memory, clock, permissions
  kInternal,     // our bug; should never be seen
};
std::string_view to_string(Origin origin);

// A stable reason code: lower_snake_case, made from literals only, so that codes can be listed by grep and scripts may
// rely on them. Each layer declares its codes as constants in its own header (`inline constexpr Code
// kBadSignature{"bad_signature"};`).
class Code {
 public:
  template <std::size_t N>
#if defined(__clang__) && __clang_major__ < 15
  constexpr  // clang 14 crashes on consteval temporaries in arguments; gcc checks the literals
#else
  consteval
#endif
      Code(const char (&literal)[N])
      : text_(literal, N - 1) {
  }
  constexpr std::string_view text() const { return text_; }
  friend constexpr bool operator==(Code a, Code b) { return a.text_ == b.text_; }

 private:
  std::string_view text_;
};

// `detail` is for people: what was wrong and, where one exists, what to do. It never holds a secret, report content, or
// bytes of a peer other than hexadecimal ids.
struct Error {
  Code code;
  Origin origin;
  std::string detail;
};

inline Error peer_error(Code code, std::string detail = {}) { return {code, Origin::kPeer, std::move(detail)}; }
inline Error caller_error(Code code, std::string detail = {}) { return {code, Origin::kCaller, std::move(detail)}; }
inline Error environment_error(Code code, std::string detail = {}) {
  return {code, Origin::kEnvironment, std::move(detail)};
}
inline Error internal_error(Code code, std::string detail = {}) { return {code, Origin::kInternal, std::move(detail)}; }

// A value or an Error. Dereference only after a check: `if (!r) return r.error();`.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& value() {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value: `return kOk;`.
struct Ok {};
inline constexpr Ok kOk{};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result(Ok = {}) {}
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

// TOCSIN_TRY(expr): returns its error from the enclosing function; TOCSIN_ASSIGN(name, expr): declares `name` with the
// value.
#define TOCSIN_CONCAT_(a, b) a##b
#define TOCSIN_CONCAT(a, b) TOCSIN_CONCAT_(a, b)
#define TOCSIN_TRY(expr)                                               \
  do {                                                                 \
    if (auto tocsin_r_ = (expr); !tocsin_r_) return tocsin_r_.error(); \
  } while (0)
#define TOCSIN_ASSIGN(name, expr) TOCSIN_ASSIGN_(name, expr, TOCSIN_CONCAT(tocsin_r_, __LINE__))
#define TOCSIN_ASSIGN_(name, expr, tmp) \
  auto tmp = (expr);                    \
  if (!tmp) return tmp.error();         \
  auto name = std::move(*tmp)

}  // namespace tocsin
