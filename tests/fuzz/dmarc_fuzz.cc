// Any text as a DMARC record, and any name as an author domain: the record is read or not, what is read of it
// is in its bounds, and a domain, its organization and its U-labels stay what they are.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/a_label.h"
#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/origin/dmarc.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

bool is_printable_text(std::string_view text) {
  return std::ranges::all_of(text, ascii::is_printable);
}

void check_receivers(const std::vector<DmarcReceiver>& receivers) {
  for (const DmarcReceiver& each : receivers) {
    require(is_printable_text(each.uri) && each.uri.find_first_of(" ,<>\"") == std::string::npos,
            "a URI is one");
    require(each.uri.find(':') != std::string::npos, "and has a scheme");
  }
}

void check_read(std::string_view text) {
  const auto record = parse_dmarc_record(text);
  if (!record) return require(is_printable_text(record.error().message), "what is wrong is told in a line");
  require(record->percent <= 100, "a percentage is one");
  require(is_printable_text(record->failure_format), "a format is a word");
  check_receivers(record->aggregate);
  check_receivers(record->failures);
}

void check_organization(const std::string& domain) {
  const std::string organization = organizational_domain(domain);
  require(ascii::lower(domain).ends_with(organization), "an organization is the end of its domain");
  require(organizational_domain(organization) == organization, "and its own");
  if (domain.empty()) return;
  require(is_aligned(domain, domain, DmarcRecord::Alignment::kStrict), "a domain is aligned with itself");
  require(is_aligned(domain, organization, DmarcRecord::Alignment::kRelaxed), "and with its organization");
}

void check_letters(const std::string& domain) {
  const auto name = parse_domain(domain);
  if (name)
    require(ascii_domain(unicode_domain(*name)) == *name, "in its own letters a domain is the same one");
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using namespace mailstead::fuzz;
  // The first line is the author domain; each other one is a record.
  const Input input = split_input(data, size);
  const std::string domain(input.choices);
  check_read(input.wire);
  check_organization(domain);
  check_letters(domain);

  DmarcDiscovery discovery(domain);
  std::string_view lines = input.wire;
  std::size_t questions = 0;
  while (const auto question = discovery.question()) {
    require(dns::is_name(*question) && ++questions <= 2, "it asks about two names at most");
    dns::Answer answer;
    answer.verdict = dns::Verdict::kFound;
    dns::Record record;
    record.type = dns::Type::kTxt;
    record.text = ascii::take_until(lines, '\n');
    answer.records.push_back(record);
    discovery.answer(answer);
  }
  const bool is_error = discovery.outcome() == DmarcDiscovery::Outcome::kTemperror ||
                        discovery.outcome() == DmarcDiscovery::Outcome::kPermerror;
  require(is_error == !discovery.problem().empty(), "an error has a reason");
  const bool is_found = discovery.outcome() == DmarcDiscovery::Outcome::kFound;
  const DmarcResult result = dmarc_result(discovery, {SpfVerdict::kPass, domain, {}, {}});
  require(is_found == (result.verdict == DmarcVerdict::kPass),
          "the domain itself passes where there is a record");
  return 0;
}
