// Not run by itself: tests/system/dkim_verifying.py has another implementation sign messages, and compares.
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "protocols/origin/arc_verifier.h"
#include "protocols/origin/dkim_verifier.h"
#include "tests/catch.h"
#include "tests/protocols/dkim_model.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;

namespace {

ArcVerifier::Keys published_keys(const std::filesystem::path& folder) {
  ArcVerifier::Keys keys;
  std::ifstream records(folder / "records");
  for (std::string name, record; records >> name && std::getline(records >> std::ws, record);) {
    keys[name] = txt_answer({record});
  }
  return keys;
}

// A line for each signature, "pass" or "fail: reason", and one for the chain.
std::string exchange_verdicts(const std::string& message, const ArcVerifier::Keys& keys) {
  SignedMessage read;
  dkim_test::read_in_pieces(read, message, 1 + message.size() % 37);
  const std::int64_t now = std::time(nullptr);  // the other implementation has no other clock
  std::string lines;
  const DkimVerifier dkim(read);
  for (std::size_t i = 0; i < dkim.size(); ++i) {
    const auto key = keys.find(dkim.key_name(i));
    const DkimVerdict verdict = dkim.verify(i, key == keys.end() ? txt_answer({}) : key->second, now);
    lines += std::string("dkim ") + std::string(name_of(verdict.result)) + " " + verdict.reason + "\n";
  }
  const ArcVerdict arc = ArcVerifier(read).verify(keys, now);
  return lines + "arc " + std::string(name_of(arc.chain)) + " " + arc.reason + "\n";
}

}  // namespace

// The folder named by MAILSTEAD_VERIFY holds NAME.eml files and the records of keys, "NAME RECORD", and gets
// NAME.verdicts.
TEST_CASE("messages that others signed are verified", "[.verify]") {
  const char* const folder = std::getenv("MAILSTEAD_VERIFY");
  REQUIRE(folder != nullptr);
  const ArcVerifier::Keys keys = published_keys(folder);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::filesystem::path path = entry.path();
    if (path.extension() != ".eml") continue;
    std::ifstream file(path, std::ios::binary);
    const std::string message((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    path.replace_extension(".verdicts");
    std::ofstream(path, std::ios::binary) << exchange_verdicts(message, keys);
  }
}
