#include "admin/client_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "protocols/ascii.h"
#include "protocols/sha256.h"
#include "protocols/utf8.h"

namespace mailstead::admin {

namespace {

using Use = ClientService::Use;
using Tls = ClientService::Tls;

// What XML forbids is left out.
std::string escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&apos;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) escaped += c;
    }
  }
  return escaped;
}

// XML 1.0, 2.2: what a document may hold.
bool is_xml_character(char32_t c) {
  return c == 0x9 || c == 0xA || c == 0xD || (c >= 0x20 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
         (c >= 0x10000 && c <= 0x10FFFF);
}

// XML 1.0, 4.1: of "&#64;" and "&#x40;" what stands between "&#" and ";". nullopt: it is none, or of a
// character that XML does not allow.
std::optional<char32_t> referred_character(std::string_view number) {
  const bool is_hex = number.starts_with('x');
  if (is_hex) number.remove_prefix(1);
  std::uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), code, is_hex ? 16 : 10);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return is_xml_character(code) ? std::optional<char32_t>(code) : std::nullopt;
}

// Takes a reference from the start of `text`, where a "&" is. false: one that XML itself does not know;
// somebody would have to define it.
bool take_reference(std::string_view& text, std::string& into) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  const std::size_t end = text.find(';');
  if (end == std::string_view::npos) return false;
  const std::string_view name = text.substr(1, end - 1);
  text.remove_prefix(end + 1);
  if (name.starts_with('#')) {
    const auto character = referred_character(name.substr(1));
    if (character) utf8::append(*character, into);
    return character.has_value();
  }
  const auto* entity = std::ranges::find(kEntities, name, &std::pair<std::string_view, char>::first);
  if (entity == std::end(kEntities)) return false;
  into += entity->second;
  return true;
}

// Text between tags, with its references followed. false: one of them leads nowhere.
bool append_unescaped(std::string_view text, std::string& into) {
  while (!text.empty()) {
    const std::size_t next = std::min(text.find('&'), text.size());
    into += text.substr(0, next);
    text.remove_prefix(next);
    if (!text.empty() && !take_reference(text, into)) return false;
  }
  return true;
}

constexpr std::string_view kXmlBlank = " \t\r\n";
constexpr std::string_view kCdata = "<![CDATA[";

std::string_view between_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kXmlBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kXmlBlank) + 1 - begin);
}

// What is between "<" and its ">", and takes both away; nullopt: it does not end. A ">" in a quoted value is
// no end.
std::optional<std::string_view> take_tag(std::string_view& text) {
  char quote = '\0';
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote != '\0') {
      if (text[i] == quote) quote = '\0';
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    } else if (text[i] == '>') {
      const std::string_view tag = text.substr(1, i - 1);
      text.remove_prefix(i + 1);
      return tag;
    }
  }
  return std::nullopt;
}

// Past `end`; false: it is not there.
bool skip_past(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return false;
  text.remove_prefix(at + end.size());
  return true;
}

// The local part: "EMailAddress" of "a:EMailAddress xmlns='x'".
std::string_view local_name(std::string_view tag) {
  std::string_view name = tag.substr(0, tag.find_first_of(" \t\r\n/"));
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// The text of the first element of this name, in whatever namespace and wherever it stands: all that these
// requests are read for. nullopt: there is none, or something that they have no use for (a DOCTYPE, entities,
// an element within it).
std::optional<std::string> text_of_element(std::string_view xml, std::string_view name) {
  bool is_within = false;
  std::string found;
  while (true) {
    const std::size_t next = xml.find('<');
    if (next == std::string_view::npos) return std::nullopt;
    if (is_within && !append_unescaped(xml.substr(0, next), found)) return std::nullopt;
    xml.remove_prefix(next);
    if (xml.starts_with(kCdata)) {  // XML 1.0, 2.7: nothing in it is markup
      const std::size_t end = xml.find("]]>");
      if (end == std::string_view::npos) return std::nullopt;
      if (is_within) found += xml.substr(kCdata.size(), end - kCdata.size());
      xml.remove_prefix(end + 3);
      continue;
    }
    if (xml.starts_with("<!--") || xml.starts_with("<?")) {
      const bool is_comment = xml[1] == '!';
      xml.remove_prefix(is_comment ? 4 : 2);
      if (!skip_past(xml, is_comment ? "-->" : "?>")) return std::nullopt;
      continue;
    }
    if (xml.starts_with("<!")) return std::nullopt;
    const auto tag = take_tag(xml);
    if (!tag) return std::nullopt;
    if (is_within) {
      const bool is_end = tag->starts_with('/') && local_name(tag->substr(1)) == name;
      return is_end ? std::optional(found) : std::nullopt;
    }
    is_within = local_name(*tag) == name && !tag->ends_with('/');
  }
}

// 8-4-4-4-12 hexadecimal digits made of the text, in the form of a UUID of version 8 (RFC 9562 5.8).
std::string uuid_of(std::string_view text) {
  auto hash = sha256(text);
  hash[6] = static_cast<std::uint8_t>(0x80 | (hash[6] & 0x0f));
  hash[8] = static_cast<std::uint8_t>(0x80 | (hash[8] & 0x3f));
  std::string uuid;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    uuid += fmt::format("{:02X}", hash[i]);
  }
  return uuid;
}

std::string autoconfig_server(const ClientService& service, const Config& config) {
  const bool incoming = service.use == Use::kIncoming;
  std::string text = fmt::format(
      "    <{0} type=\"{1}\">\n"
      "      <hostname>{2}</hostname>\n"
      "      <port>{3}</port>\n"
      "      <socketType>{4}</socketType>\n"
      "      <username>%EMAILADDRESS%</username>\n"
      "      <authentication>password-cleartext</authentication>\n",
      incoming ? "incomingServer" : "outgoingServer", incoming ? "pop3" : "smtp", escaped(config.hostname),
      service.port, service.tls == Tls::kFromTheStart ? "SSL" : "STARTTLS");
  // A program that removes what it fetched would keep it from the phone.
  if (incoming)
    text += "      <pop3>\n        <leaveMessagesOnServer>true</leaveMessagesOnServer>\n      </pop3>\n";
  return text + fmt::format("    </{}>\n", incoming ? "incomingServer" : "outgoingServer");
}

// The best way in and the best way out: these formats take one of each.
const ClientService* best(const std::vector<ClientService>& services, Use use) {
  const auto found = std::ranges::find(services, use, &ClientService::use);
  return found == services.end() ? nullptr : &*found;
}

std::string autodiscover_protocol(const ClientService& service, const Address& address,
                                  const Config& config) {
  const bool incoming = service.use == Use::kIncoming;
  const bool from_the_start = service.tls == Tls::kFromTheStart;
  return fmt::format(
      "      <Protocol>\n"
      "        <Type>{}</Type>\n"
      "        <Server>{}</Server>\n"
      "        <Port>{}</Port>\n"
      "        <LoginName>{}</LoginName>\n"
      "        <DomainRequired>off</DomainRequired>\n"
      "        <SPA>off</SPA>\n"
      "        <SSL>{}</SSL>\n"
      "        <Encryption>{}</Encryption>\n"
      "        <AuthRequired>on</AuthRequired>\n"
      "{}"
      "      </Protocol>\n",
      incoming ? "POP3" : "SMTP", escaped(config.hostname), service.port, escaped(address.text()),
      from_the_start ? "on" : "off", from_the_start ? "SSL" : "TLS",
      incoming ? "" : "        <UsePOPAuth>off</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n");
}

std::string key_text(std::string_view name, std::string_view text) {
  return fmt::format("      <key>{}</key>\n      <string>{}</string>\n", name, escaped(text));
}

std::string key_number(std::string_view name, unsigned number) {
  return fmt::format("      <key>{}</key>\n      <integer>{}</integer>\n", name, number);
}

std::string key_switch(std::string_view name, bool on) {
  return fmt::format("      <key>{}</key>\n      <{}/>\n", name, on ? "true" : "false");
}

std::string apple_server(const ClientService& service, const Address& address, const Config& config) {
  const std::string_view side = service.use == Use::kIncoming ? "IncomingMailServer" : "OutgoingMailServer";
  const auto name = [&](std::string_view what) { return fmt::format("{}{}", side, what); };
  return key_text(name("Authentication"), "EmailAuthPassword") + key_text(name("HostName"), config.hostname) +
         key_number(name("PortNumber"), service.port) + key_switch(name("UseSSL"), true) +
         key_text(name("Username"), address.text());
}

}  // namespace

std::vector<ClientService> client_services(const Config& config) {
  std::vector<ClientService> services;
  const auto add = [&](const std::vector<ListenAddress>& listen, Use use, Tls tls) {
    if (!listen.empty() && listen.front().port != 0) services.push_back({use, tls, listen.front().port});
  };
  add(config.listen.pop3s, Use::kIncoming, Tls::kFromTheStart);
  add(config.listen.pop3, Use::kIncoming, Tls::kOnCommand);
  add(config.listen.submissions, Use::kOutgoing, Tls::kFromTheStart);
  add(config.listen.submission, Use::kOutgoing, Tls::kOnCommand);
  return services;
}

std::string ports_text(ClientService::Use use, const Config& config) {
  std::string text;
  for (const ClientService& service : client_services(config)) {
    if (service.use != use) continue;
    text += fmt::format("{}port {} ({})", text.empty() ? "" : " or ", service.port,
                        service.tls == Tls::kFromTheStart ? "SSL/TLS" : "STARTTLS");
  }
  return text;
}

Value ports_value(ClientService::Use use, const Config& config) {
  const auto services = client_services(config);
  const auto port = [&](Tls tls) {
    const auto found = std::ranges::find_if(
        services, [&](const ClientService& service) { return service.use == use && service.tls == tls; });
    return found == services.end() ? Value(nullptr) : Value(found->port);
  };
  return Value::Object{{"tls_port", port(Tls::kFromTheStart)}, {"starttls_port", port(Tls::kOnCommand)}};
}

std::string autoconfig_xml(const std::string& domain, const Config& config) {
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<clientConfig version=\"1.1\">\n"
      "  <emailProvider id=\"{0}\">\n"
      "    <domain>{0}</domain>\n"
      "    <displayName>{0}</displayName>\n"
      "    <displayShortName>{0}</displayShortName>\n",
      escaped(domain));
  for (const ClientService& service : client_services(config)) text += autoconfig_server(service, config);
  return text + "  </emailProvider>\n</clientConfig>\n";
}

std::optional<Address> autodiscover_address(std::string_view request) {
  const std::optional<std::string> text = text_of_element(request, "EMailAddress");
  if (!text) return std::nullopt;
  auto address = parse_address(between_blanks(*text));
  if (!address) return std::nullopt;
  return *address;
}

std::string autodiscover_xml(const Address& address, const Config& config) {
  std::string text =
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
      "  <Response "
      "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
      "    <Account>\n"
      "      <AccountType>email</AccountType>\n"
      "      <Action>settings</Action>\n";
  const auto services = client_services(config);
  for (const Use use : {Use::kIncoming, Use::kOutgoing}) {
    if (const ClientService* service = best(services, use))
      text += autodiscover_protocol(*service, address, config);
  }
  return text + "    </Account>\n  </Response>\n</Autodiscover>\n";
}

std::string apple_profile(const Address& address, const Config& config) {
  const std::string name = address.text();
  const std::string identifier = fmt::format("{}.{}", config.hostname, name);
  std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
      "<plist version=\"1.0\">\n"
      "<dict>\n"
      "  <key>PayloadContent</key>\n"
      "  <array>\n"
      "    <dict>\n";
  text += key_text("PayloadType", "com.apple.mail.managed") + key_number("PayloadVersion", 1) +
          key_text("PayloadIdentifier", identifier + ".mail") +
          key_text("PayloadUUID", uuid_of("mail " + identifier)) + key_text("PayloadDisplayName", name) +
          key_text("EmailAccountType", "EmailTypePOP") + key_text("EmailAccountDescription", name) +
          key_text("EmailAddress", name);
  const auto services = client_services(config);
  for (const Use use : {Use::kIncoming, Use::kOutgoing}) {
    if (const ClientService* service = best(services, use)) text += apple_server(*service, address, config);
  }
  text += key_switch("OutgoingPasswordSameAsIncomingPassword", true);
  text += "    </dict>\n  </array>\n";
  text += key_text("PayloadType", "Configuration") + key_number("PayloadVersion", 1) +
          key_text("PayloadIdentifier", identifier) + key_text("PayloadUUID", uuid_of(identifier)) +
          key_text("PayloadDisplayName", fmt::format("Mail of {}", name)) +
          key_text("PayloadDescription", fmt::format("Sets up {} in Mail.", name));
  return text + "</dict>\n</plist>\n";
}

}  // namespace mailstead::admin
