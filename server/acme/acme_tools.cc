#include "server/acme/acme_tools.h"

#include <string_view>
#include <utility>

#include "admin/file.h"
#include "protocols/base64.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxBindingKey = 4096;  // octets
constexpr const char* kLetWrite = "let the server write into its data folder; it is tried again";

Result<AcmeKey> account_key_of(const Config::Acme& config, const AcmeFiles& files, AcmeAccount& account) {
  auto key = AcmeKey::parse(account.key);
  if (key) return key;
  account.url.clear();
  key = AcmeKey::make();
  // Known before the authority hears of it: an account whose key is lost is nobody's.
  const auto written = key ? files.write_account(config.url(), {key->pem(), {}}) : Result<void>();
  if (!written) return written.error();
  return key;
}

Result<AcmeStanding> standing_of(const Config::Acme& config, const AcmeFiles& files, const AcmeState& state,
                                 std::string& complaint) {
  AcmeAccount account = files.read_account(config.url(), complaint);
  auto account_key = account_key_of(config, files, account);
  if (!account_key) return account_key.error();
  auto key = AcmeKey::parse(state.order_key);
  const bool goes_on = key && !state.order.empty();
  if (!goes_on) key = AcmeKey::make();
  if (!key) return key.error();
  return AcmeStanding{*std::move(account_key), account.url, *std::move(key),
                      goes_on ? state.order : std::string()};
}

Result<std::string> binding_secret_in(const std::string& path) {
  const auto text = admin::read_file(path, kMaxBindingKey);
  if (!text) return text.error();
  const std::string_view key = std::string_view(*text).substr(0, text->find_last_not_of(" \r\n\t=") + 1);
  auto secret = base64::decode_url(key);
  if (!secret || secret->empty()) return Error{ErrorKind::kInvalid, path + " is not a key in base64url"};
  return *std::move(secret);
}

}  // namespace

AcmeTools make_acme_tools(const Config::Acme& config, const AcmeFiles& files, const AcmeState& state) {
  AcmeTools tools;
  if (const auto written = files.write_state(state); !written) {
    tools.failure = {written.error().message, kLetWrite};
    return tools;
  }
  auto standing = standing_of(config, files, state, tools.complaint);
  if (!standing) {
    tools.failure = {standing.error().message, kLetWrite};
    return tools;
  }
  tools.standing = *std::move(standing);
  if (!config.key_file.empty()) {
    auto secret = binding_secret_in(config.key_file);
    if (!secret) {
      tools.failure = {
          secret.error().message,
          "correct [acme] key_file: the file holds what the authority gave you, and nothing else"};
      return tools;
    }
    tools.binding_secret = *std::move(secret);
  }
  tools.tls = config.authorities.empty() ? std::make_unique<TlsClientContext>()
                                         : std::make_unique<TlsClientContext>(config.authorities);
  if (!tools.tls->ok()) {
    tools.failure = {config.authorities + " cannot be read, or holds no certificate in PEM",
                     "correct [acme] authorities"};
  }
  return tools;
}

}  // namespace mailstead
