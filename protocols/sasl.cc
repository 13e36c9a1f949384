#include "protocols/sasl.h"

#include <openssl/base64.h>

#include <cstdint>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead::sasl {

std::optional<std::string> decode(std::string_view base64) {
  std::string text(base64.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  // RFC 4954 4: octets outside the alphabet are an error. BoringSSL takes none, and works in constant time.
  if (EVP_DecodeBase64(reinterpret_cast<std::uint8_t*>(text.data()), &length, text.size(),
                       reinterpret_cast<const std::uint8_t*>(base64.data()), base64.size()) != 1) {
    return std::nullopt;
  }
  text.resize(length);
  return text;
}

std::optional<Plain> parse_plain(std::string_view message) {
  const std::size_t first = message.find('\0');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = message.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  Plain plain{std::string(message.substr(0, first)),
              std::string(message.substr(first + 1, second - first - 1)),
              std::string(message.substr(second + 1))};
  // RFC 4616 2: authcid and passwd have at least one character, and no NUL.
  if (plain.authcid.empty() || plain.password.empty()) return std::nullopt;
  if (plain.password.find('\0') != std::string::npos) return std::nullopt;
  return plain;
}

std::optional<Exchange> Exchange::of(std::string_view mechanism) {
  if (ascii::same(mechanism, "PLAIN")) return Exchange(Awaits::kPlain);
  if (ascii::same(mechanism, "LOGIN")) return Exchange(Awaits::kLoginUser);
  return std::nullopt;
}

Exchange::Step Exchange::begin(std::string_view initial_response) {
  if (initial_response.empty()) return ask(awaits_, awaits_ == Awaits::kPlain ? "" : kLoginUserPrompt);
  if (initial_response == "=") return take({});
  return respond(initial_response);
}

Exchange::Step Exchange::respond(std::string_view line) {
  const auto message = decode(line);
  return message ? take(*message) : Step::kUndecodable;
}

Exchange::Step Exchange::ask(Awaits next, std::string_view challenge) {
  awaits_ = next;
  challenge_ = challenge;
  return Step::kChallenge;
}

Exchange::Step Exchange::take(std::string_view message) {
  if (awaits_ == Awaits::kPlain) return take_plain(message);
  if (message.empty() || message.find('\0') != std::string_view::npos) return Step::kMalformed;
  if (awaits_ == Awaits::kLoginUser) {
    user_ = message;
    return ask(Awaits::kLoginPassword, kLoginPasswordPrompt);
  }
  password_ = message;
  return Step::kCredentials;
}

Exchange::Step Exchange::take_plain(std::string_view message) {
  auto plain = parse_plain(message);
  if (!plain) return Step::kMalformed;
  user_ = std::move(plain->authcid);
  password_ = std::move(plain->password);
  const bool own = plain->authzid.empty() || ascii::same(plain->authzid, user_);
  return own ? Step::kCredentials : Step::kNotForOthers;
}

}  // namespace mailstead::sasl
