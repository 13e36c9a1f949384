// Any octets as a message with signatures: what is found does not depend on how it was cut, needs a key to be
// a pass, and can be written into a header.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/origin/authentication_results.h"
#include "protocols/origin/results_border.h"
#include "tests/fuzz/input.h"

namespace {

using namespace mailstead;
using fuzz::require;

constexpr std::int64_t kNow = 1700000000;

// The public keys of RFC 8463 A.2, by which the seeds are signed.
dns::Answer fuzz_keys() {
  dns::Answer answer;
  answer.verdict = dns::Verdict::kFound;
  for (const char* text :
       {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb"
        "2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
        "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2E"
        "eC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"}) {
    answer.records.emplace_back();
    answer.records.back().type = dns::Type::kTxt;
    answer.records.back().text = text;
  }
  return answer;
}

AuthenticationResults found_in(std::string_view content, std::size_t piece) {
  SignedMessage message;
  while (!content.empty()) {
    message.read(content.substr(0, piece));
    content.remove_prefix(std::min(piece, content.size()));
  }
  message.finish();
  static const dns::Answer keys = fuzz_keys();
  AuthenticationResults results;
  results.host = "mx.example.net";
  results.dkim.emplace();
  const DkimVerifier dkim(message);
  for (std::size_t i = 0; i < dkim.size(); ++i) {
    results.dkim->push_back(dkim.verify(i, keys, kNow));
    const DkimVerdict& verdict = results.dkim->back();
    const bool passed = verdict.result == DkimResult::kPass;
    require(dkim.key_name(i).size() <= 253, "a name is bounded");
    require(!passed || !dkim.key_name(i).empty(), "a pass has a key");
    require(passed == verdict.reason.empty(), "what is no pass has a reason");
    require(dkim.verify(i, dns::Answer(), kNow).result != DkimResult::kPass,
            "there is no pass without a key");
  }
  const ArcVerifier arc(message);
  ArcVerifier::Keys arc_keys;
  for (const std::string& name : arc.key_names()) arc_keys[name] = keys;
  results.arc = arc.verify(arc_keys, kNow);
  require(results.arc->chain != ChainValidation::kPass || !arc_keys.empty(), "a chain has a key");
  require((results.arc->chain == ChainValidation::kFail) == !results.arc->reason.empty(),
          "a failure has a reason");
  require(arc.verify({}, kNow).chain != ChainValidation::kPass, "no chain passes without a key");
  return results;
}

std::vector<std::uint64_t> claims_in(std::string_view content, std::size_t piece) {
  ResultsBorder border("mx.example.net");
  while (!content.empty()) {
    border.read(content.substr(0, piece));
    content.remove_prefix(std::min(piece, content.size()));
  }
  border.finish();
  return border.offsets();
}

void look_at_border(std::string message, std::size_t piece) {
  const std::size_t size = message.size();
  const std::vector<std::uint64_t> offsets = claims_in(message, size + 1);
  require(offsets == claims_in(message, piece), "claims are the same however it is cut");
  for (const std::uint64_t at : offsets) message.replace(at, kUntrustedName.size(), kUntrustedName);
  require(message.size() == size && claims_in(message, piece).empty(), "what is renamed claims nothing");
}

void look_at_field(std::string field) {
  require(claims_results_of(field, "mx.example.net"), "a field of ours is known as ours");
  while (!field.empty()) {
    const std::size_t end = field.find("\r\n");
    require(end <= 998, "a line is bounded");
    for (const char c : field.substr(0, end))
      require(c == '\t' || (c >= ' ' && c != 0x7F) || c < 0, "it is text");
    field.erase(0, end + 2);
    require(field.empty() || field.front() == '\t', "it is one field");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input = fuzz::split_input(data, size);
  fuzz::Choices choices(input.choices);
  const std::size_t piece = 1 + choices.draw(60);
  const AuthenticationResults whole = found_in(input.wire, input.wire.size() + 1);
  const AuthenticationResults in_pieces = found_in(input.wire, piece);
  for (const Letters letters : {Letters::kAscii, Letters::kUtf8}) {
    const std::string field = write_authentication_results(whole, letters);
    require(field == write_authentication_results(in_pieces, letters), "it is the same however it is cut");
    look_at_field(field);
  }
  look_at_border(std::string(input.wire), piece);
  return 0;
}
