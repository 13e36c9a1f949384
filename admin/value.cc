#include "admin/value.h"

#include <nlohmann/json.hpp>

#include "admin/text.h"

namespace mailstead::admin {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Value& value) {
  struct Visitor {
    Json operator()(const Value::Array& array) const {
      Json json = Json::array();
      for (const Value& element : array) json.push_back(to_json(element));
      return json;
    }
    Json operator()(const Value::Object& object) const {
      Json json = Json::object();
      for (const auto& [name, member] : object) json[name] = to_json(member);
      return json;
    }
    Json operator()(std::nullptr_t) const { return nullptr; }
    Json operator()(bool truth) const { return truth; }
    Json operator()(std::int64_t number) const { return number; }
    Json operator()(std::uint64_t number) const { return number; }
    Json operator()(const std::string& text) const { return text; }
  };
  return std::visit(Visitor{}, value.data);
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Value time_value(std::int64_t unix_seconds) {
  return unix_seconds == 0 ? Value(nullptr) : Value(rfc3339(unix_seconds));
}

std::string json_text(const Value& value) {
  return dump(to_json(value));
}

std::string json_with(const std::string& object, const std::string& name, const std::string& text) {
  Json json = Json::parse(object, nullptr, false);
  if (!json.is_object()) return object;
  json[name] = text;
  return dump(json);
}

std::string json_joined(std::span<const std::string> objects) {
  Json joined = Json::object();
  for (const std::string& object : objects) {
    Json next = Json::parse(object, nullptr, false);
    if (!next.is_object()) continue;
    for (auto& [name, value] : next.items()) {
      Json& there = joined[name];
      if (there.is_array() && value.is_array()) {
        for (Json& each : value) there.push_back(std::move(each));
      } else {
        there = std::move(value);
      }
    }
  }
  return dump(joined);
}

}  // namespace mailstead::admin
