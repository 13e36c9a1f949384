#include "admin/control.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "admin/text.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

using Json = nlohmann::ordered_json;

// Arguments may hold any byte, JSON only UTF-8: what is not travels as {"hex": "c3ff"}.
Json encode_text(const std::string& text) {
  if (utf8::is_valid(text)) return text;
  std::string hex;
  for (const char byte : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return Json{{"hex", hex}};
}

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> decode_text(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object() || json.size() != 1 || !json.contains("hex") || !json["hex"].is_string())
    return std::nullopt;
  const auto& hex = json["hex"].get_ref<const std::string&>();
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const auto high = digit(hex[i]), low = digit(hex[i + 1]);
    if (!high || !low) return std::nullopt;
    text += static_cast<char>(*high << 4 | *low);
  }
  return text;
}

Json encode_list(const std::vector<std::string>& list) {
  Json json = Json::array();
  for (const std::string& text : list) json.push_back(encode_text(text));
  return json;
}

bool take(const Json& json, std::string& into) {
  auto text = decode_text(json);
  if (text) into = std::move(*text);
  return text.has_value();
}

bool take(const Json& json, std::vector<std::string>& into) {
  if (!json.is_array()) return false;
  for (const Json& element : json) {
    if (!take(element, into.emplace_back())) return false;
  }
  return true;
}

bool take(const Json& json, int& into) {
  if (!json.is_number_integer() || json < 0 || json > 255) return false;
  into = json.get<int>();
  return true;
}

Error bad_line(std::string message) {
  return Error{ErrorKind::kInvalid, std::move(message)};
}

// The object of one line. The parser does not recurse, so deep nesting costs memory by the line's length
// only.
Result<Json> parse_object(std::string_view line, std::size_t most) {
  if (line.size() > most) return bad_line("the control line is too long");
  Json json = Json::parse(line.begin(), line.end(), nullptr, false);
  if (!json.is_object()) return bad_line("the control line is no JSON object");
  return json;
}

std::string dump_line(const Json& json) {
  return json.dump() + '\n';
}

}  // namespace

std::string encode_request(const Request& request) {
  Json json;
  json["command"] = encode_text(request.command);
  json["arguments"] = encode_list(request.arguments);
  json["flags"] = encode_list(request.flags);
  json["secret"] = encode_text(request.secret);
  if (!request.after.empty()) json["after"] = encode_text(request.after);
  if (!request.content.empty()) json["content"] = encode_text(request.content);
  return dump_line(json);
}

// Strict: a member that we do not know may carry a meaning that we would ignore.
Result<Request> decode_request(std::string_view line) {
  Result<Json> json = parse_object(line, kMaxControlRequest);
  if (!json) return std::move(json).error();
  Request request;
  for (const auto& [name, value] : json->items()) {
    const bool good = name == "command"     ? take(value, request.command)
                      : name == "arguments" ? take(value, request.arguments)
                      : name == "flags"     ? take(value, request.flags)
                      : name == "secret"    ? take(value, request.secret)
                      : name == "after"     ? take(value, request.after)
                      : name == "content"   ? take(value, request.content)
                                            : false;
    if (!good) return bad_line(fmt::format("the control request's '{}' is wrong", admin::printable(name)));
  }
  if (request.command.empty()) return bad_line("the control request names no command");
  return request;
}

std::string encode_report(const Report& report) {
  Json json;
  json["exit_code"] = report.exit_code;
  json["text"] = encode_text(report.text);
  json["json"] = encode_text(report.json);
  json["error"] = encode_text(report.error);
  if (!report.next.empty()) json["next"] = encode_text(report.next);
  return dump_line(json);
}

// A newer server may say more than we know: that is no harm.
Result<Report> decode_report(std::string_view line) {
  Result<Json> json = parse_object(line, kMaxControlReport);
  if (!json) return std::move(json).error();
  Report report;
  if (!json->contains("exit_code")) return bad_line("the control report has no exit_code");
  for (const auto& [name, value] : json->items()) {
    const bool good = name == "exit_code" ? take(value, report.exit_code)
                      : name == "text"    ? take(value, report.text)
                      : name == "json"    ? take(value, report.json)
                      : name == "error"   ? take(value, report.error)
                      : name == "next"    ? take(value, report.next)
                                          : true;
    if (!good) return bad_line(fmt::format("the control report's '{}' is wrong", admin::printable(name)));
  }
  return report;
}

std::string control_socket_path(const std::string& data) {
  return data + "/control.sock";
}

}  // namespace mailstead
