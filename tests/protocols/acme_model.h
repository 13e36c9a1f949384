// A CA in memory for tests of the client: it checks what is signed as RFC 8555 6 wants, and does as it is
// told.
#pragma once

#include <nlohmann/json.hpp>

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "protocols/acme/acme_session.h"

namespace mailstead::testing {

class AcmeModel {
 public:
  AcmeAnswer answer(const AcmeRequest& request);

  // What it is told to do.
  unsigned bad_nonces = 0;                 // so many good ones are rejected
  bool binds_accounts = false;             //
  bool order_is_ready = false;             // names were proven before
  unsigned looks = 2;                      // before a name is proven, and before the order is done
  std::string proof_fails;                 // the type of problem that a challenge ends with
  std::string challenge_type = "http-01";  // that is offered besides dns-01
  std::string refuses;                     // newOrder: with this type of problem
  unsigned refusal_status = 429;
  bool forgets_account = false;  // once
  bool forgets_orders = false;

  // What it saw.
  std::vector<std::string> faults;  // of the client
  std::vector<nlohmann::json> accounts;
  std::vector<std::string> orders;  // payloads of newOrder
  unsigned finalized = 0;
  unsigned told = 0;  // challenges that it was told to look at
  std::string csr;    // DER

 private:
  AcmeAnswer signed_answer(const AcmeRequest& request);
  AcmeAnswer order_answer(unsigned status);
  AcmeAnswer authorization_answer(std::size_t which);
  AcmeAnswer with_nonce(AcmeAnswer answer);
  AcmeAnswer problem(unsigned status, const std::string& type);
  void check(bool holds, const std::string& what);

  std::set<std::string> nonces_;
  unsigned next_nonce_ = 0;
  nlohmann::json key_;  // of the account
  std::vector<std::string> names_;
  std::vector<unsigned> looked_;  // at each name, since it was told; 0: it was not told
  unsigned order_looks_ = 0;
};

}  // namespace mailstead::testing
