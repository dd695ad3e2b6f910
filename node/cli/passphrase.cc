#include "node/cli/passphrase.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>

#include "node/host/keys.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kFileBytesMax = 64 * 1024;
constexpr std::size_t kPassphraseBytesMax = 1024;
using host::kPassphraseBytesMin;
constexpr std::size_t kCredentialBytesMax = 256;
constexpr const char* kNodeVariable = "TOCSIN_PASSPHRASE_FILE";
constexpr const char* kNewVariable = "TOCSIN_NEW_PASSPHRASE_FILE";
constexpr const char* kRootVariable = "TOCSIN_ROOT_PASSPHRASE_FILE";
constexpr const char* kUserVariable = "TOCSIN_USER_PASSWORD_FILE";

// Empty: it is not set.
std::string file_in(const char* variable) {
  const char* path = std::getenv(variable);
  return path ? path : "";
}

// The terminal as it was, for a signal that ends the program while it asks.
int asked_fd = -1;
termios asked_before;

void give_echo_back(int signal) {
  ::tcsetattr(asked_fd, TCSAFLUSH, &asked_before);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// One at a time.
class EchoOff {
 public:
  explicit EchoOff(int fd) {
    if (::tcgetattr(fd, &asked_before) != 0) return;
    asked_fd = fd;
    struct sigaction action {};
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
      // A stopped program would leave the terminal silent.
      action.sa_handler = kSignals[i] == SIGTSTP ? SIG_IGN : give_echo_back;
      ::sigaction(kSignals[i], &action, &before_[i]);
    }
    termios quiet = asked_before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    off_ = ::tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
    if (!off_) give_signals_back();
  }
  ~EchoOff() {
    if (!off_) return;
    ::tcsetattr(asked_fd, TCSAFLUSH, &asked_before);
    give_signals_back();
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  bool off() const { return off_; }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  void give_signals_back() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  struct sigaction before_[std::size(kSignals)] = {};
  bool off_ = false;
};

Result<crypto::SecretBuffer> line_of(ByteView text, std::size_t index, const std::string& path) {
  const auto line = std::to_string(index + 1);
  std::size_t begin = 0;
  for (;; --index) {
    std::size_t end = begin;
    while (end < text.size() && text[end] != '\n') ++end;
    if (index == 0) {
      if (end > begin && text[end - 1] == '\r') --end;
      if (end == begin) break;
      return crypto::SecretBuffer::copy_of(text.subspan(begin, end - begin));
    }
    if (end >= text.size()) break;
    begin = end + 1;
  }
  return caller_error(Code{"no_passphrase"}, "line " + line + " of " + path + " is empty, or not there");
}

Result<crypto::SecretBuffer> from_file(const std::string& path, std::size_t index) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return caller_error(Code{"file_not_readable"}, "cannot read the file " + path);
  struct stat info {};
  ::fstat(fd, &info);
  if (S_ISREG(info.st_mode) && (info.st_mode & 077)) {
    ::close(fd);
    return caller_error(Code{"exposed_file"},
                        path + " can be read by others; run: chmod 600 " + protocol::shell_word(path));
  }
  crypto::SecretBuffer buffer(kFileBytesMax);
  std::size_t have = 0;
  ssize_t got = 0;
  while (have < kFileBytesMax && (got = ::read(fd, buffer.mutable_view().data() + have, kFileBytesMax - have)) > 0)
    have += static_cast<std::size_t>(got);
  ::close(fd);
  return line_of(buffer.view().first(have), index, path);
}

// What is asked for: the prompt on a terminal; without one the line of the file that stands in its place.
struct Question {
  std::string prompt;
  const char* variable;
  std::size_t line = 0;
};

Error cannot_ask(std::string_view why, const Question& question) {
  return caller_error(Code{"no_passphrase"}, std::string(why) + ": \"" + question.prompt +
                                                 "\"; put the answer into line " + std::to_string(question.line + 1) +
                                                 " of a file, and name that in " + question.variable);
}

Result<crypto::SecretBuffer> ask(const Question& question) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0) return cannot_ask("there is no terminal to ask on", question);
  crypto::SecretBuffer buffer(kPassphraseBytesMax);
  std::size_t have = 0;
  {
    EchoOff quiet(fd);
    if (!quiet.off()) {
      ::close(fd);
      return cannot_ask("this terminal would show what is typed", question);
    }
    dprintf(fd, "%s: ", question.prompt.c_str());
    std::uint8_t c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n' && have < kPassphraseBytesMax) buffer.mutable_view()[have++] = c;
  }
  dprintf(fd, "\n");
  ::close(fd);
  return crypto::SecretBuffer::copy_of(buffer.view().first(have));
}

// Twice; a short one is refused before it has to be typed again.
Result<crypto::SecretBuffer> ask_twice(const Question& question) {
  TOCSIN_ASSIGN(first, ask(question));
  if (first.size() < kPassphraseBytesMin) return host::weak_passphrase();
  TOCSIN_ASSIGN(second, ask({"The same again", question.variable, question.line}));
  if (!first.equal(second.view())) return caller_error(Code{"passphrases_differ"}, "the two passphrases differ");
  return first;
}

}  // namespace

std::string passphrase_file() { return file_in(kNodeVariable); }

Result<crypto::SecretBuffer> new_passphrase() {
  if (const auto path = file_in(kNewVariable); !path.empty()) return from_file(path, 0);
  return ask_twice({"New passphrase (at least 8 characters)", kNewVariable});
}

Result<crypto::SecretBuffer> user_password(const std::string& user) {
  if (const auto path = file_in(kUserVariable); !path.empty()) return from_file(path, 0);
  return ask_twice({"Password for " + user + " (at least 8 characters)", kUserVariable});
}

Result<crypto::SecretBuffer> token() {
  if (const auto path = file_in("TOCSIN_TOKEN_FILE"); !path.empty()) return from_file(path, 0);
  return crypto::SecretBuffer();
}

Result<crypto::SecretBuffer> storage_credential() {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (!folder || !*folder) return crypto::SecretBuffer();
  const std::string path = std::string(folder) + "/tocsin.storage";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return crypto::SecretBuffer();
  if (fd < 0) return caller_error(Code{"file_not_readable"}, "cannot read the credential " + path);
  crypto::SecretBuffer buffer(kCredentialBytesMax);
  const ssize_t got = ::read(fd, buffer.mutable_view().data(), kCredentialBytesMax);
  ::close(fd);
  if (got <= 0) return caller_error(Code{"file_not_readable"}, "the credential " + path + " is empty");
  return crypto::SecretBuffer::copy_of(buffer.view().first(static_cast<std::size_t>(got)));
}

Result<crypto::SecretBuffer> node_passphrase(bool fresh) {
  if (const auto path = passphrase_file(); !path.empty()) return from_file(path, 0);
  return fresh ? ask_twice({"Passphrase for this node (at least 8 characters)", kNodeVariable})
               : ask({"Passphrase", kNodeVariable});
}

Result<std::optional<crypto::SecretBuffer>> root_passphrase(std::size_t index, std::string_view what,
                                                            bool fallback_allowed) {
  if (const auto path = file_in(kRootVariable); !path.empty()) {
    TOCSIN_ASSIGN(line, from_file(path, index));
    return std::optional<crypto::SecretBuffer>(std::move(line));
  }
  if (fallback_allowed) return std::optional<crypto::SecretBuffer>();
  TOCSIN_ASSIGN(typed, ask_twice({"Passphrase for the " + std::string(what), kRootVariable, index}));
  return std::optional<crypto::SecretBuffer>(std::move(typed));
}

Result<crypto::SecretBuffer> known_root_passphrase(std::size_t index, const std::string& file) {
  if (const auto path = file_in(kRootVariable); !path.empty()) return from_file(path, index);
  return ask({"Passphrase of " + file, kRootVariable, index});
}

}  // namespace tocsin::cli
