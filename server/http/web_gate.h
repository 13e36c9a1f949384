// Is a request for the administration page one that its own page, in a browser of somebody who knows where it
// is, has sent? README.md of server/web tells the rules. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/config/config.h"
#include "protocols/http_session.h"

namespace mailstead {

// By a name that nobody can have made lead here (DNS rebinding): an IP address, localhost, ours.
bool is_known_host(const HttpRequest& request, const Config& config);

// Likewise for what monitors ask: also by a name of one label, which a container's network gives
// ("mailstead:8025"); and by none, which browsers never do. Of the Internet's pages only those of a top-level
// domain that has addresses itself have such a name, and whoever runs it could read our figures. That is
// accepted: they are all that is told there, and else each container's monitor would need a setting.
bool is_known_to_monitors(const HttpRequest& request, const Config& config);

// As far as the browser tells; what tells nothing is no browser, and is let pass.
bool is_from_own_page(const HttpRequest& request, const Config& config);

// It came by HTTPS, through a proxy in front.
bool is_from_https(const HttpRequest& request);

// RFC 6265 5.4. There may be several of a name: other ports of this host can set them.
std::vector<std::string_view> cookies_in(const HttpRequest& request, std::string_view name);

bool is_json(const HttpRequest& request);

}  // namespace mailstead
