#include "protocols/auth/sasl_client.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/auth/saslprep.h"
#include "protocols/base64.h"

namespace mailstead::sasl {
namespace {

constexpr std::string_view kNoBinding = "n,,";  // RFC 5802 7: the client cannot bind to the channel
constexpr std::size_t kMostSalt = 1024;         // octets

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

// RFC 5802 5.1
std::string encode_name(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == ',') {
      result += "=2C";
    } else if (c == '=') {
      result += "=3D";
    } else {
      result += c;
    }
  }
  return result;
}

std::string prepared(const std::string& text) {
  return saslprep::prepare(text, saslprep::Use::kQuery).value_or(text);
}

// The value of the attribute `letter`, which has to come next; what follows stays in `rest`.
std::optional<std::string_view> next_value(char letter, std::string_view& rest) {
  const std::string_view attribute = rest.substr(0, rest.find(','));
  rest.remove_prefix(std::min(attribute.size() + 1, rest.size()));
  if (attribute.size() < 2 || attribute[0] != letter || attribute[1] != '=') return std::nullopt;
  return attribute.substr(2);
}

// RFC 5802 3: the keys that a client makes of its password.
struct ClientKeys {
  ClientKeys(std::string_view password, std::string_view salt, unsigned iterations) {
    Sha256 salted{};
    PKCS5_PBKDF2_HMAC(password.data(), password.size(), reinterpret_cast<const std::uint8_t*>(salt.data()),
                      salt.size(), iterations, EVP_sha256(), salted.size(), salted.data());
    client = hmac_sha256(octets_of(salted), "Client Key");
    server = hmac_sha256(octets_of(salted), "Server Key");
    SHA256(client.data(), client.size(), stored.data());
    OPENSSL_cleanse(salted.data(), salted.size());
  }
  ~ClientKeys() {
    OPENSSL_cleanse(client.data(), client.size());
    OPENSSL_cleanse(server.data(), server.size());
  }
  ClientKeys(const ClientKeys&) = delete;
  ClientKeys& operator=(const ClientKeys&) = delete;

  Sha256 client{};
  Sha256 stored{};
  Sha256 server{};
};

}  // namespace

ClientExchange::ClientExchange(Mechanism mechanism, std::string user, std::string password, std::string nonce)
    : mechanism_(mechanism),
      awaits_(Awaits::kPlain),
      user_(std::move(user)),
      password_(std::move(password)),
      nonce_(std::move(nonce)) {
  if (mechanism_ == Mechanism::kLogin) awaits_ = Awaits::kLoginUser;
  if (mechanism_ == Mechanism::kScram) awaits_ = Awaits::kScramFirst;
}

ClientExchange::~ClientExchange() {
  wipe(password_);
}

std::string_view ClientExchange::obstacle() const {
  // RFC 4616 2: NUL parts the fields; an empty name or password is none.
  if (user_.empty() || password_.empty()) return "the name or the password is empty";
  if (user_.find('\0') != std::string::npos || password_.find('\0') != std::string::npos)
    return "the name or the password holds a NUL";
  if (base64::encode(user_).size() + base64::encode(password_).size() + 16 > kMaxLine)
    return "the name or the password is too long";
  return {};
}

std::string_view ClientExchange::mechanism_name() const {
  if (mechanism_ == Mechanism::kScram) return "SCRAM-SHA-256";
  return mechanism_ == Mechanism::kLogin ? "LOGIN" : "PLAIN";
}

std::string ClientExchange::plain_message() const {
  return std::string(1, '\0') + user_ + '\0' + password_;
}

std::optional<std::string> ClientExchange::initial_response() {
  if (awaits_ == Awaits::kScramFirst) {
    first_bare_ = fmt::format("n={},r={}", encode_name(prepared(user_)), nonce_);
    awaits_ = Awaits::kScramServerFirst;
    return base64::encode(std::string(kNoBinding) + first_bare_);
  }
  // LOGIN has none: some servers do not take the name there.
  if (awaits_ != Awaits::kPlain) return std::nullopt;
  awaits_ = Awaits::kEnd;
  std::string message = plain_message();
  std::string encoded = base64::encode(message);
  wipe(message);
  return encoded;
}

std::optional<std::string> ClientExchange::respond(std::string_view challenge) {
  switch (awaits_) {
    case Awaits::kLoginUser:  // what the two prompts say differs from server to server
      awaits_ = Awaits::kLoginPassword;
      return base64::encode(user_);
    case Awaits::kLoginPassword:
      awaits_ = Awaits::kEnd;
      return base64::encode(password_);
    case Awaits::kScramServerFirst:
    case Awaits::kScramServerFinal:
      break;
    case Awaits::kPlain:
    case Awaits::kScramFirst:
    case Awaits::kEnd:
      return give_up("the server asks for more than the mechanism has");
  }
  const auto decoded = base64::decode(ascii::trim(challenge));
  if (!decoded) return give_up("the server's challenge is not base64");
  if (awaits_ == Awaits::kScramServerFirst) return scram_final(*decoded);
  if (!check_signature(*decoded)) return std::nullopt;
  awaits_ = Awaits::kEnd;
  return std::string();
}

// RFC 5802 5 and 7: "r=nonce,s=salt,i=iterations", perhaps with extensions behind.
std::optional<std::string> ClientExchange::scram_final(std::string_view server_first) {
  std::string_view rest = server_first;
  const auto nonce = next_value('r', rest);
  const auto salt_text = next_value('s', rest);
  const auto count_text = next_value('i', rest);
  const auto salt = salt_text ? base64::decode(*salt_text) : std::nullopt;
  const bool is_number = count_text && ascii::number(*count_text).has_value();
  const std::uint64_t count = is_number ? ascii::number(*count_text).value_or(0) : 0;
  if (!nonce || !salt || salt->empty() || salt->size() > kMostSalt || !is_number)
    return give_up("the server's first message is not one of SCRAM");
  // RFC 5802 5.1: ours, and something more.
  if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size())
    return give_up("the server's nonce does not begin with ours");
  if (count < kLeastIterations || count > kMostIterations)
    return give_up("the server wants too few or too many iterations");
  std::string password = prepared(password_);
  const ClientKeys keys(password, *salt, static_cast<unsigned>(count));
  wipe(password);
  const std::string without_proof = fmt::format("c={},r={}", base64::encode(kNoBinding), *nonce);
  const std::string auth_message = fmt::format("{},{},{}", first_bare_, server_first, without_proof);
  Sha256 proof = hmac_sha256(octets_of(keys.stored), auth_message);
  std::transform(proof.begin(), proof.end(), keys.client.begin(), proof.begin(),
                 [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
  signature_ = hmac_sha256(octets_of(keys.server), auth_message);
  awaits_ = Awaits::kScramServerFinal;
  return base64::encode(fmt::format("{},p={}", without_proof, base64::encode(octets_of(proof))));
}

// RFC 5802 3: who can make it has the keys of the password.
bool ClientExchange::check_signature(std::string_view server_final) {
  std::string_view rest = server_final;
  const auto value = next_value('v', rest);
  const auto signature = value ? base64::decode(*value) : std::nullopt;
  if (signature && signature->size() == signature_.size() &&
      CRYPTO_memcmp(signature->data(), signature_.data(), signature_.size()) == 0)
    return true;
  give_up("the server does not show that it knows the password");
  return false;
}

bool ClientExchange::may_trust(std::string_view text) {
  if (!why_.empty()) return false;
  // Who is told the password has nothing left to show.
  if (mechanism_ != Mechanism::kScram || awaits_ == Awaits::kEnd) return true;
  if (awaits_ == Awaits::kScramServerFinal) {
    // Behind an enhanced status code, if there is one.
    const std::size_t blank = text.rfind(' ');
    const auto decoded = base64::decode(blank == std::string_view::npos ? text : text.substr(blank + 1));
    if (decoded && check_signature(*decoded)) return true;
  }
  give_up("the server ends the exchange before it has shown that it knows the password");
  return false;
}

std::optional<std::string> ClientExchange::give_up(std::string_view why) {
  if (why_.empty()) why_ = why;
  awaits_ = Awaits::kEnd;
  return std::nullopt;
}

}  // namespace mailstead::sasl
