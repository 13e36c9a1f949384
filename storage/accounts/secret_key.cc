#include "storage/accounts/secret_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/aead.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <cerrno>

#include "protocols/auth/hmac.h"
#include "storage/files.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::size_t kNonceOctets = 12;
constexpr std::size_t kTagOctets = 16;
constexpr std::size_t kKeyDigits = 64;

// Each use has a key of its own.
constexpr std::string_view kToSeal = "seal";
constexpr std::string_view kToDerive = "derive";
constexpr std::string_view kToKnowAgain = "fingerprint";
constexpr std::size_t kMarkOctets = 2 * 32 + 2;  // digits, a newline, and one too many

const std::uint8_t* octets(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::array<std::uint8_t, 32>> parse_key(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.size() != kKeyDigits) return std::nullopt;
  std::array<std::uint8_t, 32> key{};
  for (std::size_t i = 0; i < kKeyDigits; ++i) {
    const int value = digit_value(text[i]);
    if (value < 0) return std::nullopt;
    key[i / 2] = static_cast<std::uint8_t>(key[i / 2] << 4 | value);
  }
  return key;
}

// One line each: what is the matter, and what to do.
Error two_keys() {
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{0} is another key than the credential {0} that the service was given: only one of "
                  "them opens the app passwords for APOP; remove the other one",
                  kSecretKeyFile)};
}

Error no_credential() {
  return Error{
      ErrorKind::kInvalid,
      fmt::format("its {} is a credential of the service, and was not given: let systemd start the "
                  "server, or name its folder in CREDENTIALS_DIRECTORY; if the key is lost, remove {}",
                  kSecretKeyFile, kCredentialMark)};
}

Error another_key(std::string_view where) {
  return Error{
      ErrorKind::kInvalid,
      fmt::format("the {0} {1} is not the key that was used here: give the right one back; if it is lost, "
                  "remove {2}, and add the app passwords for APOP again",
                  where, kSecretKeyFile, kCredentialMark)};
}

}  // namespace

SecretKey::~SecretKey() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

Result<SecretKey> SecretKey::open(const DataFolder& folder, const std::string& credentials,
                                  std::vector<std::string>& actions) {
  const auto given = of_credential(credentials);
  if (!given) return given.error();
  const auto kept = of_file(folder, actions);
  if (!kept) return in_folder(folder.path(), kept.error());
  const auto mark = read_small_file(folder.fd(), kCredentialMark, kMarkOctets);
  if (!mark && mark.error().kind != ErrorKind::kNotFound) return in_folder(folder.path(), mark.error());

  if (*given && *kept && (*given)->key_ != (*kept)->key_) return in_folder(folder.path(), two_keys());
  const std::optional<SecretKey>& key = *given ? *given : *kept;
  if (mark && !key) return in_folder(folder.path(), no_credential());
  if (mark && key->fingerprint() != *mark)
    return in_folder(folder.path(), another_key(*given ? "credential" : "file"));
  if (!key) return make(folder);
  if (*given && !mark) {
    auto done = replace_small_file(folder.fd(), kCredentialMark, key->fingerprint());
    if (done) done = sync_handle(folder.fd(), "the data folder");
    if (!done) return in_folder(folder.path(), done.error());
  }
  if (*given && *kept) {
    actions.push_back(
        fmt::format("the credential {0} is used; the same key lies in the data folder, too: remove that {0}",
                    kSecretKeyFile));
  }
  return *key;
}

Result<std::optional<SecretKey>> SecretKey::of_credential(const std::string& credentials) {
  if (credentials.empty()) return std::optional<SecretKey>();
  const FileHandle at(::open(credentials.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The variable that names it goes on to whatever a service starts: a shell may have another service's.
  if (!at.is_open() && (errno == ENOENT || errno == EACCES)) return std::optional<SecretKey>();
  if (!at.is_open()) return system_error(errno, "open", credentials);
  auto text = read_small_file(at.fd(), kSecretKeyFile, kKeyDigits + 2);
  if (!text && text.error().kind == ErrorKind::kNotFound) return std::optional<SecretKey>();
  if (!text) return in_folder(credentials, text.error());
  const auto key = parse_key(*text);
  OPENSSL_cleanse(text->data(), text->size());
  if (key) return std::optional(SecretKey(*key));
  // What the administrator gave is not replaced by anything that we make.
  return Error{
      ErrorKind::kInvalid,
      fmt::format("the credential {} is no key: 64 hexadecimal digits, as 'openssl rand -hex 32' prints",
                  kSecretKeyFile)};
}

Result<std::optional<SecretKey>> SecretKey::of_file(const DataFolder& folder,
                                                    std::vector<std::string>& actions) {
  auto text = read_small_file(folder.fd(), kSecretKeyFile, kKeyDigits + 2);
  if (!text && text.error().kind == ErrorKind::kNotFound) return std::optional<SecretKey>();
  if (!text) return text.error();
  const auto key = parse_key(*text);
  OPENSSL_cleanse(text->data(), text->size());
  if (key) return std::optional(SecretKey(*key));
  const std::string aside = fmt::format("{}.damaged-{}", kSecretKeyFile, unix_seconds());
  if (auto done = move_file(folder.fd(), kSecretKeyFile, folder.fd(), aside); !done) return done.error();
  actions.push_back(
      fmt::format("{} was damaged: it is kept as {}, and another one is used", kSecretKeyFile, aside));
  return std::optional<SecretKey>();
}

Result<SecretKey> SecretKey::make(const DataFolder& folder) {
  Octets key{};
  RAND_bytes(key.data(), key.size());
  std::string text = fmt::format("{:02x}\n", fmt::join(key, ""));
  auto done = replace_small_file(folder.fd(), kSecretKeyFile, text);
  if (done) done = sync_handle(folder.fd(), "the data folder");
  OPENSSL_cleanse(text.data(), text.size());
  if (!done) return in_folder(folder.path(), done.error());
  return SecretKey(key);
}

std::string SecretKey::fingerprint() const {
  return fmt::format("{:02x}\n", fmt::join(hmac_sha256(octets_of(key_), kToKnowAgain), ""));
}

std::string SecretKey::seal(std::string_view secret, std::string_view bound_to) const {
  const Octets key = hmac_sha256(octets_of(key_), kToSeal);
  bssl::ScopedEVP_AEAD_CTX context;
  EVP_AEAD_CTX_init(context.get(), EVP_aead_aes_256_gcm(), key.data(), key.size(), kTagOctets, nullptr);
  std::string sealed(kNonceOctets + secret.size() + kTagOctets, '\0');
  auto* const out = reinterpret_cast<std::uint8_t*>(sealed.data());
  RAND_bytes(out, kNonceOctets);
  std::size_t length = 0;
  EVP_AEAD_CTX_seal(context.get(), out + kNonceOctets, &length, sealed.size() - kNonceOctets, out,
                    kNonceOctets, octets(secret), secret.size(), octets(bound_to), bound_to.size());
  return sealed;
}

std::optional<std::string> SecretKey::unseal(std::string_view sealed, std::string_view bound_to) const {
  if (sealed.size() < kNonceOctets + kTagOctets) return std::nullopt;
  const Octets key = hmac_sha256(octets_of(key_), kToSeal);
  bssl::ScopedEVP_AEAD_CTX context;
  EVP_AEAD_CTX_init(context.get(), EVP_aead_aes_256_gcm(), key.data(), key.size(), kTagOctets, nullptr);
  const std::string_view body = sealed.substr(kNonceOctets);
  std::string secret(body.size(), '\0');
  std::size_t length = 0;
  if (EVP_AEAD_CTX_open(context.get(), reinterpret_cast<std::uint8_t*>(secret.data()), &length, secret.size(),
                        octets(sealed), kNonceOctets, octets(body), body.size(), octets(bound_to),
                        bound_to.size()) != 1) {
    return std::nullopt;
  }
  secret.resize(length);
  return secret;
}

std::string SecretKey::derive(std::string_view text, std::size_t octets_wanted) const {
  const Octets digest = hmac_sha256(octets_of(hmac_sha256(octets_of(key_), kToDerive)), text);
  return std::string(octets_of(digest).substr(0, octets_wanted));
}

}  // namespace mailstead
