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

TEST_CASE("Outlook's request may be written in any way that XML has", "[settings]") {
  for (const std::string request :
       {"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Autodiscover>\r\n<Request>"
        "<EMailAddress>\r\n\t anna@example.org \r\n</EMailAddress></Request></Autodiscover>",
        "<a:Autodiscover xmlns:a='x'><a:EMailAddress>anna@example.org</a:EMailAddress></a:Autodiscover>",
        "<A><!-- <EMailAddress>eve@evil.example</EMailAddress> --><EMailAddress xmlns=\"x>y\" >anna@"
        "example.org</EMailAddress ></A>",
        "<A><EMailAddress/><LegacyDN></LegacyDN><EMailAddress><!-- hers "
        "-->anna@example.org</EMailAddress></A>",
        "<A><EMailAddress>anna&#64;ex&#x61;mple.o&#x72;g</EMailAddress></A>",
        "<A><EMailAddress>anna&#0000000000064;example.org&#x20;&#xA;</EMailAddress></A>",
        "<A><![CDATA[<EMailAddress>eve@evil.example</EMailAddress>]]>"
        "<EMailAddress>anna<![CDATA[@example.]]>org</EMailAddress></A>",
        "<A b='<EMailAddress>'><XEMailAddress>eve@evil.example</XEMailAddress>"
        "<EMailAddress>anna@example.org</EMailAddress>"}) {
    INFO(request);
    CHECK(autodiscover_address(request) == anna());
  }
  for (const std::string request :
       {"<!DOCTYPE a [<!ENTITY e 'anna@example.org'>]><A><EMailAddress>&e;</EMailAddress></A>",
        "<!DOCTYPE a><A><EMailAddress>anna@example.org</EMailAddress></A>",
        "<A><EMailAddress>&e;anna@example.org</EMailAddress></A>",
        "<A><EMailAddress><![CDATA[anna&#64;example.org]]></EMailAddress></A>",
        "<A><EMailAddress><![CDATA[anna@example.org</EMailAddress></A>",
        "<A><EMailAddress>anna&#6<!-- -->4;example.org</EMailAddress></A>",
        "<A><EMailAddress><b>anna@example.org</b></EMailAddress></A>",
        "<A><EMailAddress>anna@example.org<!-- </EMailAddress></A>",
        "<A><EMailAddress>anna@example.org</EMailAddress",
        "<A b='<EMailAddress>anna@example.org</EMailAddress>",
        "<A></EMailAddress>anna@example.org</EMailAddress>",
        "<EMailAddress>anna@example.org",
        "<",
        "<!",
        "<?",
        "<!--",
        "<>",
        "</>",
        "<:>",
        "<A b=\"><EMailAddress>anna@example.org</EMailAddress>"}) {
    INFO(request);
    CHECK_FALSE(autodiscover_address(request).has_value());
  }
  const auto named = [](const std::string& reference) {
    return autodiscover_address("<EMailAddress>a" + reference + "b@example.org</EMailAddress>");
  };
  CHECK(named("&#xfc;") == parse_address("aüb@example.org").value());
  CHECK(named("&#128578;") == parse_address("a🙂b@example.org").value());
  // XML 1.0, 4.1 and 2.2; the last ones are characters that no address has.
  for (const std::string reference : {"&#;",
                                      "&#x;",
                                      "&#64",
                                      "&#X40;",
                                      "&# 64;",
                                      "&#-64;",
                                      "&#+64;",
                                      "&#x-40;",
                                      "&#0x40;",
                                      "&#64x;",
                                      "&#0;",
                                      "&#8;",
                                      "&#xD800;",
                                      "&#xDFFF;",
                                      "&#xFFFE;",
                                      "&#xFFFF;",
                                      "&#x110000;",
                                      "&#4294967360;",
                                      "&#18446744073709551680;",
                                      "&#38;#64;x",
                                      "&",
                                      "&;",
                                      "&#9;",
                                      "&#10;",
                                      "&#60;",
                                      "&#x80;"}) {
    INFO(reference);
    CHECK_FALSE(named(reference).has_value());
  }
  CHECK_FALSE(named("&#" + std::string(1 << 20, '9') + ';').has_value());
  CHECK_FALSE(autodiscover_address(std::string(1 << 20, '<')).has_value());
}
