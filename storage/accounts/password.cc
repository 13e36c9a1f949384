#include "storage/accounts/password.h"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/base64.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace mailstead {

namespace {

constexpr std::string_view kScryptTag = "$scrypt$";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr unsigned kMaxLogN = 20;  // a stored hash may not make us use more than this allows
constexpr unsigned kMaxBlockSize = 32;
constexpr unsigned kMaxParallel = 16;
constexpr std::size_t kMaxMemory = std::size_t{256} << 20;

struct ScryptCost {
  unsigned log_n = 15;
  unsigned r = 8;
  unsigned p = 3;
};

struct ScryptHash {
  ScryptCost cost;
  std::vector<std::uint8_t> salt;
  std::vector<std::uint8_t> hash;
};

std::optional<std::vector<std::uint8_t>> derive(std::string_view password,
                                                const std::vector<std::uint8_t>& salt, const ScryptCost& cost,
                                                std::size_t length) {
  std::vector<std::uint8_t> out(length);
  if (EVP_PBE_scrypt(password.data(), password.size(), salt.data(), salt.size(),
                     std::uint64_t{1} << cost.log_n, cost.r, cost.p, kMaxMemory, out.data(),
                     out.size()) != 1) {
    return std::nullopt;
  }
  return out;
}

// PHC strings write base64 without padding.
std::string to_base64(const std::vector<std::uint8_t>& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  text.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(text.data()), bytes.data(), bytes.size()));
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  std::vector<std::uint8_t> bytes(padded.size());
  std::size_t length = 0;
  if (EVP_DecodeBase64(bytes.data(), &length, bytes.size(),
                       reinterpret_cast<const std::uint8_t*>(padded.data()), padded.size()) != 1) {
    return std::nullopt;
  }
  bytes.resize(length);
  return bytes;
}

// "name=number" at the start of `text`, which is moved past it and one following comma.
bool take_number(std::string_view& text, std::string_view name, unsigned limit, unsigned& number) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number == 0 || number > limit) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(',')) text.remove_prefix(1);
  return true;
}

std::optional<ScryptHash> parse_scrypt(std::string_view text) {
  ScryptHash parsed;
  text.remove_prefix(kScryptTag.size());
  if (!take_number(text, "ln=", kMaxLogN, parsed.cost.log_n) ||
      !take_number(text, "r=", kMaxBlockSize, parsed.cost.r) ||
      !take_number(text, "p=", kMaxParallel, parsed.cost.p) || !text.starts_with('$')) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  const std::size_t middle = text.find('$');
  if (middle == std::string_view::npos) return std::nullopt;
  auto salt = from_base64(text.substr(0, middle));
  auto hash = from_base64(text.substr(middle + 1));
  if (!salt || !hash || hash->size() < 16 || hash->size() > 64) return std::nullopt;
  parsed.salt = std::move(*salt);
  parsed.hash = std::move(*hash);
  return parsed;
}

bool verify_by_crypt(std::string_view password, const std::string& hash) {
  const std::string phrase(password);
  if (phrase.find('\0') != std::string::npos) return false;  // crypt would compare only what is before it
  auto work = std::make_unique<crypt_data>();
  const char* made = ::crypt_rn(phrase.c_str(), hash.c_str(), work.get(), sizeof(crypt_data));
  if (made == nullptr) return false;
  const std::string_view result = made;
  const bool equal =
      result.size() == hash.size() && CRYPTO_memcmp(result.data(), hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(work.get(), sizeof(crypt_data));
  return equal;
}

// No i, l, o, 0, 1: 31 characters, 25 of them are 123 bits, 30 are 148.
constexpr std::string_view kLetters = "abcdefghjkmnpqrstuvwxyz23456789";
constexpr std::size_t kGroupLength = 5;
constexpr std::size_t kGroups = 5;
constexpr std::size_t kAppGroups = 6;

std::string generate(std::size_t groups) {
  constexpr unsigned kFair =
      256 - 256 % kLetters.size();  // bytes from here on would favour the first letters
  std::string password;
  std::size_t letters = 0;
  while (letters < groups * kGroupLength) {
    std::uint8_t byte = 0;
    RAND_bytes(&byte, 1);
    if (byte >= kFair) continue;
    if (letters != 0 && letters % kGroupLength == 0) password += '-';
    password += kLetters[byte % kLetters.size()];
    ++letters;
  }
  return password;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  const ScryptCost cost;
  std::vector<std::uint8_t> salt(kSaltBytes);
  RAND_bytes(salt.data(), salt.size());
  auto hash = derive(password, salt, cost, kHashBytes);
  if (!hash) return Error{ErrorKind::kUnavailable, "cannot hash a password: not enough memory"};
  return fmt::format("{}ln={},r={},p={}${}${}", kScryptTag, cost.log_n, cost.r, cost.p, to_base64(salt),
                     to_base64(*hash));
}

bool verify_password(std::string_view password, const std::string& hash) {
  if (!hash.starts_with(kScryptTag)) {
    const bool known = hash.starts_with("$6$") || hash.starts_with("$y$") || hash.starts_with("$2b$");
    return known && verify_by_crypt(password, hash);
  }
  auto parsed = parse_scrypt(hash);
  if (!parsed) return false;
  auto made = derive(password, parsed->salt, parsed->cost, parsed->hash.size());
  return made && CRYPTO_memcmp(made->data(), parsed->hash.data(), made->size()) == 0;
}

bool verify_nobody(std::string_view password) {
  static const std::vector<std::uint8_t> salt(kSaltBytes, 0x5a);
  auto made = derive(password, salt, ScryptCost{}, kHashBytes);
  const std::vector<std::uint8_t> nothing(kHashBytes, 0);
  // The comparison is made so that both paths do the same; its outcome is of no interest.
  if (made) static_cast<void>(CRYPTO_memcmp(made->data(), nothing.data(), nothing.size()));
  return false;
}

std::string generate_password() {
  return generate(kGroups);
}

std::string generate_app_password() {
  return generate(kAppGroups);
}

bool is_like_app_password(std::string_view password) {
  if (password.size() != kAppGroups * (kGroupLength + 1) - 1) return false;
  for (std::size_t i = 0; i < password.size(); ++i) {
    const bool between = i % (kGroupLength + 1) == kGroupLength;
    if (between ? password[i] != '-' : kLetters.find(password[i]) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace mailstead
