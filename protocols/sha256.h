// SHA-256 of what comes in pieces, FIPS 180-4. Threads: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "protocols/auth/hmac.h"  // Sha256

namespace mailstead {

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  // A copy goes on from where the other is: for texts that begin alike.
  Sha256Stream(const Sha256Stream& other);
  Sha256Stream& operator=(const Sha256Stream& other);
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;

  void add(std::string_view octets);
  // Once, and nothing after it.
  Sha256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 sha256(std::string_view octets);

}  // namespace mailstead
