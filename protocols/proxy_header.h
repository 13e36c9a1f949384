// The PROXY header, versions 1 and 2: with it a proxy begins a connection, and tells whose connection it
// passes on (The PROXY protocol, W. Tarreau, 2020; sections as in that text, doc/proxy-protocol.txt of
// HAProxy).
//
// Pure functions; any thread. Nothing is kept between calls: whoever reads the connection keeps what has
// come, at most kMaxProxyHeader octets of it, and asks again when there is more.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "protocols/ip_address.h"

namespace mailstead {

// Octets. The format of version 2 has room for 65551; what proxies send is some hundreds, or a client's
// certificate in addition.
inline constexpr std::size_t kMaxProxyHeader = 16u << 10;

enum class ProxyHeaderState {
  kPartial,  // all that has come may be the beginning of a header
  kWhole,
  kBad,  // no header begins like this
};

struct ProxyHeader {
  ProxyHeaderState state = ProxyHeaderState::kPartial;
  std::size_t octets = 0;  // kWhole: the header's length; what stands behind it is the client's
  // kWhole: whose connection it is. nullopt: the proxy's own (LOCAL), or the header does not tell (UNKNOWN,
  // UNSPEC, UNIX); then the connection's own address is the one to go by.
  std::optional<IpAddress> source;
  std::string_view fault;  // kBad: what is wrong, for the log
};

// `bytes` are all that has come on the connection. What cannot become a header is kBad as soon as that can be
// seen; no length that a header claims makes anybody wait for more than kMaxProxyHeader.
ProxyHeader read_proxy_header(std::string_view bytes);

}  // namespace mailstead
