// Failing system calls: `faults_test OPERATION [--every N] [--seed N]` lets each N-th call of an operation
// fail in turn, once and for ever. See README.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backups.h"
#include "children.h"
#include "failing_calls.h"
#include "recorder.h"
#include "scenarios.h"
#include "trial.h"

namespace mailstead::power {

namespace {

namespace fs = std::filesystem;

// Of the database: a little less than the thousand pages after which it is taken in.
constexpr std::uintmax_t kLongJournal = 950 * 4120;

// What is tried, on a store that holds something of everything.
struct Operation {
  const char* name;
  void (*run)(World& world);
  bool is_opened = true;                   // before the faults begin
  bool was_closed = true;                  // properly; else a start has to recover
  bool has_journal = false;                // so long that the next commit takes it in
  void (*before)(World& world) = nullptr;  // with the open store, without faults
  // Without faults, after it: what it was disturbed by goes.
  void (*after)(World& world) = nullptr;
  // Likewise: what it has made goes into this folder, to be tried; false: it has failed, and said so.
  bool (*restore_into)(World& world, const std::string& folder) = nullptr;
};

Letter plain(std::vector<std::string> recipients, std::size_t octets) {
  return {.recipients = std::move(recipients), .octets = octets};
}

Letter large(Letter letter) {
  letter.is_spooled = true;
  letter.octets = kLarge;
  return letter;
}

std::string first_queued(const World& world) {
  return world.queued().front();
}

std::string root_of(const World& world) {
  return fs::path(world.data()).parent_path();
}

// Left by a backup that says it has everything.
std::string success_of(const World& world) {
  return root_of(world) + "/backed-up";
}

void back_up(World& world) {
  if (!power::back_up(root_of(world))) return;
  const Unobserved unobserved;
  fs::create_directory(success_of(world));
}

bool restore_newest(World& world, const std::string& folder) {
  if (!fs::exists(success_of(world))) return false;
  if (auto done = power::restore_newest(root_of(world), folder); !done)
    throw std::runtime_error(done.error().message);
  return true;
}

// What other programs leave, and a row that disagrees with its file.
void disturb(World& world) {
  world.file_mail();
  const std::string maildir = world.data() + "/mail/example.org/anna/";
  fs::create_symlink("/etc/passwd", maildir + "new/strange");
  fs::create_directory(maildir + "cur/strange");
}

void leave_undisturbed(World& world) {
  for (const char* place : {"new/strange", "cur/strange"})
    fs::remove(world.data() + "/mail/example.org/anna/" + place);
}

constexpr Operation kOperations[] = {
    {"deliver",
     [](World& world) {
       world.deliver({plain({kAnna, kBert}, kSmall), plain({kBert}, kMiddle)});
     }},
    {"deliver-large",
     [](World& world) {
       world.deliver({large(plain({kAnna, kBert}, 0)), plain({kAnna}, kSmall)});
     }},
    {"file-mail", [](World& world) { world.file_mail(); }, true, true, false,
     [](World& world) {
       world.deliver({plain({kAnna, kBert}, kSmall), plain({kBert}, kMiddle)});
     }},
    {"delete-kept",
     [](World& world) {
       world.erase(kAnna, {0, 2}, Deleted::kKept);
       world.purge(kAnna);
     }},
    {"delete-freed",
     [](World& world) {
       world.erase(kAnna, {0, 2}, Deleted::kFreed);
       world.purge(kAnna);
     }},
    {"restore", [](World& world) { world.restore(kBert); }},
    {"free", [](World& world) { world.free_oldest(); }},
    {"expire", [](World& world) { world.expire(kAnna); }},
    {"queue",
     [](World& world) {
       world.deliver({relayed({kCarl, kDora}, kSmall), large(relayed({kCarl, kAnna}, 0))});
     }},
    {"outcomes",
     [](World& world) {
       world.note({{first_queued(world), kCarl, QueueState::kDelivered}}, {plain({kAnna}, kSmall)});
     }},
    {"file-queued", [](World& world) { world.file_queued(); }, true, false},
    {"accounts",
     [](World& world) {
       world.add_mailbox("new@example.org");
       world.set_password(kAnna);
       world.remove_mailbox(kBert, KeepMail::kNo);
       world.sweep_removed();
     }},
    {"import", [](World& world) { world.look(kBert); }, true, true, false,
     [](World& world) {
       world.put_foreign_file(kBert, "new/", "1700000003.three", ForeignSync::kYes);
       world.put_foreign_file(kBert, "cur/", "1700000004.four:2,S", ForeignSync::kYes);
     }},
    {"import-mail",
     [](World& world) {
       world.import_mail(kBert, {kSmall, kLarge, kMiddle});
     }},
    {"checkpoint",
     [](World& world) {
       world.deliver({relayed({kCarl}, 100'000), relayed({kCarl}, 100'000)});
     },
     true, false, true},
    {"backup", [](World& world) { back_up(world); }, true, false, false, nullptr, nullptr, restore_newest},
    {"backup-again", [](World& world) { back_up(world); }, true, true, false,
     [](World& world) {
       if (auto done = power::back_up(root_of(world)); !done) throw std::runtime_error(done.error().message);
       world.deliver({plain({kAnna, kBert}, kSmall), large(plain({kAnna}, 0))});
       world.deliver({relayed({kCarl, kDora}, kMiddle)});
       world.file_mail();
     },
     nullptr, restore_newest},
    {"restore-backup", [](World& world) { world.restore_backup(); }, true, true, false,
     [](World& world) {
       if (!world.back_up()) throw std::runtime_error(world.errors().front());
       world.deliver({plain({kAnna, kBert}, kSmall)});
       world.close();
     },
     // One that failed is tried again; until then no store may be opened, or everything is as it was.
     [](World& world) {
       if (world.ledger().instead != nullptr && !world.restore_backup())
         throw std::runtime_error(world.errors().back());
     }},
    {"check", [](World& world) { world.mend(); }, true, true, false, disturb, leave_undisturbed},
    {"close", [](World& world) { world.close(); }},
    {"open", [](World& world) { world.open(); }, false},
    {"recover", [](World& world) { world.open(); }, false, false},
};

constexpr FaultKind kFaults[] = {FaultKind::kIo, FaultKind::kNoSpace, FaultKind::kNoFiles,
                                 FaultKind::kNoMemory, FaultKind::kShort};

struct Options {
  std::string operation;
  std::size_t every = 1;
  std::size_t seed = 0;
};

// The process ends itself when it does not know the outcome of a commit. That thread then stops for good, and
// its files are looked at as after a crash.
sem_t is_over;
volatile std::sig_atomic_t has_aborted = 0;

void stop_here(int) {
  has_aborted = 1;
  ::sem_post(&is_over);
  while (true) ::pause();
}

// True: it came to its end.
bool runs_to_its_end(const std::function<void()>& work) {
  has_aborted = 0;
  std::thread thread([&] {
    work();
    ::sem_post(&is_over);
  });
  while (::sem_wait(&is_over) != 0) {
  }
  if (has_aborted == 0) {
    thread.join();
    return true;
  }
  thread.detach();
  return false;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

void prepare(World& world, const Operation& operation) {
  make_mailboxes(world);
  world.deliver({plain({kAnna, kBert}, kSmall), plain({kAnna}, kMiddle), large(plain({kAnna}, 0)),
                 plain({kBert}, kSmall)});
  world.deliver({relayed({kCarl}, kSmall), relayed({kCarl, kDora}, kMiddle)});
  world.erase(kBert, {0}, Deleted::kKept);
  world.purge(kBert);
  while (operation.has_journal && fs::file_size(world.data() + "/mailstead.db-wal") < kLongJournal)
    world.deliver({relayed({kCarl}, 20'000)});
  world.put_foreign_file(kBert, "new/", "1700000001.one", ForeignSync::kYes);
  world.put_foreign_file(kBert, "cur/", "1700000002.two:2,S", ForeignSync::kYes);
  // For a recovery there is something to do.
  if (!operation.was_closed) world.erase(kAnna, {1}, Deleted::kFreed);
}

class Faults {
 public:
  Faults(const Operation& operation, const Options& options) : operation_(operation), options_(options) {
    const std::string root = workshop_.fresh();
    fs::create_directory(root);
    World world(root + "/data", nullptr);
    prepare(world, operation);
    if (operation.was_closed) world.close();
    if (!world.errors().empty()) throw std::runtime_error(world.errors().front());
    image_ = read_image(root);
    prepared_ = std::make_unique<World>(world, "");
  }

  // How many tries were wrong.
  std::size_t run() {
    const std::size_t kinds = std::size(kFaults) * 2;
    std::size_t wrong = 0;
    in_children(
        kinds,
        [&](std::size_t i) {
          return try_kind(kFaults[i / 2], i % 2 == 0 ? FaultTimes::kOnce : FaultTimes::kForEver);
        },
        [&](std::size_t i, const std::string& text) {
          const bool is_good = text.starts_with("tried ");
          wrong += is_good ? 0 : 1;
          fmt::print("{}{}, {}, {}: {}{}\n", is_good ? "" : "FAILED: ", operation_.name,
                     name_of(kFaults[i / 2]), i % 2 == 0 ? "once" : "for ever", text,
                     is_good ? "" : fmt::format(" (call {})", *current_));
          std::fflush(stdout);
          return true;
        });
    return wrong;
  }

 private:
  struct Tried {
    Findings findings;
    bool happened = false;
    bool aborted = false;
    std::size_t calls = 0;
  };

  std::string try_kind(FaultKind kind, FaultTimes times) {
    const Tried clean = try_one(kind, SIZE_MAX, FaultTimes::kOnce);
    if (!clean.findings.empty()) return fmt::format("without a fault: {}", clean.findings.front());
    std::size_t tried = 0;
    std::size_t aborted = 0;
    bool happened = true;
    for (std::size_t n = 1; n <= clean.calls || happened; ++n) {
      *current_ = n;
      if (n <= clean.calls && (n + options_.seed) % options_.every != 0) continue;
      const Tried one = try_one(kind, n, times);
      happened = one.happened;
      tried += happened ? 1 : 0;
      aborted += one.aborted ? 1 : 0;
      if (!one.findings.empty()) return joined(one.findings);
    }
    return fmt::format("tried {} of {} calls, {} ended the process", tried, clean.calls, aborted);
  }

  static std::string joined(const Findings& findings) {
    std::string text;
    for (const std::string& finding : findings) text += (text.empty() ? "" : "; ") + finding;
    return text;
  }

  Tried try_one(FaultKind kind, std::size_t n, FaultTimes times) {
    const std::string root = workshop_.fresh();
    write_image(image_, root);
    Tried tried;
    auto world = std::make_unique<World>(*prepared_, root + "/data");
    const std::size_t descriptors = open_descriptors();
    const bool came_to_end = [&] {
      FailingCalls calls(root);
      const bool ended = runs_to_its_end([&] {
        if (operation_.is_opened && !world->open()) throw std::runtime_error(world->errors().front());
        if (operation_.before != nullptr) operation_.before(*world);
        calls.arm(kind, n, times);
        operation_.run(*world);
        calls.disarm();
      });
      calls.disarm();
      tried.happened = calls.happened();
      tried.calls = calls.calls();
      return ended;
    }();
    Ledger ledger;
    if (came_to_end) {
      if (operation_.after != nullptr) operation_.after(*world);
      if (operation_.restore_into != nullptr) check_made(*world, tried.findings);
      go_on(*world, tried.findings);
      ledger = world->ledger();
      world.reset();
      const std::size_t left = open_descriptors();
      if (left != descriptors)
        tried.findings.push_back(fmt::format("{} descriptors more stay open", left - descriptors));
      check(root, ledger, tried.findings);
    } else {
      tried.aborted = true;
      check_deliberate(tried.findings);
      // Its locks are still held: a copy has none.
      const std::string copy = workshop_.fresh();
      write_image(read_image(root), copy);
      ledger = world->ledger();
      ledger.clean = {false, true};
      static_cast<void>(world.release());
      check(copy, ledger, tried.findings);
    }
    workshop_.clear();
    return tried;
  }

  // The fault is over: the store works again without another start.
  static void go_on(World& world, Findings& findings) {
    if (!world.is_open() && !world.open())
      findings.push_back("does not open afterwards: " + world.errors().back());
    if (!world.is_open()) return;
    if (!world.deliver({plain({kAnna}, kSmall)}))
      findings.push_back("takes no mail afterwards: " + world.errors().back());
    if (!world.close()) findings.push_back("cannot be closed afterwards: " + world.errors().back());
  }

  void check_made(World& world, Findings& findings) {
    const std::string place = workshop_.fresh();
    if (!operation_.restore_into(world, place)) return;
    Ledger ledger = world.ledger();
    ledger.clean = {false, true};
    check(place, ledger, findings);
  }

  static void check(const std::string& root, const Ledger& ledger, Findings& findings) {
    for (const std::string& finding : try_folder(root, ledger)) findings.push_back(finding);
  }

  static void check_deliberate(Findings& findings) {
    std::fflush(stderr);
    std::ifstream file(fmt::format("/proc/self/fd/{}", STDERR_FILENO));
    std::ostringstream said;
    said << file.rdbuf();
    if (said.str().find("it is not known whether a commit is on the disk") == std::string::npos)
      findings.push_back("the process ended itself without a word");
    if (::ftruncate(STDERR_FILENO, 0) != 0) findings.push_back("cannot empty what was said");
  }

  const Operation& operation_;
  const Options& options_;
  Workshop workshop_;
  Image image_;
  std::unique_ptr<World> prepared_;
  // Shared with the children: what was tried when one died.
  std::size_t* const current_ = static_cast<std::size_t*>(
      ::mmap(nullptr, sizeof(std::size_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
};

// What the process says before it ends is read back.
void keep_errors() {
  const int fd = ::open(fs::temp_directory_path().c_str(), O_RDWR | O_TMPFILE | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || ::dup2(fd, STDERR_FILENO) < 0) throw std::runtime_error("cannot keep what is said");
  ::close(fd);
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::runtime_error(fmt::format("'{}' is no number", text));
  return value;
}

Options parse(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.size() % 2 != 1)
    throw std::runtime_error("usage: faults_test OPERATION [--every N] [--seed N]");
  Options options;
  options.operation = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    if (arguments[i] == "--every") {
      options.every = std::max<std::size_t>(1, number(arguments[i + 1]));
    } else if (arguments[i] == "--seed") {
      options.seed = number(arguments[i + 1]);
    } else {
      throw std::runtime_error("unknown option " + arguments[i]);
    }
  }
  return options;
}

int run(const Options& options) {
  const auto operation = std::ranges::find(kOperations, options.operation, &Operation::name);
  if (operation == std::end(kOperations))
    throw std::runtime_error("no operation is named " + options.operation);
  Faults faults(*operation, options);
  ::sem_init(&is_over, 0, 0);
  std::signal(SIGABRT, stop_here);
  keep_errors();
  return faults.run() == 0 ? 0 : 1;
}

}  // namespace

}  // namespace mailstead::power

int main(int count, char** arguments) {
  try {
    return mailstead::power::run(mailstead::power::parse({arguments + 1, arguments + count}));
  } catch (const std::exception& exception) {
    std::printf("faults_test: %s\n", exception.what());
    return 2;
  }
}
