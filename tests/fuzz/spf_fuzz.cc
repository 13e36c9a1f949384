// A check of SPF against any DNS: each line of the wire is the answer to the next question, and behind the
// last one comes the first again. Whatever it says, the check ends, asks about names only, and says nothing
// that could not stand in a log or a reply.
//
// A line is the text of a TXT record, or what the records of another type have, with commas between them:
// addresses, names. Empty: there is no such name; ".": no such record; "!": no answer.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/origin/spf.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

bool is_line(std::string_view text) {
  return std::ranges::all_of(text, ascii::is_printable);
}

dns::Record record_of(dns::Type type, std::string_view text) {
  dns::Record record;
  record.type = type;
  record.text = text;
  record.preference = static_cast<std::uint16_t>(text.size());
  if (type == dns::Type::kA) record.address = parse_ipv4(text).value_or(parse_ipv4("192.0.2.1").value());
  if (type == dns::Type::kAaaa) record.address = parse_ipv6(text).value_or(parse_ipv6("2001:db8::1").value());
  return record;
}

dns::Answer answer_of(dns::Type type, std::string_view line) {
  dns::Answer answer;
  if (line == "!") return answer;
  answer.verdict = line.empty() ? dns::Verdict::kNoName : dns::Verdict::kNoRecords;
  if (line.empty() || line == ".") return answer;
  answer.verdict = dns::Verdict::kFound;
  // A second TXT record behind a form feed.
  const char end = type == dns::Type::kTxt ? '\f' : ',';
  while (!line.empty()) answer.records.push_back(record_of(type, ascii::take_until(line, end)));
  return answer;
}

void check_record(std::string_view text) {
  const auto record = parse_spf_record(text);
  if (!record) return require(is_line(record.error().message), "what is wrong is told in a line");
  require(record->mechanisms.size() <= kMaxSpfRecord, "it is no longer than its text");
  std::string_view rest = record->mechanisms;
  while (const auto each = take_spf_mechanism(rest)) {
    require(is_line(each->text) && each->text.size() <= kMaxSpfTerm, "a record that is one is printable");
    require(each->domain_spec.empty() || is_spf_domain_spec(each->domain_spec), "a domain-spec is one");
    require(each->ip4_length <= 32 && each->ip6_length <= 128 && each->network.bits <= 128,
            "lengths are in bits");
  }
  require(rest.empty(), "all of it is read again");
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using namespace mailstead::fuzz;
  const Input input = split_input(data, size);
  Choices choices(input.choices);
  SpfClient client;
  client.ip = choices.draw(2) == 0 ? parse_ip("192.0.2.1").value() : parse_ip("2001:db8::1").value();
  std::string_view wire = input.wire;
  client.helo = ascii::take_until(wire, '\n');
  const std::string_view local_part = ascii::take_until(wire, '\n');
  if (choices.draw(2) == 0) client.reverse_path = Address{std::string(local_part), "far.example"};
  client.host = "mail.our.example";
  std::vector<std::string_view> lines;
  while (!wire.empty()) lines.push_back(ascii::take_until(wire, '\n'));
  if (lines.empty()) return 0;
  for (const std::string_view line : lines) check_record(line);

  SpfCheck check(client);
  std::size_t questions = 0;
  while (const auto question = check.question()) {
    require(dns::is_name(question->name) && question->name == ascii::lower(question->name),
            "it asks about names");
    check.answer(answer_of(question->type, lines[questions % lines.size()]));
    require(++questions <= kMostSpfQuestions, "it comes to an end");
  }
  const SpfResult& result = check.result();
  const bool is_error = result.verdict == SpfVerdict::kTemperror || result.verdict == SpfVerdict::kPermerror;
  require(is_error == !result.problem.empty(), "an error has a reason");
  require(is_line(result.problem) && is_line(result.mechanism) && is_line(result.domain),
          "all of it is one line");
  require(is_line(result.explanation) && result.explanation.size() <= kMaxSpfExplanation,
          "so is an explanation");
  require(result.explanation.empty() || result.verdict == SpfVerdict::kFail, "and only a failure has one");
  return 0;
}
