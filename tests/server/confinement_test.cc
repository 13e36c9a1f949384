// What a confined process can still do with files. Each case in a child of its own: it holds for ever.
#include "server/confinement.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/catch.h"

using namespace mailstead;

namespace {

namespace fs = std::filesystem;

class Places {
 public:
  Places() {
    char name[] = "/tmp/mailstead-confinement-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const char* folder : {"data", "data/tmp", "data/new", "keys", "other", "sockets"})
      fs::create_directory(at(folder));
    for (const char* file : {"data/tmp/mail", "keys/key.pem", "other/secret"}) std::ofstream(at(file)) << "x";
  }
  ~Places() { fs::remove_all(root_); }
  std::string at(const std::string& place) const { return root_ + "/" + place; }

 private:
  std::string root_;
};

// 0: it worked; else errno.
int tried(bool worked) {
  return worked ? 0 : errno;
}

int open_it(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int result = tried(fd >= 0);
  if (fd >= 0) ::close(fd);
  return result;
}

enum : int { kUnavailable = 200 };

// The child's exit code: what `work` returned in there.
int confined(const Places& places, const std::function<int()>& work) {
  Config config;
  config.tls.key = places.at("keys/key.pem");
  config.listen.lmtp = {{places.at("sockets/lmtp"), 0}};
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    Confinement confinement(places.at("data"), "", config);
    const auto done = confinement.confine();
    ::_exit(done ? work() : kUnavailable);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a confined server changes its data folder and nothing else", "[confinement]") {
  const Places places;
  if (confined(places, [] { return 0; }) == kUnavailable) {
    WARN("no Landlock here: nothing is shown");
    return;
  }
  const auto gives = [&](const std::function<int()>& work) { return confined(places, work); };
  CHECK(gives([&] { return open_it(places.at("data/new/a"), O_CREAT | O_RDWR | O_TRUNC); }) == 0);
  // From one folder to another, as mail goes.
  CHECK(gives([&] {
          return tried(::rename(places.at("data/tmp/mail").c_str(), places.at("data/new/mail").c_str()) == 0);
        }) == 0);
  CHECK(gives([&] {
          return tried(::link(places.at("data/new/mail").c_str(), places.at("data/tmp/mail").c_str()) == 0);
        }) == 0);
  CHECK(gives([&] { return tried(::unlink(places.at("data/tmp/mail").c_str()) == 0); }) == 0);
  // What others left there goes, too.
  fs::create_symlink("/etc/passwd", places.at("data/new/link"));
  CHECK(gives([&] {
          return tried(::rename(places.at("data/new/link").c_str(), places.at("data/tmp/link").c_str()) == 0);
        }) == 0);
  CHECK(gives([&] { return tried(::mkdir(places.at("data/deleted").c_str(), 0700) == 0); }) == 0);
  CHECK(gives([&] { return open_it(places.at("sockets/lmtp"), O_CREAT | O_RDWR); }) == 0);
  // What the configuration names, and the system's own, is read.
  CHECK(gives([&] { return open_it(places.at("keys/key.pem"), O_RDONLY); }) == 0);
  CHECK(gives([] { return open_it("/etc/passwd", O_RDONLY); }) == 0);
  ::setenv("SSL_CERT_FILE", places.at("other/secret").c_str(), 1);
  CHECK(gives([&] { return open_it(places.at("other/secret"), O_RDONLY); }) == 0);
  ::unsetenv("SSL_CERT_FILE");
  CHECK(gives([] { return open_it("/proc/self/statm", O_RDONLY); }) == 0);
  CHECK(gives([&] { return open_it(places.at("keys/key.pem"), O_RDWR); }) == EACCES);
  CHECK(gives([&] { return open_it(places.at("other/secret"), O_RDONLY); }) == EACCES);
  CHECK(gives([&] { return open_it(places.at("other/new"), O_CREAT | O_RDWR); }) == EACCES);
  CHECK(gives([&] { return tried(::unlink(places.at("other/secret").c_str()) == 0); }) == EACCES);
  CHECK(gives([&] {
          return tried(::rename(places.at("data/new/mail").c_str(), places.at("other/mail").c_str()) == 0);
        }) != 0);
  // Nothing is run, also not by a thread's child.
  CHECK(gives([] {
          ::execl("/bin/true", "true", nullptr);
          return errno;
        }) == EACCES);
  CHECK(fs::exists(places.at("other/secret")));
}

TEST_CASE("files that the configuration names later are told when they are out of reach", "[confinement]") {
  const Places places;
  const int result = confined(places, [] { return 0; });
  if (result == kUnavailable) return;
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    Config config;
    config.tls.key = places.at("keys/key.pem");
    Confinement confinement(places.at("data"), "", config);
    bool good = confinement.out_of_reach(config).empty() && confinement.confine();
    good = good && confinement.out_of_reach(config).empty();
    config.tls.certificate = places.at("other/secret");
    config.tls.key = places.at("keys/new.pem");  // beside the old one, and not there yet
    config.queue.smarthost.password_file = "/etc/hostname";
    good = good && confinement.out_of_reach(config) == std::vector{places.at("other/secret")};
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
