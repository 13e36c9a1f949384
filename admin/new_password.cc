#include "admin/new_password.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "admin/descriptor.h"
#include "protocols/auth/saslprep.h"
#include "protocols/utf8.h"
#include "storage/accounts/password.h"

namespace mailstead::admin {
namespace {

Error bad_password(std::string message) {
  return Error{ErrorKind::kInvalid, std::move(message)};
}

// One line without its end, unless `interrupt` stands in it. Octet by octet: what follows the line is
// somebody else's.
Result<std::string> read_line(int descriptor, std::optional<char> interrupt = std::nullopt) {
  std::string line;
  char octet = 0;
  while (line.size() <= 2 * kMaxPassword) {
    const ssize_t got = ::read(descriptor, &octet, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorKind::kIo, "cannot read the password"};
    if (got == 0 || octet == '\n') break;
    if (octet == interrupt) return Error{ErrorKind::kIo, "interrupted; nothing was changed"};
    line += octet;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// No echo while it lives. The interrupt key is a character that ends the reading and not the process: so the
// echo comes back.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    quiet_ = ::tcgetattr(terminal_, &before_) == 0;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    silent.c_cc[VEOL] = before_.c_cc[VINTR];
    if (quiet_) quiet_ = ::tcsetattr(terminal_, TCSAFLUSH, &silent) == 0;
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (quiet_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  bool quiet() const { return quiet_; }
  char interrupt() const { return static_cast<char>(before_.c_cc[VINTR]); }

 private:
  int terminal_;
  termios before_{};
  bool quiet_ = false;
};

void say(int terminal, std::string_view text) {
  // Whoever cannot see the question can still answer it.
  [[maybe_unused]] const ssize_t written = ::write(terminal, text.data(), text.size());
}

Result<std::string> ask(int terminal, std::string_view question) {
  const Silence silence(terminal);
  if (!silence.quiet())
    return Error{ErrorKind::kIo, "cannot turn the terminal's echo off; use --password-stdin"};
  say(terminal, question);
  Result<std::string> answer = read_line(terminal, silence.interrupt());
  say(terminal, "\n");
  return answer;
}

Result<NewPassword> ask_twice(int terminal) {
  Result<std::string> first = ask(terminal, "Password (empty: make one): ");
  if (!first) return std::move(first).error();
  if (first->empty()) return NewPassword{generate_password(), true};
  Result<std::string> password = prepared_password(*first);
  if (!password) return std::move(password).error();
  const Result<std::string> second = ask(terminal, "The same again: ");
  if (!second) return second.error();
  const Result<std::string> again = prepared_password(*second);
  if (!again || *password != *again) return bad_password("the two passwords are not the same");
  return NewPassword{std::move(password).value(), false};
}

}  // namespace

// Prepared, as it is compared at a login: RFC 4616 2, RFC 6856 2.2.
Result<std::string> prepared_password(std::string_view password) {
  if (password.empty()) return bad_password("the password is empty");
  if (password.size() > kMaxPassword) {
    return bad_password(fmt::format("the password is longer than {} octets", kMaxPassword));
  }
  const bool control = std::any_of(password.begin(), password.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
  });
  if (control) return bad_password("the password has a control character, which mail programs cannot send");
  if (!utf8::is_valid(password)) return bad_password("the password is not UTF-8");
  auto prepared = saslprep::prepare(password, saslprep::Use::kStored);
  if (!prepared) {
    return bad_password(
        "the password has characters that mail programs do not all send alike: leave out emoji and other "
        "signs newer than 2002, and do not mix letters of both writing directions");
  }
  if (prepared->size() > kMaxPassword) {
    return bad_password(fmt::format("the password is longer than {} octets in its usual form", kMaxPassword));
  }
  return *std::move(prepared);
}

Result<NewPassword> new_password(PasswordSource source) {
  if (source == PasswordSource::kStandardInput) {
    Result<std::string> line = read_line(STDIN_FILENO);
    if (!line) return std::move(line).error();
    Result<std::string> password = prepared_password(*line);
    if (!password) return std::move(password).error();
    return NewPassword{std::move(password).value(), false};
  }
  if (::isatty(STDIN_FILENO) == 1) {
    const Descriptor terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (terminal) return ask_twice(terminal.get());
  }
  return NewPassword{generate_password(), true};
}

Result<std::string> ask_secret(const std::string& question) {
  const Descriptor terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (terminal && ::isatty(STDIN_FILENO) == 1) return ask(terminal.get(), question);
  return bad_password(
      "there is no terminal to ask for the password: give --password-file, or MAILSTEAD_IMPORT_PASSWORD in "
      "the "
      "environment");
}

Result<std::string> read_secret_line() {
  return read_line(STDIN_FILENO);
}

}  // namespace mailstead::admin
