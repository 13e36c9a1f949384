// What an ACME server may answer, to the parsers and to a whole session: nothing but its states may come of
// it.
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/acme/acme_messages.h"
#include "protocols/acme/acme_session.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

void judge_problem(const AcmeProblem& problem) {
  for (const std::string* text : {&problem.type, &problem.detail, &problem.name})
    require(text->find_first_of("\r\n") == std::string::npos && text->size() <= 1000, "words are one line");
}

void parse_all(std::string_view text) {
  if (const auto directory = parse_acme_directory(text))
    require(is_acme_url(directory->new_order), "a directory's places are URLs");
  if (const auto order = parse_acme_order(text)) {
    for (const std::string& url : order->authorizations) require(is_acme_url(url), "so are authorizations");
    if (order->status == AcmeStatus::kValid)
      require(is_acme_url(order->certificate), "so is the certificate");
  }
  if (const auto found = parse_acme_authorization(text)) {
    for (const AcmeChallenge& challenge : found->challenges) {
      require(challenge.token.find_first_not_of(
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos,
              "a token is base64url");
      if (challenge.problem) judge_problem(*challenge.problem);
    }
  }
  judge_problem(parse_acme_problem(text));
  if (const auto wait = parse_retry_after(text, 0)) require(wait->count() >= 0, "nobody waits for the past");
}

// Answers are separated by lines of "---"; a digit in front of one chooses its status.
void play(std::string_view wire) {
  static const AcmeKey key = AcmeKey::make().value();
  AcmeTerms terms;
  terms.directory = "https://ca.example/";
  terms.names = {"mail.example.org"};
  AcmeSession session(terms, {key, {}, key, {}});
  for (unsigned steps = 0; steps < 200; ++steps) {
    switch (session.wants()) {
      case AcmeWants::kAnswer: {
        require(is_acme_url(session.request().url), "only URLs are asked");
        if (wire.empty()) return session.unanswered("the input is over");
        const std::size_t end = wire.find("\n---\n");
        std::string_view piece = wire.substr(0, end);
        wire.remove_prefix(end == std::string_view::npos ? wire.size() : end + 5);
        AcmeAnswer answer;
        answer.status = piece.starts_with('4') ? 400 : piece.starts_with('5') ? 503 : 200;
        if (!piece.empty()) piece.remove_prefix(1);
        answer.body = piece;
        answer.nonce = "nonce";
        answer.location = "https://ca.example/location";
        session.answer(answer);
        break;
      }
      case AcmeWants::kPause:
        require(session.pause().count() > 0, "a pause is one");
        session.resume();
        break;
      case AcmeWants::kPublish:
        require(!session.publication().token.empty(), "what is published has a token");
        session.published();
        break;
      case AcmeWants::kRecord:
        session.recorded();
        break;
      case AcmeWants::kDone:
      case AcmeWants::kFailed:
        return;
    }
  }
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  mailstead::fuzz::parse_all(text);
  mailstead::fuzz::play(text);
  return 0;
}
