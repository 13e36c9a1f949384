// How mail programs reach this server, in each form that they understand: Thunderbird's (and K-9's,
// Evolution's, KMail's) autoconfig, Outlook's autodiscover, Apple's configuration profile, and words for
// people.
//
// All say the same: POP3 first, TLS from the start before STARTTLS, the whole address as the user name, and
// no password. They tell nothing of whether an address exists. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/config/config.h"
#include "admin/value.h"
#include "protocols/address.h"

namespace mailstead::admin {

struct ClientService {
  enum class Use { kIncoming, kOutgoing };
  enum class Tls { kFromTheStart, kOnCommand };
  Use use = Use::kIncoming;
  Tls tls = Tls::kFromTheStart;
  std::uint16_t port = 0;
};
// The best first. What is not listened for, and ports that the system chooses, are left out.
std::vector<ClientService> client_services(const Config& config);
// "port 995 (SSL/TLS) or port 110 (STARTTLS)"; empty: there is no way.
std::string ports_text(ClientService::Use use, const Config& config);
Value ports_value(ClientService::Use use, const Config& config);

// https://benbucksch.github.io/autoconfig-spec/; of a domain, or of one address.
std::string autoconfig_xml(const std::string& domain, const Config& config);

// Outlook's request (MS-OXDSCLI, the "plain old XML" form), as it and its imitators write it: prefixes,
// comments, blanks and references to characters make no difference. nullopt: it names no address, or has a
// DOCTYPE or entities of its own.
std::optional<Address> autodiscover_address(std::string_view request);
std::string autodiscover_xml(const Address& address, const Config& config);

// A profile for iPhone, iPad and Mac. The same for the same address and host, so that it replaces itself.
std::string apple_profile(const Address& address, const Config& config);

}  // namespace mailstead::admin
