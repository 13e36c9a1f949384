#include "admin/commands/verify_wire.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocols/base64.h"

namespace mailstead::admin {
namespace {

using VerifyJson = nlohmann::ordered_json;

constexpr std::array kVerdicts{"sound", "noted", "amiss", "mended"};
constexpr std::array kThings{"message", "file", "totals", "queued", "queue file"};

Error bad_verify_wire() {
  return Error{ErrorKind::kInvalid, "the content of the request or answer is wrong"};
}

// The place of the word among these; what is none of them is an exception, as the library's own.
template <std::size_t kCount>
std::size_t place_among(const std::array<const char*, kCount>& words, const std::string& word) {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (word == words.at(i)) return i;
  }
  throw std::out_of_range(word);
}

std::string octets_in(const VerifyJson& json) {
  return base64::decode(json.get_ref<const std::string&>()).value();
}

Suspicion suspicion_in(const VerifyJson& json) {
  return {static_cast<Suspicion::Of>(place_among(kThings, json.at("of").get<std::string>())),
          json.at("mailbox").get<std::int64_t>(), json.at("row").get<std::int64_t>(),
          octets_in(json.at("path"))};
}

LearntHash learnt_in(const VerifyJson& json) {
  return {json.at("row").get<std::int64_t>(), json.at("size").get<std::uint64_t>(),
          ContentHash::of_octets(octets_in(json.at("hash")))};
}

// Exceptions of reading end here.
template <typename Value, typename Read>
Result<Value> read_json(std::string_view text, Read read) {
  const VerifyJson json = VerifyJson::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return bad_verify_wire();
  try {
    return read(json);
  } catch (const std::exception&) {
    return bad_verify_wire();
  }
}

}  // namespace

std::string encode_judge_request(const JudgeRequest& request) {
  VerifyJson suspicions = VerifyJson::array();
  for (const Suspicion& each : request.suspicions) {
    suspicions.push_back({{"of", kThings.at(static_cast<std::size_t>(each.of))},
                          {"mailbox", each.mailbox},
                          {"row", each.row},
                          {"path", base64::encode(each.path)}});
  }
  VerifyJson learnt = VerifyJson::array();
  for (const LearntHash& each : request.learnt) {
    learnt.push_back({{"row", each.row}, {"size", each.size}, {"hash", base64::encode(each.hash.octets())}});
  }
  return VerifyJson{{"mend", request.mend == Mend::kYes},
                    {"suspicions", std::move(suspicions)},
                    {"learnt", std::move(learnt)}}
      .dump();
}

Result<JudgeRequest> decode_judge_request(std::string_view text) {
  return read_json<JudgeRequest>(text, [](const VerifyJson& json) {
    JudgeRequest request;
    request.mend = json.at("mend").get<bool>() ? Mend::kYes : Mend::kNo;
    for (const VerifyJson& each : json.at("suspicions")) request.suspicions.push_back(suspicion_in(each));
    for (const VerifyJson& each : json.at("learnt")) request.learnt.push_back(learnt_in(each));
    return request;
  });
}

std::string encode_judgements(const std::vector<Judgement>& judgements) {
  VerifyJson json = VerifyJson::array();
  for (const Judgement& each : judgements) {
    json.push_back({{"verdict", kVerdicts.at(static_cast<std::size_t>(each.verdict))}, {"text", each.text}});
  }
  return json.dump(-1, ' ', false, VerifyJson::error_handler_t::replace);
}

Result<std::vector<Judgement>> decode_judgements(std::string_view text) {
  return read_json<std::vector<Judgement>>(text, [](const VerifyJson& json) {
    std::vector<Judgement> judgements;
    for (const VerifyJson& each : json) {
      judgements.push_back(
          {static_cast<Judgement::Verdict>(place_among(kVerdicts, each.at("verdict").get<std::string>())),
           each.at("text").get<std::string>()});
    }
    return judgements;
  });
}

}  // namespace mailstead::admin
