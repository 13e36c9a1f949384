// The control socket's protocol: DATA/control.sock, mode 0600. The client sends one Request as a line of
// JSON, the server answers with one Report as a line of JSON and closes. Lines are at most kMaxControlLine
// octets.
//
// The server's half of the I/O lives in server/; here is the form of the lines, and the client's (blocking)
// half.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "admin/command.h"
#include "protocols/result.h"

namespace mailstead {

inline constexpr std::size_t kMaxControlRequest = 256u << 10;  // octets
inline constexpr std::size_t kMaxControlReport = 256u << 20;   // octets

std::string encode_request(const Request& request);     // ends in '\n'
Result<Request> decode_request(std::string_view line);  // kInvalid for garbage
std::string encode_report(const Report& report);        // ends in '\n'
Result<Report> decode_report(std::string_view line);

std::string control_socket_path(const std::string& data);

// Is there a server, whether or not it answers?
bool server_listens(const std::string& data);
// kNotFound: no server listens there. kUnavailable: it did not answer in time.
Result<Report> call_server(const std::string& data, const Request& request);

}  // namespace mailstead
