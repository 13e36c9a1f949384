// A connection to another POP3 server, with or without TLS. Blocking; a signal that is caught ends a wait.
//
// Threads: one. Errors: one line that names the host: kUnavailable (nobody answers, or not in time), kDenied
// (the certificate), kIo.
#pragma once

#include <openssl/base.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "admin/descriptor.h"
#include "protocols/result.h"

namespace mailstead::admin {

enum class Certificate { kChecked, kIgnored };

class Pop3Link {
 public:
  static Result<std::unique_ptr<Pop3Link>> connect(const std::string& host, std::uint16_t port);
  ~Pop3Link();

  // TLS 1.2 at least. The certificate has to be for the host, by an authority that the machine knows, or that
  // the file in SSL_CERT_FILE names.
  Result<void> start_tls(Certificate certificate);
  Result<void> write(std::string_view bytes);
  // Some bytes; none: the server has closed.
  Result<std::string_view> read();

 private:
  explicit Pop3Link(std::string host);
  Result<void> wait(short events) const;
  // What the TLS library wants before it goes on.
  Result<void> wait_for_tls(int outcome) const;
  Error error(ErrorKind kind, std::string_view words) const;

  const std::string host_;
  Descriptor socket_;
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> tls_;  // null: in the clear
  std::string buffer_;
};

}  // namespace mailstead::admin
