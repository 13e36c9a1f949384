// Asks the DNS what has to be known to tell whether a message is from whom it says: SPF (RFC 7208), the keys
// of its signatures (RFC 6376 6.1.2, RFC 8617), and what its author's domain publishes (DMARC, RFC 7489).
//
// All of it is asked for at the same time; SPF and DMARC ask one thing after the other. Ownership: who asks
// holds this, and hears nothing once it is destroyed. Threads: the reactor. Errors: are answers.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocols/origin/arc_verifier.h"
#include "protocols/origin/dmarc.h"
#include "protocols/origin/spf.h"
#include "server/net/resolver.h"

namespace mailstead {

class OriginQuestions {
 public:
  // Names of keys that are asked for, the first of them; what more there are counts as asked in vain. Chains
  // of ARC that are so long are none of honest hosts.
  static constexpr std::size_t kMostKeys = 40;
  // Octets of what one of those names has that are kept: a key of 4096 bits is less than 1 KiB.
  static constexpr std::size_t kMostKeyOctets = 8 * 1024;

  struct Terms {
    std::optional<SpfClient> client;     // nullopt: nothing is asked for SPF
    std::vector<std::string> key_names;  // whose TXT records hold keys; repeats do no harm
    std::string author_domain;           // empty: nothing is asked for DMARC
  };
  // What a name without an answer counts as is the verifiers' to say; give_up() leaves such names.
  using Keys = ArcVerifier::Keys;

  // `done` runs once, later, when all is known; never inside the constructor.
  OriginQuestions(Resolver& resolver, Terms terms, std::function<void()> done);
  OriginQuestions(const OriginQuestions&) = delete;
  OriginQuestions& operator=(const OriginQuestions&) = delete;

  // What has no answer yet was asked in vain: it counts as a failure of the DNS. `done` runs inside this
  // call, if it has not run.
  void give_up();

  // At the end. nullopt: was not asked for.
  const std::optional<SpfCheck>& spf() const { return spf_; }
  const std::optional<DmarcDiscovery>& dmarc() const { return dmarc_; }
  const Keys& keys() const { return keys_; }

 private:
  Resolver::Question ask(const std::string& name, dns::Type type, Resolver::Done done);
  void ask_spf();
  void ask_dmarc();
  void ask_key(const std::string& name);
  void answered();

  Resolver& resolver_;
  std::function<void()> done_;
  std::optional<SpfCheck> spf_;
  std::optional<DmarcDiscovery> dmarc_;
  Keys keys_;
  Resolver::Question spf_question_;
  Resolver::Question dmarc_question_;
  Resolver::Question beginning_;
  std::vector<Resolver::Question> key_questions_;
  std::size_t open_ = 1;  // checks and keys that wait for an answer, and the beginning
};

}  // namespace mailstead
