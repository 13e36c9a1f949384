#include "admin/transfer/transfer_wire.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "protocols/base64.h"

namespace mailstead::admin {
namespace {

using Wire = nlohmann::ordered_json;

Error bad_wire() {
  return Error{ErrorKind::kInvalid, "the content of the request or answer is wrong"};
}

Wire parse_wire(std::string_view text) {
  return Wire::parse(text.begin(), text.end(), nullptr, false);
}

// What goes wrong within is an exception of the library, which ends here.
template <typename Value, typename Read>
Result<std::vector<Value>> read_array(std::string_view text, Read read) {
  const Wire json = parse_wire(text);
  if (!json.is_array()) return bad_wire();
  std::vector<Value> values;
  try {
    for (const Wire& element : json) {
      if (!read(element, values.emplace_back())) return bad_wire();
    }
  } catch (const Wire::exception&) {
    return bad_wire();
  }
  return values;
}

bool take_octets(const Wire& json, std::string& into) {
  auto octets = base64::decode(json.get_ref<const std::string&>());
  if (octets) into = std::move(*octets);
  return octets.has_value();
}

constexpr const char* kOutcomes[] = {"new", "there", "unsure", "failed"};
constexpr std::string_view kKnownMarks = "01?";  // by WasImported

}  // namespace

std::string encode_octets(std::string_view octets) {
  return Wire(base64::encode(octets)).dump();
}

Result<std::string> decode_octets(std::string_view text) {
  const Wire json = parse_wire(text);
  std::string octets;
  if (!json.is_string() || !take_octets(json, octets)) return bad_wire();
  return octets;
}

std::string encode_questions(const std::vector<ImportQuestion>& questions) {
  Wire json = Wire::array();
  for (const ImportQuestion& question : questions) {
    Wire one{{"item", base64::encode(question.item)}};
    if (question.size) one["size"] = *question.size;
    if (question.hash.is_known()) one["hash"] = base64::encode(question.hash.octets());
    json.push_back(std::move(one));
  }
  return json.dump();
}

Result<std::vector<ImportQuestion>> decode_questions(std::string_view text) {
  return read_array<ImportQuestion>(text, [](const Wire& json, ImportQuestion& question) {
    if (!take_octets(json.at("item"), question.item)) return false;
    if (json.contains("size")) question.size = json.at("size").get<std::uint64_t>();
    if (!json.contains("hash")) return true;
    std::string octets;
    if (!take_octets(json.at("hash"), octets)) return false;
    question.hash = ContentHash::of_octets(octets);
    return question.hash.is_known();
  });
}

std::string encode_known(const std::vector<WasImported>& known) {
  std::string text = "\"";
  for (const WasImported each : known) text += kKnownMarks[static_cast<std::size_t>(each)];
  return text + '"';
}

std::optional<std::vector<WasImported>> decode_known(std::string_view text, std::size_t questions) {
  if (text.size() != questions + 2) return std::nullopt;
  std::vector<WasImported> known;
  for (const char mark : text.substr(1, questions)) {
    const std::size_t found = kKnownMarks.find(mark);
    if (found == std::string_view::npos) return std::nullopt;
    known.push_back(static_cast<WasImported>(found));
  }
  return known;
}

std::string encode_imports(const std::vector<ImportItem>& items) {
  Wire json = Wire::array();
  for (const ImportItem& item : items) {
    Wire one{{"item", base64::encode(item.item)}, {"uidl", item.uidl}, {"at", item.received_at}};
    if (item.token.empty()) {
      one["bytes"] = base64::encode(item.bytes);
    } else {
      one["token"] = item.token;
      one["size"] = item.size;
    }
    json.push_back(std::move(one));
  }
  return json.dump();
}

Result<std::vector<ImportItem>> decode_imports(std::string_view text) {
  return read_array<ImportItem>(text, [](const Wire& json, ImportItem& item) {
    if (!take_octets(json.at("item"), item.item)) return false;
    item.uidl = json.at("uidl").get<std::string>();
    item.received_at = json.at("at").get<std::int64_t>();
    if (json.contains("bytes")) return take_octets(json.at("bytes"), item.bytes);
    item.token = json.at("token").get<std::string>();
    item.size = json.at("size").get<std::uint64_t>();
    return !item.token.empty();
  });
}

std::string encode_answers(const std::vector<ImportAnswer>& answers) {
  Wire json = Wire::array();
  for (const ImportAnswer& answer : answers) {
    json.push_back({{"outcome", kOutcomes[static_cast<std::size_t>(answer.outcome)]},
                    {"uidl", answer.uidl},
                    {"error", answer.error}});
  }
  return json.dump(-1, ' ', false, Wire::error_handler_t::replace);
}

Result<std::vector<ImportAnswer>> decode_answers(std::string_view text) {
  return read_array<ImportAnswer>(text, [](const Wire& json, ImportAnswer& answer) {
    const auto outcome = json.at("outcome").get<std::string>();
    for (const auto each : {ImportAnswer::Outcome::kNew, ImportAnswer::Outcome::kThere,
                            ImportAnswer::Outcome::kUnsure, ImportAnswer::Outcome::kFailed}) {
      if (outcome != kOutcomes[static_cast<std::size_t>(each)]) continue;
      answer.outcome = each;
      answer.uidl = json.at("uidl").get<std::string>();
      answer.error = json.at("error").get<std::string>();
      return true;
    }
    return false;
  });
}

std::string encode_exports(const std::vector<ExportItem>& items) {
  Wire json = Wire::array();
  for (const ExportItem& item : items) {
    Wire one{{"key", item.entry.key},
             {"uidl", item.entry.uidl},
             {"size", item.entry.size},
             {"at", item.entry.received_at}};
    if (item.bytes) {
      one["bytes"] = base64::encode(*item.bytes);
    } else if (!item.error.empty()) {
      one["error"] = item.error;
    } else {
      one["large"] = true;
    }
    json.push_back(std::move(one));
  }
  return json.dump(-1, ' ', false, Wire::error_handler_t::replace);
}

Result<std::vector<ExportItem>> decode_exports(std::string_view text) {
  return read_array<ExportItem>(text, [](const Wire& json, ExportItem& item) {
    item.entry.key = json.at("key").get<std::int64_t>();
    item.entry.uidl = json.at("uidl").get<std::string>();
    item.entry.size = json.at("size").get<std::uint64_t>();
    item.entry.received_at = json.at("at").get<std::int64_t>();
    if (json.contains("error")) item.error = json.at("error").get<std::string>();
    if (!json.contains("bytes")) return true;
    return take_octets(json.at("bytes"), item.bytes.emplace());
  });
}

}  // namespace mailstead::admin
