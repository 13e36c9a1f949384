#include "server/acme/acme_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "admin/file.h"
#include "protocols/sha256.h"
#include "storage/files.h"

namespace mailstead {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxAcmeFile = 64 * 1024;  // octets
constexpr std::size_t kHashOctets = 8;           // in an account's file name
constexpr std::int64_t kMostFailures = 1'000;

std::string string_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// An object; null where there is none.
Json read_object(const std::string& path, std::string& complaint) {
  const auto text = admin::read_file(path, kMaxAcmeFile);
  if (!text && text.error().kind == ErrorKind::kNotFound) return {};
  Json parsed = text ? Json::parse(*text, nullptr, false) : Json();
  if (parsed.is_object()) return parsed;
  complaint = text ? fmt::format("{} is not what was written; it was set aside as {}.bad", path, path)
                   : text.error().message;
  if (text) (void)std::rename(path.c_str(), (path + ".bad").c_str());
  return {};
}

std::string written_json(const Json& object) {
  return object.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

// Durable when it returns.
Result<void> make_private_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    return Error{ErrorKind::kIo, fmt::format("cannot make {}: {}", folder, std::strerror(errno))};
  }
  const std::string parent = folder.substr(0, folder.rfind('/'));
  const FileHandle handle(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.is_open())
    return Error{ErrorKind::kIo, fmt::format("cannot open {}: {}", parent, std::strerror(errno))};
  return sync_handle(handle.fd(), parent);
}

}  // namespace

std::string AcmeFiles::account_path(const std::string& directory) const {
  std::string hash;
  const Sha256 digest = sha256(directory);
  for (std::size_t i = 0; i < kHashOctets; ++i) hash += fmt::format("{:02x}", digest[i]);
  return fmt::format("{}/account-{}.json", folder_, hash);
}

AcmeState AcmeFiles::read_state(std::string& complaint) const {
  const Json object = read_object(folder_ + "/state.json", complaint);
  AcmeState state;
  if (object.is_null()) return state;
  state.issued_for = string_at(object, "issued_for");
  state.tried_for = string_at(object, "tried_for");
  state.failures =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(number_at(object, "failures"), 0, kMostFailures));
  state.failed_at = number_at(object, "failed_at");
  state.next_at = number_at(object, "next_at");
  state.wait_until = number_at(object, "wait_until");
  state.waits_for = string_at(object, "waits_for");
  state.renewed_at = number_at(object, "renewed_at");
  state.problem = string_at(object, "problem");
  state.advice = string_at(object, "advice");
  state.order = string_at(object, "order");
  state.order_key = string_at(object, "order_key");
  state.order_for = string_at(object, "order_for");
  return state;
}

Result<void> AcmeFiles::write_state(const AcmeState& state) const {
  return write(folder_ + "/state.json", written_json({{"issued_for", state.issued_for},
                                                      {"tried_for", state.tried_for},
                                                      {"failures", state.failures},
                                                      {"failed_at", state.failed_at},
                                                      {"next_at", state.next_at},
                                                      {"wait_until", state.wait_until},
                                                      {"waits_for", state.waits_for},
                                                      {"renewed_at", state.renewed_at},
                                                      {"problem", state.problem},
                                                      {"advice", state.advice},
                                                      {"order", state.order},
                                                      {"order_key", state.order_key},
                                                      {"order_for", state.order_for}}));
}

AcmeAccount AcmeFiles::read_account(const std::string& directory, std::string& complaint) const {
  const Json object = read_object(account_path(directory), complaint);
  if (object.is_null()) return {};
  return {string_at(object, "key"), string_at(object, "account")};
}

Result<void> AcmeFiles::write_account(const std::string& directory, const AcmeAccount& account) const {
  return write(account_path(directory),
               written_json({{"directory", directory}, {"account", account.url}, {"key", account.key}}));
}

Result<void> AcmeFiles::write_certificate(const std::string& key, const std::string& chain) const {
  return write(folder_ + "/certificate.pem", key + chain);
}

Result<void> AcmeFiles::write(const std::string& path, const std::string& text) const {
  if (auto made = make_private_folder(folder_); !made) return made;
  return admin::write_file(path, text, 0600);
}

}  // namespace mailstead
