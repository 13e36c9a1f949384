#include "admin/transfer/store_access.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "admin/control.h"
#include "admin/owner.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kPatienceToBegin = std::chrono::seconds(10);
// A server that is restarted, and repairs what a crash left, is back by then.
constexpr auto kPatienceForServer = std::chrono::seconds(120);
constexpr auto kPauseBetweenTries = std::chrono::milliseconds(100);

void tell(const std::string& text) {
  std::fprintf(stderr, "mailstead: %s\n", printable(text).c_str());
}

}  // namespace

Result<std::unique_ptr<StoreAccess>> StoreAccess::open(const CommandLine& line, const std::string& address,
                                                       const std::string& what) {
  Request begin;
  begin.command = "transfer begin";
  begin.arguments = {address, what};
  return open(line, begin);
}

Result<std::unique_ptr<StoreAccess>> StoreAccess::open(const CommandLine& line, const Request& begin) {
  if (auto entered = enter_folder(line.data, MissingFolder::kRefused, Rights::kLent); !entered)
    return entered.error();
  std::unique_ptr<StoreAccess> access(new StoreAccess(line.data));
  const auto deadline = SteadyClock::now() + kPatienceToBegin;
  // As in dispatch.cc: a server that starts or stops has the lock and no socket.
  while (true) {
    const auto answer = call_server(line.data, begin);
    if (answer && answer->exit_code != 0) return Error{ErrorKind::kNotFound, answer->error};
    if (answer) {
      access->messages_ = std::strtoull(answer->json.c_str(), nullptr, 10);
      return access;
    }
    if (answer.error().kind != ErrorKind::kNotFound && answer.error().kind != ErrorKind::kIo)
      return answer.error();
    auto opened = access->open_here(line);
    if (opened) {
      const auto asked = access->ask(begin);
      if (!asked) return asked.error();
      access->messages_ = std::strtoull(asked->json.c_str(), nullptr, 10);
      return access;
    }
    if (opened.error().kind != ErrorKind::kInUse || SteadyClock::now() >= deadline) return opened.error();
    std::this_thread::sleep_for(kPauseBetweenTries);
  }
}

Result<void> StoreAccess::open_here(const CommandLine& line) {
  auto config = load_config({line.data, line.config_file});
  if (!config) return config.error();
  config_ = *std::move(config);
  RecoveryReport recovery;
  auto store = Store::open(store_options(line.data, config_), recovery);
  if (!store) return store.error();
  for (const std::string& action : recovery.actions) tell("recovery: " + action);
  store_ = std::move(*store);
  return {};
}

StoreAccess::~StoreAccess() {
  if (store_ == nullptr) return;
  // What was done is durable already; an unmarked close costs the next start a look around.
  if (const auto closed = store_->close(); !closed) tell(closed.error().message);
}

Result<Report> StoreAccess::ask(const Request& request) {
  auto answer = [&]() -> Result<Report> {
    if (store_ == nullptr) return ask_server(request);
    CommandContext context{*store_, config_, data_, nullptr, nullptr, nullptr, &spools_};
    return run_command(request, context);
  }();
  if (answer && answer->exit_code != 0) return Error{ErrorKind::kIo, answer->error};
  return answer;
}

Result<Report> StoreAccess::ask_server(const Request& request) {
  const auto deadline = SteadyClock::now() + kPatienceForServer;
  bool told = false;
  while (true) {
    auto answer = call_server(data_, request);
    const bool busy = answer && answer->exit_code != 0 && answer->error.starts_with("the server is too busy");
    if (answer && !busy) return answer;
    if (SteadyClock::now() >= deadline) {
      if (answer) return answer;
      return Error{
          answer.error().kind,
          answer.error().message + "; give the same command again when it runs: it goes on where it stopped"};
    }
    if (!told && !busy) tell(answer.error().message + "; waiting for it");
    told = true;
    std::this_thread::sleep_for(kPauseBetweenTries);
  }
}

StoreOptions store_options(const std::string& data, const Config& config) {
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  return {.data = data,
          .host = config.hostname,
          .default_quota = config.limits.mailbox_size,
          .credentials = credentials == nullptr ? "" : credentials};
}

CallersRights::CallersRights() : owner_(::geteuid()) {
  if (::getuid() == 0 && owner_ != 0 && ::seteuid(0) != 0) std::terminate();
}

CallersRights::~CallersRights() {
  // With root's rights nothing goes on that was to be done without.
  if (::geteuid() != owner_ && ::seteuid(owner_) != 0) std::terminate();
}

}  // namespace mailstead::admin
