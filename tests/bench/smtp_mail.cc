#include "bench/smtp_mail.h"

#include <openssl/sha.h>

#include <array>
#include <utility>

#include "bench/give_up.h"

namespace mailstead::bench {

namespace {

constexpr std::uint64_t kBeginnings = 1024;
constexpr std::size_t kLine = 2 * SHA256_DIGEST_LENGTH + 2;

std::string hash_line(std::uint64_t number) {
  const std::string text = std::to_string(number);
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), digest.data());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string line;
  for (const std::uint8_t octet : digest) {
    line += kDigits[octet >> 4U];
    line += kDigits[octet & 15U];
  }
  return line + "\r\n";
}

}  // namespace

SmtpMail::SmtpMail(std::string run, std::size_t size, std::uint64_t users, std::string domain)
    : run_(std::move(run)),
      size_(size),
      users_(users),
      domain_(std::move(domain)),
      fill_(std::string(kLine, 'x') + "\r\n") {
  if (size < kLeast) give_up("a message has at least " + std::to_string(kLeast) + " octets");
  if (users == 0) give_up("a message needs a recipient");
  const std::uint64_t lines = kBeginnings + size / kLine;
  ring_.reserve(lines * kLine);
  for (std::uint64_t i = 0; i < lines; ++i) ring_ += hash_line(i);
}

std::string SmtpMail::recipient(std::uint64_t number) const {
  return "user" + std::to_string(number % users_ + 1) + "@" + domain_;
}

SmtpMail::Pieces SmtpMail::message(std::uint64_t number) const {
  const std::string name = std::to_string(number);
  Pieces pieces{.head = "Message-ID: <" + run_ + "." + name + "@load.example>\r\nFrom: <" +
                        std::string(kSender) + ">\r\nTo: <" + recipient(number) +
                        ">\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\nSubject: " + run_ + " " + name +
                        "\r\n\r\n",
                .lines = {},
                .rest = {}};
  if (pieces.head.size() + 2 > size_) give_up("the name of the run is too long");
  const std::size_t body = size_ - pieces.head.size();
  const std::size_t lines = (body - 2) / kLine;
  pieces.lines = std::string_view(ring_).substr(number % kBeginnings * kLine, lines * kLine);
  pieces.rest = std::string_view(fill_).substr(fill_.size() - (body - lines * kLine));
  return pieces;
}

}  // namespace mailstead::bench
