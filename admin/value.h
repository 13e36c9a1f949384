// A value as scripts read it: what a report says, in the order it was said. Becomes JSON in one place.
// Plain values; any thread.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace mailstead::admin {

struct Value {
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(std::same_as<bool> auto truth) : data(truth) {}
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  Value(Number number) {
    if constexpr (std::is_signed_v<Number>) {
      data = static_cast<std::int64_t>(number);
    } else {
      data = static_cast<std::uint64_t>(number);
    }
  }
  Value(const char* text) : data(std::string(text)) {}
  Value(std::string_view text) : data(std::string(text)) {}
  Value(std::string text) : data(std::move(text)) {}
  Value(Array array) : data(std::move(array)) {}
  Value(Object object) : data(std::move(object)) {}

  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, std::string, Array, Object> data;
};

// RFC 3339, or null for 0: "never".
Value time_value(std::int64_t unix_seconds);

// One line of JSON without a line end. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(const Value& value);

// The JSON object with one more member at its end; unchanged when it is no JSON object.
std::string json_with(const std::string& object, const std::string& name, const std::string& text);

// One JSON object of several: arrays go on with the members of the next one's, all else is as the last says.
std::string json_joined(std::span<const std::string> objects);

}  // namespace mailstead::admin
