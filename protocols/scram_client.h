// The client's side of SCRAM-SHA-256 (RFC 5802, 7677): we show that we have the password, and see whether the
// server has its keys. No I/O. Threads: one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead::scram {

class Client {
 public:
  // The nonce is made by the class.
  Client(std::string_view user, std::string_view password);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::string first() const;
  // The answer to the server's first message; nullopt: that is not what it should be.
  std::optional<std::string> final(std::string_view server_first);
  // The server's last message: does it know the password's keys?
  bool check(std::string_view server_final);
  bool is_proven() const { return proven_; }

  // For tests: the nonce of RFC 7677's example.
  void set_nonce(std::string nonce) { nonce_ = std::move(nonce); }

 private:
  std::string first_bare() const;

  std::string user_;
  std::string password_;
  std::string nonce_;
  std::string server_signature_;
  bool proven_ = false;
};

}  // namespace mailstead::scram
