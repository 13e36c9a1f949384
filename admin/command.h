// Administrative commands: each is a function from a request to a report.
//
// The command line makes a Request, and has it run where the store is: in the running server (over the
// control socket, on its storage thread) or in this process, which then holds the data folder's lock.
// Threads: run_command() on the thread that owns the store. Plain values otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/acme_facts.h"
#include "admin/ban_list.h"
#include "admin/certificate.h"
#include "admin/config/config.h"
#include "admin/counters.h"
#include "admin/refusal_list.h"
#include "protocols/result.h"
#include "storage/store.h"

namespace mailstead {

namespace admin {
class ImportSpools;
}
class WebLinks;

struct Request {
  std::string command;                 // "mailbox add"
  std::vector<std::string> arguments;  // positional, in order
  std::vector<std::string> flags;      // "keep-mail"
  std::string secret;        // a password hash (made by the command line), where the command takes one
  std::string after = {};    // what the report before said is `next`: go on there
  std::string content = {};  // JSON that an import hands over, see transfer_wire.h
};

// What the command found or did. `text` is for people, `json` one JSON value for scripts; the caller prints
// one of them.
struct Report {
  int exit_code = 0;  // 0 done, 1 could not be done, 2 wrong usage
  std::string text;   // complete lines
  std::string json;
  std::string error;  // one line, when exit_code is not 0: why, and what to do
  // Not empty: more is to be had, or to be done, by the same request with this as `after`. So nobody's mail
  // waits for a long command.
  std::string next = {};
};

// What only a running server knows; taken on the reactor before the command is queued.
struct ServerFacts {
  std::int64_t pid = 0;
  std::int64_t started_at = 0;  // Unix seconds
  struct Listener {
    std::string service;            // "smtp"
    std::string address;            // as bound, "127.0.0.1:2525"
    std::uint64_t connections = 0;  // open now
  };
  std::vector<Listener> listeners;
  // Counts begin with the server.
  std::uint64_t logins = 0;
  std::uint64_t failed_logins = 0;
  std::uint64_t bans = 0;                // in force
  std::uint64_t recipients_waiting = 0;  // of mail for other hosts, those that are not held
  std::uint64_t recipients_sent = 0;     // taken by other hosts
  std::uint64_t recipients_failed = 0;   // given up
  Counters counters;
  std::uint64_t commits = 0;    // of the store
  std::uint64_t committed = 0;  // messages in them
  double commit_seconds = 0;    // that they took
  AcmeFacts acme;
  std::vector<CertificateInUse> certificates;  // the default first
  std::string certificate_trouble;             // why what their files hold is not used; empty: it is
  std::string mail_trouble;                    // why the last mail could not be written down; empty: it could
  std::uint64_t messages_unfiled = 0;          // now: durable, without a file in a maildir yet
};

struct CommandContext {
  Store& store;
  const Config& config;
  std::string data;                       // the data folder
  const ServerFacts* server = nullptr;    // null: no server runs
  BanList* bans = nullptr;                // the same
  const RefusalList* refusals = nullptr;  // the same
  // Large messages that an import hands over in pieces; null: none are taken.
  admin::ImportSpools* spools = nullptr;
  WebLinks* web_links = nullptr;  // null: no server runs
};

Report run_command(const Request& request, CommandContext& context);

}  // namespace mailstead
