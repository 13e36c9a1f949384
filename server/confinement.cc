#include "server/confinement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "admin/file.h"
#include "storage/files.h"

// A sanitizer's own helper looks into all threads, and starts a program to name what it found.
#if defined(__SANITIZE_ADDRESS__)
#define MAILSTEAD_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAILSTEAD_IS_SANITIZED 1
#endif
#endif

namespace mailstead {
namespace {

// Headers of Debian 12 do not have the later ones.
constexpr std::uint64_t kTruncate = 1ull << 14;
constexpr std::uint64_t kDeviceControl = 1ull << 15;

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Links and pipes that others leave among mail go to the quarantine.
constexpr std::uint64_t kChange =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t kNever =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
// Names of machines, name servers, certificates of authorities, and what libraries look up.
constexpr const char* kOfTheSystem[] = {"/etc", "/usr", "/lib", "/lib64", "/run", "/proc", "/sys", "/dev"};

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::vector<std::string> files_of(const Config& config) {
  std::vector<std::string> files = {config.tls.certificate, config.tls.key,
                                    config.queue.smarthost.password_file, config.acme.authorities,
                                    config.acme.key_file};
  files.insert(files.end(), config.tls.more_certificates.begin(), config.tls.more_certificates.end());
  files.insert(files.end(), config.tls.more_keys.begin(), config.tls.more_keys.end());
  std::erase(files, "");
  return files;
}

// 0: there is none. The first version would forbid every rename from one folder to another.
int landlock_version() {
#ifdef MAILSTEAD_IS_SANITIZED
  return 0;
#else
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version >= 2 ? static_cast<int>(version) : 0;
#endif
}

// A folder that is not there needs no right.
Result<void> allow(int ruleset, const std::string& folder, std::uint64_t rights) {
  const FileHandle handle(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!handle.is_open() && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return {};
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = handle.fd();
  if (handle.is_open() &&
      ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
    return {};
  return Error{ErrorKind::kUnavailable, fmt::format("{}: {}", folder, std::strerror(errno))};
}

}  // namespace

Confinement::Confinement(std::string data, const std::string& config_file, const Config& config)
    : writable_{std::move(data)}, readable_(std::begin(kOfTheSystem), std::end(kOfTheSystem)) {
  for (const ListenAddress& address : config.listen.lmtp) {
    if (address.is_unix()) writable_.push_back(parent_of(address.host));
  }
  std::vector<std::string> files = files_of(config);
  if (!config_file.empty()) files.push_back(config_file);
  // Authorities of others' certificates, see tls_client.h.
  if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities != nullptr)
    files.emplace_back(authorities);
  if (const char* authorities = std::getenv("SSL_CERT_DIR"); authorities != nullptr)
    readable_.emplace_back(authorities);
  for (const std::string& file : files) {
    readable_.push_back(parent_of(file));
    // Links to certificates change when these are renewed, and what they lead to lies beside the old one.
    if (const std::string real = admin::real_path_of(file); !real.empty())
      readable_.push_back(parent_of(real));
  }
}

Result<void> Confinement::confine() {
  const int version = landlock_version();
  if (version == 0)
    return Error{ErrorKind::kUnavailable, "the kernel has no Landlock, or not a late enough one"};
  std::uint64_t change = kChange;
  if (version >= 3) change |= kTruncate;
  landlock_ruleset_attr rules{};
  rules.handled_access_fs = kRead | change | kNever;
  if (version >= 5) rules.handled_access_fs |= kDeviceControl;
  const FileHandle ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0)));
  if (!ruleset.is_open()) return Error{ErrorKind::kUnavailable, std::strerror(errno)};
  for (const std::string& folder : writable_) {
    if (auto done = allow(ruleset.fd(), folder, kRead | change); !done) return done;
  }
  for (const std::string& folder : readable_) {
    if (auto done = allow(ruleset.fd(), folder, kRead); !done) return done;
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.fd(), 0) != 0)
    return Error{ErrorKind::kUnavailable, std::strerror(errno)};
  is_confined_ = true;
  return {};
}

bool Confinement::is_readable(const std::string& path) const {
  const std::string real = admin::real_path_of(path);
  const std::string& asked = real.empty() ? path : real;
  const auto holds = [&](const std::string& folder) {
    const std::string its_real = admin::real_path_of(folder);
    return !its_real.empty() && (asked + "/").starts_with(its_real == "/" ? its_real : its_real + "/");
  };
  return std::ranges::any_of(readable_, holds) || std::ranges::any_of(writable_, holds);
}

std::vector<std::string> Confinement::out_of_reach(const Config& config) const {
  std::vector<std::string> files;
  if (!is_confined_) return files;
  for (std::string& file : files_of(config)) {
    if (!is_readable(file)) files.push_back(std::move(file));
  }
  return files;
}

}  // namespace mailstead
