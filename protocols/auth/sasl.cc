#include "protocols/auth/sasl.h"

#include <utility>

#include "protocols/ascii.h"
#include "protocols/auth/saslprep.h"
#include "protocols/base64.h"

namespace mailstead::sasl {
namespace {

struct Named {
  std::string_view name;
  Mechanism mechanism;
};

// In the order in which they are offered: programs that cannot tell which is best take the first they know,
// and a password that a person chose has no keys for SCRAM.
constexpr Named kMechanisms[] = {{"PLAIN", Mechanism::kPlain},
                                 {"LOGIN", Mechanism::kLogin},
                                 {"SCRAM-SHA-256", Mechanism::kScram},
                                 {"SCRAM-SHA-256-PLUS", Mechanism::kScramPlus}};

// RFC 4616 2, RFC 4954 4: names are compared as they are prepared.
bool same_name(std::string_view a, std::string_view b) {
  const auto prepared = [](std::string_view name) { return saslprep::prepare(name, saslprep::Use::kQuery); };
  const auto first = prepared(a);
  const auto second = prepared(b);
  return first && second && ascii::same(*first, *second);
}

}  // namespace

std::optional<Plain> parse_plain(std::string_view message) {
  const std::size_t first = message.find('\0');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = message.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  Plain plain{std::string(message.substr(0, first)),
              std::string(message.substr(first + 1, second - first - 1)),
              std::string(message.substr(second + 1))};
  // RFC 4616 2: authcid and passwd have at least one character, and no NUL.
  if (plain.authcid.empty() || plain.password.empty()) return std::nullopt;
  if (plain.password.find('\0') != std::string::npos) return std::nullopt;
  return plain;
}

std::optional<Mechanism> find_mechanism(std::string_view name) {
  for (const Named& each : kMechanisms) {
    if (ascii::same(each.name, name)) return each.mechanism;
  }
  return std::nullopt;
}

bool says_password(Mechanism mechanism) {
  return mechanism == Mechanism::kPlain || mechanism == Mechanism::kLogin;
}

bool Offer::has(Mechanism mechanism) const {
  if (says_password(mechanism)) return passwords;
  return scram && (mechanism == Mechanism::kScram || bindings != nullptr);
}

std::string Offer::names() const {
  std::string names;
  for (const Named& each : kMechanisms) {
    if (!has(each.mechanism)) continue;
    if (!names.empty()) names += ' ';
    names += each.name;
  }
  return names;
}

Offer offer_to(const PeerFacts& peer, PlaintextAuth plaintext, Scram scram) {
  const bool in_the_clear =
      plaintext == PlaintextAuth::kAlways || (plaintext == PlaintextAuth::kLoopback && peer.loopback);
  return {peer.tls || in_the_clear, scram == Scram::kAvailable, peer.bindings};
}

Exchange::Exchange(Mechanism mechanism, const Offer& offer) {
  switch (mechanism) {
    case Mechanism::kPlain:
      awaits_ = Awaits::kPlain;
      break;
    case Mechanism::kLogin:
      awaits_ = Awaits::kLoginUser;
      break;
    case Mechanism::kScram:
    case Mechanism::kScramPlus:
      awaits_ = Awaits::kScramFirst;
      scram_.emplace(mechanism == Mechanism::kScram ? scram::Binding::kNone : scram::Binding::kRequired,
                     offer.bindings);
      break;
  }
}

Exchange::Step Exchange::begin(std::string_view initial_response) {
  if (initial_response.empty()) {
    return ask(awaits_, awaits_ == Awaits::kLoginUser ? std::string(kLoginUserPrompt) : "");
  }
  if (initial_response == "=") return take({});
  return respond(initial_response);
}

Exchange::Step Exchange::respond(std::string_view line) {
  const auto message = base64::decode(line);
  return message ? take(*message) : Step::kUndecodable;
}

Exchange::Step Exchange::ask(Awaits next, std::string challenge) {
  awaits_ = next;
  challenge_ = std::move(challenge);
  return Step::kChallenge;
}

Exchange::Step Exchange::take(std::string_view message) {
  if (scram_) return take_scram(message);
  return awaits_ == Awaits::kPlain ? take_plain(message) : take_login(message);
}

Exchange::Step Exchange::take_login(std::string_view message) {
  if (message.empty() || message.find('\0') != std::string_view::npos) return Step::kMalformed;
  if (awaits_ == Awaits::kLoginUser) {
    user_ = message;
    return ask(Awaits::kLoginPassword, std::string(kLoginPasswordPrompt));
  }
  password_ = message;
  return Step::kCredentials;
}

Exchange::Step Exchange::take_plain(std::string_view message) {
  auto plain = parse_plain(message);
  if (!plain) return Step::kMalformed;
  user_ = std::move(plain->authcid);
  password_ = std::move(plain->password);
  const bool own = plain->authzid.empty() || same_name(plain->authzid, user_);
  return own ? Step::kCredentials : Step::kNotForOthers;
}

Exchange::Step Exchange::take_scram(std::string_view message) {
  if (awaits_ == Awaits::kScramEnd) return message.empty() ? Step::kAccepted : Step::kMalformed;
  const bool first = awaits_ == Awaits::kScramFirst;
  const auto taken = first ? scram_->take_client_first(message) : scram_->take_client_final(message);
  user_ = scram_->user();
  if (taken == scram::Exchange::Step::kMalformed) return Step::kMalformed;
  if (taken == scram::Exchange::Step::kNotForOthers) return Step::kNotForOthers;
  return first ? Step::kScramChallenge : Step::kScramProof;
}

Exchange::Step Exchange::begin_scram(const scram::Challenge& challenge) {
  return ask(Awaits::kScramFinal, base64::encode(scram_->server_first(challenge)));
}

// RFC 5034 4 and RFC 4954 4: what goes with success goes as a challenge, which the client answers with
// nothing.
Exchange::Step Exchange::accept(std::string_view signature) {
  return ask(Awaits::kScramEnd, base64::encode(scram::Exchange::server_final(signature)));
}

}  // namespace mailstead::sasl
