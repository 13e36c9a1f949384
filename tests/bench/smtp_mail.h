// The messages of a load: each another one, of exactly the wanted size, and known from its number alone.
//
// Whoever finds a message later reads run and number in its Subject, and can tell every octet. load_mail.py
// makes the same ones.
//
//   Message-ID: <RUN.NUMBER@load.example>    the header, CR LF at each end of a line
//   From: <sender@elsewhere.example>
//   To: <user7@example.org>
//   Date: Sat, 1 Jan 2000 00:00:00 +0000
//   Subject: RUN NUMBER
//
//   line NUMBER % 1024, the next one, …      line k: the 64 hex digits of SHA-256("k")
//   xxx                                      what is left, at least the CR LF
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mailstead::bench {

class SmtpMail {
 public:
  static constexpr std::string_view kSender = "sender@elsewhere.example";
  static constexpr std::size_t kLeast = 300;  // octets

  // `size` is in octets; `users` are user1@DOMAIN and so on, who take turns.
  SmtpMail(std::string run, std::size_t size, std::uint64_t users, std::string domain);

  std::string recipient(std::uint64_t number) const;

  // A message in pieces, so that its body is copied by nobody but the kernel. Views last as long as this
  // object.
  struct Pieces {
    std::string head;
    std::string_view lines;
    std::string_view rest;
  };
  Pieces message(std::uint64_t number) const;

 private:
  std::string run_;
  std::size_t size_;
  std::uint64_t users_;
  std::string domain_;
  std::string ring_;  // lines 0 to 1023 + as many as a message has
  std::string fill_;
};

}  // namespace mailstead::bench
