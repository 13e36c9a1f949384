// The client's side of POP3 (RFC 1939), to fetch a mailbox whole: CAPA (2449), STLS (2595), SASL (5034),
// APOP, UIDL, and PIPELINING when it is offered.
//
// The caller moves bytes: receive() what came, send what take_output() gives, and do what wants() says:
//
//   kInput   more bytes
//   kTls     the handshake, then tls_established()
//   kWork    logged in, messages() are known, nothing is under way: retrieve(), remove() or quit()
//   kEnd     the session is over: failure() says why, or nothing after quit()
//
// Messages come to the sink in the order of retrieve(), dots unstuffed. The server is not trusted: lines,
// listings and messages have limits, and UIDLs are those of RFC 1939 7 or none. What was said before TLS is
// forgotten after it; bytes behind the answer to STLS end the session.
// Memory: one line, the listing, kMostPending commands. Threads: one at a time. No I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/auth/sasl_client.h"
#include "protocols/line_reader.h"
#include "protocols/smtp/data_reader.h"

namespace mailstead {

struct Pop3ClientOptions {
  enum class Tls {
    kImplicit,  // the connection began with it
    kStls,      // required
    kNone,      // asked for: password and mail go in the clear
  };

  std::string user;
  std::string password;  // wiped with the session
  Tls tls = Tls::kImplicit;
  bool use_apop = false;  // only that
  std::string nonce;      // for SCRAM; empty: no SCRAM
};

struct Pop3Listed {
  std::uint32_t number = 0;
  std::string uidl;        // empty: the server told none, or one that cannot be a UIDL
  std::uint64_t size = 0;  // octets, as the server says
};

struct Pop3ClientFailure {
  enum class Kind {
    kRefused,   // the name or password, or the mailbox is in use
    kProtocol,  // the server does not speak POP3 as it should
    kLimit,     // it sent more than any server does
    kCannot,    // it lacks what is needed: UIDL, TLS, a way to log in
    kLost,      // the connection ended
  };
  Kind kind = Kind::kProtocol;
  std::string words;  // for people; what the server said is made printable
};

class Pop3ClientSink {
 public:
  virtual ~Pop3ClientSink() = default;
  // A piece of the message that is being fetched, line ends as they came.
  virtual void message_content(std::uint32_t number, std::string_view bytes) = 0;
  virtual void message_ends(std::uint32_t number) = 0;
  // -ERR: another session deleted it, say.
  virtual void message_refused(std::uint32_t number, const std::string& words) = 0;
};

class Pop3ClientSession {
 public:
  enum class Wants { kInput, kTls, kWork, kEnd };

  static constexpr std::size_t kMostLine = 2048;            // octets of a line that is no message's
  static constexpr std::size_t kMostMessages = 4'000'000;   // in a listing
  static constexpr std::uint64_t kMostOctets = 1ull << 31;  // of one message
  static constexpr std::size_t kMostPending = 32;           // commands without an answer

  Pop3ClientSession(Pop3ClientOptions options, Pop3ClientSink& sink);
  ~Pop3ClientSession();
  Pop3ClientSession(const Pop3ClientSession&) = delete;
  Pop3ClientSession& operator=(const Pop3ClientSession&) = delete;

  void receive(std::string_view bytes);
  void tls_established();
  // The connection ended, for this reason.
  void lost(std::string_view why);

  // While more commands can be said without waiting: one at a time without PIPELINING.
  bool has_room() const;
  // After the first kWork; has_room() has to hold.
  void retrieve(std::uint32_t number);
  void remove(std::uint32_t number);  // the server deletes it when quit() is answered
  void quit();

  Wants wants() const { return wants_; }
  std::string take_output() { return std::exchange(output_, {}); }
  const std::vector<Pop3Listed>& messages() const { return messages_; }
  const std::optional<Pop3ClientFailure>& failure() const { return failure_; }
  // quit() was answered with +OK: deleted is what was to be deleted.
  bool has_quit() const { return has_quit_; }
  bool pipelines() const { return pipelining_; }

 private:
  enum class Said {
    kGreeting,
    kCapa,
    kStls,
    kUser,
    kPass,
    kApop,
    kAuth,
    kCapaAgain,
    kUidl,
    kList,
    kRetr,
    kDele,
    kQuit,
  };
  struct Pending {
    Said said;
    std::uint32_t number = 0;  // of kRetr and kDele
  };
  enum class Lines { kNone, kCapa, kUidl, kList };

  void say(Said said, std::string_view line, std::uint32_t number = 0);
  std::size_t read_line(std::string_view bytes);
  std::size_t read_message(std::string_view bytes);
  void take_status(std::string_view line);
  void take_listed(std::string_view line);
  void end_lines();
  void on_ok(const Pending& answered, std::string_view text);
  void on_refusal(const Pending& answered, std::string_view text);
  void on_challenge(std::string_view text);
  void note_capability(std::string_view line);
  void note_uidl(std::string_view line);
  void note_size(std::string_view line);
  void go_on_from_capa();
  void log_in();
  void log_in_by_apop();
  void begin_auth(sasl::Mechanism mechanism);
  void logged_in();
  void finish_listing();
  void forget_password();
  void fail(Pop3ClientFailure::Kind kind, std::string words);

  Pop3ClientOptions options_;
  Pop3ClientSink& sink_;
  Wants wants_ = Wants::kInput;
  std::string output_;
  std::deque<Pending> pending_;
  LineReader lines_{kMostLine};
  Lines reads_ = Lines::kNone;  // a listing of that kind goes on
  std::unique_ptr<DataReader> message_;
  std::uint32_t message_number_ = 0;
  std::string timestamp_;  // of the greeting, for APOP
  bool tls_ = false;
  bool can_stls_ = false;
  bool can_user_ = false;
  bool has_capa_ = false;
  bool can_plain_ = false;
  bool can_scram_ = false;
  bool pipelining_ = false;
  std::unique_ptr<sasl::ClientExchange> exchange_;
  bool tried_scram_ = false;
  std::optional<std::string> postponed_response_;
  std::vector<Pop3Listed> messages_;
  std::optional<Pop3ClientFailure> failure_;
  bool has_quit_ = false;
};

}  // namespace mailstead
