// The store, for commands that work for long and ask it for many small things: the running server's over the
// control socket, or one that this process opens, under the data folder's lock, when no server runs.
//
// A server that is restarted meanwhile is waited for. As root, this process acts as the data folder's owner
// from open() on; CallersRights gives it its own rights back for a moment, to read the mail of other users.
// Threads: one.
#pragma once

#include <memory>
#include <string>

#include "admin/command.h"
#include "admin/command_line.h"
#include "admin/transfer/import_spools.h"
#include "protocols/result.h"
#include "storage/store.h"

namespace mailstead::admin {

class StoreAccess {
 public:
  // `begin` is asked first; what it is for stands in the server's log.
  static Result<std::unique_ptr<StoreAccess>> open(const CommandLine& line, const Request& begin);
  // Of a mailbox. `what` it is for stands in the server's log; kNotFound: there is no mailbox of this
  // address.
  static Result<std::unique_ptr<StoreAccess>> open(const CommandLine& line, const std::string& address,
                                                   const std::string& what);
  ~StoreAccess();

  std::uint64_t messages() const { return messages_; }  // that the mailbox had at open()

  // Requests that may be asked twice. An Error: the store cannot be reached any more, or the report's own.
  Result<Report> ask(const Request& request);

 private:
  explicit StoreAccess(std::string data) : data_(std::move(data)) {}
  Result<void> open_here(const CommandLine& line);
  Result<Report> ask_server(const Request& request);

  std::string data_;
  std::uint64_t messages_ = 0;
  Config config_;
  ImportSpools spools_;
  std::unique_ptr<Store> store_;  // null: a server runs
};

// How the data folder is opened, here and by the server: also with systemd's credentials, if there are any
// ($CREDENTIALS_DIRECTORY).
StoreOptions store_options(const std::string& data, const Config& config);

// While it lives, a process that began as root has root's rights.
class CallersRights {
 public:
  CallersRights();
  CallersRights(const CallersRights&) = delete;
  CallersRights& operator=(const CallersRights&) = delete;
  ~CallersRights();

 private:
  unsigned owner_;
};

}  // namespace mailstead::admin
