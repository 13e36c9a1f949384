#include "tests/protocols/spf_world.h"

#include "tests/catch.h"

namespace mailstead {

SpfClient spf_client(std::string_view sender, std::string_view ip, std::string_view helo) {
  SpfClient client;
  client.ip = parse_ip(ip).value();
  client.helo = helo;
  client.host = "mail.our.example";
  client.now = 1795788407;
  const std::size_t at = sender.rfind('@');
  // Not parse_address(): a check has to stand what that would refuse.
  if (!sender.empty())
    client.reverse_path = Address{std::string(sender.substr(0, at)), std::string(sender.substr(at + 1))};
  return client;
}

SpfRun run_spf(const DnsZone& zone, const SpfClient& client) {
  SpfRun run;
  SpfCheck check(client);
  while (const auto question = check.question()) {
    run.questions.push_back(*question);
    REQUIRE(run.questions.size() <= kMostSpfQuestions);
    check.answer(zone.answer(question->name, question->type));
  }
  run.result = check.result();
  const bool is_error =
      run.result.verdict == SpfVerdict::kPermerror || run.result.verdict == SpfVerdict::kTemperror;
  CHECK(is_error == !run.result.problem.empty());
  return run;
}

void check_spf(const DnsZone& zone, const std::vector<SpfCase>& cases) {
  for (const SpfCase& each : cases) {
    CAPTURE(each.sender, each.ip);
    const SpfRun run = run_spf(zone, spf_client(each.sender, each.ip));
    CAPTURE(run.result.problem);
    CHECK(run.verdict() == each.verdict);
  }
}

std::string verdict_of_record(std::string_view record, std::string_view zone, std::string_view ip) {
  const std::string text = "far.example TXT " + std::string(record) + "\n" + std::string(zone);
  return run_spf(DnsZone(text), spf_client("anna@far.example", ip)).verdict();
}

}  // namespace mailstead
