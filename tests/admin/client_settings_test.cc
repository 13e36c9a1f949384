// How mail programs are told to reach the server, in their own formats. That programs understand them is
// shown by tests/system/client_settings.py.
#include "admin/client_settings.h"

#include <algorithm>

#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;

namespace {

Config usual() {
  Config config;
  config.hostname = "mail.example.org";
  config.listen.pop3 = {{"::", 110}};
  config.listen.pop3s = {{"::", 995}};
  config.listen.submission = {{"::", 587}};
  config.listen.submissions = {{"::", 465}};
  return config;
}

Address anna() {
  return parse_address("anna@example.org").value();
}

bool holds_text(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the best way comes first, and what is not there is left out", "[settings]") {
  Config config = usual();
  auto services = client_services(config);
  REQUIRE(services.size() == 4);
  CHECK(services[0].port == 995);
  CHECK(services[1].port == 110);
  CHECK(services[2].port == 465);
  CHECK(services[3].port == 587);
  CHECK(ports_text(ClientService::Use::kIncoming, config) == "port 995 (SSL/TLS) or port 110 (STARTTLS)");
  config.listen.pop3s = {{"::", 0}};
  config.listen.submissions.clear();
  services = client_services(config);
  REQUIRE(services.size() == 2);
  CHECK(services[0].port == 110);
  CHECK(services[1].tls == ClientService::Tls::kOnCommand);
  config.listen = {};
  CHECK(client_services(config).empty());
  CHECK(ports_text(ClientService::Use::kOutgoing, config).empty());
}

TEST_CASE("each format says the same", "[settings]") {
  const Config config = usual();
  const std::string autoconfig = autoconfig_xml("example.org", config);
  CHECK(autoconfig.find("<port>995</port>") < autoconfig.find("<port>110</port>"));
  CHECK(
      holds_text(autoconfig, "<incomingServer type=\"pop3\">\n      <hostname>mail.example.org</hostname>"));
  CHECK(holds_text(autoconfig, "<leaveMessagesOnServer>true"));
  CHECK(holds_text(autoconfig, "<port>587</port>\n      <socketType>STARTTLS</socketType>"));
  const std::string autodiscover = autodiscover_xml(anna(), config);
  CHECK(holds_text(autodiscover,
                   "<Type>POP3</Type>\n        <Server>mail.example.org</Server>\n        <Port>995</Port>"));
  CHECK(holds_text(autodiscover, "<LoginName>anna@example.org</LoginName>"));
  CHECK(holds_text(autodiscover,
                   "<Type>SMTP</Type>\n        <Server>mail.example.org</Server>\n        <Port>465</Port>"));
  CHECK_FALSE(holds_text(autodiscover, "587"));  // Outlook takes one
  const std::string profile = apple_profile(anna(), config);
  CHECK(holds_text(profile, "<key>IncomingMailServerPortNumber</key>\n      <integer>995</integer>"));
  CHECK(holds_text(profile, "<key>EmailAccountType</key>\n      <string>EmailTypePOP</string>"));
  CHECK(profile == apple_profile(anna(), config));
  CHECK(profile != apple_profile(parse_address("bert@example.org").value(), config));
}

TEST_CASE("what strangers write into an address stays text", "[settings]") {
  const Config config = usual();
  const Address hostile = parse_address("\"</string><true/>&'\"@example.org").value();
  for (const std::string& text : {autodiscover_xml(hostile, config), apple_profile(hostile, config)}) {
    CHECK_FALSE(holds_text(text, "</string><true/>&"));
    CHECK(holds_text(text, "&lt;/string&gt;&lt;true/&gt;&amp;&apos;"));
  }
}

TEST_CASE("Outlook's request is looked through for its address only", "[settings]") {
  const auto asked = [](const std::string& address) {
    return autodiscover_address(
        "<?xml version=\"1.0\"?><Autodiscover xmlns=\"x\"><Request><EMailAddress>" + address +
        "</EMailAddress><AcceptableResponseSchema>y</AcceptableResponseSchema></Request>");
  };
  CHECK(asked("anna@example.org") == anna());
  CHECK(asked(" anna@example.org ") == anna());
  CHECK(asked("a&amp;b@example.org") == parse_address("a&b@example.org").value());
  CHECK_FALSE(asked("").has_value());
  CHECK_FALSE(asked("anna").has_value());
  CHECK_FALSE(autodiscover_address("").has_value());
  CHECK_FALSE(autodiscover_address("EMailAddress>").has_value());
  CHECK_FALSE(autodiscover_address("<EMailAddress>").has_value());
}
