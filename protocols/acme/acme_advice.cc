#include "protocols/acme/acme_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mailstead {
namespace {

// {name}, {port} and {listener} are filled in.
struct AcmeWords {
  std::string_view type;
  std::string_view advice;
};

// RFC 8555 6.7
constexpr std::array kAcmeWords = {
    AcmeWords{"connection",
              "port {port} of {name} was not reached from outside: let firewall, router and container pass "
              "it on to "
              "[listen] {listener} of this server, and look that the name's A and AAAA records lead here"},
    AcmeWords{"dns",
              "{name} was not found in the DNS: publish its A or AAAA record, which 'mailstead dns check' "
              "looks for"},
    AcmeWords{
        "unauthorized",
        "at port {port} of {name} something else answered than this server: look that the name's A and AAAA "
        "records both lead here, and that no other web server or proxy has the port"},
    AcmeWords{
        "incorrectResponse",
        "at port {port} of {name} something else answered than this server: look that the name's A and AAAA "
        "records both lead here, and that no other web server or proxy has the port"},
    AcmeWords{
        "tls",
        "at port {port} of {name} no TLS of this server answered: look that the port leads here, and that "
        "nothing in front of it ends TLS"},
    AcmeWords{
        "caa",
        "a CAA record in the DNS of {name}, or of a domain above it, allows other authorities only: add this "
        "one to it, or choose another [acme] directory"},
    AcmeWords{
        "rateLimited",
        "the authority gives no more for now; it is tried again when it said, and nothing needs to be done. "
        "For experiments there is [acme] directory = \"staging\""},
    AcmeWords{
        "rejectedIdentifier",
        "the authority gives no certificates for {name}: hostname and [acme] names have to be names in the "
        "public DNS"},
    AcmeWords{
        "unsupportedIdentifier",
        "the authority gives no certificates for {name}: hostname and [acme] names have to be names in the "
        "public DNS"},
    AcmeWords{"malformed", "the authority did not understand: look for a newer version of Mailstead"},
    AcmeWords{"badCSR",
              "the authority did not accept the request: look that hostname and [acme] names are right"},
    AcmeWords{"invalidContact", "correct [acme] contact: it has to be an address that gets mail"},
    AcmeWords{"unsupportedContact", "correct [acme] contact: it has to be an address that gets mail"},
    AcmeWords{"externalAccountRequired",
              "the authority knows its customers: put what it gave you into [acme] key_id and key_file"},
    AcmeWords{
        "userActionRequired",
        "the authority has new terms: read them at the address above, agree there if it asks for that, then "
        "'mailstead tls renew'"},
    AcmeWords{"serverInternal", "the authority has trouble of its own; it is tried again"},
};

std::string filled_in(std::string_view text, std::string_view mark, std::string_view value) {
  std::string result(text);
  for (std::size_t at = result.find(mark); at != std::string::npos; at = result.find(mark, at + value.size()))
    result.replace(at, mark.size(), value);
  return result;
}

}  // namespace

std::string_view name_of(AcmeMethod method) {
  return method == AcmeMethod::kHttp01 ? "http-01" : "tls-alpn-01";
}

std::string acme_advice(const AcmeProblem& problem, AcmeMethod method, std::string_view name) {
  const auto* found = std::ranges::find(kAcmeWords, problem.type, &AcmeWords::type);
  if (found == kAcmeWords.end()) return "it is tried again; 'mailstead tls renew' tries at once";
  const bool is_http = method == AcmeMethod::kHttp01;
  std::string text = filled_in(found->advice, "{port}", is_http ? "80" : "443");
  text = filled_in(text, "{listener}", is_http ? "acme" : "webs");
  return filled_in(text, "{name}", name.empty() ? "the host" : name);
}

}  // namespace mailstead
